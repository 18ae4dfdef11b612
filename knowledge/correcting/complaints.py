"""Complaints: how they come into the queue, join the correction about their question, and are withdrawn.

What was reported is frozen; a decision never changes it. A correction that a curator starts without a complaint comes
into the queue here too, because it must be the only open one about its question.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.correcting import belonging, corrections
from knowledge.correcting.corrections import CLOSED, State
from knowledge.correcting.matching import normal_form
from knowledge.correcting.reasons import Reason
from knowledge.db import utc_now
from knowledge.errors import NotAllowed
from knowledge.scoping import checked_name
from knowledge.tables import Complaint, Correction
from retrieval.scope import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from retrieval.scope import Scope

MAX_QUESTION = 4_000  # characters
URGENT = 3  # people who rated answers to one question down
MOST_UNANSWERED = 20  # reports of one unanswered question that are kept: anyone can ask it any number of times


@dataclass(frozen=True, slots=True)
class NewComplaint:
    """One complaint as it comes in: the frozen answer and what the person said. ``question`` is condensed."""

    question: str
    snapshot: Mapping[str, Any]
    origin: str  # rated_down | unanswered | api | curator
    who: str
    reporter: str | None = None  # tells people apart where ``who`` does not; None: nobody knows who it was
    answer_id: str | None = None
    rating: str | None = None
    reasons: Sequence[str] = field(default_factory=tuple)
    comment: str | None = None
    suggested_answer: str | None = None
    quote: str | None = None
    stars: int | None = None
    without: frozenset[int] = (
        frozenset()
    )  # entries that the answer left out, because the asker said they are not theirs


def report(session: Session, complaint: NewComplaint, scope: Scope, *, correction_id: int | None = None) -> Correction:
    """Puts a complaint into the queue: a new correction, or the open one about the same question in the same
    collection: that of the documents that the answer cited, else the default of the asker's ``scope``.

    A complaint about what a published correction says now reopens it; one about an answer that was given before
    is answered by it already and only joins it. The same answer is one complaint, whatever is said of it: a refusal
    that reported itself becomes what its asker says, and saying it again replaces it.
    ``correction_id`` names the published correction whose answer was complained about, if it was one.
    """
    question = complaint.question.strip()[:MAX_QUESTION]
    collection = belonging.collection_of(session, complaint.snapshot, scope)
    correction = _open_one(session, correction_id, collection, normal_form(question))
    correction = correction or _withdrawn(session, complaint.answer_id)
    if correction is None:
        correction = corrections.create(
            session,
            question,
            collection=collection,
            origin=complaint.origin,
            action="report",
            actor=complaint.who,
            reason=complaint.comment,
        )
    elif State(correction.state) is State.REJECTED:
        corrections.advance(
            session,
            correction,
            "reopen",
            actor=complaint.who,
            reason=Reason.of("complained about again after all", code="complained_after_all"),
        )
    elif correction.state in (State.APPROVED, State.VERIFIED) and not _is_answered(session, correction, complaint):
        if complaint.rating is None and _left_out(session, correction, complaint):
            return correction  # an observation on its entry (observations): it says nothing against the answer
        corrections.advance(
            session,
            correction,
            "reopen",
            actor=complaint.who,
            reason=complaint.comment or Reason.of("complained about again", code="complained_again"),
        )
    known = _about_answer(session, correction.id, complaint.answer_id)
    if complaint.rating is None and (known is not None or _unanswered(session, correction.id) >= MOST_UNANSWERED):
        return correction  # what the system reports takes nothing from what a person said
    if known is None:
        known = Complaint(
            correction_id=correction.id,
            answer_id=complaint.answer_id,
            question=question,
            snapshot=dict(complaint.snapshot),
        )
        session.add(known)
    known.rating, known.reasons, known.comment = complaint.rating, list(complaint.reasons), complaint.comment
    known.suggested_answer, known.quote, known.stars = complaint.suggested_answer, complaint.quote, complaint.stars
    known.who, known.reporter = complaint.who, complaint.reporter
    session.flush()
    correction.priority = priority_of(session, correction.id)
    correction.updated_at = utc_now()
    session.flush()
    return correction


def start(
    session: Session, question: str, scope: Scope, *, actor: str, collection: str | None = None
) -> tuple[Correction, bool]:
    """A correction that a curator begins without a complaint, or the open one about the same question. Returns it and
    whether it is new. ``question``: has a word in it (drafts.question_of); ``collection``: where it belongs, None: the
    scope's own. Raises NotAllowed for a collection outside the scope."""
    if collection is not None and collection not in scope:
        raise NotAllowed(
            "You may not add anything to the collection {collection!r}.",
            code="collection_forbidden",
            collection=collection[:80],
        )
    collection = checked_name(collection or scope.default)
    open_one = _open_one(session, None, collection, normal_form(question))
    if open_one is not None:
        return open_one, False
    new = corrections.create(session, question, collection=collection, origin="curator", action="start", actor=actor)
    return new, True


