"""Refused questions wait in a list, grouped by meaning; two people who ask, or one who complains, bring them into the
queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sqlalchemy as sa

from bot import conversations, feedback, unanswered
from bot.feedback import Rating
from bot.tables import Answer
from knowledge.correcting import complaints
from knowledge.errors import NotFound
from knowledge.tables import Correction, Job, Unanswered
from retrieval.scope import EVERYTHING, Scope
from tests.bot.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

DOGS, PETS, CATS = "May I bring my dog?", "Are dogs allowed inside?", "May I bring my cat?"


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    yield talk
    talk.close()


class Meanings:
    """An embedder that a test tells what means the same: questions of one subject are one direction."""

    fingerprint = "meanings"
    dimension = 8

    def __init__(self, **subjects: int) -> None:
        self._subjects = {"dog": 0, "cat": 1, "room": 2, "狗": 0} | subjects

    def query(self, text: str) -> NDArray[np.float32]:
        vector = np.zeros(self.dimension, dtype=np.float32)
        vector[next((n for word, n in self._subjects.items() if word in text), 7)] = 1
        return vector

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self.query(text) for text in texts])


def refuse(talk: Talk, question: str, owner: str = "visitor:a", *, network: str | None = None, **how: Any) -> str:
    """Somebody asks what cannot be answered. Returns the answer's id."""
    _, answer_id = talk.ask(question, owner=owner, status="refused", answer="I do not know.", **how)
    talk.unanswered(answer_id, network=network)
    return answer_id


def compare(talk: Talk) -> None:
    unanswered.group(talk.database, Meanings(), 0.97)


def waiting(talk: Talk, scope: Scope = EVERYTHING, **how: Any) -> list[tuple[list[str], int]]:
    """(wordings, people) of each group in the list."""
    with talk.database.read() as session:
        queue = unanswered.listing(session, scope, **how)
    return [(group["questions"], group["people"]) for group in queue["items"]]


def queue(talk: Talk) -> list[tuple[str, str, list[str]]]:
    """(state, question, what was complained with) of each correction."""
    with talk.database.read() as session:
        ids = session.scalars(sa.select(Correction.id).order_by(Correction.id)).all()
    items = [talk.curation.item(id_) for id_ in ids]
    return [(item["state"], item["question"], [each["question"] for each in item["complaints"]]) for item in items]


def test_a_question_that_one_person_asks_ten_times_counts_once_and_is_not_queued(talk: Talk) -> None:
    for _ in range(10):
        refuse(talk, DOGS)
    compare(talk)
    assert (waiting(talk), queue(talk)) == ([([DOGS], 1)], [])


def test_a_second_person_with_the_same_words_brings_it_into_the_queue(talk: Talk) -> None:
    first = refuse(talk, DOGS)
    compare(talk)
    second = refuse(talk, "may i bring my DOG", "visitor:b")
    assert queue(talk) == [("queued", DOGS, [DOGS, "may i bring my DOG"])]
    assert waiting(talk) == []
    with talk.database.read() as session:  # who asked hears of it
        assert [session.get_one(Answer, answer_id).correction_id for answer_id in (first, second)] == [1, 1]


def test_a_second_person_with_other_words_brings_it_into_the_queue(talk: Talk) -> None:
    refuse(talk, DOGS)
    refuse(talk, CATS, "visitor:b")
    refuse(talk, PETS, "visitor:c")
    assert queue(talk) == []
    compare(talk)
    assert queue(talk) == [("queued", DOGS, [DOGS, PETS])]
    assert waiting(talk) == [([CATS], 1)]
    item = talk.curation.item(1)
    assert [complaint["confirmed"] for complaint in item["complaints"]] == [True, False]  # likeness confirms nothing
    refuse(talk, PETS, "visitor:d")
    assert queue(talk) == [("queued", DOGS, [DOGS, PETS, PETS])]


