"""Conversations that nobody used for a long time are deleted by a daily job, unless somebody may need them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from bot import retention
from bot.errors import StorageFull
from bot.proving import embed_questions
from bot.tables import Answer, AnsweredQuestion, Conversation, Feedback, Generation
from knowledge import jobs
from knowledge.db import utc_now
from knowledge.tables import Complaint, Job, QuestionVector, Unanswered
from tests.bot.talk import Talk
from tests.bot.test_unanswered import CATS, DOGS, compare, queue, refuse
from tests.fakes import ScriptedChat
from tests.loop.world import ask, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = 30


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    yield talk
    talk.close()


def grow_old(talk: Talk, days: float = DAYS + 1) -> None:
    """Lets time pass for all that is stored."""
    at = utc_now() - timedelta(days=days)
    with talk.database.write() as session:
        session.execute(sa.update(Conversation).values(updated_at=at))
        session.execute(sa.update(Generation).values(created_at=at))


def questions(talk: Talk) -> list[str]:
    with talk.database.read() as session:
        return list(session.scalars(sa.select(Answer.question).order_by(Answer.number)))


def count(talk: Talk, *tables: type) -> list[int]:
    with talk.database.read() as session:
        return [session.scalar(sa.select(sa.func.count()).select_from(table)) or 0 for table in tables]


def keep_house(talk: Talk, days: int = DAYS) -> int:
    return retention.keep_house(talk.database, days=days)["deleted"]


def test_what_is_old_goes_with_all_that_belongs_to_it(talk: Talk) -> None:
    for number in range(2 * retention.AT_ONCE + 1):
        _, answer_id = talk.ask(f"Question {number}?", owner=f"visitor:{number}")
        talk.rate(answer_id, "up")
    refuse(talk, DOGS)
    embed_questions(talk.database, talk.embedder, most=100)
    with talk.database.write() as session:
        session.add(Generation(key="k", text="t", prompt_tokens=0, completion_tokens=0))
    grow_old(talk)
    talk.ask("A new one?")
    assert keep_house(talk) == 2 * retention.AT_ONCE + 2
    assert questions(talk) == ["A new one?"]
    assert count(talk, Feedback, AnsweredQuestion, Unanswered, Generation, QuestionVector) == [0, 1, 0, 0, 0]


def test_nothing_goes_before_its_time_or_without_a_limit(talk: Talk) -> None:
    talk.ask("Old?")
    grow_old(talk, DAYS - 1)
    assert (keep_house(talk), keep_house(talk, 0), questions(talk)) == (0, 0, ["Old?"])
    grow_old(talk, 100_000 / 24)
    assert (keep_house(talk, 0), questions(talk)) == (0, ["Old?"])


def test_a_conversation_is_as_old_as_its_last_question(talk: Talk) -> None:
    conversation_id, _ = talk.ask("Old?")
    grow_old(talk)
    talk.ask("And now?", conversation_id=conversation_id)
    assert (keep_house(talk), questions(talk)) == (0, ["Old?", "And now?"])


def test_an_answer_that_is_being_written_keeps_its_conversation(talk: Talk) -> None:
    talk.begin("Slow?")
    grow_old(talk)
    assert (keep_house(talk), questions(talk)) == (0, ["Slow?"])


@pytest.mark.parametrize(
    ("fate", "kept"),
    [
        ("queued", True),
        ("drafted", True),
        ("published", True),
        ("rejected", False),
        ("rolled back", False),
        ("withdrawn", False),
    ],
)
def test_a_complaint_keeps_its_conversation_while_its_correction_is_in_work_or_published(
    talk: Talk, fate: str, kept: bool
) -> None:
    _, answer_id = talk.ask("Wrong?")
    number = talk.rate(answer_id, "down", comment="No.")
    assert number is not None
    match fate:
        case "drafted":
            talk.curation.draft(number, {"answer": "Right."}, actor="ann")
        case "published":
            talk.correct(number, "Right.")
        case "rejected":
            talk.curation.reject(number, actor="ann", reason="It is right.")
        case "rolled back":
            talk.correct(number, "Right.")
            talk.curation.rollback(number, actor="ann", reason="It was right.")
        case "withdrawn":
            talk.rate(answer_id, "up")
    grow_old(talk)
    assert (keep_house(talk), questions(talk)) == ((0, ["Wrong?"]) if kept else (1, []))
    assert count(talk, Complaint) == [1]  # what a person handed in stays in any case
    assert talk.curation.item(number)["snapshot"]["answer"] == "Within 14 days."


def test_a_complaint_that_was_merged_keeps_its_conversation_as_long_as_the_other_correction_lives(talk: Talk) -> None:
    numbers = []
    for question in ("First?", "Second?"):
        _, answer_id = talk.ask(question)
        numbers.append(talk.rate(answer_id, "down"))
    first, second = numbers
    assert first is not None
    assert second is not None
    talk.curation.merge([first, second], actor="ann")
    grow_old(talk)
    assert (keep_house(talk), questions(talk)) == (0, ["First?", "Second?"])
    talk.curation.reject(first, actor="ann", reason="Both are right.")
    assert (keep_house(talk), questions(talk)) == (2, [])


def test_a_refused_question_in_the_queue_keeps_its_conversation_and_a_waiting_one_goes(talk: Talk) -> None:
    refuse(talk, CATS)
    refuse(talk, DOGS)
    refuse(talk, DOGS, "visitor:b")
    compare(talk)
    assert queue(talk) == [("queued", DOGS, [DOGS, DOGS])]
    grow_old(talk)
    assert (keep_house(talk), questions(talk), count(talk, Unanswered)) == (1, [DOGS, DOGS], [2])


def test_the_space_is_given_back_to_the_disk(talk: Talk, tmp_path: Path) -> None:
    keep_house(talk)
    file = tmp_path / "errata.db"
    empty = file.stat().st_size
    for number in range(40):
        talk.ask("Long? " * 600, owner=f"visitor:{number}", answer="Long. " * 600)
    keep_house(talk)
    assert file.stat().st_size > empty + 40 * 8_000
    grow_old(talk)
    keep_house(talk)
    assert file.stat().st_size < empty + 20_000


def test_the_server_does_it_once_a_day(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(), keep_days=DAYS) as made:
        ask(made.client(), "When does the shop open?")
        with made.parts.database.write() as session:
            session.execute(sa.update(Conversation).values(updated_at=utc_now() - timedelta(days=DAYS + 1)))
        for _ in range(2):  # a second start does not plan it twice
            made.parts.recover()
        assert made.parts.worker.step(retention.HOUSEKEEPING)
        assert not made.parts.worker.step(retention.HOUSEKEEPING)
        with made.parts.database.read() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(Conversation)) == 0
            done, planned = session.scalars(sa.select(Job).where(Job.kind == retention.HOUSEKEEPING).order_by(Job.id))
        assert (done.state, done.progress["deleted"], planned.state) == ("done", 1, "queued")
        assert timedelta(hours=23) < planned.run_after - utc_now() <= timedelta(days=1)


def note_housekeeping(talk: Talk, *hours_ago: float) -> None:
    with talk.database.write() as session:
        for hours in hours_ago:
            job = jobs.enqueue(session, retention.HOUSEKEEPING, {}, actor="system")
            job.state, job.finished_at = "done", utc_now() - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("hours_ago", "deleted"),
    [
        pytest.param((), 1, id="a server that never did it before"),
        pytest.param((24,), 1, id="every day"),
        pytest.param((14 * 24,), 1, id="a server that is on once a fortnight"),
        pytest.param((16 * 24,), 0, id="the clock is ahead, or a backup was restored"),
        pytest.param((16 * 24, 1), 0, id="the same, an hour later"),
        pytest.param((16 * 24, 24), 1, id="the same, a day later"),
        pytest.param((24, -9_000), 1, id="the clock was ahead and is right again"),
        pytest.param((16 * 24, -9_000), 0, id="ahead, right, and ahead again"),
        pytest.param((5,), 1, id="the second time on the first day"),
    ],
)
def test_after_a_long_time_without_it_nothing_is_deleted_before_the_next_day(
    talk: Talk, hours_ago: tuple[float, ...], deleted: int
) -> None:
    talk.ask("Old?")
    grow_old(talk)
    note_housekeeping(talk, *hours_ago)
    with capture_logs() as logs:
        result = retention.keep_house(talk.database, days=DAYS)
    assert (result["deleted"], result["postponed"]) == (deleted, 1 - deleted)
    assert len(questions(talk)) == 1 - deleted
    assert [entry["days_without_this_job"] for entry in logs] == ([] if deleted else [16])


def stored(talk: Talk) -> int:
    with talk.database.read() as session:
        return retention.stored_anonymously(session)


def make_room(talk: Talk, budget: retention.AnonymousBudget) -> None:
    with talk.database.write() as session:
        budget.make_room(session)


def test_what_a_conversation_takes_on_the_disk_is_counted(talk: Talk, tmp_path: Path) -> None:
    """For 40 conversations in two languages about as much as the file grows."""
    keep_house(talk)
    file = tmp_path / "errata.db"
    empty = file.stat().st_size
    for number in range(40):
        long = ("问题？" if number % 2 else "Why? ") * 700
        refuse(talk, f"{number} {long}", f"visitor:{number}")
    keep_house(talk)
    assert 0.8 < stored(talk) / (file.stat().st_size - empty) < 1.5


def test_a_rating_is_counted_as_it_is_now(talk: Talk) -> None:
    _, answer_id = talk.ask("Why?")
    before = stored(talk)
    for _ in range(3):
        talk.rate(answer_id, "down", comment="错" * 1000)
    assert stored(talk) == before + 2 * 3000
    talk.rate(answer_id, "up")
    assert stored(talk) == before


def test_accounts_do_not_count(talk: Talk) -> None:
    talk.ask("Why?", owner="user:ann")
    talk.ask("Why?", owner="key:1")
    assert stored(talk) == 0


def test_where_visitors_store_too_much_their_oldest_conversations_go_first(talk: Talk) -> None:
    talk.ask("Of an account?", owner="user:ann")
    _, complained = talk.ask("Wrong?", owner="visitor:0")
    talk.rate(complained, "down")
    for number in range(1, 3 * retention.AT_ONCE):
        talk.ask(f"Question {number}?", owner=f"visitor:{number}")
    budget = retention.AnonymousBudget(stored(talk) // 2)
    make_room(talk, budget)
    left = [
        "Of an account?",
        "Wrong?",
        *(f"Question {n}?" for n in range(retention.AT_ONCE + 1, 3 * retention.AT_ONCE)),
    ]
    assert questions(talk) == left
    make_room(talk, budget)
    make_room(talk, budget)  # now they take less than the limit
    assert questions(talk) == [*left[:2], *left[2 + retention.AT_ONCE :]]


def test_readers_are_refused_only_if_nothing_can_be_deleted(talk: Talk) -> None:
    _, complained = talk.ask("Wrong?", owner="visitor:0")
    number = talk.rate(complained, "down")
    assert number is not None
    budget = retention.AnonymousBudget(stored(talk) - 1)
    with pytest.raises(StorageFull) as refusal:
        make_room(talk, budget)
    assert refusal.value.retry_after > 0
    talk.curation.reject(number, actor="ann", reason="It is right.")
    make_room(talk, budget)
    assert questions(talk) == []


def test_without_a_limit_nothing_is_counted_or_deleted(talk: Talk) -> None:
    talk.ask("Why?")
    make_room(talk, retention.AnonymousBudget(0))
    assert questions(talk) == ["Why?"]


def test_the_job_deletes_before_the_space_is_full(talk: Talk) -> None:
    for number in range(50):
        talk.ask(f"Question {number}?", owner=f"visitor:{number}")
    size = stored(talk)
    assert retention.keep_house(talk.database, days=0, most=size * 10)["deleted"] == 0
    assert retention.keep_house(talk.database, days=0, most=size)["deleted"] == retention.AT_ONCE


def test_when_the_space_is_nearly_full_the_job_comes_early_but_not_with_each_question(talk: Talk) -> None:
    talk.ask("Why?")
    budget = retention.AnonymousBudget(stored(talk))
    for early in (True, False):
        with talk.database.write() as session:
            session.execute(sa.delete(Job))
            retention.schedule(session, after=retention.EVERY)
        make_room(talk, budget)
        with talk.database.read() as session:
            (job,) = session.scalars(sa.select(Job).where(Job.kind == retention.HOUSEKEEPING))
            assert (job.run_after <= utc_now()) == early


def test_a_visitor_who_is_refused_reads_why_and_an_account_may_go_on(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat()) as made:
        made.parts.budget = retention.AnonymousBudget(5_000)
        visitor = made.client()
        first = ask(visitor, "One?")
        path = f"/api/answers/{first['answer_id']}/feedback"
        assert visitor.post(path, json={"rating": "down"}).status_code == 201
        with made.parts.database.write() as session:
            session.execute(sa.update(Conversation).values(stored_bytes=6_000))
        refused = made.client().post("/api/chat", json={"question": "Two?"}, headers={"Accept-Language": "zh-CN"})
        assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
        assert refused.headers["retry-after"] == str(retention.FULL_SECONDS)
        assert "匿名对话的存储空间已满" in refused.json()["detail"]
        assert made.parts.gate.waiting == 0
        assert ask(made.client("carla"), "Three?")["status"] == "refused"