def _about_answer(session: Session, correction_id: int, answer_id: str | None) -> Complaint | None:
    """The complaint about this very answer, whose only reader is who asked."""
    if answer_id is None:
        return None
    same = sa.select(Complaint).where(Complaint.correction_id == correction_id, Complaint.answer_id == answer_id)
    return session.scalar(same.order_by(Complaint.id).limit(1))


def _unanswered(session: Session, correction_id: int) -> int:
    """How many reports of the system itself a correction has."""
    query = sa.select(sa.func.count()).where(Complaint.correction_id == correction_id, Complaint.rating.is_(None))
    return session.scalar(query) or 0


def withdraw(session: Session, answer_id: str, *, who: str) -> None:
    """Somebody changed their mind about an answer: its complaint stays, marked so; an item that nobody worked on
    and nobody complains of any more leaves the queue. A question that was refused stays unanswered."""
    complaints = session.scalars(
        sa.select(Complaint).where(Complaint.answer_id == answer_id, Complaint.rating == "down")
    )
    for complaint in complaints.all():
        complaint.rating = None if complaint.snapshot.get("status") == "refused" else "up"
        session.flush()
        correction = corrections.get(session, complaint.correction_id, EVERYTHING)
        standing = session.scalar(
            sa.select(sa.func.count()).where(
                Complaint.correction_id == correction.id, Complaint.rating.is_distinct_from("up")
            )
        )
        if not standing and correction.state == State.QUEUED:
            corrections.advance(
                session,
                correction,
                "reject",
                actor=who,
                reason=Reason.of("withdrawn by the person who complained", code="withdrawn"),
            )
        else:
            correction.priority = priority_of(session, correction.id)
            session.flush()


def _open_one(session: Session, correction_id: int | None, collection: str, cluster: str) -> Correction | None:
    """The open correction that a complaint belongs to: the one that is named, else the one of the collection about this
    question, else the one that a correction about this question was merged into."""
    named = session.get(Correction, correction_id) if correction_id is not None else None
    if named is not None and named.state not in CLOSED:
        return named
    same = sa.select(Correction).where(Correction.collection == collection, Correction.cluster == cluster)
    found = corrections.open_about(session, collection, cluster)
    if found is None:
        found = session.scalar(same.where(Correction.state == State.MERGED).order_by(Correction.id.desc()).limit(1))
    while found is not None and found.state == State.MERGED:
        found = session.get(Correction, found.merged_into)
    return found if found is not None and found.state not in CLOSED else None


def _withdrawn(session: Session, answer_id: str | None) -> Correction | None:
    """The correction that left the queue when the person who complained about this answer withdrew it."""
    if answer_id is None:
        return None
    return session.scalar(
        sa.select(Correction)
        .join(Complaint, Complaint.correction_id == Correction.id)
        .where(Complaint.answer_id == answer_id, Complaint.rating == "up", Correction.state == State.REJECTED)
        .order_by(Correction.id.desc())
        .limit(1)
    )


def _is_answered(session: Session, correction: Correction, complaint: NewComplaint) -> bool:
    """Whether the answer that is complained about was given before the correction was published."""
    entry = corrections.live_entry(session, correction.id)
    given = complaint.snapshot.get("knowledge_version")
    return entry is not None and entry.seq is not None and isinstance(given, int) and given < entry.seq


def _left_out(session: Session, correction: Correction, complaint: NewComplaint) -> bool:
    """Whether the published answer was not given because the asker had said that it is not to their question."""
    entry = corrections.live_entry(session, correction.id)
    return entry is not None and entry.id in complaint.without


def priority_of(session: Session, correction_id: int) -> str:
    """urgent: three people or more complained; important: somebody rated it down; normal: only unanswered."""
    downs = session.execute(
        sa.select(Complaint.id, Complaint.reporter).where(
            Complaint.correction_id == correction_id, Complaint.rating == "down"
        )
    )
    people = {row.reporter or row.id for row in downs}  # who is not known is somebody else each time
    return "urgent" if len(people) >= URGENT else "important" if people else "normal"
