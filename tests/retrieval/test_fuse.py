from __future__ import annotations

from retrieval.fuse import fuse


def test_fuse_adds_weighted_reciprocal_ranks() -> None:
    best = 1 / 61 + 0.5 / 61
    assert fuse([(1.0, [7, 8]), (0.5, [8, 9])], constant=60) == [
        (8, round((1 / 62 + 0.5 / 61) / best, 6)),
        (7, round((1 / 61) / best, 6)),
        (9, round((0.5 / 62) / best, 6)),
    ]


def test_fuse_gives_one_to_the_first_of_agreeing_rankings() -> None:
    assert fuse([(3.0, [5, 1]), (0.2, [5, 1])])[0] == (5, 1.0)


def test_fuse_orders_equal_scores_by_id() -> None:
    assert [id_ for id_, _ in fuse([(1.0, [9]), (1.0, [3])])] == [3, 9]


def test_fuse_without_rankings_is_empty() -> None:
    assert fuse([]) == []
    assert fuse([(1.0, []), (0.5, [])]) == []
