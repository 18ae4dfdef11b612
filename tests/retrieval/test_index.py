from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import ChangeError, VectorError
from retrieval.index import Index, digest
from retrieval.passage import Change, Row
from retrieval.scope import EVERYTHING
from retrieval.text import tokens
from tests.fakes import HashingEmbedder

EMBEDDER = HashingEmbedder()
TEXTS = [
    "how to bake bread",
    "bread is baked at 200 degrees",
    "如何导入数据",
    "导入数据之前要备份",
    "tidb-lightning imports data",
    "the oven is hot",
    "how to bake bread",
    "",
]
QUERIES = ["bake bread", "导入数据", "oven", "tidb", "zebra", ""]


def row(id_: int, text: str) -> Row:
    return Row(id_, text, EMBEDDER.query(text))


def build(*rows: Row, seq: int = 0) -> Index:
    return Index.build(rows, seq=seq, fingerprint=EMBEDDER.fingerprint, dimension=EMBEDDER.dimension)


def everything(index: Index, allowed: frozenset[int] | None = None) -> list[object]:
    """Everything visible of an index: ids, and the results of each query, in order and with scores."""
    view = index.within(EVERYTHING)
    part = view.part(allowed=allowed)
    return [index.ids().tolist(), len(index), index.digests()] + [
        (
            view.dense(EMBEDDER.query(query), k, part),
            view.keyword(tokens(query), k, part),
        )
        for query in QUERIES
        for k in (1, 3, 100)
    ]


# A history: each step toggles some ids (live ones are hidden, others added with one of the texts), or compacts.
HISTORIES = st.lists(
    st.one_of(
        st.dictionaries(st.integers(-3, 9), st.sampled_from(TEXTS), max_size=6),
        st.just("compact"),
    ),
    max_size=12,
)


@settings(max_examples=80)
@given(HISTORIES, st.frozensets(st.integers(-3, 9)))
def test_index_after_any_history_equals_a_fresh_build(history: list[object], allowed: frozenset[int]) -> None:
    index, live = build(), {}
    for step in history:
        if not isinstance(step, dict):
            index = index.compacted()
            assert index.overlay == 0
            continue
        hidden = frozenset(step.keys() & live.keys())
        added = tuple(row(id_, text) for id_, text in step.items() if id_ not in hidden)
        index = index.apply(Change(index.seq + 1, added, hidden))
        live = {id_: text for id_, text in live.items() if id_ not in hidden} | {new.id: new.text for new in added}
    built = build(*(row(id_, text) for id_, text in live.items()), seq=index.seq)
    assert everything(index) == everything(built)
    assert everything(index, allowed) == everything(built, allowed)


@given(HISTORIES)
def test_compacted_index_equals_a_new_build_in_every_array(history: list[object]) -> None:
    index, live = build(), {}
    for step in [step for step in history if isinstance(step, dict)]:
        hidden = frozenset(step.keys() & live.keys())
        added = tuple(row(id_, text) for id_, text in step.items() if id_ not in hidden)
        index = index.apply(Change(index.seq + 1, added, hidden)).compacted()
        live = {id_: text for id_, text in live.items() if id_ not in hidden} | {new.id: new.text for new in added}
    compacted, other = index.sealed, build(*(row(id_, text) for id_, text in live.items())).sealed
    assert compacted.keywords.terms == other.keywords.terms
    assert compacted.labels == other.labels
    for name in ("ids", "digests", "codes"):
        assert np.array_equal(getattr(compacted, name), getattr(other, name))
    for name in ("starts", "ordinals", "counts", "lengths"):
        assert np.array_equal(getattr(compacted.keywords, name), getattr(other.keywords, name))
    assert np.array_equal(compacted.vectors.matrix, other.vectors.matrix)


def test_apply_leaves_the_old_index_as_it_was() -> None:
    index = build(row(1, TEXTS[0]), row(2, TEXTS[1]))
    before = everything(index)
    index.apply(Change(1, (row(3, TEXTS[2]),), frozenset({1})))
    assert everything(index) == before


