"""The recheck asks the corrected questions again, like people, and stores both results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from bot.answering.answer import Answerer
from bot.answering.chat_reader import ChatReader
from bot.answering.profile import Profile
from bot.answering.prompt import Selection
from bot.answering.same_words import SameWords
from bot.llm.gate import Gate
from bot.llm.writer import ChatWriter
from bot.recheck import give_up, recheck, take_up
from bot.worker import Worker
from knowledge import put
from knowledge.correcting.complaints import NewComplaint, report
from knowledge.db import utc_now
from knowledge.put import NewDocument
from knowledge.tables import Correction, Entry, Job, LogChange, PassageRow
from knowledge.versions import Content
from retrieval.scope import EVERYTHING
from tests.bot.talk import Talk
from tests.fakes import ScriptedChat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot.answering.values import Ask, Outcome


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    new = NewDocument("returns", Content("Returns", "Goods may be returned within 14 days."))
    put.put(talk.database, talk.embedder, [new], actor="ann")
    yield talk
    talk.close()


def answerer(talk: Talk, text: str = "Within 30 days [1].") -> Answerer:
    """With a model that writes this whatever it reads."""
    return assembled(Answerer, talk, text)


def assembled(kind: type[Answerer], talk: Talk, text: str) -> Answerer:
    chat = ScriptedChat(script=lambda _prompt: text)
    writer = ChatWriter(chat, Gate(1, 0), talk.database, model=f"scripted {text}", max_tokens=64)
    how = Profile("test", Selection(most=4))
    return kind(talk.database, talk.searcher, ChatReader(writer, how), SameWords(talk.database), how)


def publish(talk: Talk, question: str, **parts: Any) -> int:
    with talk.database.write() as session:
        correction_id = report(
            session, NewComplaint(question, {"answer": "14"}, "rated_down", "visitor", rating="down"), EVERYTHING
        ).id
    talk.curation.draft(correction_id, {"answer": "Within 30 days.", **parts}, actor="ann")
    talk.curation.approve(correction_id, actor="ann", override=True, reason="known")
    return correction_id


def check(talk: Talk, correction_id: int, entry_id: int | None = None, how: Answerer | None = None) -> bool:
    if entry_id is None:
        with talk.database.read() as session:
            newest = sa.select(sa.func.max(Entry.id)).where(Entry.correction_id == correction_id)
            entry_id = session.scalars(newest).one()
    assert entry_id is not None
    return recheck(talk.database, how or answerer(talk), talk.searcher, correction_id=correction_id, entry_id=entry_id)


def test_a_correction_that_is_served_and_found_is_verified(talk: Talk) -> None:
    correction_id = publish(
        talk, "How long?", paraphrases=["Until when?"], negatives=["How fast?"], supersedes=[{"document_id": "returns"}]
    )
    assert check(talk, correction_id)
    item = talk.curation.item(correction_id)
    assert (item["state"], item["history"][-1]["actor"]) == ("verified", "recheck")
    item["recheck"].pop("at")
    assert item["recheck"] == {
        "state": "verified",
        "question": "How long?",
        "answer": "Within 30 days.",
        "reason": None,
        "questions": 2,
        "verbatim": {"right": True, "questions": 2, "problems": []},
        "retrieved": {"right": True, "questions": 2, "problems": []},
    }


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("NO_ANSWER", "erratum_refused", "the chat model finds no answer in the correction"),
        ("Within 14 days [2].", "erratum_not_cited", "the answer does not cite the correction"),
        ("Within a month or so [1].", "facts_missing", "the answer lacks: 30 days."),
        ("Within 14 days [1], within 30 days [2].", None, ""),
    ],
)
def test_a_correction_that_is_right_only_word_for_word_is_not_verified(
    talk: Talk, text: str, code: str | None, reason: str
) -> None:
    correction_id = publish(talk, "How long may goods be returned?")
    assert check(talk, correction_id, how=answerer(talk, text)) == (code is None)
    item = talk.curation.item(correction_id)
    result = item["recheck"]
    if code is None:
        assert item["state"] == "verified"
        return
    assert (item["state"], item["live"], result["state"], result["verbatim"]["right"]) == (
        "approved", True, "partly", True
    )  # fmt: skip
    (problem,) = result["retrieved"]["problems"]
    assert (result["retrieved"]["right"], problem["code"], problem["question"]) == (
        False, code, "How long may goods be returned?"
    )  # fmt: skip
    assert reason in problem["reason"]
    assert item["history"][-1]["action"] == "not_verified"
    assert item["history"][-1]["reason"] == problem["reason"] == result["reason"]


def test_a_correction_that_search_does_not_find_is_not_verified(talk: Talk) -> None:
    correction_id = publish(talk, "How long may goods be returned?")
    with talk.database.write() as session:  # a log that went wrong
        lost = session.scalars(sa.select(PassageRow.id).where(PassageRow.document_id == "erratum-1")).one()
        session.execute(sa.text("insert into log (action, actor, at) values ('put', 'x', '2026-01-01')"))
        seq = session.scalars(sa.text("select max(seq) from log")).one()
        session.execute(LogChange.__table__.insert().values(seq=seq, passage_id=lost, added=False))
    assert not check(talk, correction_id)
    result = talk.curation.item(correction_id)["recheck"]
    assert (result["verbatim"]["right"], result["retrieved"]["problems"][0]["code"]) == (True, "erratum_not_found")


def test_another_entry_with_the_same_question_does_not_answer_for_the_documents(talk: Talk) -> None:
    """Excluding the entry alone would have an older one served verbatim."""
    older = publish(talk, "How long?", answer="Within 31 days.")
    with talk.database.write() as session:  # two entries with one question, and nobody was told
        session.execute(sa.text("update corrections set cluster = 'another'"))
    correction_id = publish(talk, "How long?")
    with talk.database.read() as session:
        assert session.get_one(Correction, older).state == "reopened"
    assert check(talk, correction_id)


def test_only_the_first_questions_are_asked_of_the_model(talk: Talk) -> None:
    """The curator's own question first; how many were asked stands in the result."""
    correction_id = publish(talk, "How long?", paraphrases=[f"Until when, variant {n}?" for n in range(9)])
    steps: list[dict[str, Any]] = []
    how = answerer(talk, "NO_ANSWER")
    recheck(talk.database, how, talk.searcher, correction_id=correction_id, entry_id=1, on_progress=steps.append)
    result = talk.curation.item(correction_id)["recheck"]
    assert (result["verbatim"]["questions"], result["retrieved"]["questions"]) == (10, 5)
    assert [problem["question"] for problem in result["retrieved"]["problems"]][:2] == [
        "How long?", "Until when, variant 0?"
    ]  # fmt: skip
    assert steps[-1] == {"done": 10, "total": 10}


