"""Taking a publication back: readers see exactly the same as before it, whatever happened in between."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from knowledge.correcting import corrections, matching, publish
from knowledge.errors import Conflict, Stale
from knowledge.tables import Document, Golden, Job
from retrieval.scope import EVERYTHING
from tests.knowledge.world import RETURNS, SHIPPING, World, assert_index_follows


@pytest.fixture(autouse=True)
def documents(world: World) -> None:
    world.put("returns", RETURNS)
    world.put("shipping", SHIPPING)


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"edits": [("returns", "14 days", "30 days")]},
        {"edits": [("returns", "14 days", "30 days"), ("shipping", "3 days", "2 days")]},
        {"supersedes": [{"document_id": "returns"}]},
        {"supersedes": [{"document_id": "returns", "passage": "Money comes back within 5 days."}]},
        {"edits": [("returns", "14 days", "30 days")], "supersedes": [{"document_id": "returns"}]},
    ],
    ids=["answer", "edit", "edits", "document", "passage", "both"],
)
def test_rollback_restores_what_readers_saw(world: World, parts: dict[str, Any]) -> None:
    if "edits" in parts:
        parts = parts | {"edits": [world.edit(*words) for words in parts["edits"]]}
    before = world.seen()
    correction_id = world.publish("How long may goods be returned?", "30 days.", **parts)
    assert world.seen() != before
    item = world.curation.rollback(correction_id, actor="bob", reason="was right")
    assert (item["state"], item["live"], item["published"], item["recheck"]) == ("rolled_back", False, None, None)
    assert world.seen() == before
    assert_index_follows(world)
    with world.database.read() as session:
        assert session.scalars(sa.select(Golden.active)).all() == [False]
        assert session.scalars(sa.select(Job.state)).all() == ["failed"]
        assert session.get_one(Document, "erratum-1").retired_at is not None


def test_rollback_of_stacked_edits_in_either_order(world: World) -> None:
    before = world.seen()
    first = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    middle = world.seen()
    second = world.publish("When money?", "7 days.", edits=[world.edit("returns", "5 days", "7 days")])
    world.curation.rollback(second, actor="ann")
    assert world.seen() == middle
    world.curation.rollback(first, actor="ann")
    assert world.seen() == before
    world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    world.publish("When money?", "7 days.", edits=[world.edit("returns", "5 days", "7 days")])
    world.curation.rollback(3, actor="ann")
    assert world.live()["returns"] == ["Goods may be returned within 14 days.", "Money comes back within 7 days."]
    world.curation.rollback(4, actor="ann")
    assert world.seen() == before
    assert_index_follows(world)


def test_rollback_refuses_when_another_correction_edited_its_words(world: World) -> None:
    first = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    second = world.publish("How long now?", "A month.", edits=[world.edit("returns", "30 days", "a month")])
    before = world.rows()
    with pytest.raises(Conflict, match=f"Correction {second} changed words that this one wrote in 'returns'"):
        world.curation.rollback(first, actor="ann")
    assert world.rows() == before
    world.curation.rollback(second, actor="ann")
    world.curation.rollback(first, actor="ann")
    assert world.live()["returns"][0] == "Goods may be returned within 14 days."


def test_rollback_refuses_a_revision_that_is_not_the_newest(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.")
    with pytest.raises(Stale):
        world.curation.rollback(correction_id, actor="ann", revision=1)
    assert world.state(correction_id) == ("approved", True)


def test_rollback_changes_nothing_when_a_put_changed_the_document_first(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    with world.database.read() as session:
        plans = publish.prepare_rollback(session, corrections.get(session, correction_id, EVERYTHING), world.embedder)
    world.put("returns", RETURNS.replace("5 days", "7 days"))
    before = world.rows()
    with pytest.raises(Stale), world.database.write() as session:
        correction = corrections.get(session, correction_id, EVERYTHING)
        publish.rollback(session, correction, plans, fingerprint=world.embedder.fingerprint, actor="ann")
    assert world.rows() == before
    world.curation.rollback(correction_id, actor="ann")
    assert world.live()["returns"] == ["Goods may be returned within 14 days.", "Money comes back within 7 days."]


def test_rollback_of_an_edit_that_the_source_lost_beside_a_supersession(world: World) -> None:
    passage = "Money comes back within 5 days."
    correction_id = world.publish(
        "How long?",
        "30 days.",
        edits=[world.edit("returns", "14 days", "30 days")],
        supersedes=[{"document_id": "returns", "passage": passage}],
    )
    world.put("returns", RETURNS.replace("14 days", "15 days"))
    assert world.live()["returns"] == ["Goods may be returned within 15 days."]
    world.curation.rollback(correction_id, actor="ann")
    assert world.live()["returns"] == ["Goods may be returned within 15 days.", passage]
    assert_index_follows(world)


def test_a_document_that_returns_after_a_rollback_has_no_edits(world: World) -> None:
    before = world.seen()
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    world.remove("returns")
    world.curation.rollback(correction_id, actor="ann")
    assert "returns" not in world.live()
    world.put("returns", RETURNS)
    assert world.seen() == before


def test_a_document_that_returns_while_a_correction_is_published_has_its_edits(world: World) -> None:
    world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    before = world.seen()
    world.remove("returns")
    world.put("returns", RETURNS)
    assert world.seen() == before


# Publications that replaced one of the same correction


FIRST = {
    "nothing": {},
    "an edit": {"edits": [("returns", "14 days", "30 days")]},
    "a passage": {"supersedes": [{"document_id": "returns", "passage": "Money comes back within 5 days."}]},
    "a document": {"supersedes": [{"document_id": "shipping"}]},
    "both": {"edits": [("shipping", "3 days", "2 days")], "supersedes": [{"document_id": "returns"}]},
}  # fmt: skip
SECOND = {
    "nothing": {},
    "the same edit": {"edits": [("returns", "14 days", "30 days")]},
    "another edit": {"edits": [("returns", "within 14 days", "always")]},
    "an edit elsewhere": {"edits": [("shipping", "Parcels", "Letters")]},
    "a document": {"supersedes": [{"document_id": "returns"}]},
}


def publish_anew(world: World, correction_id: int, answer: str, **parts: Any) -> None:
    """The correction comes back, gets another draft, and is approved once more."""
    if world.state(correction_id)[0] != "reopened":
        world.curation.reopen(correction_id, actor="ann")
    if "edits" in parts:
        parts = parts | {"edits": [world.edit(*words) for words in parts["edits"]]}
    world.curation.draft(
        correction_id, {"answer": answer, "edits": [], "supersedes": [], "paraphrases": [], **parts}, actor="ann"
    )
    world.curation.approve(correction_id, actor="ann")


def present_state(world: World) -> dict[str, Any]:
    """The present state: the live entry, its active parts and the documents."""
    rows = world.rows("entries", "edits", "supersessions", "golden", "documents")
    active = {
        name: [row for row in stored if row.get("active", row.get("live", True))] for name, stored in rows.items()
    }
    return active | {"served": served(world, "How long?"), "other": served(world, "Until when?")}


def served(world: World, question: str) -> str | None:
    with world.database.read() as session:
        result = matching.match(session, question, EVERYTHING, now=datetime.now(UTC))
    return result.answer if result else None


@pytest.mark.parametrize("second", SECOND.values(), ids=SECOND)
@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST)
def test_rollback_of_a_second_publication_brings_back_the_first(
    world: World, first: dict[str, Any], second: dict[str, Any]
) -> None:
    parts = first | {"edits": [world.edit(*words) for words in first.get("edits", ())]}
    correction_id = world.publish("How long?", "30 days.", paraphrases=["Until when?"], **parts)
    world.curation.reopen(correction_id, actor="ann")
    before = world.seen(), present_state(world)
    publish_anew(world, correction_id, "31 days.", **second)
    assert served(world, "How long?") == "31 days."
    item = world.curation.rollback(correction_id, actor="ann", reason="was right")
    assert (world.seen(), present_state(world)) == before
    assert_index_follows(world)
    assert (item["state"], item["live"], item["published"]["answer"]) == ("reopened", True, "30 days.")
    assert [(event["action"], event["to"], event["reason"]) for event in item["history"][-2:]] == [
        ("rollback", "rolled_back", "was right"),
        ("reopen", "reopened", "what was published before it is published again"),
    ]


def test_rollback_after_rollback_goes_back_one_publication_at_a_time(world: World) -> None:
    edits = [("returns", "14 days", "30 days")]
    states = [world.seen()]
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit(*words) for words in edits])
    states.append(world.seen())
    publish_anew(world, correction_id, "31 days.", edits=[("returns", "14 days", "31 days")])
    states.append(world.seen())
    publish_anew(world, correction_id, "32 days.", supersedes=[{"document_id": "returns"}])
    while states:
        world.curation.rollback(correction_id, actor="ann")
        assert world.seen() == states.pop()
    assert world.state(correction_id) == ("rolled_back", False)


def test_rollback_of_the_same_published_twice_goes_back_to_before_both(world: World) -> None:
    edits = [("returns", "14 days", "30 days")]
    states = [world.seen()]
    parts: dict[str, Any] = {"supersedes": [{"document_id": "shipping"}]}
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit(*words) for words in edits], **parts)
    states.append(world.seen())
    publish_anew(world, correction_id, "31 days.")
    publish_anew(world, correction_id, "31 days.")
    for expected in reversed(states):
        world.curation.rollback(correction_id, actor="ann")
        assert world.seen() == expected


def test_rollback_brings_back_nothing_that_was_rolled_back_itself(world: World) -> None:
    before = world.seen()
    correction_id = world.publish("How long?", "30 days.")
    world.curation.rollback(correction_id, actor="ann")
    world.curation.reopen(correction_id, actor="ann")
    publish_anew(world, correction_id, "31 days.")
    assert world.curation.rollback(correction_id, actor="ann")["state"] == "rolled_back"
    assert world.seen() == before


def test_rollback_brings_back_edits_that_still_fit_a_source_that_changed(world: World) -> None:
    edits = [world.edit("returns", "14 days", "30 days"), world.edit("returns", "back within 5", "back within 7")]
    correction_id = world.publish("How long?", "30 days.", edits=edits)
    publish_anew(world, correction_id, "31 days.")
    world.put("returns", RETURNS.replace("14 days", "15 days"))
    world.curation.rollback(correction_id, actor="ann")
    assert world.live()["returns"] == ["Goods may be returned within 15 days.", "Money comes back within 7 days."]
    assert served(world, "How long?") == "30 days."
    assert_index_follows(world)


def test_rollback_brings_back_the_edits_of_a_removed_document_for_when_it_returns(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    before = world.seen()
    publish_anew(world, correction_id, "31 days.")
    world.remove("returns")
    world.curation.rollback(correction_id, actor="ann")
    assert "returns" not in world.live()
    world.put("returns", RETURNS)
    assert world.seen() == before


def test_rollback_refuses_to_bring_back_words_that_would_undo_another_correction(world: World) -> None:
    first = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    publish_anew(world, first, "31 days.")
    second = world.publish("Days?", "A fortnight.", edits=[world.edit("returns", "14 days", "a fortnight")])
    before = world.rows()
    with pytest.raises(Conflict, match=f"Correction {second} changed words"):
        world.curation.rollback(first, actor="ann")
    assert world.rows() == before
    world.curation.rollback(second, actor="ann")
    world.curation.rollback(first, actor="ann")
    assert world.live()["returns"][0] == "Goods may be returned within 30 days."


def test_rollback_changes_nothing_when_a_document_returned_first(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    publish_anew(world, correction_id, "31 days.")
    world.remove("returns")
    with world.database.read() as session:
        withdrawal = publish.prepare_rollback(
            session, corrections.get(session, correction_id, EVERYTHING), world.embedder
        )
    world.put("returns", RETURNS)
    before = world.rows()
    with pytest.raises(Stale), world.database.write() as session:
        correction = corrections.get(session, correction_id, EVERYTHING)
        publish.rollback(session, correction, withdrawal, fingerprint=world.embedder.fingerprint, actor="ann")
    assert world.rows() == before


def test_rollback_reopens_corrections_whose_place_the_earlier_publication_takes_again(world: World) -> None:
    """The question was free when another correction was approved, and is taken again: its curator must learn of it."""
    other = world.publish("How fast?", "2 days.")
    taking: dict[str, Any] = {"paraphrases": ["How fast?"], "supersedes": [{"document_id": f"erratum-{other}"}]}
    correction_id = world.publish("How long may goods be returned?", "20 days.", **taking)
    desk = world.curation
    desk.reopen(correction_id, actor="ann")
    desk.draft(correction_id, {"answer": "30 days.", "paraphrases": [], "supersedes": []}, actor="ann")
    desk.approve(correction_id, actor="ann")
    desk.draft(other, {"answer": "3 days."}, actor="bob")
    desk.approve(other, actor="bob")
    desk.rollback(correction_id, actor="ann")
    item = desk.item(other)
    assert (item["state"], item["live"]) == ("reopened", True)
    assert item["history"][-1]["reason"] == f"correction {correction_id} superseded its erratum"
