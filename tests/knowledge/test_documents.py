"""Documents: versions are composed, installed if nothing changed meanwhile, and settled as one step of the log."""

from __future__ import annotations

import numpy as np
import pytest
import sqlalchemy as sa

from knowledge import documents, put, versions
from knowledge.composition import Replacement
from knowledge.errors import Invalid, NotFound, Stale
from knowledge.put import NewDocument, Stored
from knowledge.tables import Embedding, LogStep, PassageRow
from knowledge.versions import Content
from retrieval.scope import EVERYTHING
from tests.knowledge.world import World, assert_index_follows

RETURNS = "# Returns\n\nGoods may be returned within 14 days.\n\n# Refunds\n\nMoney comes back within 5 days."


def log(world: World) -> list[tuple[str, str | None]]:
    with world.database.read() as session:
        return [(entry.action, entry.document_id) for entry in session.scalars(sa.select(LogStep).order_by("seq"))]


def ids(world: World, document_id: str, version: int) -> list[int]:
    with world.database.read() as session:
        query = sa.select(PassageRow.id).where(PassageRow.document_id == document_id, PassageRow.version == version)
        return list(session.scalars(query.order_by(PassageRow.position)))


def new(document_id: str, text: str) -> NewDocument:
    return NewDocument(document_id, Content(document_id, text))


def test_put_makes_a_document_searchable(world: World) -> None:
    assert world.put("returns", RETURNS) == Stored("returns", 1, changed=True)
    assert world.live() == {"returns": ["Goods may be returned within 14 days.", "Money comes back within 5 days."]}
    hit = world.searcher.search("returned within 14 days", scope=EVERYTHING).hits[0].passage
    assert (hit.document_id, hit.version, hit.position, hit.headings) == ("returns", 1, 0, ("Returns",))
    assert log(world) == [("put", "returns")]
    assert_index_follows(world)


def test_put_of_the_same_text_does_nothing(world: World) -> None:
    world.put("returns", RETURNS)
    before = world.rows(), world.embedder.embedded
    assert world.put("returns", RETURNS) == Stored("returns", 1, changed=False)
    assert (world.rows(), world.embedder.embedded) == before


def test_put_ignores_how_lines_end(world: World) -> None:
    world.put("returns", RETURNS)
    assert world.put("returns", RETURNS.replace("\n", "\r\n")) == Stored("returns", 1, changed=False)


@pytest.mark.parametrize(
    "content",
    [
        Content("returns", RETURNS.replace("14", "30")),
        Content("Returns and refunds", RETURNS),
        Content("returns", RETURNS, "https://example.org/returns"),
        Content("returns", RETURNS, None, {"country": "NL"}),
    ],
    ids=["text", "title", "url", "details"],
)
def test_put_of_another_content_is_a_new_version(world: World, content: Content) -> None:
    world.put("returns", RETURNS)
    first = world.searcher.refresh().ids().tolist()
    (stored,) = put.put(world.database, world.embedder, [NewDocument("returns", content)], actor="ann")
    assert stored == Stored("returns", 2, changed=True)
    second = world.searcher.refresh().ids().tolist()
    assert (len(first), len(second), set(first) & set(second)) == (2, 2, set())
    assert log(world) == [("put", "returns"), ("put", "returns")]
    assert_index_follows(world)


def test_put_embeds_only_text_that_is_new(world: World) -> None:
    world.put("returns", RETURNS)
    assert world.embedder.embedded == 2
    world.put("returns", RETURNS.replace("5 days", "7 days"))
    assert world.embedder.embedded == 3  # the first passage has the same title, headings and text as before
    world.put("copy", RETURNS, title="returns")
    assert world.embedder.embedded == 3  # all of it was embedded before, though not all of it is live now
    with world.database.read() as session:
        query = sa.select(Embedding.vector).join(PassageRow, PassageRow.id == Embedding.passage_id)
        vectors = session.scalars(query.where(PassageRow.text == "Goods may be returned within 14 days.")).all()
    assert (len(vectors), len(set(vectors))) == (3, 1)


