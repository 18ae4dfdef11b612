"""How long conversations are kept, and how much of them: a daily job deletes those that nobody used for a long time,
and the oldest of people without an account where these take too much of the disk.

Deleted is what a person would delete with the button (bot.forgetting): the conversation with its answers and ratings,
and its refused questions that no curator has worked on. With the answers go the vectors of their questions; texts that
the model wrote (bot.llm.memory) are deleted at the same age.

A conversation is kept, however old, while somebody may need it:

* an answer in it is being written;
* an answer in it was reported, and the correction is in the queue, in work or published. The report may be a complaint
  that was not withdrawn, or the system's own about a question without an answer. While a correction is published its
  golden question is replayed, and the person who complained sees the corrected answer in the conversation.

The complaints of deleted conversations stay: they are frozen copies that people handed in, and say why a correction was
made. Confirmed answers (rated up) of deleted conversations are no longer replayed by proofs.

Decision: after a long time without this job (the server was off, a backup was restored, or the clock is wrong) it
deletes nothing for its age on the first day, and says so in the log. A day later it deletes. So nothing is lost by a
clock that is far ahead for an hour, or by a restored old backup. Costs: a server that was off for long keeps old
conversations for one day more.

Decision: what people without an account store is limited as a whole and not for each of them, because anybody can be
many. When it is nearly full the job makes it smaller; where that comes too late, a question deletes some conversations
itself. So readers are refused only if nothing at all can be deleted. Costs: who floods the server shortens the time for
which conversations of others are kept.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from bot import forgetting
from bot.errors import StorageFull
from bot.tables import Answer, AnsweredQuestion, Conversation, Generation
from knowledge import jobs, space
from knowledge.correcting import nearest
from knowledge.correcting.corrections import CLOSED
from knowledge.db import utc_now
from knowledge.tables import Complaint, Correction, Golden, Job

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from knowledge.db import Database

log = structlog.get_logger()

HOUSEKEEPING = "housekeeping"  # the kind of the job
EVERY = timedelta(days=1)
ALMOST_A_DAY = timedelta(hours=23)
NEARLY, AFTERWARDS = 0.9, 0.8  # of the limit: from where the job is due at once, and how far it goes
LARGEST = 300_000  # bytes that a question or a rating adds at most
SOON_AGAIN_SECONDS = 3_600  # the job cannot delete what is needed: it is not tried with each question
FULL_SECONDS = 600  # after which a refused asker may try again: curators finish corrections meanwhile
LONGEST_GAP = 0.5  # of the time that conversations are kept; a longer time without the job is unusual
AT_ONCE = 20  # conversations that are deleted in one transaction: others may write between two
ANONYMOUS = Conversation.owner.startswith("visitor:")


def schedule(session: Session, *, after: timedelta = timedelta(0)) -> None:
    """Makes sure that the job is done once more, ``after`` this time or earlier."""
    waiting = sa.select(Job).where(Job.kind == HOUSEKEEPING, Job.state.in_(("queued", "running")))
    job, due = session.scalar(waiting.limit(1)), utc_now() + after
    if job is None:
        jobs.enqueue(session, HOUSEKEEPING, {}, actor="system", run_after=due)
    elif job.run_after > due and not job.failures:
        job.run_after = due


def keep_house(
    database: Database,
    *,
    days: int,
    most: int = 0,
    report: Callable[[dict[str, int]], None] = lambda _progress: None,
) -> dict[str, int]:
    """Deletes the conversations without a question in the last ``days`` days, and where people without an account
    store nearly ``most`` bytes, the oldest of theirs (0: no limit). Gives free space back to the disk. ``report``:
    called after each transaction. Returns how many conversations and bytes, and whether what is old waits for the next
    day (``postponed``: 1 or 0)."""
    deleted = postponed = 0

    def delete_while(due: Callable[[Session], bool], *conditions: sa.ColumnElement[bool]) -> None:
        nonlocal deleted
        while True:
            with database.write() as session:
                count = _delete_some(session, *conditions) if due(session) else 0
            if not count:
                return
            deleted += count
            report({"deleted": deleted})

    if days and (gap := _unusual_gap(database, max(2 * EVERY, LONGEST_GAP * timedelta(days=days)))):
        postponed = 1
        log.warning(
            "old_conversations_kept_for_a_day",
            days_without_this_job=gap.days,
            help="is the clock right?",
        )
    elif days:
        before = utc_now() - timedelta(days=days)
        delete_while(lambda _session: True, Conversation.updated_at < before)
        with database.write() as session:
            session.execute(sa.delete(Generation).where(Generation.created_at < before))
    if most:
        with database.read() as session:
            nearly = stored_anonymously(session) > NEARLY * most
        if nearly:
            delete_while(lambda session: stored_anonymously(session) > AFTERWARDS * most, ANONYMOUS)
    with database.write() as session:
        nearest.forget(session, Golden.__table__, AnsweredQuestion.__table__)
    return {"deleted": deleted, "bytes": space.give_back(database), "postponed": postponed}


def _unusual_gap(database: Database, longest: timedelta) -> timedelta | None:
    """How long the job had not been done before, if that is longer than ``longest`` and became known less than a day
    ago; else None. Times that only a later clock can have written tell nothing."""
    now = utc_now()
    done = sa.select(sa.func.max(Job.finished_at)).where(Job.kind == HOUSEKEEPING, Job.state == "done")
    with database.read() as session:
        trusted = session.scalar(done.where(Job.finished_at.between(now - longest, now - ALMOST_A_DAY)))
        before = session.scalar(done.where(Job.finished_at < now - longest))
    return now - before if before and not trusted else None


def needed() -> sa.ColumnElement[bool]:
    """Whether somebody may need a conversation, as a condition of SQL."""
    of_it = sa.select(Answer.id).where(Answer.conversation_id == Conversation.id)
    reported = (
        of_it.join(Complaint, Complaint.answer_id == Answer.id)
        .join(Correction, Correction.id == Complaint.correction_id)
        .where(Complaint.rating.is_distinct_from("up"), Correction.state.not_in(CLOSED))
    )
    return sa.or_(of_it.where(Answer.status == "running").exists(), reported.exists())


def stored_anonymously(session: Session) -> int:
    """About how many bytes the conversations of people without an account take."""
    return session.scalar(sa.select(sa.func.sum(Conversation.stored_bytes)).where(ANONYMOUS)) or 0


class AnonymousBudget:
    """``most``: bytes that people without an account may store; 0: no limit. Used in write transactions, so by one
    thread at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._unchecked = 0  # so many questions fit in any case
        self._not_before = 0.0  # the job is not due once more; by time.monotonic

    def make_room(self, session: Session) -> None:
        """Called when a person without an account stores a question or a rating. Raises StorageFull, where too much is
        stored and nothing can be deleted."""
        if not self._most:
            return
        if self._unchecked > 0:
            self._unchecked -= 1
            return
        stored = stored_anonymously(session)
        if stored > self._most and not _delete_some(session, ANONYMOUS):
            raise StorageFull(FULL_SECONDS)
        now = time.monotonic()
        if stored > NEARLY * self._most and now >= self._not_before:
            schedule(session)
            self._not_before = now + SOON_AGAIN_SECONDS
        self._unchecked = max(0, self._most - stored) // LARGEST


def _delete_some(session: Session, *conditions: sa.ColumnElement[bool]) -> int:
    """Deletes the oldest conversations that are not needed, at most AT_ONCE. Returns how many."""
    old = sa.select(Conversation).where(*conditions, ~needed()).order_by(Conversation.updated_at).limit(AT_ONCE)
    conversations = session.scalars(old).all()
    for conversation in conversations:
        forgetting.delete_conversation(session, conversation)
    return len(conversations)
