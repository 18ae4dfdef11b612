"""The log as retrieval reads it: every change is followed, at one sequence number, whoever writes meanwhile."""

from __future__ import annotations

import pytest

from knowledge import put
from knowledge.documents import Content
from knowledge.log import KnowledgeLog, NotEmbedded, head
from knowledge.put import NewDocument
from retrieval.scope import EVERYTHING
from tests.fakes import HashingEmbedder
from tests.knowledge.world import RETURNS, World, assert_index_follows
from tests.statements import statements


def test_an_empty_log_has_nothing(world: World) -> None:
    seq, rows = world.source.rows()
    assert (world.source.head(), seq, list(rows), world.source.changes(0), world.source.ids()) == (0, 0, [], [], [])
    assert world.searcher.search("anything", scope=EVERYTHING).hits == ()
    assert world.searcher.check().ok


def test_the_index_follows_every_change(world: World) -> None:
    assert_index_follows(world)
    world.put("returns", RETURNS)
    assert_index_follows(world)
    world.put("returns", RETURNS.replace("14", "15"))
    assert_index_follows(world)
    edits = [world.edit("returns", "15 days", "30 days")]
    correction_id = world.publish("How long?", "30 days.", edits=edits)
    assert_index_follows(world)
    world.curation.rollback(correction_id, actor="ann")
    assert_index_follows(world)
    world.remove("returns")
    assert_index_follows(world)
    world.put("returns", "New.")
    assert_index_follows(world)


def test_changes_list_the_passages_that_came_and_went(world: World) -> None:
    world.put("returns", RETURNS)
    world.put("returns", RETURNS.replace("14", "15"))
    world.remove("returns")
    changes = [
        (change.seq, [row.id for row in change.added], sorted(change.hidden)) for change in world.source.changes(0)
    ]
    assert changes == [(1, [1, 2], []), (2, [3, 4], [1, 2]), (3, [], [3, 4])]
    assert [change.seq for change in world.source.changes(2)] == [3]
    row = world.source.changes(0)[0].added[0]
    assert row.text == "returns › Returns\nGoods may be returned within 14 days."
    assert row.vector.tolist() == world.embedder.passages([row.text])[0].tolist()


def test_rows_are_those_of_one_moment_though_another_writes(world: World) -> None:
    world.put("returns", RETURNS)
    world.put("shipping", "3 days.")
    seq, rows = world.source.rows()
    stream = iter(rows)
    world.remove("returns")
    first = next(stream)
    world.put("later", "Later.")
    world.remove("shipping")
    assert (seq, [first.id, *(row.id for row in stream)]) == (2, [1, 2, 3])
    assert (world.source.rows()[0], [row.id for row in world.source.rows()[1]]) == (5, [4])


def test_another_index_of_the_same_log_finds_the_same(world: World) -> None:
    world.put("returns", RETURNS)
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    other = World(world.path)
    assert other.seen() == world.seen()
    world.curation.rollback(correction_id, actor="ann")
    assert other.seen() == world.seen()
    other.put("returns", "Anew.")
    assert other.seen() == world.seen()
    other.close()


def test_passages_are_given_live_or_not(world: World) -> None:
    world.put("returns", RETURNS, url="https://example.org/returns")
    world.remove("returns")
    passages = world.source.passages([2, 1, 99])
    assert {id_: (passage.text, passage.headings, passage.url, passage.title) for id_, passage in passages.items()} == {
        1: ("Goods may be returned within 14 days.", ("Returns",), "https://example.org/returns", "returns"),
        2: ("Money comes back within 5 days.", ("Refunds",), "https://example.org/returns", "returns"),
    }


def test_select_finds_passages_by_properties_of_their_documents(world: World) -> None:
    world.put("en", "Goods may be returned.", details={"country": "NL"})
    world.put("zh", "商品可以退货。", details={"country": "CN"})
    world.publish("How long?", "30 days.")
    select = world.source.select
    assert select({}) == {1, 2, 3}
    assert select({"country": "NL"}) == {1}
    assert select({"kind": "erratum"}) == {3}
    assert select({"source": "api", "document_id": "zh"}) == {2}
    assert select({"no such": "x"}) == frozenset()
    world.remove("en")
    assert select({}) == {2, 3}


@pytest.mark.parametrize("key", ["a'b", "a.b", "$", "a]b", "", "ключ", "x" * 5000])
def test_select_takes_any_name_of_a_detail(world: World, key: str) -> None:
    world.put("one", "One.", details={key: "yes", "other": "no"})
    assert world.source.select({key: "yes"}) == {1}
    assert world.source.select({key: "no"}) == frozenset()


@pytest.mark.parametrize("key", ['a"b', "\\", "a\x00b", "a\nb", "\ud800"])
def test_select_finds_nothing_by_a_name_that_cannot_be_asked_for(world: World, key: str) -> None:
    world.put("one", "One.", details={key: "yes"})
    assert world.source.select({key: "yes"}) == frozenset()


def test_another_model_needs_its_own_vectors(world: World) -> None:
    world.put("returns", RETURNS)
    other = KnowledgeLog(world.database, HashingEmbedder(fingerprint="hashing-2").fingerprint)
    with pytest.raises(NotEmbedded, match="Run: errata reindex"):
        other.changes(0)
    with pytest.raises(NotEmbedded):
        list(other.rows()[1])


def test_head_is_the_newest_step_of_the_same_view(world: World) -> None:
    world.put("a", "A.")
    with world.database.read() as session:
        before = head(session)
        world.put("b", "B.")
        assert (before, head(session)) == (1, 1)
    assert world.source.head() == 2


def many(world: World, count: int, *, at_once: int) -> None:
    """Puts documents of one passage each in, so many with each call."""
    for start in range(0, count, at_once):
        new = [
            NewDocument(f"d{number}", Content(f"D{number}", f"Document {number} says so."))
            for number in range(start, min(start + at_once, count))
        ]
        put.put(world.database, world.embedder, new, actor="ann")


@pytest.mark.parametrize(("documents", "at_once"), [(1, 1), (40, 1), (600, 300)])
def test_catching_up_reads_all_steps_in_one_statement(world: World, documents: int, at_once: int) -> None:
    world.searcher.refresh()
    many(world, documents, at_once=at_once)
    with statements(world.database) as seen:
        assert len(world.searcher.refresh()) == documents
    assert len(seen) == 3  # the newest step before and after, the changes between them
    assert_index_follows(world)


def test_building_the_index_reads_all_rows_in_one_statement(world: World) -> None:
    many(world, 600, at_once=600)
    with statements(world.database) as seen:
        assert len(world.built()) == 600
    assert len(seen) == 2  # the newest step, the rows


def test_all_documents_of_one_put_are_one_step_of_the_log(world: World) -> None:
    many(world, 5, at_once=5)
    assert world.source.head() == 1
    (change,) = world.source.changes(0)
    assert [row.text for row in change.added] == [f"D{number}\nDocument {number} says so." for number in range(5)]
    world.put("d3", "Another text.")
    many(world, 7, at_once=7)  # d3 says again what it said; two are new
    assert world.source.head() == 3
    assert (len(world.source.changes(2)[0].added), len(world.source.changes(2)[0].hidden)) == (3, 1)
    many(world, 7, at_once=7)
    assert world.source.head() == 3  # nothing new, no step
    assert_index_follows(world)


def test_a_step_of_one_document_names_it_and_a_step_of_several_names_none(world: World) -> None:
    world.put("one", "One.")
    many(world, 2, at_once=2)
    assert [row["document_id"] for row in world.rows("log")["log"]] == ["one", None]