def test_a_verified_correction_that_is_checked_again_is_approved_until_then(talk: Talk) -> None:
    correction_id = publish(talk, "How long may goods be returned?")
    check(talk, correction_id)
    item = talk.curation.recheck(correction_id, actor="ann", reason="the model is new")
    assert (item["state"], item["live"], item["recheck"]) == ("approved", True, {"state": "pending"})
    assert (item["history"][-1]["action"], item["history"][-1]["actor"]) == ("recheck", "ann")
    assert not check(talk, correction_id, how=answerer(talk, "NO_ANSWER"))
    assert talk.curation.item(correction_id)["recheck"]["state"] == "partly"
    talk.curation.recheck(correction_id, actor="ann")
    assert check(talk, correction_id)
    assert talk.curation.item(correction_id)["state"] == "verified"
    assert states(talk) == ["failed", "failed", "queued"]  # what waited is cancelled when it is asked for again


def states(talk: Talk) -> list[str]:
    with talk.database.read() as session:
        return list(session.scalars(sa.select(Job.state).where(Job.kind == "recheck").order_by(Job.id)))


def failing(talk: Talk) -> Worker:
    def fail(_payload: object, _report: object) -> None:
        raise RuntimeError("the model is gone")

    return Worker(talk.database, {"recheck": fail}, after={"recheck": lambda one: give_up(talk.database, one)})


def fail_three_times(talk: Talk) -> None:
    worker = failing(talk)
    for _ in range(3):
        with talk.database.write() as session:
            session.execute(sa.update(Job).values(run_after=utc_now()))
        assert worker.step()
    assert states(talk) == ["failed"]


@pytest.mark.parametrize(
    ("approved", "written", "opposite"),
    [
        ("No, shoes cannot be returned.", "Yes, shoes can be returned [1].", True),
        ("Yes. Shoes can be returned.", "No [1].", True),
        ("不可以退货。", "可以退货 [1]。", True),
        ("可以。", "不能退货 [1]。", True),
        ("No, shoes cannot be returned.", "Shoes cannot be returned [1].", False),
        ("No. 5 is the room.", "Yes, the room is No. 5 [1].", False),
        ("不过可以退货。", "可以退货 [1]。", False),
    ],
)
def test_an_answer_that_says_the_opposite_is_not_verified(
    talk: Talk, approved: str, written: str, opposite: bool
) -> None:
    correction_id = publish(talk, "Can shoes be returned? 鞋子可以退货吗？", answer=approved)
    assert check(talk, correction_id, how=answerer(talk, written)) == (not opposite)
    item = talk.curation.item(correction_id)
    assert item["state"] == ("approved" if opposite else "verified")
    assert [problem["code"] for problem in item["recheck"]["retrieved"]["problems"]] == ["opposite"] * opposite


