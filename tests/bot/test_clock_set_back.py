"""The clock of the machine was ahead and is set right: what people see keeps its order, and no job waits for a day."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from bot import conversations, transcripts
from bot.answering.condense import EarlierTurn
from bot.tables import Answer, Conversation
from knowledge import jobs
from knowledge.db import utc_now
from knowledge.tables import Entry
from retrieval.scope import EVERYTHING
from tests.bot.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = timedelta(days=1)


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    yield talk
    talk.close()


def asked_while_the_clock_was_ahead(talk: Talk) -> None:
    """Everything until now was written by a clock that was a day ahead."""
    with talk.database.write() as session:
        for answer in session.scalars(sa.select(Answer)):
            answer.created_at += DAY
        for conversation in session.scalars(sa.select(Conversation)):
            conversation.updated_at += DAY


def test_turns_keep_the_order_in_which_they_were_asked(talk: Talk) -> None:
    conversation_id, _ = talk.ask("One?", answer="1.", language="de")
    asked_while_the_clock_was_ahead(talk)
    talk.ask("Two?", conversation_id=conversation_id, answer="2.", language="fr")
    _, last = talk.begin("???", conversation_id=conversation_id)
    with talk.database.read() as session:
        conversation = conversations.get(session, conversation_id, "visitor:a")
        shown = transcripts.transcript(session, conversation, EVERYTHING)["turns"]
        earlier = conversations.history(session, conversation_id, before=last)
        ask = conversations.make_ask(session, session.get_one(Answer, last), EVERYTHING, language=None, filters=None)
    assert [turn["question"] for turn in shown] == ["One?", "Two?", "???"]
    assert earlier == (EarlierTurn("One?", "1."), EarlierTurn("Two?", "2."))
    assert ask.spoken == "fr"


def test_the_conversation_of_the_last_question_is_first_in_the_list(talk: Talk) -> None:
    first, _ = talk.ask("First?")
    asked_while_the_clock_was_ahead(talk)
    second, _ = talk.ask("Second?")
    with talk.database.read() as session:
        assert [line["id"] for line in transcripts.listing(session, "visitor:a", EVERYTHING)] == [second, first]


def test_the_person_who_complained_sees_the_correction(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?")
    asked_while_the_clock_was_ahead(talk)
    correction_id = talk.rate(answer_id, "down")
    assert correction_id is not None
    talk.correct(correction_id, "Within 30 days.")
    correction = talk.turn(conversation_id)["correction"]
    assert (correction["corrected"], correction["answer"]) == (True, "Within 30 days.")
    with talk.database.read() as session:
        (line,) = transcripts.listing(session, "visitor:a", EVERYTHING)
        assert line["corrected"]


def test_an_answer_that_was_given_after_the_correction_is_not_called_corrected(talk: Talk) -> None:
    _, answer_id = talk.ask("How long?")
    correction_id = talk.rate(answer_id, "down")
    assert correction_id is not None
    talk.correct(correction_id, "Within 30 days.")
    with talk.database.write() as session:  # approved while the clock was ahead
        session.scalars(sa.select(Entry)).one().created_at += DAY
    later, answer_id = talk.ask("How long?")
    with talk.database.write() as session:
        session.get_one(Answer, answer_id).correction_id = correction_id
    assert talk.turn(later)["correction"]["corrected"] is False


def test_a_job_whose_worker_died_while_the_clock_was_ahead_is_claimed_at_once(talk: Talk) -> None:
    with talk.database.write() as session:
        jobs.enqueue(session, "recheck", {}, actor="ann")
    for _ in range(jobs.FREE_ENDS + 2):  # also when its workers keep ending
        with talk.database.write() as session:
            assert jobs.claim(session, ["recheck"], now=utc_now() + DAY) is not None
            session.execute(sa.text("update jobs set heartbeat_at = datetime(heartbeat_at, '-1 day', '-1 hour')"))
    with talk.database.write() as session:
        session.execute(sa.text("update jobs set heartbeat_at = datetime('now', '+1 day')"))
    with talk.database.write() as session:
        assert jobs.claim(session, ["recheck"]) is not None


def test_a_job_that_was_written_while_the_clock_was_ahead_does_not_wait(talk: Talk) -> None:
    with talk.database.write() as session:
        job = jobs.enqueue(session, "recheck", {}, actor="ann")
        job.created_at += DAY
        job.run_after += DAY
    with talk.database.write() as session:
        job = jobs.claim(session, ["recheck"])
        assert job is not None
        jobs.fail(session, job, "engine down")
    with talk.database.write() as session:
        assert jobs.claim(session, ["recheck"]) is None  # the pause after a failure
        jobs.get(session, job.id).run_after += DAY  # it failed while the clock was ahead
    with talk.database.write() as session:
        assert jobs.claim(session, ["recheck"]) is not None


def test_a_job_that_is_meant_for_a_later_day_still_waits_for_it(talk: Talk) -> None:
    with talk.database.write() as session:
        jobs.enqueue(session, "expire", {}, actor="ann", run_after=utc_now() + DAY)
        assert jobs.claim(session, ["expire"]) is None