@pytest.mark.parametrize(
    ("people", "count"),
    [
        ([("visitor:a", "home"), ("visitor:b", "home")], 1),  # one person may clear the cookies
        ([("visitor:a", "home"), ("visitor:b", "work")], 2),
        ([("visitor:a", "home"), ("user:ann", None)], 2),
        ([("user:ann", None), ("user:bob", None)], 2),
    ],
)
def test_visitors_of_one_network_count_as_one_person(
    talk: Talk, people: list[tuple[str, str | None]], count: int
) -> None:
    talk.unanswered(talk.ask(CATS, status="refused", answer="?")[1])
    for question in (DOGS, PETS):  # one wording each, and then the same wording
        for owner, network in people:
            refuse(talk, question, owner, network=network)
        compare(talk)
        assert len(queue(talk)) == count - 1
    if count == 1:
        assert sorted(waiting(talk)) == [([CATS], 1), ([DOGS, PETS], 1)]


def test_one_visitor_in_two_networks_counts_as_one_person(talk: Talk) -> None:
    refuse(talk, DOGS, network="home")
    refuse(talk, PETS, network="work")
    compare(talk)
    assert (waiting(talk), queue(talk)) == ([([DOGS, PETS], 1)], [])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Which room holds 20 people?", "Which room holds 30 people?"),
        ("Is a room free in Bonn?", "Is a room free in Rome?"),
        ("May I bring my dog?", "可以带狗吗？"),
    ],
)
def test_questions_with_other_numbers_names_or_in_another_language_are_not_the_same(
    talk: Talk, first: str, second: str
) -> None:
    refuse(talk, first)
    refuse(talk, second, "visitor:b")
    compare(talk)
    assert sorted(waiting(talk)) == sorted([([first], 1), ([second], 1)])


def test_grouping_compares_with_the_first_question_of_a_group_and_in_order(talk: Talk) -> None:
    """The same whether it runs after each question or after all."""
    for n, question in enumerate((DOGS, CATS, PETS)):
        refuse(talk, question, f"visitor:{n}")
        compare(talk)
    with talk.database.read() as session:
        assert session.scalars(sa.select(Unanswered.group_id).order_by(Unanswered.id)).all() == [1, 2, 1]


def test_a_model_that_was_not_measured_groups_only_the_same_words(talk: Talk) -> None:
    refuse(talk, DOGS)
    refuse(talk, PETS, "visitor:b")
    unanswered.group(talk.database, Meanings(), float("inf"))
    assert sorted(waiting(talk)) == [([PETS], 1), ([DOGS], 1)]


def test_one_complaint_brings_the_whole_group_into_the_queue(talk: Talk) -> None:
    refuse(talk, DOGS)
    compare(talk)
    answer_id = refuse(talk, PETS)  # the same person, so not two
    compare(talk)
    assert queue(talk) == []
    assert talk.rate(answer_id, "down", comment="I need to know.") == 1
    assert queue(talk) == [("queued", PETS, [PETS, DOGS])]
    assert talk.curation.item(1)["priority"] == "important"


def test_one_complaint_in_another_front_end_brings_the_group_into_the_queue(talk: Talk) -> None:
    refuse(talk, DOGS)
    compare(talk)
    with talk.database.write() as session:
        feedback.rate_elsewhere(
            session, EVERYTHING, query=DOGS, response="?", rating=Rating("down"), user="u1", who="key shop"
        )
    assert queue(talk) == [("queued", DOGS, [DOGS, DOGS])]


def test_a_question_that_is_in_the_queue_already_joins_it_at_once(talk: Talk) -> None:
    talk.rate(talk.ask(DOGS)[1], "down")
    refuse(talk, DOGS, "visitor:b")
    assert queue(talk) == [("queued", DOGS, [DOGS, DOGS])]


