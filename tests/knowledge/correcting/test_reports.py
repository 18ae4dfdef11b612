"""Complaints: those about one question are one item; they raise its priority, can be withdrawn, and are merged."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from knowledge.correcting import complaints
from knowledge.correcting.corrections import CLOSED, State
from knowledge.errors import Invalid, NotAllowed, NotFixed, NotFound
from knowledge.tables import Complaint, Correction
from tests.knowledge.world import advance, bring_to, history

if TYPE_CHECKING:
    from tests.knowledge.world import World


# Reports


def test_a_report_is_frozen_with_all_that_the_person_wrote(world: World) -> None:
    fields = {
        "comment": "nonsense",
        "suggested_answer": "30 days",
        "quote": "14 days",
        "stars": 1,
        "reasons": ("wrong", "outdated"),
    }
    correction_id = world.complain("  退货要多久？ ", answer_id="a1", **fields)
    item = world.curation.item(correction_id)
    (complaint,) = item["complaints"]
    assert {name: complaint[name] for name in fields} == fields | {"reasons": ["wrong", "outdated"]}
    assert (item["question"], item["language"], item["origin"], item["state"], item["revision"]) == (
        "退货要多久？", "zh", "rated_down", "queued", 1
    )  # fmt: skip
    assert item["snapshot"] == {"answer": "It was so."}


def test_complaints_about_one_question_are_one_item(world: World) -> None:
    first = world.complain("How long can I return goods?", answer_id="a1")
    assert world.complain("how long can I return goods", answer_id="a2") == first
    assert world.complain("How long can I return goods to you?", answer_id="a3") != first
    assert [reported["question"] for reported in world.curation.item(first)["complaints"]] == [
        "How long can I return goods?",
        "how long can I return goods",
    ]


def test_the_same_answer_reported_again_replaces_its_complaint(world: World) -> None:
    correction_id = world.complain("Returns?", answer_id="a1", comment="bad")
    assert world.complain("Returns?", answer_id="a1", comment="very bad") == correction_id
    assert [reported["comment"] for reported in world.curation.item(correction_id)["complaints"]] == ["very bad"]


def unanswered(world: World, answer_id: str) -> int:
    """The system reports a refusal by itself."""
    return world.complain(
        "Returns?", answer_id=answer_id, rating=None, origin="unanswered", who="system", snapshot={"status": "refused"}
    )


def test_a_refusal_that_its_asker_rates_down_is_one_complaint(world: World) -> None:
    correction_id = unanswered(world, "a1")
    assert world.complain("Returns?", answer_id="a1", comment="of course you do", reporter="ann") == correction_id
    item = world.curation.item(correction_id)
    assert [
        (reported["id"], reported["rating"], reported["who"], reported["comment"]) for reported in item["complaints"]
    ] == [(1, "down", "visitor", "of course you do")]
    assert (item["origin"], item["priority"], item["snapshot"]) == ("unanswered", "important", {"status": "refused"})
    unanswered(world, "a1")  # a second report of the system does not replace what the person wrote
    assert [reported["rating"] for reported in world.curation.item(correction_id)["complaints"]] == ["down"]


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
    assert (item["priority"], len(item["complaints"])) == ("urgent", 5)  # three of one person are kept


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
    assert [reported["comment"] for reported in world.curation.item(third)["complaints"]] == [None, "again", None]
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
    ids: list[int] = []

    def work(number: int) -> None:
        ready.wait()
        ids.append(world.complain("Returns?", answer_id=f"a{number}"))

    people = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert ids == [ids[0]] * 6
    assert len(world.curation.item(ids[0])["complaints"]) == 6


# Withdrawing


def withdraw(world: World, answer_id: str) -> None:
    with world.database.write() as session:
        complaints.withdraw(session, answer_id, who="visitor")


def test_withdrawing_the_last_complaint_takes_the_item_off_the_queue(world: World) -> None:
    correction_id = world.complain("Returns?", answer_id="a1")
    world.complain("Returns?", answer_id="a2")
    withdraw(world, "a1")
    assert world.state(correction_id) == ("queued", False)
    withdraw(world, "a2")
    assert world.state(correction_id) == ("rejected", False)
    assert history(world, correction_id)[-1] == (
        "reject", "queued", "rejected", "visitor", "withdrawn by the person who complained"
    )  # fmt: skip
    assert [reported["rating"] for reported in world.curation.item(correction_id)["complaints"]] == ["up", "up"]


def test_a_withdrawn_complaint_that_comes_back_reopens_its_item(world: World) -> None:
    correction_id = world.complain("Returns?", answer_id="a1")
    withdraw(world, "a1")
    assert world.complain("Returns?", answer_id="a1", comment="no, it is wrong") == correction_id
    assert world.state(correction_id) == ("reopened", False)
    assert [
        (reported["rating"], reported["comment"]) for reported in world.curation.item(correction_id)["complaints"]
    ] == [("down", "no, it is wrong")]


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
    assert (item["state"], item["priority"], [reported["rating"] for reported in item["complaints"]]) == (
        "queued", "normal", [None]
    )  # fmt: skip


# Merging


def test_merging_moves_the_complaints_into_the_first(world: World) -> None:
    first, second = world.complain("One?", answer_id="a1"), world.complain("Two?", answer_id="a2")
    item = world.curation.merge([first, second, second], actor="ann")
    assert (item["id"], item["state"], [reported["question"] for reported in item["complaints"]]) == (
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
    with pytest.raises(NotFixed, match=r"Two\? \(it is not among the wordings"):
        world.curation.approve(first, actor="ann")
    world.curation.approve(first, actor="root", override=True, reason="the other complaint is answered elsewhere")
    with world.database.read() as session:
        texts = session.scalars(sa.text("select text from entry_questions order by id")).all()
    assert texts == ["One?", "One?"]  # of the first entry, and of the one that replaced it: nobody confirmed the other


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


def test_fresh_visitors_of_one_network_count_as_one_person(world: World) -> None:
    for number in range(5):
        correction_id = world.complain(
            "Returns?", answer_id=f"a{number}", reporter=f"visitor:{number}", network="office"
        )
    assert world.curation.item(correction_id)["priority"] == "important"
    world.complain("Returns?", answer_id="b", reporter="visitor:b", network="home")
    assert world.curation.item(correction_id)["priority"] == "important"
    world.complain("Returns?", answer_id="c", reporter="visitor:c", network="train")
    assert world.curation.item(correction_id)["priority"] == "urgent"


def test_one_visitor_in_many_networks_and_accounts_in_one_office_are_counted_as_they_are(world: World) -> None:
    for number in range(3):
        correction_id = world.complain("Returns?", answer_id=f"a{number}", reporter="visitor:1", network=f"n{number}")
    assert world.curation.item(correction_id)["priority"] == "important"
    for number in range(3):
        other = world.complain("Opening hours?", answer_id=f"b{number}", reporter=f"user:{number}")
    assert world.curation.item(other)["priority"] == "urgent"


def test_a_correction_keeps_the_newest_few_complaints_of_a_person(world: World) -> None:
    world.complain("Returns?", answer_id="x", comment="mine", reporter="visitor:2", network="home")
    for number in range(300):
        correction_id = world.complain(
            "Returns?", answer_id=f"a{number}", comment=f"{number}", reporter="visitor:1", network="office"
        )
    comments = [complaint["comment"] for complaint in world.curation.item(correction_id)["complaints"]]
    assert comments == ["mine", "297", "298", "299"]
    world.complain("Returns?", answer_id="a299", comment="again", reporter="visitor:1", network="office")
    comments = [complaint["comment"] for complaint in world.curation.item(correction_id)["complaints"]]
    assert comments == ["mine", "297", "298", "again"]


def test_a_correction_keeps_a_bounded_number_of_complaints_of_a_network(world: World) -> None:
    world.complain("Returns?", answer_id="x", comment="mine", reporter="visitor:x", network="home")
    for number in range(60):
        correction_id = world.complain(
            "Returns?", answer_id=f"a{number}", comment=f"{number}", reporter=f"visitor:{number}", network="office"
        )
    item = world.curation.item(correction_id)
    assert [complaint["comment"] for complaint in item["complaints"]] == [
        "mine",
        *(str(number) for number in range(40, 60)),
    ]
    assert item["priority"] == "important"
