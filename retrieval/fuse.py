"""Combines several rankings into one. Knows nothing about the things that are ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# How fast the value of a rank falls. Cormack, Clarke and Büttcher (SIGIR 2009) use 60, for many rankings of similar
# quality. With two rankings of which one is much better, 10 lets the better one's first places count: retrieval.search.
RANK_CONSTANT = 10


def fuse(rankings: Sequence[tuple[float, Sequence[int]]], *, constant: int = RANK_CONSTANT) -> list[tuple[int, float]]:
    """Weighted reciprocal rank fusion. Takes (weight, ids best first) of each ranking; returns (id, score) best first.

    Equal scores are ordered by id. The score of an id is the sum of ``weight / (constant + rank)`` over the rankings
    that have it, with ranks from 1, divided by the score of an id that is first in every ranking: between 0 and 1, the
    same scale for any weights.
    """
    best = sum(weight / (constant + 1) for weight, _ in rankings)
    scores: dict[int, float] = {}
    for weight, ids in rankings:
        for rank, id_ in enumerate(ids, start=1):
            scores[id_] = scores.get(id_, 0.0) + weight / (constant + rank)
    fused = [(id_, round(score / best, 6)) for id_, score in scores.items()]
    return sorted(fused, key=lambda item: (-item[1], item[0]))