def test_a_recheck_that_failed_three_times_says_why_and_is_taken_up_at_the_next_start(talk: Talk) -> None:
    correction_id = publish(talk, "How long may goods be returned?")
    fail_three_times(talk)
    item = talk.curation.item(correction_id)
    assert (item["state"], item["recheck"]["state"]) == ("approved", "failed")
    assert item["recheck"]["reason"] == "It could not be checked: RuntimeError: the model is gone"
    assert item["history"][-1]["reason"] == item["recheck"]["reason"]
    with talk.database.write() as session:
        assert take_up(session) == 1
    assert (states(talk), talk.curation.item(correction_id)["recheck"]) == (["failed", "queued"], {"state": "pending"})
    with talk.database.write() as session:
        assert take_up(session) == 0  # a job waits
    assert check(talk, correction_id)
    assert talk.curation.item(correction_id)["state"] == "verified"


def test_a_recheck_whose_job_was_lost_is_taken_up_at_the_next_start(talk: Talk) -> None:
    """As earlier versions left it: pending for ever."""
    publish(talk, "How long?")
    gone = publish(talk, "Until when?")
    talk.curation.rollback(gone, actor="ann")
    with talk.database.write() as session:
        session.execute(sa.update(Job).values(state="failed"))
        assert take_up(session) == 1


def test_what_an_earlier_version_called_verified_is_checked_again(talk: Talk) -> None:
    """It asked only whether the approved text comes."""
    older, newer = publish(talk, "How long may goods be returned?"), publish(talk, "Goods be returned until when?")
    for correction_id in (older, newer):
        assert check(talk, correction_id)
    with talk.database.write() as session:
        session.execute(sa.update(Job).values(state="done"))
        row = session.get_one(Correction, older)
        stored = ("state", "question", "answer", "reason", "questions", "at")  # what it stored
        row.recheck = {name: value for name, value in (row.recheck or {}).items() if name in stored}
        session.flush()
        assert take_up(session) == 1
        assert take_up(session) == 0
    assert talk.state(newer)[0] == "verified"
    item = talk.curation.item(older)
    assert (item["state"], item["live"], item["recheck"]) == ("approved", True, {"state": "pending"})
    assert "without the approved text" in item["history"][-1]["reason"]
    assert check(talk, older)
    assert talk.state(older)[0] == "verified"


def test_a_question_that_is_answered_otherwise_reopens_the_correction(talk: Talk) -> None:
    correction_id = publish(talk, "How long?", paraphrases=["Until when?"])
    other = publish(talk, "When?", answer="31 days.")
    with talk.database.write() as session:  # a newer entry that took the question, and nobody was told
        session.execute(sa.text("update entry_questions set normalised = 'until when' where text = 'When?'"))
    assert not check(talk, correction_id)
    item = talk.curation.item(correction_id)
    assert (item["state"], item["live"]) == ("reopened", True)
    assert item["recheck"]["question"] == "Until when?"
    assert item["recheck"]["answer"] == "31 days."
    assert item["history"][-1]["reason"] == item["recheck"]["reason"]
    assert talk.curation.item(other)["state"] == "approved"


def test_a_superseded_passage_that_is_still_found_reopens_the_correction(talk: Talk) -> None:
    correction_id = publish(talk, "How long may goods be returned?", supersedes=[{"document_id": "returns"}])
    with talk.database.write() as session:  # a log that went wrong
        session.execute(sa.text("insert into log (action, actor, at) values ('put', 'x', '2026-01-01')"))
        session.execute(sa.text("insert into log_changes (seq, passage_id, added) values (3, 1, 1)"))
    assert not check(talk, correction_id)
    assert "superseded passage of 'returns' is still found" in talk.curation.item(correction_id)["recheck"]["reason"]


@pytest.mark.parametrize("meanwhile", ["rolled back", "reopened", "published anew"])
def test_a_recheck_of_an_entry_that_is_not_live_does_nothing(talk: Talk, meanwhile: str) -> None:
    correction_id = publish(talk, "How long?")
    talk.curation.reopen(correction_id, actor="ann")
    if meanwhile == "rolled back":
        talk.curation.rollback(correction_id, actor="ann")
    elif meanwhile == "published anew":
        talk.curation.approve(correction_id, actor="ann")
    before = talk.curation.item(correction_id)
    assert check(talk, correction_id, entry_id=1)
    assert talk.curation.item(correction_id) == before


def test_a_rollback_while_the_recheck_asks_wins(talk: Talk) -> None:
    correction_id = publish(talk, "How long?")

    class Slow(Answerer):
        def answer(self, ask: Ask, *args: Any, **more: Any) -> Outcome:
            outcome = super().answer(ask, *args, **more)
            if outcome.status == "curated":
                talk.curation.rollback(correction_id, actor="ann")
            return outcome

    assert check(talk, correction_id, how=assembled(Slow, talk, "Within 30 days [1]."))
    assert talk.curation.item(correction_id)["state"] == "rolled_back"


def test_an_unknown_correction_is_nothing_to_do(talk: Talk) -> None:
    assert check(talk, 99, entry_id=99)
