"""Corrections: every transition that is allowed and every one that is not, revisions, history, one open item each."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from knowledge import corrections
from knowledge.corrections import CLOSED, TRANSITIONS, State
from knowledge.errors import Invalid, NotAllowed, NotFound, Stale
from knowledge.tables import Complaint, Correction

if TYPE_CHECKING:
    from tests.knowledge.world import World

ACTIONS = ("draft", "claim", "approve", "verify", "reopen", "reject", "merge", "rollback", "expire")
ALLOWED = {
    State.QUEUED: {"draft": "drafted", "claim": "queued", "reject": "rejected", "merge": "merged"},
    State.DRAFTED: {
        "draft": "drafted", "claim": "drafted", "approve": "approved", "reject": "rejected", "merge": "merged"
    },
    State.APPROVED: {"verify": "verified", "reopen": "reopened", "rollback": "rolled_back", "expire": "rolled_back"},
    State.VERIFIED: {"reopen": "reopened", "rollback": "rolled_back", "expire": "rolled_back"},
    State.REOPENED: {
        "draft": "reopened", "claim": "reopened", "approve": "approved", "reject": "rejected", "merge": "merged"
    },
    State.REJECTED: {"reopen": "reopened"},
    State.MERGED: {},
    State.ROLLED_BACK: {"reopen": "reopened"},
}  # fmt: skip
LIVE_REOPENED = {
    "draft": "reopened", "claim": "reopened", "approve": "approved", "rollback": "rolled_back", "expire": "reopened"
}  # fmt: skip


def bring_to(world: World, state: State) -> int:
    """A correction in this state, by the way that people take."""
    if state is State.QUEUED:
        return world.complain("Returns?")
    if state is State.DRAFTED:
        return world.draft("Returns?", "30 days.")
    if state in (State.APPROVED, State.VERIFIED, State.ROLLED_BACK):
        correction_id = world.publish("Returns?", "30 days.")
        if state is State.VERIFIED:
            advance(world, correction_id, "verify")
        elif state is State.ROLLED_BACK:
            world.curation.rollback(correction_id, actor="ann")
        return correction_id
    correction_id = world.complain("Returns?")
    if state is State.MERGED:
        world.curation.merge([world.complain("Sending back?"), correction_id], actor="ann")
        return correction_id
    world.curation.reject(correction_id, actor="ann", reason="it is right")
    if state is State.REOPENED:
        world.curation.reopen(correction_id, actor="ann")
    return correction_id


def advance(world: World, correction_id: int, action: str, **how: Any) -> None:
    with world.database.write() as session:
        corrections.advance(session, corrections.get(session, correction_id), action, actor="bob", **how)


def history(world: World, correction_id: int) -> list[tuple[str, str | None, str, str, str | None]]:
    return [
        (one["action"], one["from"], one["to"], one["actor"], one["reason"])
        for one in world.curation.item(correction_id)["history"]
    ]


def test_the_table_of_transitions_is_the_one_written_here() -> None:
    written = {(state, action): State(target) for state, row in ALLOWED.items() for action, target in row.items()}
    for action in ("rollback", "expire"):  # of one that was published and is live still
        written[State.REOPENED, action] = State(LIVE_REOPENED[action])
    assert dict(TRANSITIONS) == written


@pytest.mark.parametrize("state", State)
def test_every_action_in_every_state(world: World, state: State) -> None:
    correction_id = bring_to(world, state)
    for action in ACTIONS:
        before = world.rows("corrections", "correction_events")
        target = ALLOWED[state].get(action)
        with world.database.write() as session:
            correction = corrections.get(session, correction_id)
            assert correction.state == state
            if target is None:
                with pytest.raises(NotAllowed):
                    corrections.advance(session, correction, action, actor="bob")
            else:
                done = corrections.advance(session, correction, action, actor="bob", reason="because")
                assert (done.state, done.revision) == (target, before_revision(before, correction_id) + 1)
            session.rollback()
        assert world.rows("corrections", "correction_events") == before


def before_revision(rows: dict[str, list[dict[str, Any]]], correction_id: int) -> int:
    (revision,) = [row["revision"] for row in rows["corrections"] if row["id"] == correction_id]
    return int(revision)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_reopened_correction_that_is_live_can_be_rolled_back_and_not_dropped(world: World, action: str) -> None:
    correction_id = bring_to(world, State.APPROVED)
    world.curation.reopen(correction_id, actor="ann")
    assert world.state(correction_id) == ("reopened", True)
    if action in LIVE_REOPENED:
        advance(world, correction_id, action)
        assert world.state(correction_id)[0] == LIVE_REOPENED[action]
    else:
        with pytest.raises(NotAllowed, match="Roll it back first" if action in ("reject", "merge") else "it cannot"):
            advance(world, correction_id, action)


def test_a_refusal_says_what_is_possible(world: World) -> None:
    correction_id = bring_to(world, State.APPROVED)
    with pytest.raises(NotAllowed, match=r"is approved: it cannot reject\. Possible now: reopen, rollback\."):
        world.curation.reject(correction_id, actor="ann", reason="no")


def test_what_was_never_published_cannot_be_rolled_back(world: World) -> None:
    correction_id = bring_to(world, State.REOPENED)
    with pytest.raises(NotAllowed, match="Nothing of it is published"):
        advance(world, correction_id, "rollback")
    with pytest.raises(NotAllowed, match="nothing of it is published"):
        world.curation.rollback(correction_id, actor="ann")


def test_a_revision_that_is_not_the_newest_is_refused_and_says_who_was_first(world: World) -> None:
    correction_id = world.complain("Returns?")
    world.curation.draft(correction_id, {"answer": "30 days."}, actor="ann", revision=1)
    with pytest.raises(Stale, match=r"changed by ann \(draft\) meanwhile; it is drafted now") as error:
        world.curation.draft(correction_id, {"answer": "31 days."}, actor="bob", revision=1)
    assert (error.value.revision, error.value.state) == (2, "drafted")
    assert world.curation.item(correction_id)["draft"]["answer"] == "30 days."
    world.curation.draft(correction_id, {"answer": "31 days."}, actor="bob", revision=2)


@pytest.mark.parametrize("action", ["claim", "reject", "approve", "rollback", "reopen"])
def test_every_action_of_the_desk_heeds_the_revision(world: World, action: str) -> None:
    state = {"rollback": State.APPROVED, "reopen": State.APPROVED}.get(action, State.DRAFTED)
    correction_id = bring_to(world, state)
    before = world.rows()
    with pytest.raises(Stale):
        getattr(world.curation, action)(correction_id, actor="bob", reason="r", revision=1)
    assert world.rows() == before


def test_history_has_a_row_for_every_change(world: World) -> None:
    correction_id = world.complain("Returns?", comment="nonsense")
    world.curation.claim(correction_id, actor="ann")
    world.curation.draft(correction_id, {"answer": "30 days."}, actor="ann")
    world.curation.approve(correction_id, actor="bob", reason="checked")
    advance(world, correction_id, "verify")
    world.complain("Returns?", who="carl", comment="wrong again")
    world.curation.rollback(correction_id, actor="ann", reason="was right before")
    assert history(world, correction_id) == [
        ("report", None, "queued", "visitor", "nonsense"),
        ("claim", "queued", "queued", "ann", None),
        ("draft", "queued", "drafted", "ann", None),
        ("approve", "drafted", "approved", "bob", "checked"),
        ("verify", "approved", "verified", "bob", None),
        ("reopen", "verified", "reopened", "carl", "wrong again"),
        ("rollback", "reopened", "rolled_back", "ann", "was right before"),
    ]
    assert world.curation.item(correction_id)["revision"] == 7


def test_a_claim_says_who_works_on_it_and_keeps_nobody_out(world: World) -> None:
    correction_id = world.complain("Returns?")
    assert world.curation.claim(correction_id, actor="ann")["claimed_by"] == "ann"
    assert world.curation.claim(correction_id, actor="bob")["claimed_by"] == "bob"
    world.curation.draft(correction_id, {"answer": "30 days."}, actor="carl")
    assert world.curation.approve(correction_id, actor="carl")["claimed_by"] is None


@pytest.mark.parametrize("correction_id", [1, 0, -5, 10**30])
def test_an_unknown_correction_says_so(world: World, correction_id: int) -> None:
    with pytest.raises(NotFound, match=f"no correction {correction_id}"):
        world.curation.item(correction_id)


def test_rejecting_needs_a_reason(world: World) -> None:
    with pytest.raises(Invalid, match="needs a reason"):
        world.curation.reject(world.complain("Returns?"), actor="ann", reason=" ")


def test_a_reason_has_bounds(world: World) -> None:
    with pytest.raises(Invalid, match="at most 4,000"):
        world.curation.reject(world.complain("Returns?"), actor="ann", reason="x" * 4001)


# Reports


def test_a_report_is_frozen_with_all_that_was_said(world: World) -> None:
    said = {
        "comment": "nonsense",
        "suggested_answer": "30 days",
        "quote": "14 days",
        "stars": 1,
        "reasons": ("wrong", "outdated"),
    }
    correction_id = world.complain("  退货要多久？ ", answer_id="a1", **said)
    item = world.curation.item(correction_id)
    (kept,) = item["complaints"]
    assert {name: kept[name] for name in said} == said | {"reasons": ["wrong", "outdated"]}
    assert (item["question"], item["language"], item["origin"], item["state"], item["revision"]) == (
        "退货要多久？", "zh", "rated_down", "queued", 1
    )  # fmt: skip
    assert item["snapshot"] == {"answer": "It was so."}


def test_complaints_about_one_question_are_one_item(world: World) -> None:
    first = world.complain("How long can I return goods?", answer_id="a1")
    assert world.complain("how long can I return goods", answer_id="a2") == first
    assert world.complain("How long can I return goods to you?", answer_id="a3") != first
    assert [one["question"] for one in world.curation.item(first)["complaints"]] == [
        "How long can I return goods?",
        "how long can I return goods",
    ]


def test_the_same_answer_reported_again_replaces_its_complaint(world: World) -> None:
    correction_id = world.complain("Returns?", answer_id="a1", comment="bad")
    assert world.complain("Returns?", answer_id="a1", comment="very bad") == correction_id
    assert [one["comment"] for one in world.curation.item(correction_id)["complaints"]] == ["very bad"]


def unanswered(world: World, answer_id: str) -> int:
    """A refusal that reported itself."""
    return world.complain(
        "Returns?", answer_id=answer_id, rating=None, origin="unanswered", who="system", snapshot={"status": "refused"}
    )


def test_a_refusal_that_its_asker_rates_down_is_one_complaint(world: World) -> None:
    correction_id = unanswered(world, "a1")
    assert world.complain("Returns?", answer_id="a1", comment="of course you do", reporter="ann") == correction_id
    item = world.curation.item(correction_id)
    assert [(one["id"], one["rating"], one["who"], one["comment"]) for one in item["complaints"]] == [
        (1, "down", "visitor", "of course you do")
    ]
    assert (item["origin"], item["priority"], item["snapshot"]) == ("unanswered", "important", {"status": "refused"})
    unanswered(world, "a1")  # told once more, it does not unsay what the person said
    assert [one["rating"] for one in world.curation.item(correction_id)["complaints"]] == ["down"]


def test_priority_rises_with_the_complaints(world: World) -> None:
    seen = []
    for number, rating in enumerate([None, "down", "down", "down"]):
        correction_id = world.complain("Returns?", answer_id=f"a{number}", rating=rating)
        seen.append(world.curation.item(correction_id)["priority"])
    assert seen == ["normal", "important", "important", "urgent"]


def test_priority_counts_people_and_not_how_often_they_complain(world: World) -> None:
    for number in range(4):
        correction_id = world.complain("Returns?", answer_id=f"a{number}", reporter="visitor:1")
    assert world.curation.item(correction_id)["priority"] == "important"
    for number in (2, 3):
        correction_id = world.complain("Returns?", answer_id=f"b{number}", reporter=f"visitor:{number}")
    item = world.curation.item(correction_id)
    assert (item["priority"], len(item["complaints"])) == ("urgent", 6)


def test_a_complaint_about_a_published_correction_reopens_it(world: World) -> None:
    for state in (State.APPROVED, State.VERIFIED):
        correction_id = world.publish(f"Question {state}?", "30 days.")
        if state is State.VERIFIED:
            advance(world, correction_id, "verify")
        assert world.complain("Reworded?", correction_id=correction_id) == correction_id
        assert world.state(correction_id) == ("reopened", True)
        assert world.complain(f"question {state}") == correction_id


def test_a_question_that_a_published_correction_does_not_answer_reopens_it(world: World) -> None:
    correction_id = world.publish("Returns?", "30 days.")
    assert world.complain("Returns?", rating=None, origin="unanswered", who="system") == correction_id
    assert world.state(correction_id) == ("reopened", True)


def test_a_complaint_about_an_answer_from_before_the_correction_joins_it(world: World) -> None:
    world.put("returns", "14 days.")
    correction_id = world.publish("Returns?", "30 days.")
    assert world.complain("Returns?", answer_id="old", snapshot={"knowledge_version": 1}) == correction_id
    assert world.state(correction_id) == ("approved", True)
    assert len(world.curation.item(correction_id)["complaints"]) == 2
    assert world.complain("Returns?", answer_id="new", snapshot={"knowledge_version": 2}) == correction_id
    assert world.state(correction_id) == ("reopened", True)


@pytest.mark.parametrize("state", [State.REJECTED, State.ROLLED_BACK])
def test_a_complaint_about_a_closed_question_opens_a_new_item(world: World, state: State) -> None:
    closed = bring_to(world, state)
    opened = world.complain("Returns?", correction_id=closed)
    assert opened != closed
    assert world.state(closed)[0] == state
    with pytest.raises(NotAllowed, match=f"Correction {opened} about the same question is open"):
        world.curation.reopen(closed, actor="ann")
    world.curation.reject(opened, actor="ann", reason="twice")
    assert world.curation.reopen(closed, actor="ann")["state"] == "reopened"


def test_a_complaint_about_a_merged_question_joins_what_it_was_merged_into(world: World) -> None:
    first, second, third = world.complain("One?"), world.complain("Two?", answer_id="a2"), world.complain("Three?")
    world.curation.merge([first, second], actor="ann")
    world.curation.merge([third, first], actor="ann")
    assert world.complain("two?", answer_id="a2", comment="again") == third
    assert [one["comment"] for one in world.curation.item(third)["complaints"]] == [None, "again", None]
    world.curation.reject(third, actor="ann", reason="no")
    assert world.complain("Two?") not in (first, second, third)


def test_the_database_refuses_a_second_open_correction_about_a_question(world: World) -> None:
    world.complain("Returns?")
    row = {"origin": "api", "cluster": "returns", "question": "Returns?", "language": "en"}
    with pytest.raises(IntegrityError), world.database.write() as session:
        session.execute(sa.insert(Correction), [{**row, "state": State.DRAFTED}])
    with world.database.write() as session:
        session.execute(sa.insert(Correction), [{**row, "state": state} for state in CLOSED])


def test_simultaneous_reports_of_one_question_are_one_item(world: World) -> None:
    ready = threading.Barrier(6)
    found: list[int] = []

    def work(number: int) -> None:
        ready.wait()
        found.append(world.complain("Returns?", answer_id=f"a{number}"))

    people = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert found == [found[0]] * 6
    assert len(world.curation.item(found[0])["complaints"]) == 6


# Withdrawing


def withdraw(world: World, answer_id: str) -> None:
    with world.database.write() as session:
        corrections.withdraw(session, answer_id, who="visitor")


def test_the_last_complaint_withdrawn_takes_the_item_off_the_queue(world: World) -> None:
    correction_id = world.complain("Returns?", answer_id="a1")
    world.complain("Returns?", answer_id="a2")
    withdraw(world, "a1")
    assert world.state(correction_id) == ("queued", False)
    withdraw(world, "a2")
    assert world.state(correction_id) == ("rejected", False)
    assert history(world, correction_id)[-1] == (
        "reject", "queued", "rejected", "visitor", "withdrawn by the person who complained"
    )  # fmt: skip
    assert [one["rating"] for one in world.curation.item(correction_id)["complaints"]] == ["up", "up"]


def test_a_withdrawn_complaint_that_comes_back_reopens_its_item(world: World) -> None:
    correction_id = world.complain("Returns?", answer_id="a1")
    withdraw(world, "a1")
    assert world.complain("Returns?", answer_id="a1", comment="no, it is wrong") == correction_id
    assert world.state(correction_id) == ("reopened", False)
    assert [(one["rating"], one["comment"]) for one in world.curation.item(correction_id)["complaints"]] == [
        ("down", "no, it is wrong")
    ]


def test_withdrawing_lowers_the_priority_of_what_stays(world: World) -> None:
    for number in range(3):
        correction_id = world.complain("Returns?", answer_id=f"a{number}")
    assert world.curation.item(correction_id)["priority"] == "urgent"
    withdraw(world, "a0")
    assert world.curation.item(correction_id)["priority"] == "important"


@pytest.mark.parametrize("state", [State.DRAFTED, State.APPROVED])
def test_withdrawing_does_not_undo_what_a_curator_did(world: World, state: State) -> None:
    world.complain("Returns?", answer_id="a1")
    correction_id = bring_to(world, state)
    with world.database.write() as session:
        session.execute(sa.delete(Complaint).where(Complaint.answer_id.is_(None)))
    withdraw(world, "a1")
    assert world.state(correction_id)[0] == state


def test_an_unanswered_question_stays_when_the_person_withdraws(world: World) -> None:
    correction_id = unanswered(world, "a1")
    world.complain("Returns?", answer_id="a1")
    withdraw(world, "a1")
    item = world.curation.item(correction_id)
    assert (item["state"], item["priority"], [one["rating"] for one in item["complaints"]]) == (
        "queued", "normal", [None]
    )  # fmt: skip


# Merging


def test_merging_moves_the_complaints_into_the_first(world: World) -> None:
    first, second = world.complain("One?", answer_id="a1"), world.complain("Two?", answer_id="a2")
    item = world.curation.merge([first, second, second], actor="ann")
    assert (item["id"], item["state"], [one["question"] for one in item["complaints"]]) == (
        first, "queued", ["One?", "Two?"]
    )  # fmt: skip
    assert item["suggestions"]["paraphrases"] == ["Two?"]
    other = world.curation.item(second)
    assert (other["state"], other["merged_into"], other["complaints"]) == ("merged", first, [])
    assert history(world, first)[-1] == ("absorb", "queued", "queued", "ann", str(second))
    assert history(world, second)[-1] == ("merge", "queued", "merged", "ann", f"into {first}")


def test_merging_adds_up_the_priority(world: World) -> None:
    first = world.complain("One?", answer_id="a1")
    world.complain("One?", answer_id="a2")
    assert world.curation.merge([first, world.complain("Two?")], actor="ann")["priority"] == "urgent"


def test_merging_into_a_published_correction_brings_it_back_to_the_queue(world: World) -> None:
    first = world.publish("One?", "30 days.")
    second = world.complain("Two?")
    assert world.curation.merge([first, second], actor="ann")["state"] == "reopened"
    assert world.state(first) == ("reopened", True)
    world.curation.approve(first, actor="ann")
    with world.database.read() as session:
        texts = session.scalars(sa.text("select text from entry_questions order by id")).all()
    assert texts == ["One?", "One?", "Two?"]  # of the first entry, and of the one that replaced it


def test_merging_needs_two_open_ones_and_nothing_published(world: World) -> None:
    first, published = world.complain("One?"), world.publish("Two?", "30 days.")
    with pytest.raises(Invalid, match="at least two"):
        world.curation.merge([first, first], actor="ann")
    with pytest.raises(NotFound):
        world.curation.merge([first, 99], actor="ann")
    with pytest.raises(NotAllowed, match="cannot merge"):
        world.curation.merge([first, published], actor="ann")
    world.curation.reject(first, actor="ann", reason="no")
    with pytest.raises(NotAllowed, match="Reopen it first"):
        world.curation.merge([first, world.complain("Three?")], actor="ann")
