"""Conversations: only for their owner, stored before the first token, with the corrections of their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from bot import conversations, feedback, transcripts
from bot.answering.condense import MAX_TURNS, Condensed, EarlierTurn, How
from bot.answering.values import Ask, SourcesFound
from bot.conversations import MAX_QUESTION, NOT_MINE
from bot.tables import Answer, Conversation, Feedback, Signal, Survey
from knowledge.errors import Invalid, NotFound
from knowledge.tables import Entry
from retrieval.scope import EVERYTHING
from tests.bot.talk import SOURCE, Talk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    yield talk
    talk.close()


def test_a_question_is_stored_before_its_answer(talk: Talk) -> None:
    conversation_id, answer_id = talk.begin("  How long\n can I return goods?  ")
    turn = talk.turn(conversation_id)
    assert (turn["answer_id"], turn["question"], turn["status"], turn["answer"], turn["knowledge_version"]) == (
        answer_id, "How long\n can I return goods?", "running", "", 0
    )  # fmt: skip
    with talk.database.read() as session:
        assert [line["title"] for line in transcripts.listing(session, "visitor:a", EVERYTHING)] == [
            "How long can I return goods?"
        ]


def test_the_sources_are_stored_as_soon_as_they_are_known(talk: Talk) -> None:
    conversation_id, answer_id = talk.begin("How long?")
    with talk.database.write() as session:
        conversations.store_sources(session, answer_id, SourcesFound((SOURCE,), 7))
    turn = talk.turn(conversation_id)
    assert (turn["status"], turn["knowledge_version"], [source["passage"] for source in turn["sources"]]) == (
        "running", 7, ["Within 14 days."]
    )  # fmt: skip


def test_the_outcome_is_stored_whole(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?", timings_ms={"total": 5.0}, prompt_tokens=3, completion_tokens=4)
    turn = talk.turn(conversation_id)
    assert (turn["status"], turn["answer"], turn["citations"], turn["confidence"]) == (
        "answered", "Within 14 days.", [1], 0.5
    )  # fmt: skip
    with talk.database.read() as session:
        answer = session.get_one(Answer, answer_id)
        assert (answer.timings_ms, answer.prompt_tokens, answer.completion_tokens) == ({"total": 5.0}, 3, 4)


@pytest.mark.parametrize(("question", "says"), [(" \n", "empty"), ("x" * (MAX_QUESTION + 1), "at most 4,000")])
def test_a_question_that_is_none_is_refused(talk: Talk, question: str, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        talk.begin(question)
    with talk.database.read() as session:
        assert transcripts.listing(session, "visitor:a", EVERYTHING) == []


def test_ids_cannot_be_guessed(talk: Talk) -> None:
    ids = {id_ for _ in range(3) for id_ in talk.begin("How long?")}
    assert (len(ids), {len(id_) for id_ in ids}) == (6, {32})


# Owners


def test_another_s_conversation_is_as_unknown_as_none(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?", owner="visitor:a")
    with talk.database.read() as session:
        for owner in ("visitor:b", "user:a", "visitor:", ""):
            assert transcripts.listing(session, owner, EVERYTHING) == []
            messages = set()
            for asked in (conversation_id, "0" * 32):
                with pytest.raises(NotFound) as error:
                    conversations.get(session, asked, owner)
                messages.add(str(error.value))
            assert len(messages) == 1
            with pytest.raises(NotFound):
                conversations.get_answer(session, answer_id, owner)
        assert conversations.get_answer(session, answer_id, "visitor:a").id == answer_id
        with pytest.raises(NotFound):
            conversations.get_answer(session, "0" * 32, "visitor:a")


def test_nobody_can_write_into_another_s_conversation(talk: Talk) -> None:
    conversation_id, _ = talk.ask("How long?", owner="visitor:a")
    with pytest.raises(NotFound):
        talk.begin("Me too?", owner="visitor:b", conversation_id=conversation_id)
    with talk.database.read() as session:
        assert session.scalars(sa.select(Answer.question)).all() == ["How long?"]


# History


def test_history_has_the_last_turns_in_order(talk: Talk) -> None:
    conversation_id, _ = talk.ask("Question 0?", condensed_question="Condensed 0?", answer="Answer 0.")
    for number in range(1, MAX_TURNS + 2):
        talk.ask(f"Question {number}?", conversation_id=conversation_id, answer=f"Answer {number}.")
    talk.ask("Another's?")
    _, last = talk.begin("And now?", conversation_id=conversation_id)
    with talk.database.read() as session:
        turns = conversations.history(session, conversation_id, before=last)
    assert turns == tuple(EarlierTurn(f"Question {n}?", f"Answer {n}.") for n in range(2, MAX_TURNS + 2))


def test_the_history_before_an_answer_leaves_out_later_turns(talk: Talk) -> None:
    conversation_id, _ = talk.ask("One?", condensed_question="First?", answer="1.")
    _, second = talk.ask("Two?", conversation_id=conversation_id, answer="2.")
    talk.ask("Three?", conversation_id=conversation_id, answer="3.")
    with talk.database.read() as session:
        assert conversations.history(session, conversation_id, before=second) == (EarlierTurn("First?", "1."),)


def test_a_question_that_failed_or_is_being_answered_may_be_meant_by_the_next(talk: Talk) -> None:
    """ "How long?" after a question about parcels is about parcels, also when that question got no answer."""
    conversation_id, failed = talk.begin("What do parcels cost?")
    with talk.database.write() as session:
        conversations.fail(session, failed)
    talk.begin("Do parcels go to islands?", conversation_id=conversation_id)
    _, follow_up = talk.begin("How long?", conversation_id=conversation_id)
    with talk.database.read() as session:
        turns = conversations.history(session, conversation_id, before=follow_up)
    assert turns == (EarlierTurn("What do parcels cost?", ""), EarlierTurn("Do parcels go to islands?", ""))


def test_a_question_repeated_in_the_same_words_is_no_follow_up_to_itself(talk: Talk) -> None:
    conversation_id, failed = talk.begin("How long?")
    with talk.database.write() as session:
        conversations.fail(session, failed)
    talk.ask("How long?", conversation_id=conversation_id)
    _, third = talk.begin("How long?", conversation_id=conversation_id)
    other, _ = talk.ask("Do parcels go to islands?", answer="Yes.")
    for _ in range(MAX_TURNS):
        talk.ask("How long?", conversation_id=other, condensed_how="unchanged")
    _, last = talk.begin("How long?", conversation_id=other)
    with talk.database.read() as session:
        assert conversations.history(session, conversation_id, before=third) == ()
        assert conversations.history(session, other, before=last) == (EarlierTurn("Do parcels go to islands?", "Yes."),)


def test_a_failed_turn_keeps_its_text(talk: Talk) -> None:
    conversation_id, answer_id = talk.begin("How long?")
    with talk.database.write() as session:
        conversations.fail(session, answer_id, "half an ans")
    assert (talk.turn(conversation_id)["status"], talk.turn(conversation_id)["answer"]) == ("failed", "half an ans")


def test_turns_that_a_stop_interrupted_are_failed_at_the_next_start(talk: Talk) -> None:
    conversation_id, _ = talk.begin("How long?")
    other, _ = talk.ask("Other?")
    with talk.database.write() as session:
        assert conversations.fail_interrupted(session) == 1
    assert (talk.turn(conversation_id)["status"], talk.turn(other)["status"]) == ("failed", "answered")


def test_a_curated_answer_that_was_not_the_question_is_not_given_again(talk: Talk) -> None:
    correction_id = talk.rate(talk.ask("How long?")[1], "down")
    assert correction_id is not None
    talk.correct(correction_id, "Within 30 days.")
    with talk.database.read() as session:
        entry_id = session.scalars(sa.select(Entry.id)).one()
    conversation_id, answer_id = talk.ask("How long?", status="curated", entry_id=entry_id)
    other, _ = talk.ask("How long?", status="curated", entry_id=entry_id)
    with talk.database.write() as session:
        feedback.signal(session, session.get_one(Answer, answer_id), "copied", None)
        assert conversations.rejected_entries(session, conversation_id) == frozenset()
        feedback.signal(session, session.get_one(Answer, answer_id), NOT_MINE, None)
    _, again = talk.begin("How long?", conversation_id=conversation_id)
    with talk.database.read() as session:
        answer = session.get_one(Answer, again)
        ask = conversations.make_ask(session, answer, EVERYTHING, language=None, filters=None)
        assert (ask.exclude_entries, ask.fresh) == (frozenset({entry_id}), False)
        assert conversations.rejected_entries(session, other) == frozenset()


def asked_anew(talk: Talk, conversation_id: str, answer_id: str) -> Ask:
    _, again = talk.begin("And sale goods?", conversation_id=conversation_id)
    with talk.database.read() as session:
        earlier = session.get_one(Answer, answer_id)
        return conversations.make_ask(
            session, session.get_one(Answer, again), EVERYTHING, language=None, filters=None, again=earlier
        )


def test_a_regenerated_question_keeps_its_meaning(talk: Talk) -> None:
    conversation_id, _ = talk.ask("How long?")
    how = {"condensed_question": "Sale goods?", "condensed_how": How.REWRITTEN}
    _, follow_up = talk.ask("And sale goods?", conversation_id=conversation_id, **how)
    talk.ask("Thanks!", conversation_id=conversation_id)
    ask = asked_anew(talk, conversation_id, follow_up)
    assert (ask.question, ask.history, ask.language, ask.fresh) == ("Sale goods?", (), "en", True)
    assert ask.condensed == Condensed("Sale goods?", How.REWRITTEN)


def test_a_follow_up_asked_anew_is_still_a_follow_up(talk: Talk) -> None:
    conversation_id, first = talk.ask("How long?")
    _, follow_up = talk.ask("And sale goods?", conversation_id=conversation_id, condensed_how=How.UNCHANGED)
    with talk.database.write() as session:  # answers from before it was kept how a question was made
        session.execute(sa.text("UPDATE answers SET condensed_how = NULL WHERE id = :id"), {"id": first})
    assert asked_anew(talk, conversation_id, follow_up).condensed == Condensed("And sale goods?", How.UNCHANGED)
    assert asked_anew(talk, conversation_id, first).condensed == Condensed("How long?", How.ALONE)
    with talk.database.write() as session:
        session.execute(sa.text("UPDATE answers SET condensed_how = NULL"))
    assert asked_anew(talk, conversation_id, follow_up).condensed == Condensed("And sale goods?", How.UNCHANGED)


# The list


def test_the_list_has_the_newest_first(talk: Talk) -> None:
    first, _ = talk.ask("First?")
    second, _ = talk.ask("Second?")
    talk.ask("Third?", owner="visitor:b")
    with talk.database.read() as session:
        assert [line["id"] for line in transcripts.listing(session, "visitor:a", EVERYTHING)] == [second, first]
    talk.ask("More?", conversation_id=first)
    with talk.database.read() as session:
        assert [line["id"] for line in transcripts.listing(session, "visitor:a", EVERYTHING)] == [first, second]
        assert len(transcripts.listing(session, "visitor:a", EVERYTHING, limit=1)) == 1


def test_renaming_and_deleting(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?")
    other, _ = talk.ask("Other?")
    talk.rate(answer_id, "up")
    with talk.database.write() as session:
        conversation = conversations.get(session, conversation_id, "visitor:a")
        conversations.rename(session, conversation, "  My\n returns " + "x" * 300)
        assert (conversation.title.startswith("My returns xxx"), len(conversation.title)) == (True, 200)
        with pytest.raises(Invalid, match="empty"):
            conversations.rename(session, conversation, " \n")
        feedback.signal(session, session.get_one(Answer, answer_id), "copied", None)
        feedback.survey(session, conversation_id, 5, None)
    with talk.database.write() as session:
        conversations.delete(session, conversations.get(session, conversation_id, "visitor:a"))
    with talk.database.read() as session:
        assert session.scalars(sa.select(Conversation.id)).all() == [other]
        assert session.scalars(sa.select(Answer.conversation_id)).all() == [other]
        for table in (Feedback, Signal, Survey):
            assert session.scalars(sa.select(table)).all() == []
