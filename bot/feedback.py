"""Ratings and signals of people about answers, and their way into the queue.

A thumb down always leads to a correction, a new one or an existing one. A person who changes the rating withdraws the
complaint. A refused question is reported without a person. Knows nothing of the web.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import sqlalchemy as sa

from bot import conversations, unanswered
from bot.tables import Answer, Conversation, Feedback, Signal, Survey
from knowledge.correcting import complaints, merging, observations
from knowledge.correcting.complaints import NewComplaint
from knowledge.db import utc_now
from knowledge.errors import Invalid
from knowledge.tables import Complaint, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from knowledge.tables import Correction
    from retrieval.scope import Scope

Thumb: TypeAlias = Literal["up", "down"]
MAX_TEXT = 10_000  # characters of a comment, suggestion or quote
MAX_REASONS = 20
MAX_REASON = 200  # characters of one
MOST_SIGNALS = 100  # that are kept of an answer: a browser may send any number
STARS = (1, 5)  # the fewest and the most
SIGNALS = ("copied", "dwell", "regenerated", "source_opened", "stopped", conversations.NOT_MINE)


@dataclass(frozen=True, slots=True)
class Rating:
    """A rating with the details that the person gave."""

    rating: Thumb
    reasons: tuple[str, ...] = ()
    comment: str | None = None
    suggested_answer: str | None = None
    quote: str | None = None
    stars: int | None = None


def rate(
    session: Session, answer: Answer, rating: Rating, scope: Scope, *, who: str, network: str | None = None
) -> Feedback:
    """Stores the rating (a second one replaces the first) and, for a *down*, reports it to the queue. Raises
    Invalid."""
    _check(rating)
    if answer.status == "running":
        raise Invalid("The answer is still being written. Rate it when it is finished.", code="answer_unfinished")
    row = session.scalar(sa.select(Feedback).where(Feedback.answer_id == answer.id))
    if row is None:
        row = Feedback(answer_id=answer.id, rating=rating.rating, who=who)
        session.add(row)
    before = _written(row)
    row.rating, row.reasons, row.comment = rating.rating, list(rating.reasons), rating.comment
    row.suggested_answer, row.quote, row.stars, row.who = rating.suggested_answer, rating.quote, rating.stars, who
    row.created_at = utc_now()
    conversations.count_bytes(session, answer.conversation_id, 2 * (_written(row) - before))  # a complaint has it again
    if rating.rating == "down":
        correction = complaints.report(
            session,
            NewComplaint(
                question=answer.condensed_question,
                snapshot=conversations.snapshot(session, answer),
                origin="unanswered" if answer.status == "refused" else "rated_down",
                who=who,
                reporter=session.get_one(Conversation, answer.conversation_id).owner,
                network=network,
                answer_id=answer.id,
                rating=rating.rating,
                reasons=rating.reasons,
                comment=rating.comment,
                suggested_answer=rating.suggested_answer,
                quote=rating.quote,
                stars=rating.stars,
            ),
            scope,
            correction_id=_published_by(session, answer),
        )
        row.correction_id = answer.correction_id = correction.id
        unanswered.adopt(session, correction, answer.condensed_question)
    elif answer.correction_id is not None:
        complaints.withdraw(session, answer.id, who=who)
        row.correction_id = None
    session.flush()
    return row


def rate_elsewhere(
    session: Session, scope: Scope, *, query: str, response: str, rating: Rating, user: str | None, who: str
) -> Feedback:
    """Stores feedback from another front end; it reaches the same queue. Raises Invalid."""
    _check(rating)
    if not query.strip():
        raise Invalid("query is empty.", code="query_empty")
    row = Feedback(answer_id=None, rating=rating.rating, comment=rating.comment, who=who)
    session.add(row)
    if rating.rating == "down":
        snapshot: dict[str, Any] = {
            "question": query,
            "condensed_question": query,
            "answer": response,
            "sources": [],
            "user": user,
        }
        correction = complaints.report(
            session,
            NewComplaint(
                question=query,
                snapshot=snapshot,
                origin="api",
                who=who,
                reporter=f"{who}:{user}" if user else who,  # who names no users counts as one
                rating=rating.rating,
                comment=rating.comment,
            ),
            scope,
        )
        row.correction_id = correction.id
        unanswered.adopt(session, correction, query)
    session.flush()
    return row


def report_unanswered(session: Session, answer_id: str, scope: Scope, *, network: str | None = None) -> None:
    """Notes a refused question as *unanswered* (bot.unanswered). ``network``: as in ``unanswered.note``."""
    answer = session.get_one(Answer, answer_id)
    unanswered.note(
        session,
        answer,
        scope,
        asker=session.get_one(Conversation, answer.conversation_id).owner,
        without=conversations.rejected_entries(session, answer.conversation_id),
        network=network,
    )


def split(
    session: Session,
    correction_id: int,
    complaint_ids: Sequence[int],
    scope: Scope,
    *,
    actor: str,
    revision: int | None = None,
) -> tuple[Correction, Correction]:
    """Moves complaints from a correction into a new one (knowledge.correcting.merging). The people who made them are
    then informed about the new one. Returns (the old correction, the new one). Raises the errors of merging.split."""
    remaining, new = merging.split(session, correction_id, complaint_ids, scope, actor=actor, revision=revision)
    moved = sa.select(Complaint.answer_id).where(Complaint.correction_id == new.id, Complaint.answer_id.is_not(None))
    for table, answer_id in ((Answer, Answer.id), (Feedback, Feedback.answer_id)):
        session.execute(
            sa.update(table)
            .where(answer_id.in_(moved), table.correction_id == remaining.id)
            .values(correction_id=new.id)
            .execution_options(synchronize_session=False)
        )
    return remaining, new


def signal(session: Session, answer: Answer, kind: str, value: float | None) -> None:
    """Stores a signal, unless the answer has MOST_SIGNALS. "Not my question" is also an observation on the entry that
    was given. Raises Invalid for an unknown kind."""
    if kind not in SIGNALS:
        raise Invalid(
            "kind is one of {kinds}; not {given!r}.", code="signal_unknown", kinds=", ".join(SIGNALS), given=kind[:40]
        )
    stored = session.scalar(sa.select(sa.func.count()).where(Signal.answer_id == answer.id)) or 0
    if stored >= MOST_SIGNALS:
        return
    session.add(Signal(answer_id=answer.id, kind=kind, value=value))
    session.flush()
    if kind == conversations.NOT_MINE and answer.entry_id is not None:
        observations.observe(
            session,
            answer.entry_id,
            question=answer.condensed_question,
            reporter=session.get_one(Conversation, answer.conversation_id).owner,
        )


def survey(session: Session, conversation_id: str, stars: int, comment: str | None) -> None:
    """Stores the stars for a whole conversation; a second survey replaces the first. Raises Invalid."""
    _check(Rating("up", stars=stars, comment=comment))
    earlier = session.get(Survey, conversation_id)
    more = _bytes(comment) - (_bytes(earlier.comment) if earlier else 0)
    conversations.count_bytes(session, conversation_id, more)
    session.merge(Survey(conversation_id=conversation_id, stars=stars, comment=comment, created_at=utc_now()))
    session.flush()


def _written(row: Feedback) -> int:
    """Bytes of what a person wrote in a rating."""
    return _bytes(row.comment, row.suggested_answer, row.quote, *(row.reasons or ()))


def _bytes(*texts: str | None) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts if text)


def _published_by(session: Session, answer: Answer) -> int | None:
    """The correction whose published answer this is, for a complaint about a curated answer."""
    if answer.entry_id is None:
        return None
    entry = session.get(Entry, answer.entry_id)
    return entry.correction_id if entry else None


def _check(rating: Rating) -> None:
    if rating.rating not in ("up", "down"):
        raise Invalid('rating is "up" or "down".', code="rating_unknown")
    if len(rating.reasons) > MAX_REASONS or any(len(reason) > MAX_REASON for reason in rating.reasons):
        raise Invalid("At most {limit} reasons of 200 characters.", code="too_many_reasons", limit=MAX_REASONS)
    for name in ("comment", "suggested_answer", "quote"):
        text = getattr(rating, name)
        if text is not None and len(text) > MAX_TEXT:
            raise Invalid(
                "{field} has {length:,} characters; at most {limit:,}.",
                code="field_too_long",
                field=name,
                length=len(text),
                limit=MAX_TEXT,
            )
    if rating.stars is not None and not STARS[0] <= rating.stars <= STARS[1]:
        raise Invalid("stars is a number from 1 to 5.", code="stars_out_of_range")
