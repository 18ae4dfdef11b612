"""Who deletes a conversation deletes its refused questions too; complaints and what curators work on stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from bot import conversations, forgetting, unanswered
from bot.tables import Answer
from knowledge.tables import Unanswered
from retrieval.scope import EVERYTHING
from tests.bot.talk import Talk
from tests.bot.test_unanswered import CATS, DOGS, PETS, compare, queue, refuse, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    yield talk
    talk.close()


def delete_conversation(talk: Talk, answer_id: str, owner: str = "visitor:a") -> None:
    with talk.database.write() as session:
        conversation_id = session.get_one(Answer, answer_id).conversation_id
        forgetting.delete_conversation(session, conversations.get(session, conversation_id, owner))


def kept(talk: Talk) -> list[str]:
    """The refused questions that are stored."""
    with talk.database.read() as session:
        return list(session.scalars(sa.select(Unanswered.question).order_by(Unanswered.id)))


@pytest.mark.parametrize("compared", [False, True])
def test_a_waiting_question_goes_with_its_conversation(talk: Talk, compared: bool) -> None:
    answer_id = refuse(talk, DOGS)
    refuse(talk, CATS, "visitor:b")
    if compared:
        compare(talk)
    delete_conversation(talk, answer_id)
    compare(talk)
    assert (kept(talk), waiting(talk)) == ([CATS], [([CATS], 1)])


def test_a_question_that_only_the_deleted_conversations_asked_leaves_the_queue(talk: Talk) -> None:
    first, second = refuse(talk, DOGS), refuse(talk, DOGS, "visitor:b")
    compare(talk)
    assert queue(talk) == [("queued", DOGS, [DOGS, DOGS])]
    delete_conversation(talk, first)
    assert queue(talk) == [("queued", DOGS, [DOGS])]
    delete_conversation(talk, second, "visitor:b")
    assert (queue(talk), kept(talk)) == ([("rejected", DOGS, [])], [])
    assert talk.curation.item(1)["history"][-1]["reason"] == "the conversation was deleted, and nobody else asked"


def test_several_refused_questions_of_one_conversation_leave_together(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask(DOGS, status="refused", answer="?")
    talk.unanswered(answer_id)
    refuse(talk, PETS, conversation_id=conversation_id)
    other = refuse(talk, DOGS, "visitor:b")
    compare(talk)
    assert [state for state, _, _ in queue(talk)] == ["queued"]
    delete_conversation(talk, other, "visitor:b")
    delete_conversation(talk, answer_id)
    assert (queue(talk), kept(talk)) == ([("rejected", DOGS, [])], [])


def test_what_others_asked_is_grouped_anew_when_the_first_of_a_group_goes(talk: Talk) -> None:
    first = refuse(talk, DOGS)
    compare(talk)
    refuse(talk, PETS, "visitor:a")  # the same person: no reason for the queue
    compare(talk)
    assert waiting(talk) == [([DOGS, PETS], 1)]
    delete_conversation(talk, first)
    compare(talk)
    assert waiting(talk) == [([PETS], 1)]
    refuse(talk, DOGS, "visitor:b")
    compare(talk)
    assert queue(talk) == [("queued", PETS, [PETS, DOGS])]


def test_a_complaint_that_a_person_made_stays_as_a_frozen_copy(talk: Talk) -> None:
    answer_id = refuse(talk, DOGS)
    talk.rate(answer_id, "down", comment="You should know this.")
    delete_conversation(talk, answer_id)
    assert queue(talk) == [("queued", DOGS, [DOGS])]
    item = talk.curation.item(1)
    assert (item["complaints"][0]["comment"], item["snapshot"]["answer"]) == ("You should know this.", "I do not know.")


def test_a_withdrawn_complaint_goes_with_its_conversation(talk: Talk) -> None:
    answer_id = refuse(talk, DOGS)
    talk.rate(answer_id, "down", comment="You should know this.")
    talk.rate(answer_id, "up")
    delete_conversation(talk, answer_id)
    assert queue(talk) == [("rejected", DOGS, [])]


@pytest.mark.parametrize("work", ["claim", "draft", "start"])
def test_what_a_curator_works_on_stays(talk: Talk, work: str) -> None:
    answer_id = refuse(talk, DOGS)
    compare(talk)
    if work == "start":
        with talk.database.write() as session:
            (group,) = unanswered.listing(session, EVERYTHING)["items"]
            unanswered.start(session, group["id"], EVERYTHING, actor="ann")
    else:
        refuse(talk, DOGS, "visitor:b")
        if work == "claim":
            talk.curation.claim(1, actor="ann")
        else:
            talk.curation.draft(1, {"answer": "Yes."}, actor="ann")
    before = queue(talk)
    delete_conversation(talk, answer_id)
    assert queue(talk) == before
