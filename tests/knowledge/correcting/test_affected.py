"""A source that changes sends the corrections that this affects back to the queue; they stay published."""

from __future__ import annotations

import pytest

from tests.knowledge.world import RETURNS, SHIPPING, World


@pytest.fixture(autouse=True)
def documents(world: World) -> None:
    world.put("returns", RETURNS)
    world.put("shipping", SHIPPING)


def last(world: World, correction_id: int) -> tuple[str, str, str]:
    event = world.curation.item(correction_id)["history"][-1]
    return event["action"], event["actor"], event["reason"]


def test_a_source_that_loses_the_edited_words_sends_the_correction_back(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    world.put("returns", RETURNS.replace("14 days", "15 days"))
    assert world.state(correction_id) == ("reopened", True)
    why = "the source changed where it was corrected (Goods may be returned within 14 days.): returns"
    assert last(world, correction_id) == ("reopen", "system", why)
    assert world.live()["returns"][0] == "Goods may be returned within 15 days."
    assert world.live()["erratum-1"] == ["30 days."]


def test_a_source_that_keeps_the_edited_words_leaves_the_correction_alone(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    world.put("returns", RETURNS.replace("5 days", "7 days"))
    assert world.state(correction_id) == ("approved", True)


def test_a_source_that_changes_a_superseded_passage_sends_the_correction_back(world: World) -> None:
    passage = "Goods may be returned within 14 days."
    correction_id = world.publish("How long?", "30 days.", supersedes=[{"document_id": "returns", "passage": passage}])
    world.put("returns", RETURNS.replace("5 days", "7 days"))
    assert (world.state(correction_id), world.live()["returns"]) == (
        ("approved", True),
        ["Money comes back within 7 days."],
    )
    world.put("returns", RETURNS.replace("14 days", "15 days"))
    assert world.state(correction_id) == ("reopened", True)
    assert "Goods may be returned within 15 days." in world.live()["returns"]
    before = world.curation.item(correction_id)["history"]
    world.put("returns", RETURNS.replace("14 days", "16 days"))
    assert world.curation.item(correction_id)["history"] == before  # it lost its passage once only


def test_any_change_of_a_source_sends_back_corrections_that_supersede_it_whole(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.", supersedes=[{"document_id": "returns"}])
    world.put("returns", RETURNS.replace("5 days", "7 days"))
    assert world.state(correction_id) == ("reopened", True)
    assert "returns" not in world.live()


def test_a_removed_source_sends_back_corrections_that_edited_it(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    hiding = world.publish("How fast?", "2 days.", supersedes=[{"document_id": "returns"}])
    world.remove("returns")
    assert world.state(correction_id) == ("reopened", True)
    assert last(world, correction_id) == ("reopen", "system", "the source was removed: returns")
    assert world.state(hiding) == ("approved", True)


def test_a_source_that_changes_again_leaves_a_line_in_the_history_of_open_corrections(world: World) -> None:
    passage = "Money comes back within 5 days."
    correction_id = world.publish(
        "How long?",
        "30 days.",
        edits=[world.edit("returns", "14 days", "30 days")],
        supersedes=[{"document_id": "returns", "passage": passage}],
    )
    world.put("returns", RETURNS.replace("14 days", "15 days"))
    world.put("returns", RETURNS.replace("14 days", "15 days").replace("5 days.", "6 days."))
    why = "the source changed where it was corrected (Money comes back within 5 days.): returns"
    assert last(world, correction_id) == ("source_changed", "system", why)
    assert world.state(correction_id) == ("reopened", True)


def test_an_edit_that_changes_a_passage_that_another_correction_superseded_sends_that_one_back(world: World) -> None:
    passage = "Goods may be returned within 14 days."
    hiding = world.publish("How long?", "30 days.", supersedes=[{"document_id": "returns", "passage": passage}])
    editing = world.publish("Which goods?", "All.", edits=[world.edit("returns", "Goods", "All goods")])
    assert world.state(hiding) == ("reopened", True)
    why = f"correction {editing} changed the source where this one corrected it ({passage}): returns"
    assert last(world, hiding) == ("reopen", "system", why)
    world.curation.rollback(editing, actor="ann")
    assert world.live()["returns"] == ["Money comes back within 5 days."]


def test_rolling_back_the_words_of_a_superseded_passage_sends_that_correction_back(world: World) -> None:
    editing = world.publish("Which goods?", "All.", edits=[world.edit("returns", "Goods", "All goods")])
    passage = "All goods may be returned within 14 days."
    hiding = world.publish("How long?", "30 days.", supersedes=[{"document_id": "returns", "passage": passage}])
    world.curation.rollback(editing, actor="ann")
    assert world.state(hiding) == ("reopened", True)
    assert world.live()["returns"][0] == "Goods may be returned within 14 days."


def test_words_copied_from_a_passage_are_found_in_a_text_with_other_line_ends(world: World) -> None:
    world.put("windows", "First line\r\nsecond line.\r\n")
    passage = world.live()["windows"][0]
    world.publish("Which line?", "Third.", edits=[world.edit("windows", passage, "Third line.")])
    assert world.live()["windows"] == ["Third line."]
    world.curation.rollback(1, actor="ann")
    world.publish("Which line now?", "Fourth.", edits=[world.edit("windows", "line\r\nsecond", "line\r\nfourth")])
    assert world.live()["windows"] == ["First line\nfourth line."]
