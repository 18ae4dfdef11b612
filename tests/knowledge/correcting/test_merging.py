"""Several complaints in one correction: it answers only questions that the curator confirmed, and can be split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from knowledge.correcting import matching, merging
from knowledge.db import utc_now
from knowledge.errors import Invalid, NotAllowed, NotFound, Stale
from retrieval.scope import EVERYTHING
from tests.knowledge.world import history

if TYPE_CHECKING:
    from tests.knowledge.world import World

SHOES, BOOTS, PARCELS = "How long may shoes be returned?", "How long may boots be returned?", "How fast are parcels?"


def served(world: World, question: str) -> str | None:
    with world.database.read() as session:
        result = matching.match(session, question, EVERYTHING, now=utc_now())
    return result.answer if result else None


def merged(world: World, *questions: str) -> int:
    ids = [world.complain(question) for question in questions]
    world.curation.merge(ids, actor="ann")
    return ids[0]


def split(world: World, correction_id: int, *questions: str, **how: Any) -> int:
    """Splits the complaints with these questions off. Returns the correction that they are in."""
    complaints = world.curation.item(correction_id)["complaints"]
    ids = [row["id"] for row in complaints if row["question"] in questions]
    with world.database.write() as session:
        _, apart = merging.split(session, correction_id, ids, EVERYTHING, actor="bob", **how)
        return apart.id


def asked(world: World, correction_id: int) -> list[str]:
    return [reported["question"] for reported in world.curation.item(correction_id)["complaints"]]


def test_only_questions_that_the_curator_confirmed_get_the_approved_text(world: World) -> None:
    """Three complaints that have nothing to do with each other, merged by mistake."""
    correction_id = merged(world, SHOES, BOOTS, PARCELS)
    world.curation.draft(correction_id, {"answer": "Within 30 days.", "paraphrases": [BOOTS]}, actor="ann")
    item = world.curation.item(correction_id)
    assert [(reported["question"], reported["confirmed"]) for reported in item["complaints"]] == [
        (SHOES, True), (BOOTS, True), (PARCELS, False)
    ]  # fmt: skip
    assert item["suggestions"]["paraphrases"] == [PARCELS]
    proof = world.curation.prove(correction_id)["proof"]
    outcomes = {replayed["question"]: replayed["outcome"] for replayed in proof["items"]}
    assert (outcomes[PARCELS], proof["verdict"]) == ("not_fixed", "not_fixed")


def test_an_unconfirmed_question_in_a_published_item_is_not_served(world: World) -> None:
    correction_id = world.publish(SHOES, "Within 30 days.")
    world.curation.merge([correction_id, world.complain(PARCELS)], actor="ann")
    assert world.state(correction_id) == ("reopened", True)
    assert (served(world, SHOES), served(world, PARCELS)) == ("Within 30 days.", None)


def test_the_same_question_with_other_marks_needs_no_confirmation(world: World) -> None:
    correction_id = world.complain(SHOES)
    world.complain("how long may SHOES be returned")
    item = world.curation.item(correction_id)
    assert [reported["confirmed"] for reported in item["complaints"]] == [True, True]
    assert item["suggestions"]["paraphrases"] == []


def test_a_question_that_was_reworded_is_offered_as_a_paraphrase(world: World) -> None:
    correction_id = world.draft("shoes??", "Within 30 days.", question=SHOES)
    item = world.curation.item(correction_id)
    assert item["suggestions"]["paraphrases"] == ["shoes??"]
    assert [reported["confirmed"] for reported in item["complaints"]] == [False]


def test_splitting_takes_a_merge_back(world: World) -> None:
    first = world.complain(SHOES)
    second = world.draft(PARCELS, "3 days.")
    before = world.curation.item(second)
    world.curation.merge([first, second], actor="ann")
    assert world.curation.item(first)["complaints"][1]["merged_from"] == second
    assert split(world, first, PARCELS) == second
    after = world.curation.item(second)
    assert (after["state"], after["draft"], after["merged_into"]) == ("reopened", before["draft"], None)
    assert (asked(world, first), asked(world, second)) == ([SHOES], [PARCELS])
    assert history(world, first)[-1] == (
        "split_off", "queued", "queued", "bob", f"complaints moved to correction {second}"
    )  # fmt: skip
    assert history(world, second)[-1] == (
        "split", "merged", "reopened", "bob", f"complaints moved from correction {first}"
    )  # fmt: skip
    assert world.complain(PARCELS) == second


def test_splitting_makes_an_item_where_there_was_none(world: World) -> None:
    first = world.complain(SHOES)
    world.complain(PARCELS, correction_id=first)
    apart = split(world, first, PARCELS)
    item = world.curation.item(apart)
    assert (item["state"], item["question"], item["priority"], item["origin"]) == (
        "queued", PARCELS, "important", "rated_down"
    )  # fmt: skip
    assert (asked(world, first), asked(world, apart)) == ([SHOES], [PARCELS])


def test_splitting_joins_the_open_item_about_the_question(world: World) -> None:
    first = world.complain(SHOES)
    world.complain(PARCELS, correction_id=first, answer_id="a")
    other = world.complain(PARCELS, answer_id="b")
    assert split(world, first, PARCELS) == other
    assert asked(world, other) == [PARCELS, PARCELS]


def test_splitting_lowers_and_raises_the_priority(world: World) -> None:
    correction_id = merged(world, SHOES, BOOTS, PARCELS)
    assert world.curation.item(correction_id)["priority"] == "urgent"
    apart = split(world, correction_id, BOOTS)
    assert [world.curation.item(number)["priority"] for number in (correction_id, apart)] == ["important", "important"]


def test_splitting_off_a_question_that_is_served_reopens_the_published_item(world: World) -> None:
    first = world.complain(SHOES)
    world.complain(PARCELS, correction_id=first)
    world.curation.draft(first, {"answer": "Within 30 days.", "paraphrases": [PARCELS, BOOTS]}, actor="ann")
    world.curation.approve(first, actor="ann")
    split(world, first, PARCELS)
    item = world.curation.item(first)
    assert (item["state"], item["live"], item["draft"]["paraphrases"]) == ("reopened", True, [BOOTS])
    world.curation.approve(first, actor="ann")
    assert (served(world, BOOTS), served(world, PARCELS)) == ("Within 30 days.", None)


def test_splitting_off_a_question_that_is_not_served_leaves_the_published_item_alone(world: World) -> None:
    first = world.publish(SHOES, "Within 30 days.")
    world.complain(PARCELS, correction_id=first, snapshot={"answer": "?", "knowledge_version": 0})
    assert world.state(first) == ("approved", True)
    split(world, first, PARCELS)
    assert world.state(first) == ("approved", True)


def test_what_cannot_be_split_is_refused(world: World) -> None:
    correction_id = merged(world, SHOES, PARCELS)
    world.complain(SHOES, answer_id="again")
    with pytest.raises(Invalid, match="At least one complaint stays"):
        split(world, correction_id, SHOES, PARCELS)
    with pytest.raises(Invalid, match=f"the very question of correction {correction_id}"), world.database.write() as s:
        merging.split(s, correction_id, [1], EVERYTHING, actor="bob")
    for ids in ([], [99], [1, 99]):
        with pytest.raises(Invalid, match="are not complaints of correction"), world.database.write() as session:
            merging.split(session, correction_id, ids, EVERYTHING, actor="bob")
    with pytest.raises(Stale):
        split(world, correction_id, PARCELS, revision=1)
    with pytest.raises(NotFound), world.database.write() as session:
        merging.split(session, 99, [1], EVERYTHING, actor="bob")
    world.curation.reject(correction_id, actor="ann", reason="no")
    with pytest.raises(NotAllowed, match="nothing to split"):
        split(world, correction_id, PARCELS)
