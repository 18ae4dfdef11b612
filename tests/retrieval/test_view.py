"""A view of an index gives the same results and scores as an index of only the rows inside its scope."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.index import Index
from retrieval.passage import Change, Row
from retrieval.scope import EVERYTHING, Scope
from retrieval.text import tokens
from tests.fakes import HashingEmbedder

EMBEDDER = HashingEmbedder()
TEXTS = ["how to bake bread", "bread is baked at 200 degrees", "如何导入数据", "the oven is hot", "oven oven oven", ""]
QUERIES = ["bake bread", "导入数据", "oven", "zebra", ""]
COLLECTIONS = ["main", "sales", "保密"]
SCOPES = [EVERYTHING, Scope.of(), Scope.of("nobody's"), *map(Scope.of, COLLECTIONS), Scope.of("main", "保密")]

Labelled = tuple[str, str, str]  # text, collection, language
LABELLED = st.tuples(st.sampled_from(TEXTS), st.sampled_from(COLLECTIONS), st.sampled_from(["en", "zh", "fr"]))
HISTORIES = st.lists(
    st.one_of(st.dictionaries(st.integers(-3, 9), LABELLED, max_size=6), st.just("compact")), max_size=10
)


def row(id_: int, text: str, collection: str = "main", language: str = "en") -> Row:
    return Row(id_, text, EMBEDDER.query(text), collection, language)


def build(*rows: Row, seq: int = 0) -> Index:
    return Index.build(rows, seq=seq, fingerprint=EMBEDDER.fingerprint, dimension=EMBEDDER.dimension)


def everything(index: Index, scope: Scope, language: str | None = None) -> list[object]:
    """All results that questions can get."""
    view = index.within(scope)
    part = view.part(language=language)
    words = [word for query in QUERIES for word in tokens(query)]
    return [len(view), view.rarity(words)] + [
        (view.dense(EMBEDDER.query(query), k, part), view.keyword(tokens(query), k, part))
        for query in QUERIES
        for k in (1, 3, 100)
    ]


@settings(max_examples=60, deadline=None)
@given(HISTORIES)
def test_a_view_after_any_history_equals_an_index_of_the_rows_inside(history: list[object]) -> None:
    index = build()
    live: dict[int, Labelled] = {}
    for step in history:
        if not isinstance(step, dict):
            index = index.compacted()
            continue
        hidden = frozenset(step.keys() & live.keys())
        added = {id_: labelled for id_, labelled in step.items() if id_ not in hidden}
        index = index.apply(
            Change(index.seq + 1, tuple(row(id_, *labelled) for id_, labelled in added.items()), hidden)
        )
        live = {id_: labelled for id_, labelled in live.items() if id_ not in hidden} | added
    for scope in SCOPES:
        inside = [
            row(id_, *labelled) for id_, labelled in live.items() if scope.collections is None or labelled[1] in scope
        ]
        assert everything(index, scope) == everything(build(*inside), EVERYTHING)


def test_rows_outside_would_change_the_scores_if_they_counted() -> None:
    """Shows that the test above would fail if rows outside counted."""
    inside, outside = [row(1, "the oven is hot"), row(2, "bread")], row(3, "oven oven oven", "sales")
    alone, beside = build(*inside).within(EVERYTHING), build(*inside, outside).within(EVERYTHING)
    assert alone.keyword(["oven"], 5)[0][1] != dict(beside.keyword(["oven"], 5))[1]
    assert alone.rarity(["oven"]) != beside.rarity(["oven"])


def test_a_scope_that_covers_everything_costs_nothing() -> None:
    index = build(row(1, "bread"), row(2, "oven", "sales"))
    whole = index.within(EVERYTHING)
    assert index.within(Scope.of("main", "sales", "none")) is whole
    assert whole._live is None


def test_a_view_is_made_once_for_each_set_of_collections() -> None:
    index = build(row(1, "bread"), row(2, "oven", "sales"), row(3, "butter", "保密"))
    assert index.within(Scope.of("sales")) is index.within(Scope.of("sales", "none"))
    assert index.within(Scope.of("sales")) is not index.within(Scope.of("main"))


def test_the_views_of_an_index_are_bounded() -> None:
    index = build(*(row(number, "bread", f"c{number}") for number in range(200)))
    for number in range(200):
        assert [id_ for id_, _ in index.within(Scope.of(f"c{number}")).keyword(["bread"], 5)] == [number]
    assert len(index._views) <= 64


@pytest.mark.parametrize("compacted", [False, True])
def test_a_language_restricts_what_is_found_and_leaves_the_statistics(compacted: bool) -> None:
    index = build(row(1, "oven bread"), row(2, "oven", language="fr")).apply(
        Change(1, (row(3, "oven", "sales", "fr"), row(4, "bread oven", language="fr")))
    )
    view = (index.compacted() if compacted else index).within(Scope.of("main"))
    whole = dict(view.keyword(["oven"], 9))
    assert dict(view.keyword(["oven"], 9, view.part(language="fr"))) == {id_: whole[id_] for id_ in (2, 4)}
    assert [id_ for id_, _ in view.dense(EMBEDDER.query("oven"), 9, view.part(language="fr"))] == [2, 4]
    assert view.keyword(["oven"], 9, view.part(language="de")) == []


def test_a_row_that_comes_back_in_another_collection_is_found_there_only() -> None:
    old = row(1, "bread")
    index = build(old, row(2, "oven")).apply(Change(1, (), frozenset({1})))
    index = index.apply(Change(2, (replace(old, collection="sales"),)))
    for version in (index, index.compacted()):
        assert version.within(Scope.of("main")).keyword(["bread"], 5) == []
        assert [id_ for id_, _ in version.within(Scope.of("sales")).keyword(["bread"], 5)] == [1]


def test_collection_and_language_of_a_row_are_compared_with_its_source() -> None:
    digests = build(row(1, "bread")).digests()
    assert digests != build(row(1, "bread", "sales")).digests()
    assert digests != build(row(1, "bread", language="fr")).digests()
