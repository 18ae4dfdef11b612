"""What people say of answers reaches the queue, once, and can be taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from bot import conversations, feedback, transcripts, unanswered
from bot.feedback import MAX_TEXT, Rating
from bot.tables import Answer, Feedback, Signal, Survey
from knowledge.correcting import corrections
from knowledge.errors import Invalid
from knowledge.tables import Complaint, Entry, Observation
from retrieval.scope import EVERYTHING
from tests.bot.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    yield talk
    talk.close()


def entry_of(talk: Talk, correction_id: int) -> int:
    with talk.database.read() as session:
        return session.scalars(sa.select(Entry.id).where(Entry.correction_id == correction_id, Entry.live)).one()


def count(talk: Talk, table: type[Any]) -> int:
    with talk.database.read() as session:
        return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def test_a_thumb_down_goes_to_the_queue_with_a_frozen_copy(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("And for sale items?", condensed_question="How long for sale items?")
    correction_id = talk.rate(
        answer_id, "down", reasons=("wrong",), comment="no", suggested_answer="Never.", quote="14 days", stars=1
    )
    assert correction_id is not None
    item = talk.curation.item(correction_id)
    assert (item["question"], item["origin"], item["state"], item["priority"]) == (
        "How long for sale items?", "rated_down", "queued", "important"
    )  # fmt: skip
    snapshot = item["snapshot"]
    assert (snapshot["answer_id"], snapshot["question"], snapshot["condensed_question"], snapshot["answer"]) == (
        answer_id, "And for sale items?", "How long for sale items?", "Within 14 days."
    )  # fmt: skip
    assert (snapshot["sources"][0]["passage"], snapshot["citations"], snapshot["model"]) == (
        "Within 14 days.", [1], "scripted"
    )  # fmt: skip
    (complaint,) = item["complaints"]
    stored = {name: complaint[name] for name in ("rating", "reasons", "comment", "suggested_answer", "quote", "stars")}
    assert stored == {
        "rating": "down",
        "reasons": ["wrong"],
        "comment": "no",
        "suggested_answer": "Never.",
        "quote": "14 days",
        "stars": 1,
    }
    turn = talk.turn(conversation_id)
    assert turn["feedback"] == stored
    assert turn["correction"] == {"state": "queued", "corrected": False, "corrected_at": None, "answer": None}


def test_the_copy_stays_when_the_conversation_is_deleted(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?")
    correction_id = talk.rate(answer_id, "down")
    assert correction_id is not None
    with talk.database.write() as session:
        conversations.delete(session, conversations.get(session, conversation_id, "visitor:a"))
    assert talk.curation.item(correction_id)["snapshot"]["answer"] == "Within 14 days."
    assert (count(talk, Answer), count(talk, Feedback)) == (0, 0)


def test_a_thumb_up_is_kept_and_leads_nowhere(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?")
    assert talk.rate(answer_id, "up", stars=5) is None
    turn = talk.turn(conversation_id)
    assert (turn["feedback"]["rating"], turn["feedback"]["stars"], turn["correction"]) == ("up", 5, None)
    assert count(talk, Complaint) == 0


def test_rating_again_replaces_the_rating(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?")
    first = talk.rate(answer_id, "down", comment="no", reasons=("wrong",))
    assert talk.rate(answer_id, "down", comment="no!") == first
    assert (count(talk, Feedback), count(talk, Complaint)) == (1, 1)
    feedback_now = talk.turn(conversation_id)["feedback"]
    assert (feedback_now["comment"], feedback_now["reasons"]) == ("no!", [])


def test_changing_ones_mind_withdraws_the_complaint(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?")
    correction_id = talk.rate(answer_id, "down")
    assert correction_id is not None
    assert talk.rate(answer_id, "up") is None
    assert talk.state(correction_id)[0] == "rejected"
    assert talk.turn(conversation_id)["feedback"]["rating"] == "up"
    assert talk.rate(answer_id, "down") == correction_id
    assert talk.state(correction_id)[0] == "reopened"


def test_others_complaints_stay_when_one_is_withdrawn(talk: Talk) -> None:
    _, mine = talk.ask("How long?")
    _, yours = talk.ask("how long", owner="visitor:b")
    correction_id = talk.rate(mine, "down")
    assert correction_id is not None
    assert talk.rate(yours, "down") == correction_id
    talk.rate(mine, "up")
    assert talk.state(correction_id) == ("queued", "important", False)


def test_three_people_who_complain_make_it_urgent(talk: Talk) -> None:
    for owner in ("visitor:a", "visitor:b", "visitor:c"):
        correction_id = talk.rate(talk.ask("How long?", owner=owner)[1], "down")
    assert correction_id is not None
    assert talk.state(correction_id) == ("queued", "urgent", False)


def test_one_person_who_complains_three_times_is_one_person(talk: Talk) -> None:
    for _ in range(3):
        correction_id = talk.rate(talk.ask("How long?")[1], "down")
    assert correction_id is not None
    assert talk.state(correction_id) == ("queued", "important", False)
    assert count(talk, Complaint) == 3


@pytest.mark.parametrize(
    ("users", "priority"),
    [(("u1", "u1", "u1"), "important"), (("u1", "u2", "u3"), "urgent"), ((None, None, None), "important")],
)
def test_people_of_another_front_end_are_distinguished_by_its_user_ids(
    talk: Talk, users: tuple[str | None, ...], priority: str
) -> None:
    for user in users:
        correction_id = elsewhere(talk, "down", user=user)
    assert correction_id is not None
    assert talk.state(correction_id)[1] == priority


def test_a_refusal_that_is_rated_down_is_one_complaint(talk: Talk) -> None:
    _, answer_id = talk.ask("How long?", status="refused", answer="I do not know.")
    talk.unanswered(answer_id)
    correction_id = talk.rate(answer_id, "down", comment="Thirty days!")
    assert correction_id is not None
    (complaint,) = talk.curation.item(correction_id)["complaints"]
    assert (complaint["rating"], complaint["comment"], complaint["who"]) == ("down", "Thirty days!", "visitor")
    assert complaint["snapshot"]["status"] == "refused"


def test_a_refused_question_that_two_people_ask_reports_itself_once_for_both(talk: Talk) -> None:
    for owner in ("visitor:a", "visitor:b"):
        conversation_id, answer_id = talk.ask("How long?", owner=owner, status="refused", answer="I do not know.")
        talk.unanswered(answer_id)
    unanswered.group(talk.database, talk.embedder, 1.0)
    correction_id = 1
    item = talk.curation.item(correction_id)
    assert (item["origin"], item["state"], item["priority"], len(item["complaints"])) == (
        "unanswered", "queued", "normal", 2
    )  # fmt: skip
    assert talk.turn(conversation_id, owner="visitor:b")["correction"]["state"] == "queued"
    assert talk.rate(answer_id, "down") == correction_id
    assert talk.state(correction_id) == ("queued", "important", False)
    talk.rate(answer_id, "up")
    assert talk.state(correction_id) == ("queued", "normal", False)


def test_the_person_who_complained_sees_the_correction(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?")
    correction_id = talk.rate(answer_id, "down")
    assert correction_id is not None
    talk.correct(correction_id, "Within 30 days.")
    correction = talk.turn(conversation_id)["correction"]
    assert (correction["state"], correction["corrected"], correction["answer"]) == ("approved", True, "Within 30 days.")
    assert correction["corrected_at"] is not None
    talk.curation.rollback(correction_id, actor="ann")
    assert talk.turn(conversation_id)["correction"] == {
        "state": "rolled_back", "corrected": False, "corrected_at": None, "answer": None
    }  # fmt: skip


def test_the_owner_of_a_merged_complaint_sees_the_correction_of_the_other_item(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?")
    mine = talk.rate(answer_id, "down")
    other = talk.rate(talk.ask("Until when?", owner="visitor:b")[1], "down")
    assert mine is not None
    assert other is not None
    talk.curation.merge([other, mine], actor="ann")
    assert talk.turn(conversation_id)["correction"]["state"] == "queued"
    talk.correct(other, "Within 30 days.", paraphrases=["How long?"])
    assert talk.turn(conversation_id)["correction"]["answer"] == "Within 30 days."
    with talk.database.read() as session:
        assert [line["corrected"] for line in transcripts.listing(session, "visitor:a", EVERYTHING)] == [True]


def test_a_curated_answer_that_is_complained_about_reopens_its_correction(talk: Talk) -> None:
    correction_id = talk.rate(talk.ask("How long?")[1], "down")
    assert correction_id is not None
    talk.correct(correction_id, "Within 30 days.")
    conversation_id, answer_id = talk.ask(
        "how long",
        owner="visitor:b",
        status="curated",
        answer="Within 30 days.",
        entry_id=entry_of(talk, correction_id),
    )
    assert talk.rate(answer_id, "down", comment="31!") == correction_id
    assert talk.state(correction_id) == ("reopened", "important", True)
    correction = talk.turn(conversation_id, owner="visitor:b")["correction"]
    assert (correction["state"], correction["corrected"]) == ("reopened", False)  # nothing newer than this answer
    with talk.database.read() as session:
        assert [line["corrected"] for line in transcripts.listing(session, "visitor:b", EVERYTHING)] == [False]


def test_a_curated_answer_in_other_words_reopens_the_correction_that_gave_it(talk: Talk) -> None:
    correction_id = talk.rate(talk.ask("How long?")[1], "down")
    assert correction_id is not None
    talk.correct(correction_id, "Within 30 days.")
    _, answer_id = talk.ask("Until when?", status="curated", entry_id=entry_of(talk, correction_id))
    assert talk.rate(answer_id, "down") == correction_id
    assert talk.state(correction_id)[0] == "reopened"


def test_a_curated_answer_whose_correction_is_gone_starts_a_new_one(talk: Talk) -> None:
    correction_id = talk.rate(talk.ask("How long?")[1], "down")
    assert correction_id is not None
    talk.correct(correction_id, "Within 30 days.")
    _, answer_id = talk.ask("How long?", status="curated", entry_id=entry_of(talk, correction_id))
    talk.curation.rollback(correction_id, actor="ann")
    assert talk.rate(answer_id, "down") not in (None, correction_id)
    assert talk.state(correction_id)[0] == "rolled_back"


def test_an_old_answer_that_is_complained_about_late_is_corrected_already(talk: Talk) -> None:
    correction_id = talk.rate(talk.ask("How long?")[1], "down")
    old_conversation, old = talk.ask("How long?", owner="visitor:b")
    assert correction_id is not None
    talk.correct(correction_id, "Within 30 days.")
    assert talk.rate(old, "down") == correction_id
    assert talk.state(correction_id)[0] == "approved"
    assert talk.turn(old_conversation, owner="visitor:b")["correction"]["corrected"] is True


def test_an_answer_that_is_being_written_cannot_be_rated(talk: Talk) -> None:
    _, answer_id = talk.begin("How long?")
    with pytest.raises(Invalid, match="still being written"):
        talk.rate(answer_id, "down")


@pytest.mark.parametrize(
    ("rating", "message"),
    [
        (Rating("meh"), '"up" or "down"'),
        (Rating("down", reasons=("x",) * 21), "At most 20 reasons"),
        (Rating("down", reasons=("x" * 201,)), "200 characters"),
        (Rating("down", comment="x" * (MAX_TEXT + 1)), "comment has 10,001"),
        (Rating("down", suggested_answer="x" * (MAX_TEXT + 1)), "suggested_answer has"),
        (Rating("down", quote="x" * (MAX_TEXT + 1)), "quote has"),
        (Rating("down", stars=0), "1 to 5"),
        (Rating("down", stars=6), "1 to 5"),
    ],
)
def test_a_rating_that_cannot_be_stored_is_refused(talk: Talk, rating: Rating, message: str) -> None:
    _, answer_id = talk.ask("How long?")
    with talk.database.write() as session:
        answer = session.get_one(Answer, answer_id)
        with pytest.raises(Invalid, match=message):
            feedback.rate(session, answer, rating, EVERYTHING, who="visitor")
    assert count(talk, Feedback) == 0


def test_unknown_reasons_are_kept(talk: Talk) -> None:
    conversation_id, answer_id = talk.ask("How long?")
    talk.rate(answer_id, "down", reasons=("wrong", "太长"))
    assert talk.turn(conversation_id)["feedback"]["reasons"] == ["wrong", "太长"]


def elsewhere(talk: Talk, rating: str, query: str = "How long?", user: str | None = "u1") -> int | None:
    with talk.database.write() as session:
        row = feedback.rate_elsewhere(
            session,
            EVERYTHING,
            query=query,
            response="14 days.",
            rating=Rating(rating, comment="no"),
            user=user,
            who="key shop",
        )
        return row.correction_id


def test_feedback_from_elsewhere_enters_the_same_queue(talk: Talk) -> None:
    correction_id = elsewhere(talk, "down")
    assert correction_id is not None
    item = talk.curation.item(correction_id)
    assert (item["origin"], item["complaints"][0]["who"], item["snapshot"]["answer"], item["snapshot"]["user"]) == (
        "api", "key shop", "14 days.", "u1"
    )  # fmt: skip
    assert talk.rate(talk.ask("how long")[1], "down") == correction_id
    assert elsewhere(talk, "up") is None
    assert (count(talk, Feedback), count(talk, Complaint)) == (3, 2)


def test_feedback_from_elsewhere_needs_a_question(talk: Talk) -> None:
    with pytest.raises(Invalid, match="query is empty"):
        elsewhere(talk, "down", query=" ")


def test_signals_are_kept(talk: Talk) -> None:
    _, answer_id = talk.ask("How long?")
    with talk.database.write() as session:
        answer = session.get_one(Answer, answer_id)
        feedback.signal(session, answer, "copied", None)
        feedback.signal(session, answer, "dwell", 12.5)
        with pytest.raises(Invalid, match="not 'sold'"):
            feedback.signal(session, answer, "sold", None)
    with talk.database.read() as session:
        signals = session.execute(sa.select(Signal.kind, Signal.value).order_by(Signal.id)).all()
    assert [tuple(row) for row in signals] == [("copied", None), ("dwell", 12.5)]


def test_a_survey_again_replaces_the_one_before(talk: Talk) -> None:
    conversation_id, _ = talk.ask("How long?")
    with talk.database.write() as session:
        feedback.survey(session, conversation_id, 2, "slow")
    with talk.database.write() as session:
        feedback.survey(session, conversation_id, 4, None)
        with pytest.raises(Invalid, match="1 to 5"):
            feedback.survey(session, conversation_id, 9, None)
    with talk.database.read() as session:
        assert [(row.stars, row.comment) for row in session.scalars(sa.select(Survey))] == [(4, None)]


def test_the_owner_of_a_split_off_complaint_sees_the_correction_of_the_new_item(talk: Talk) -> None:
    kept = talk.rate(talk.ask("How long?")[1], "down")
    conversation_id, answer_id = talk.ask("How fast?", owner="visitor:b")
    merged = talk.rate(answer_id, "down")
    assert kept is not None
    assert merged is not None
    talk.curation.merge([kept, merged], actor="ann")
    talk.correct(kept, "Within 30 days.", paraphrases=["How fast?"])
    assert talk.turn(conversation_id, owner="visitor:b")["correction"]["corrected"] is True  # of another question
    with talk.database.write() as session:
        complaint = session.scalars(sa.select(Complaint.id).where(Complaint.question == "How fast?")).one()
        _, apart = feedback.split(session, kept, [complaint], EVERYTHING, actor="ann")
        assert apart.id == merged
    correction = talk.turn(conversation_id, owner="visitor:b")["correction"]
    assert (correction["state"], correction["corrected"]) == ("reopened", False)


def test_a_complaint_that_never_had_an_item_of_its_own_is_followed_when_it_is_split_off(talk: Talk) -> None:
    kept = talk.rate(talk.ask("How long?")[1], "down")
    assert kept is not None
    talk.correct(kept, "Within 30 days.")
    conversation_id, answer_id = talk.ask("How fast?", status="curated", entry_id=entry_of(talk, kept))
    assert talk.rate(answer_id, "down") == kept
    with talk.database.write() as session:
        complaint = session.scalars(sa.select(Complaint.id).where(Complaint.question == "How fast?")).one()
        _, apart = feedback.split(session, kept, [complaint], EVERYTHING, actor="ann")
    assert talk.turn(conversation_id)["correction"]["state"] == "queued"
    with talk.database.read() as session:
        row = session.scalars(sa.select(Feedback).where(Feedback.answer_id == answer_id)).one()
        assert row.correction_id == apart.id


def not_mine(talk: Talk, answer_id: str) -> None:
    with talk.database.write() as session:
        feedback.signal(session, session.get_one(Answer, answer_id), conversations.NOT_MINE, None)


def verified(talk: Talk, question: str) -> int:
    """A correction of this question that was asked again and is right."""
    correction_id = talk.rate(talk.ask(question)[1], "down")
    assert correction_id is not None
    talk.correct(correction_id, "Within 30 days.")
    with talk.database.write() as session:
        corrections.advance(session, corrections.get(session, correction_id, EVERYTHING), "verify", actor="recheck")
    return correction_id


def test_not_my_question_reopens_nothing_and_curators_see_it(talk: Talk) -> None:
    """Also when what is answered instead is a refusal, which reports itself."""
    correction_id = verified(talk, "How long?")
    entry_id = entry_of(talk, correction_id)
    for owner in ("visitor:a", "visitor:a", "visitor:b"):
        conversation_id, answer_id = talk.ask("How long?", owner=owner, status="curated", entry_id=entry_id)
        not_mine(talk, answer_id)
        _, again = talk.ask("How long?", owner=owner, conversation_id=conversation_id, status="refused", answer="?")
        talk.unanswered(again)
    assert talk.state(correction_id) == ("verified", "important", True)
    item = talk.curation.item(correction_id)
    observed = item["observations"]
    assert (observed["count"], observed["readers"]) == (2, 2)
    assert [(seen["question"], seen["count"], seen["kind"]) for seen in observed["questions"]] == [
        ("How long?", 2, "not_my_question")
    ]  # fmt: skip
    assert len(item["complaints"]) == 1


def test_a_refusal_to_a_person_who_gave_no_signal_reopens_the_published_correction(talk: Talk) -> None:
    correction_id = verified(talk, "How long?")
    _, answer_id = talk.ask("How long?", owner="visitor:b", status="refused", answer="?")
    assert talk.rate(answer_id, "down") == correction_id
    assert talk.state(correction_id)[0] == "reopened"


def test_one_reader_cannot_fill_the_observations(talk: Talk) -> None:
    correction_id = verified(talk, "How long?")
    entry_id = entry_of(talk, correction_id)
    for n in range(25):
        _, answer_id = talk.ask(f"How long, number {n}?", status="curated", entry_id=entry_id)
        not_mine(talk, answer_id)
    assert talk.curation.item(correction_id)["observations"]["count"] == 20
    _, answer_id = talk.ask("How long then?", owner="visitor:b", status="curated", entry_id=entry_id)
    not_mine(talk, answer_id)
    assert talk.curation.item(correction_id)["observations"]["count"] == 21


def test_not_my_question_about_an_answer_that_is_no_entry_is_only_a_signal(talk: Talk) -> None:
    _, answer_id = talk.ask("How long?")
    not_mine(talk, answer_id)
    assert (count(talk, Signal), count(talk, Observation)) == (1, 0)