def test_apply_of_many_steps_equals_applying_them_one_by_one() -> None:
    steps = [Change(1, (row(3, TEXTS[2]),)), Change(4, (), frozenset({1, 3})), Change(5, (row(3, TEXTS[2]),))]
    index = build(row(1, TEXTS[0]), row(2, TEXTS[1]))
    one_by_one = index
    for step in steps:
        one_by_one = one_by_one.apply(step)
    together = index.apply(*steps)
    assert (everything(together), together.seq) == (everything(one_by_one), 5)


def test_apply_of_a_rollback_restores_the_sealed_row() -> None:
    index = build(row(1, TEXTS[0]), row(2, TEXTS[1]))
    away = index.apply(Change(1, (), frozenset({1})))
    back = away.apply(Change(2, (row(1, TEXTS[0]),)))
    assert (away.overlay, back.overlay, everything(back)) == (1, 0, everything(index))


def test_apply_of_a_hidden_id_with_another_text_finds_the_new_text_only() -> None:
    index = build(row(1, "how to bake bread"), row(2, "the oven"))
    changed = index.apply(Change(1, (), frozenset({1}))).apply(Change(2, (row(1, "导入数据"),)))
    assert (
        changed.within(EVERYTHING).keyword(["bread"], 5),
        [id_ for id_, _ in changed.within(EVERYTHING).keyword(["导入"], 5)],
    ) == ([], [1])
    assert everything(changed) == everything(build(row(1, "导入数据"), row(2, "the oven"), seq=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Change(4, (), frozenset({1})), "older than the index"),
        (Change(6, (), frozenset({9})), "hides passage 9"),
        (Change(6, (row(1, "x"),)), "adds passage 1"),
        (Change(6, (row(3, "x"), row(3, "x"))), "adds passage 3"),
        (Change(6, (row(1, "x"),), frozenset({1})), "both adds and hides passage 1"),
    ],
)
def test_apply_refuses_a_step_that_does_not_fit(change: Change, message: str) -> None:
    with pytest.raises(ChangeError, match=message):
        build(row(1, TEXTS[0]), seq=5).apply(change)


@pytest.mark.parametrize(
    "vector",
    [np.zeros(64), np.full(64, np.nan), np.ones(64), np.eye(3)[0], np.eye(64)[:1]],
    ids=["zero", "nan", "long", "short", "matrix"],
)
def test_vectors_that_do_not_fit_are_refused(vector: np.ndarray) -> None:
    wrong = Row(1, "x", vector.astype(np.float32))
    with pytest.raises(VectorError, match="Passage 1"):
        build(wrong)
    with pytest.raises(VectorError, match="Passage 1"):
        build().apply(Change(1, (wrong,)))


def test_build_refuses_an_id_that_occurs_twice() -> None:
    with pytest.raises(ChangeError, match="twice"):
        build(row(1, "a"), row(1, "b"))


def test_dense_refuses_a_question_of_another_dimension() -> None:
    with pytest.raises(VectorError):
        build(row(1, "a")).within(EVERYTHING).dense(np.eye(3, dtype=np.float32)[0], 1)


def test_dense_finds_the_same_text_first_and_orders_copies_by_id() -> None:
    index = build(*(row(id_, TEXTS[0]) for id_ in (5, 3, 9))).apply(Change(1, (row(4, TEXTS[0]), row(1, TEXTS[1]))))
    assert index.within(EVERYTHING).dense(EMBEDDER.query(TEXTS[0]), 4) == [(3, 1.0), (4, 1.0), (5, 1.0), (9, 1.0)]


def test_index_contains_live_ids_only() -> None:
    index = build(row(1, "a"), row(2, "b")).apply(Change(1, (row(3, "c"),), frozenset({2})))
    assert [id_ in index for id_ in (1, 2, 3, 4)] == [True, False, True, False]


def test_digests_of_different_texts_differ() -> None:
    assert len({digest(Row(1, text, EMBEDDER.query(""))) for text in ("", "a", "A", "a\n", "\ud800")}) == 5
