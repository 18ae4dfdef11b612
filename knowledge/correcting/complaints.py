"""Complaints: how they come into the queue, join the correction about their question, and are withdrawn.

The answer that was reported is frozen: no decision changes it. A correction that a curator starts without a complaint
comes into the queue here too, because only one correction about a question may be open.
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
from knowledge.tables import Complaint, Correction, CorrectionEvent, Unanswered
from retrieval.scope import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from knowledge.correcting.corrections import Origin
    from retrieval.scope import Scope

MAX_QUESTION = 4_000  # characters
URGENT = 3  # people who rated answers to one question down
MOST_OF_ONE = 3  # complaints of one person that a correction keeps, the newest
MOST_OF_A_NETWORK = 20  # the same for all people without an account from one network
MOST_UNANSWERED = 20  # reports of one unanswered question that are kept: anyone can ask it any number of times


@dataclass(frozen=True, slots=True)
class NewComplaint:
    """One complaint as it comes in: the frozen answer and what the person wrote. ``question`` is condensed."""

    question: str
    snapshot: Mapping[str, Any]
    origin: Origin
    who: str
    reporter: str | None = None  # distinguishes people where ``who`` does not; None: nobody knows who it was
    network: str | None = None  # a keyed hash of the network of a person without an account
    answer_id: str | None = None
    rating: str | None = None
    reasons: Sequence[str] = field(default_factory=tuple)
    comment: str | None = None
    suggested_answer: str | None = None
    quote: str | None = None
    stars: int | None = None
    # The entries that the answer left out, because the asker reported that they are not about the question.
    without: frozenset[int] = frozenset()


def report(session: Session, complaint: NewComplaint, scope: Scope, *, correction_id: int | None = None) -> Correction:
    """Puts a complaint into the queue, and returns its correction: the open one about the same question in the same
    collection, else a new one. The collection is that of the documents that the answer cited, else the default of the
    asker's ``scope``.

    A complaint about the present answer of a published correction reopens the correction. A complaint about an answer
    that was given before the publication only joins it, because the correction answers it already. Each answer has at
    most one complaint: a later report about the same answer replaces the earlier one, also where the system itself
    had reported the answer as a refusal.
    ``correction_id``: the published correction whose answer was complained about, if it was the answer of one.
    """
    question = complaint.question.strip()[:MAX_QUESTION]
    collection = belonging.collection_of(session, complaint.snapshot, scope)
    correction = _open_correction(session, correction_id, collection, normal_form(question))
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
            return correction  # it counts as an observation on the entry (observations): the answer may be right
        corrections.advance(
            session,
            correction,
            "reopen",
            actor=complaint.who,
            reason=complaint.comment or Reason.of("complained about again", code="complained_again"),
        )
    row = _complaint_about(session, correction.id, complaint.answer_id)
    if complaint.rating is None and (row is not None or _count_unanswered(session, correction.id) >= MOST_UNANSWERED):
        return correction  # a report of the system itself never replaces what a person wrote
    if row is None:
        _make_room(session, correction.id, complaint)
        row = Complaint(
            correction_id=correction.id,
            answer_id=complaint.answer_id,
            question=question,
            snapshot=dict(complaint.snapshot),
        )
        session.add(row)
    row.rating, row.reasons, row.comment = complaint.rating, list(complaint.reasons), complaint.comment
    row.suggested_answer, row.quote, row.stars = complaint.suggested_answer, complaint.quote, complaint.stars
    row.who, row.reporter, row.network = complaint.who, complaint.reporter, complaint.network
    session.flush()
    correction.priority = priority_of(session, correction.id)
    correction.updated_at = utc_now()
    session.flush()
    return correction


def start(
    session: Session, question: str, scope: Scope, *, actor: str, collection: str | None = None
) -> tuple[Correction, bool]:
    """Starts a correction without a complaint, unless one about the same question is open. Returns the new or the open
    correction, and whether it is new. ``question`` must contain a word (drafts.question_of); ``collection``: where the
    correction belongs, None: the default of the scope. Raises NotAllowed for a collection outside the scope."""
    if collection is not None and collection not in scope:
        raise NotAllowed(
            "You may not add anything to the collection {collection!r}.",
            code="collection_forbidden",
            collection=collection[:80],
        )
    collection = checked_name(collection or scope.default)
    present = _open_correction(session, None, collection, normal_form(question))
    if present is not None:
        return present, False
    new = corrections.create(session, question, collection=collection, origin="curator", action="start", actor=actor)
    return new, True


def _complaint_about(session: Session, correction_id: int, answer_id: str | None) -> Complaint | None:
    """The complaint about exactly this answer. There is at most one, because only the asker sees the answer."""
    if answer_id is None:
        return None
    same = sa.select(Complaint).where(Complaint.correction_id == correction_id, Complaint.answer_id == answer_id)
    return session.scalar(same.order_by(Complaint.id).limit(1))


def _count_unanswered(session: Session, correction_id: int) -> int:
    """Counts the reports that the system itself made for a correction."""
    query = sa.select(sa.func.count()).where(Complaint.correction_id == correction_id, Complaint.rating.is_(None))
    return session.scalar(query) or 0


def withdraw(session: Session, answer_id: str, *, who: str) -> None:
    """Withdraws the complaint about an answer, because the person who complained changed their mind.

    The complaint stays and is marked as withdrawn. If nobody worked on its correction and no other complaint is left,
    the correction leaves the queue. A question that was refused stays unanswered."""
    complaints = session.scalars(
        sa.select(Complaint).where(Complaint.answer_id == answer_id, Complaint.rating == "down")
    )
    for complaint in complaints.all():
        complaint.rating = None if complaint.snapshot.get("status") == "refused" else "up"
        session.flush()
        correction = corrections.get(session, complaint.correction_id, EVERYTHING)
        remaining = session.scalar(
            sa.select(sa.func.count()).where(
                Complaint.correction_id == correction.id, Complaint.rating.is_distinct_from("up")
            )
        )
        if not remaining and correction.state == State.QUEUED:
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


def forget_unanswered(session: Session, correction_id: int, answer_id: str) -> bool:
    """Removes the system's own report of a refused answer whose conversation is deleted. Returns whether nothing of it
    is kept: what a person complained about stays, and so does all that a curator has worked on.

    The correction leaves the queue when nobody else asked or complained."""
    correction = corrections.get(session, correction_id, EVERYTHING)
    row = _complaint_about(session, correction_id, answer_id)
    if (row is not None and row.rating is not None) or _worked_on(session, correction):
        return False
    if row is not None:
        session.delete(row)
        session.flush()
    complaint = sa.select(Complaint.id).where(
        Complaint.correction_id == correction_id, Complaint.rating.is_distinct_from("up")
    )
    asked = sa.select(Unanswered.id).where(Unanswered.correction_id == correction_id, Unanswered.answer_id != answer_id)
    if session.scalar(complaint.limit(1)) is None and session.scalar(asked.limit(1)) is None:
        reason = Reason.of("the conversation was deleted, and nobody else asked", code="asked_by_nobody_else")
        corrections.advance(session, correction, "reject", actor="system", reason=reason)
    return True


def _worked_on(session: Session, correction: Correction) -> bool:
    """Whether anything happened to a correction beside reports of readers."""
    others = sa.select(CorrectionEvent.id).where(
        CorrectionEvent.correction_id == correction.id, CorrectionEvent.action != "report"
    )
    return correction.state != State.QUEUED or session.scalar(others.limit(1)) is not None


def _open_correction(session: Session, correction_id: int | None, collection: str, cluster: str) -> Correction | None:
    """The open correction that a complaint belongs to: the one with this id, else the one of the collection about this
    question, else the one into which a correction about this question was merged."""
    named = session.get(Correction, correction_id) if correction_id is not None else None
    if named is not None and named.state not in CLOSED:
        return named
    same = sa.select(Correction).where(Correction.collection == collection, Correction.cluster == cluster)
    match = corrections.open_about(session, collection, cluster)
    if match is None:
        match = session.scalar(same.where(Correction.state == State.MERGED).order_by(Correction.id.desc()).limit(1))
    while match is not None and match.state == State.MERGED:
        match = session.get(Correction, match.merged_into)
    return match if match is not None and match.state not in CLOSED else None


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
    version = complaint.snapshot.get("knowledge_version")
    return entry is not None and entry.seq is not None and isinstance(version, int) and version < entry.seq


def _left_out(session: Session, correction: Correction, complaint: NewComplaint) -> bool:
    """Whether the published answer was left out because the asker had reported that it is not about the question."""
    entry = corrections.live_entry(session, correction.id)
    return entry is not None and entry.id in complaint.without


def priority_of(session: Session, correction_id: int) -> str:
    """urgent: three people or more complained; important: somebody rated it down; normal: only unanswered."""
    downs = session.execute(
        sa.select(Complaint.id, Complaint.reporter, Complaint.network).where(
            Complaint.correction_id == correction_id, Complaint.rating == "down"
        )
    ).all()
    # Anybody can be many visitors, so that those of one network count as one person. An unknown reporter counts as
    # another person each time.
    visitors = {(row.reporter or row.id, row.network) for row in downs if row.network is not None}
    others = {row.reporter or row.id for row in downs if row.network is None}
    people = len(others) + min(len({reporter for reporter, _ in visitors} - others), len({net for _, net in visitors}))
    return "urgent" if people >= URGENT else "important" if downs else "normal"


def _make_room(session: Session, correction_id: int, complaint: NewComplaint) -> None:
    """Removes the oldest complaints of a person, and of a network, who complained too often about one correction."""
    bounds = (
        (Complaint.reporter, complaint.reporter, MOST_OF_ONE),
        (Complaint.network, complaint.network, MOST_OF_A_NETWORK),
    )
    for column, value, most in bounds:
        if value is None:
            continue
        same = sa.select(Complaint.id).where(
            Complaint.correction_id == correction_id, Complaint.rating.is_not(None), column == value
        )
        surplus = session.scalars(same.order_by(Complaint.id.desc()).offset(most - 1)).all()
        session.execute(sa.delete(Complaint).where(Complaint.id.in_(surplus)))
