"""Taking a publication back: readers see the very same as before it, whatever happened in between."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from knowledge import corrections, publish
from knowledge.errors import Conflict, Stale
from knowledge.tables import Document, Golden, Job
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
        parts = parts | {"edits": [world.edit(*one) for one in parts["edits"]]}
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


def test_rollback_refuses_when_another_correction_was_built_upon_it(world: World) -> None:
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


def test_rollback_that_a_put_outran_changes_nothing(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    with world.database.read() as session:
        plans = publish.prepare_rollback(session, corrections.get(session, correction_id), world.embedder)
    world.put("returns", RETURNS.replace("5 days", "7 days"))
    before = world.rows()
    with pytest.raises(Stale), world.database.write() as session:
        correction = corrections.get(session, correction_id)
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


def test_a_document_that_returns_while_a_correction_stands_has_its_edits(world: World) -> None:
    world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    before = world.seen()
    world.remove("returns")
    world.put("returns", RETURNS)
    assert world.seen() == before
