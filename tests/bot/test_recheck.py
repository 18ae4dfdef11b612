"""The recheck asks the corrected questions again, as people would, and says what it found."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from bot.answering.answer import Answerer
from bot.answering.profile import Profile
from bot.answering.prompt import Selection
from bot.recheck import recheck
from knowledge import put
from knowledge.correcting.corrections import NewComplaint, report
from knowledge.documents import Content
from knowledge.put import NewDocument
from knowledge.tables import Entry
from tests.bot.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot.answering.exchange import Ask, Outcome


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    new = NewDocument("returns", Content("Returns", "Goods may be returned within 14 days."))
    put.put(talk.database, talk.embedder, [new], actor="ann")
    yield talk
    talk.close()


class Silent:
    """A model that must not be asked: curated answers need none."""

    @contextmanager
    def place(self, _ticket: object = None, **_how: object) -> Iterator[Silent]:
        yield self

    def write(self, *_messages: object, **_more: object) -> Any:
        raise AssertionError("the model was asked")


def answerer(talk: Talk) -> Answerer:
    return Answerer(talk.database, talk.searcher, Silent(), Profile("test", Selection(most=4)))


def publish(talk: Talk, question: str, **parts: Any) -> int:
    with talk.database.write() as session:
        correction_id = report(
            session, NewComplaint(question, {"answer": "14"}, "rated_down", "visitor", rating="down")
        ).id
    talk.curation.draft(correction_id, {"answer": "30 days.", **parts}, actor="ann")
    talk.curation.approve(correction_id, actor="ann")
    return correction_id


def check(talk: Talk, correction_id: int, entry_id: int | None = None, how: Answerer | None = None) -> bool:
    if entry_id is None:
        with talk.database.read() as session:
            newest = sa.select(sa.func.max(Entry.id)).where(Entry.correction_id == correction_id)
            entry_id = session.scalars(newest).one()
    assert entry_id is not None
    return recheck(talk.database, how or answerer(talk), talk.searcher, correction_id=correction_id, entry_id=entry_id)


def test_a_correction_that_is_served_is_verified(talk: Talk) -> None:
    correction_id = publish(
        talk, "How long?", paraphrases=["Until when?"], negatives=["How fast?"], supersedes=[{"document_id": "returns"}]
    )
    assert check(talk, correction_id)
    item = talk.curation.item(correction_id)
    assert (item["state"], item["history"][-1]["actor"]) == ("verified", "recheck")
    found = {name: item["recheck"][name] for name in ("state", "question", "answer", "reason", "questions")}
    assert found == {
        "state": "verified", "question": "How long?", "answer": "30 days.", "reason": None, "questions": 2
    }  # fmt: skip


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
def test_a_recheck_of_what_no_longer_stands_does_nothing(talk: Talk, meanwhile: str) -> None:
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
            talk.curation.rollback(correction_id, actor="ann")
            return outcome

    slow = Slow(talk.database, talk.searcher, Silent(), Profile("test", Selection(most=4)))
    assert check(talk, correction_id, how=slow)
    assert talk.curation.item(correction_id)["state"] == "rolled_back"


def test_an_unknown_correction_is_nothing_to_do(talk: Talk) -> None:
    assert check(talk, 99, entry_id=99)