def test_vectors_are_stored_as_the_embedder_gave_them(world: World) -> None:
    world.put("returns", RETURNS)
    with world.database.read() as session:
        stored = [
            np.frombuffer(blob, "<f4") for blob in session.scalars(sa.select(Embedding.vector).order_by("passage_id"))
        ]
    vectors = world.embedder.passages(
        [
            "returns › Returns\nGoods may be returned within 14 days.",
            "returns › Refunds\nMoney comes back within 5 days.",
        ]
    )
    assert [vector.tolist() for vector in stored] == vectors.tolist()


def test_several_documents_in_one_call_are_all_stored_or_none(world: World) -> None:
    stored = put.put(world.database, world.embedder, [new("a", "Apples."), new("b", "Bees.")], actor="ann")
    assert stored == [Stored("a", 1, changed=True), Stored("b", 1, changed=True)]
    before = world.rows()
    with pytest.raises(Invalid):
        put.put(world.database, world.embedder, [new("a", "Apricots."), new("c", " ")], actor="ann")
    assert world.rows() == before


def test_the_same_document_twice_in_one_call_is_refused(world: World) -> None:
    with pytest.raises(Invalid, match="'a' is given twice"):
        put.put(world.database, world.embedder, [new("a", "Apples."), new("a", "Apricots.")], actor="ann")
    assert world.live() == {}


def test_remove_hides_and_put_brings_the_same_passages_back(world: World) -> None:
    world.put("returns", RETURNS)
    before = world.results(["returned", "money"]), world.source.ids()
    assert world.remove("returns") == 2
    assert (world.live(), world.source.ids(), world.results(["money"])) == ({}, [], [[]])
    assert_index_follows(world)
    embedded = world.embedder.embedded
    assert world.put("returns", RETURNS) == Stored("returns", 1, changed=True)
    assert (world.results(["returned", "money"]), world.source.ids()) == before
    assert world.embedder.embedded == embedded + 2  # the two questions; no passage again
    assert_index_follows(world)


def test_remove_and_put_of_another_text(world: World) -> None:
    world.put("returns", RETURNS)
    world.remove("returns")
    world.put("returns", "Nothing may be returned.")
    assert world.live() == {"returns": ["Nothing may be returned."]}


def test_remove_refuses_a_document_that_does_not_exist(world: World) -> None:
    with pytest.raises(NotFound, match="no document 'returns'"):
        world.remove("returns")
    world.put("returns", RETURNS)
    world.remove("returns")
    with pytest.raises(NotFound):
        world.remove("returns")


@pytest.mark.parametrize(
    ("document_id", "title", "text"),
    [
        ("", "t", "text"),
        ("i" * (versions.MAX_ID + 1), "t", "text"),
        ("a\nb", "t", "text"),
        ("erratum-7", "t", "text"),
        ("d", "t" * (versions.MAX_TITLE + 1), "text"),
        ("d", "t", " \n\t"),
        ("d", "t", "half a character \ud83d"),
        ("d", "t\udc00", "text"),
        ("d", "t", "x" * (versions.MAX_TEXT + 1)),
    ],
    ids=["no-id", "long-id", "control-id", "erratum-id", "long-title", "blank", "surrogate", "title", "long-text"],
)
def test_put_refuses_a_document_that_is_not_valid(world: World, document_id: str, title: str, text: str) -> None:
    with pytest.raises(Invalid):
        world.put(document_id, text, title=title or "t")
    assert world.rows()["documents"] == []


def test_plan_refuses_an_unknown_document(world: World) -> None:
    with world.database.read() as session, pytest.raises(NotFound, match="no document 'x'"):
        versions.plan(session, "x")