def test_a_rejected_question_comes_back_only_with_two_more_people(talk: Talk) -> None:
    for owner in ("visitor:a", "visitor:b"):
        refuse(talk, DOGS, owner)
        compare(talk)
    talk.curation.reject(1, actor="ann", reason="small talk")
    refuse(talk, DOGS, "visitor:c")
    assert [state for state, _, _ in queue(talk)] == ["rejected"]
    refuse(talk, DOGS, "visitor:d")
    assert queue(talk)[1:] == [("queued", DOGS, [DOGS, DOGS])]


def test_a_curator_starts_a_correction_of_a_waiting_question(talk: Talk) -> None:
    refuse(talk, DOGS)
    refuse(talk, PETS)
    compare(talk)
    with talk.database.write() as session:
        assert unanswered.start(session, 1, EVERYTHING, actor="ann").id == 1
        with pytest.raises(NotFound, match="There is no unanswered question 1"):
            unanswered.start(session, 1, EVERYTHING, actor="ann")
    assert queue(talk) == [("queued", DOGS, [DOGS, PETS])]
    assert [step["action"] for step in talk.curation.item(1)["history"]] == ["start"]


def test_a_correction_that_a_curator_starts_gets_the_waiting_questions(talk: Talk) -> None:
    refuse(talk, DOGS)
    compare(talk)
    with talk.database.write() as session:
        correction, _ = complaints.start(session, "may I bring my dog", EVERYTHING, actor="ann")
        unanswered.adopt(session, correction, correction.question)
    assert queue(talk) == [("queued", "may I bring my dog", [DOGS])]


def test_the_list_is_searched_counted_and_shows_most_asked_first(talk: Talk) -> None:
    refuse(talk, CATS)
    refuse(talk, DOGS, "visitor:b")
    compare(talk)
    assert waiting(talk, q="cat") == [([CATS], 1)]
    assert waiting(talk, limit=1) == [([DOGS], 1)]
    with talk.database.read() as session:
        assert unanswered.listing(session, EVERYTHING, limit=1)["total"] == 2
    assert waiting(talk, Scope.of("elsewhere")) == []
    with talk.database.write() as session, pytest.raises(NotFound):
        unanswered.start(session, 1, Scope.of("elsewhere"), actor="ann")


def test_collections_are_not_mixed(talk: Talk) -> None:
    for owner, scope in (("visitor:a", Scope.of("main")), ("visitor:b", Scope.of("legal"))):
        _, answer_id = talk.ask(DOGS, owner=owner, status="refused", answer="?")
        with talk.database.write() as session:
            answer = session.get_one(Answer, answer_id)
            unanswered.note(session, answer, scope, asker=owner, without=frozenset())
    compare(talk)
    assert queue(talk) == []
    assert waiting(talk, Scope.of("legal")) == [([DOGS], 1)]


def test_a_question_whose_conversation_was_deleted_by_an_older_version_is_reported_without_its_answer(
    talk: Talk,
) -> None:
    conversation_id, answer_id = talk.ask(DOGS, status="refused", answer="?")
    talk.unanswered(answer_id)
    with talk.database.write() as session:
        conversations.delete(session, conversations.get(session, conversation_id, "visitor:a"))
    compare(talk)
    refuse(talk, DOGS, "visitor:b")
    assert queue(talk) == [("queued", DOGS, [DOGS, DOGS])]
    assert talk.curation.item(1)["snapshot"]["status"] == "refused"


def test_the_asker_is_stored_as_a_hash(talk: Talk) -> None:
    refuse(talk, DOGS, "user:berta")
    with talk.database.read() as session:
        (asker,) = session.scalars(sa.select(Unanswered.asker))
        assert session.scalars(sa.select(Job.kind)).all() == [unanswered.GROUP]
    assert "berta" not in asker


def test_old_questions_make_room(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unanswered, "MOST", 2)
    for question in (DOGS, CATS, "Is a room free?"):
        refuse(talk, question)
    compare(talk)
    assert sorted(waiting(talk)) == [(["Is a room free?"], 1), ([CATS], 1)]
