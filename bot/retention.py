"""How long conversations are kept: the daily job that deletes those that nobody used for a long time.

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
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot import forgetting
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

HOUSEKEEPING = "housekeeping"  # the kind of the job
EVERY = timedelta(days=1)
AT_ONCE = 20  # conversations that are deleted in one transaction: others may write between two


def schedule(session: Session, *, after: timedelta = timedelta(0)) -> None:
    """Makes sure that the job is done once more, ``after`` this time."""
    waiting = sa.select(Job.id).where(Job.kind == HOUSEKEEPING, Job.state.in_(("queued", "running")))
    if session.scalar(waiting.limit(1)) is None:
        jobs.enqueue(session, HOUSEKEEPING, {}, actor="system", run_after=utc_now() + after)


def keep_house(
    database: Database, *, days: int, report: Callable[[dict[str, int]], None] = lambda _progress: None
) -> dict[str, int]:
    """Deletes the conversations without a question in the last ``days`` days (0: none), and gives free space back to
    the disk. ``report``: called after each transaction. Returns how many conversations and bytes."""
    deleted = 0
    if days:
        before = utc_now() - timedelta(days=days)
        while count := _delete_some(database, before):
            deleted += count
            report({"deleted": deleted})
        with database.write() as session:
            session.execute(sa.delete(Generation).where(Generation.created_at < before))
    with database.write() as session:
        nearest.forget(session, Golden.__table__, AnsweredQuestion.__table__)
    return {"deleted": deleted, "bytes": space.give_back(database)}


def needed() -> sa.ColumnElement[bool]:
    """Whether somebody may need a conversation, as a condition of SQL."""
    of_it = sa.select(Answer.id).where(Answer.conversation_id == Conversation.id)
    reported = (
        of_it.join(Complaint, Complaint.answer_id == Answer.id)
        .join(Correction, Correction.id == Complaint.correction_id)
        .where(Complaint.rating.is_distinct_from("up"), Correction.state.not_in(CLOSED))
    )
    return sa.or_(of_it.where(Answer.status == "running").exists(), reported.exists())


def _delete_some(database: Database, before: datetime) -> int:
    """Deletes the oldest conversations that are not needed. Returns how many."""
    old = sa.select(Conversation).where(Conversation.updated_at < before, ~needed()).order_by(Conversation.updated_at)
    with database.write() as session:
        conversations = session.scalars(old.limit(AT_ONCE)).all()
        for conversation in conversations:
            forgetting.delete_conversation(session, conversation)
        return len(conversations)