@pytest.mark.parametrize(("find", "says"), [("15 days", "do not occur"), ("within", "occur 2 times")])
def test_plan_refuses_a_replacement_that_does_not_fit(world: World, find: str, says: str) -> None:
    world.put("returns", RETURNS)
    with world.database.read() as session, pytest.raises(Invalid, match=says):
        versions.plan(session, "returns", add=[Replacement(find, "x")])


def test_plan_refuses_to_edit_all_text_away(world: World) -> None:
    world.put("note", "Gone.")
    with world.database.read() as session, pytest.raises(Invalid, match="supersede"):
        versions.plan(session, "note", add=[Replacement("Gone.", " ")])


def test_install_refuses_a_plan_after_another_put_changed_the_document(world: World) -> None:
    world.put("returns", RETURNS)
    with world.database.read() as session:
        slow = versions.plan(session, "returns", base=Content("returns", "Slow."))
        (slow,) = versions.embed(session, [slow], world.embedder)
    world.put("returns", "Fast.")
    with pytest.raises(Stale, match="changed by somebody else"), world.database.write() as session:
        documents.install(session, slow, fingerprint=world.embedder.fingerprint, actor="bob")
    assert world.live() == {"returns": ["Fast."]}


def test_install_refuses_a_plan_for_a_document_that_was_removed_meanwhile(world: World) -> None:
    world.put("returns", RETURNS)
    with world.database.read() as session:
        slow = versions.plan(session, "returns", base=Content("returns", "Slow."))
        (slow,) = versions.embed(session, [slow], world.embedder)
    world.remove("returns")
    with pytest.raises(Stale), world.database.write() as session:
        documents.install(session, slow, fingerprint=world.embedder.fingerprint, actor="bob")
    assert world.live() == {}


def test_install_refuses_a_plan_when_a_correction_edited_the_document_meanwhile(world: World) -> None:
    world.put("returns", RETURNS)
    with world.database.read() as session:
        slow = versions.plan(session, "returns", base=Content("returns", RETURNS + " Always."))
        (slow,) = versions.embed(session, [slow], world.embedder)
    world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    with pytest.raises(Stale), world.database.write() as session:
        documents.install(session, slow, fingerprint=world.embedder.fingerprint, actor="bob")


def test_put_plans_again_when_another_put_changed_the_document_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("returns", RETURNS)
    embed = world.embedder.passages
    others = iter(["Fast.", "Faster."])

    def interrupted(texts: list[str]) -> object:
        monkeypatch.setattr(world.embedder, "passages", embed)
        if text := next(others, None):
            world.put("returns", text)
            monkeypatch.setattr(world.embedder, "passages", interrupted)
        return embed(texts)

    monkeypatch.setattr(world.embedder, "passages", interrupted)
    world.put("returns", "Slow.")
    assert world.live() == {"returns": ["Slow."]}
    assert [action for action, _ in log(world)] == ["put"] * 4


def test_settle_writes_nothing_when_readers_see_no_difference(world: World) -> None:
    world.put("returns", RETURNS)
    with world.database.write() as session:
        assert documents.settle(session, ["returns", "unknown"], action="put", actor="ann") is None
    assert log(world) == [("put", "returns")]


def test_a_new_text_keeps_the_edits_that_still_fit(world: World) -> None:
    world.put("returns", RETURNS)
    world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    world.put("returns", RETURNS.replace("5 days", "7 days"))
    assert world.live()["returns"] == ["Goods may be returned within 30 days.", "Money comes back within 7 days."]
    assert_index_follows(world)


def test_a_large_document_is_one_step_of_the_log(world: World) -> None:
    world.put("book", "\n\n".join(f"# Chapter {n}\n\nThis is chapter {n}." for n in range(600)))
    assert (len(world.source.ids()), log(world)) == (600, [("put", "book")])
    world.remove("book")
    assert (len(world.source.ids()), len(world.searcher.refresh())) == (0, 0)
    assert ids(world, "book", 1) == list(range(1, 601))
