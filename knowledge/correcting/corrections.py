"""Corrections: their states, the one table of transitions, and ``advance``, the one writer of states.

    queued ──draft──▶ drafted ──approve──▶ approved ──verify──▶ verified   (recheck: approved again)
      │  ▲               │                    │  │                 │
      │  └───────────────┘ (reject: rejected) │  └──reopen──▶ reopened ◀──reopen──┘
      └─merge─▶ merged                        └──rollback, expire──▶ rolled_back

A *reopened* correction that was published stays live until it is rolled back or its time is over; one that never was
published is simply back in the queue. One whose earlier publication stands again after a rollback is *reopened* too.
What was reported is frozen in ``complaints``; a decision never changes it.
Knows nothing of how a publication is written (publish) or proved (proof).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.correcting import belonging
from knowledge.correcting.matching import normal_form
from knowledge.correcting.reasons import Reason, text_of
from knowledge.db import utc_now
from knowledge.errors import NotAllowed, NotFound, Stale
from knowledge.scoping import checked_name
from knowledge.tables import Complaint, Correction, CorrectionEvent, Entry
from retrieval.scope import EVERYTHING
from retrieval.text import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from retrieval.scope import Scope

MAX_QUESTION = 4_000  # characters
URGENT = 3  # people who rated answers to one question down
MOST_UNANSWERED = 20  # reports of one unanswered question that are kept: anyone can ask it any number of times


class State(StrEnum):
    """Each state in a sentence."""

    QUEUED = "queued"  # somebody complained, or a question stayed unanswered; nobody wrote a correction yet
    DRAFTED = "drafted"  # a curator wrote a corrected answer; readers do not see it
    APPROVED = "approved"  # published; not asked again yet, or asked again and right only word for word
    VERIFIED = "verified"  # published, asked again, and right: with the approved text, and through search without it
    REOPENED = "reopened"  # back in the queue after a decision: the recheck failed, or somebody complained again
    REJECTED = "rejected"  # a curator decided that nothing is to be corrected
    MERGED = "merged"  # its complaints belong to another correction now
    ROLLED_BACK = "rolled_back"  # was published and taken back, by a curator or because its time was over


CLOSED = (State.REJECTED, State.MERGED, State.ROLLED_BACK)  # the unique index over open corrections names the same

TRANSITIONS: Mapping[tuple[State, str], State] = {
    (State.QUEUED, "draft"): State.DRAFTED,
    (State.DRAFTED, "draft"): State.DRAFTED,
    (State.REOPENED, "draft"): State.REOPENED,
    (State.QUEUED, "claim"): State.QUEUED,
    (State.DRAFTED, "claim"): State.DRAFTED,
    (State.REOPENED, "claim"): State.REOPENED,
    (State.DRAFTED, "approve"): State.APPROVED,
    (State.REOPENED, "approve"): State.APPROVED,
    (State.APPROVED, "verify"): State.VERIFIED,
    (State.APPROVED, "not_verified"): State.APPROVED,
    (State.APPROVED, "not_checked"): State.APPROVED,
    (State.APPROVED, "recheck"): State.APPROVED,
    (State.VERIFIED, "recheck"): State.APPROVED,  # until the question was asked again
    (State.APPROVED, "reopen"): State.REOPENED,
    (State.VERIFIED, "reopen"): State.REOPENED,
    (State.REJECTED, "reopen"): State.REOPENED,
    (State.ROLLED_BACK, "reopen"): State.REOPENED,
    (State.QUEUED, "reject"): State.REJECTED,
    (State.DRAFTED, "reject"): State.REJECTED,
    (State.REOPENED, "reject"): State.REJECTED,
    (State.QUEUED, "merge"): State.MERGED,
    (State.DRAFTED, "merge"): State.MERGED,
    (State.REOPENED, "merge"): State.MERGED,
    (State.MERGED, "split"): State.REOPENED,  # merging was a decision, and it was taken back
    (State.APPROVED, "rollback"): State.ROLLED_BACK,
    (State.VERIFIED, "rollback"): State.ROLLED_BACK,
    (State.REOPENED, "rollback"): State.ROLLED_BACK,
    (State.APPROVED, "expire"): State.ROLLED_BACK,
    (State.VERIFIED, "expire"): State.ROLLED_BACK,
    (State.REOPENED, "expire"): State.REOPENED,  # it is being worked on anyway
}

_OURS = ("verify", "not_verified", "not_checked", "expire", "split")  # what no curator does to the item itself
_NEEDS_LIVE = ("rollback", "expire")
_NEEDS_NOT_LIVE = ("reject", "merge")


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
        correction = Correction(
            state=State.QUEUED,
            collection=collection,
            origin=complaint.origin,
            cluster=normal_form(question),
            question=question,
            language=language_of(question),
        )
        session.add(correction)
        session.flush()
        _record(session, correction, "report", None, complaint.who, complaint.comment)
    elif State(correction.state) is State.REJECTED:
        advance(
            session,
            correction,
            "reopen",
            actor=complaint.who,
            reason=Reason.of("complained about again after all", code="complained_after_all"),
        )
    elif correction.state in (State.APPROVED, State.VERIFIED) and not _is_answered(session, correction, complaint):
        if complaint.rating is None and _left_out(session, correction, complaint):
            return correction  # an observation on its entry (observations): it says nothing against the answer
        advance(
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
    correction = Correction(
        state=State.QUEUED,
        collection=collection,
        origin="curator",
        cluster=normal_form(question),
        question=question,
        language=language_of(question),
    )
    session.add(correction)
    session.flush()
    _record(session, correction, "start", None, actor, None)
    return correction, True


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
        correction = get(session, complaint.correction_id, EVERYTHING)
        standing = session.scalar(
            sa.select(sa.func.count()).where(
                Complaint.correction_id == correction.id, Complaint.rating.is_distinct_from("up")
            )
        )
        if not standing and correction.state == State.QUEUED:
            advance(
                session,
                correction,
                "reject",
                actor=who,
                reason=Reason.of("withdrawn by the person who complained", code="withdrawn"),
            )
        else:
            correction.priority = priority_of(session, correction.id)
            session.flush()


def advance(
    session: Session,
    correction: Correction,
    action: str,
    *,
    actor: str,
    reason: str | Reason | None = None,
    revision: int | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Correction:
    """Carries out ``action``: checks the table, writes state, revision and history in one conditional UPDATE.

    ``revision`` is the one that the caller saw (None: whatever it is now); ``changes`` are further columns.
    Raises NotAllowed (no such transition, or the published state forbids it), Stale (somebody was first).
    """
    state = State(correction.state)
    target = TRANSITIONS.get((state, action))
    check_revision(session, correction, revision)
    if target is None:
        allowed = ", ".join(sorted(a for s, a in TRANSITIONS if s is state and a not in _OURS)) or "nothing"
        raise NotAllowed(
            "Correction {number} is {state}: it cannot {action}. Possible now: {allowed}.",
            code="correction_not_in_state",
            number=correction.id,
            state=state,
            action=action,
            allowed=allowed,
        )
    live = is_live(session, correction.id)
    if action in _NEEDS_LIVE and not live:
        raise NotAllowed(
            "Nothing of correction {number} is published, so it cannot {action}.",
            code="correction_not_live",
            number=correction.id,
            action=action,
        )
    if action in _NEEDS_NOT_LIVE and live:
        raise NotAllowed(
            "Correction {number} is published, so it cannot {action}. Roll it back first.",
            code="correction_live",
            number=correction.id,
            action=action,
        )
    if state in CLOSED:
        _refuse_if_question_is_open(session, correction)
    values = dict(changes or {})
    if action == "reopen":
        values.setdefault(
            "recheck", None
        )  # what was found, or is being looked for, is about a decision that is no more
    done = session.execute(
        sa.update(Correction)
        .where(Correction.id == correction.id, Correction.revision == correction.revision, Correction.state == state)
        .values(state=target, revision=Correction.revision + 1, updated_at=utc_now(), **values)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise _stale(session, correction)
    session.refresh(correction)
    _record(session, correction, action, state, actor, reason)
    return correction


def get(session: Session, correction_id: int, scope: Scope) -> Correction:
    """The correction; raises NotFound, for one outside the scope too."""
    known = 0 < correction_id < 1 << 63  # a larger number would not even fit into the question
    correction = session.get(Correction, correction_id, populate_existing=True) if known else None
    if correction is None or correction.collection not in scope:
        raise NotFound(
            "There is no correction {correction_id}.", code="correction_not_found", correction_id=correction_id
        )
    return correction


def is_live(session: Session, correction_id: int) -> bool:
    """Whether readers see something of it."""
    return live_entry(session, correction_id) is not None


def live_entry(session: Session, correction_id: int) -> Entry | None:
    return session.scalar(sa.select(Entry).where(Entry.correction_id == correction_id, Entry.live))


def check_revision(session: Session, correction: Correction, revision: int | None) -> None:
    """Raises Stale if the correction is not the one that the caller saw; None: whatever it is now."""
    if revision is not None and revision != correction.revision:
        raise _stale(session, correction)


def open_about(session: Session, collection: str, cluster: str) -> Correction | None:
    """The open correction of a collection about the question with this normal form."""
    same = sa.and_(Correction.collection == collection, Correction.cluster == cluster)
    return session.scalar(sa.select(Correction).where(same, Correction.state.not_in(CLOSED)))


def note(session: Session, correction: Correction, action: str, *, actor: str, reason: str | Reason | None) -> None:
    """A line of history that changes no state (e.g. ``source_changed`` found while it was open anyway)."""
    _record(session, correction, action, State(correction.state), actor, reason)


def _open_one(session: Session, correction_id: int | None, collection: str, cluster: str) -> Correction | None:
    """The open correction that a complaint belongs to: the one that is named, else the one of the collection about this
    question, else the one that a correction about this question was merged into."""
    named = session.get(Correction, correction_id) if correction_id is not None else None
    if named is not None and named.state not in CLOSED:
        return named
    same = sa.select(Correction).where(Correction.collection == collection, Correction.cluster == cluster)
    found = open_about(session, collection, cluster)
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
    entry = live_entry(session, correction.id)
    given = complaint.snapshot.get("knowledge_version")
    return entry is not None and entry.seq is not None and isinstance(given, int) and given < entry.seq


def _left_out(session: Session, correction: Correction, complaint: NewComplaint) -> bool:
    """Whether the published answer was not given because the asker had said that it is not to their question."""
    entry = live_entry(session, correction.id)
    return entry is not None and entry.id in complaint.without


def _record(
    session: Session, correction: Correction, action: str, before: State | None, actor: str, reason: str | Reason | None
) -> None:
    known = reason if isinstance(reason, Reason) else None
    session.add(
        CorrectionEvent(
            correction_id=correction.id,
            action=action,
            from_state=before,
            to_state=correction.state,
            actor=actor,
            reason=text_of(reason),
            reason_code=known.code if known else None,
            reason_values=dict(known.values) if known else None,
        )
    )
    session.flush()


def _stale(session: Session, correction: Correction) -> Stale:
    session.refresh(correction)
    last = session.scalar(
        sa.select(CorrectionEvent)
        .where(CorrectionEvent.correction_id == correction.id)
        .order_by(CorrectionEvent.id.desc())
        .limit(1)
    )
    if last is None:
        return Stale(
            "Correction {number} was changed meanwhile; it is {state} now. Look at it again.",
            code="correction_changed",
            number=correction.id,
            revision=correction.revision,
            state=correction.state,
        )
    return Stale(
        "Correction {number} was changed by {actor} ({action}) meanwhile; it is {state} now. Look at it again.",
        code="correction_changed_by",
        number=correction.id,
        actor=last.actor,
        action=last.action,
        revision=correction.revision,
        state=correction.state,
    )


def _refuse_if_question_is_open(session: Session, correction: Correction) -> None:
    other = session.scalar(
        sa.select(Correction.id).where(
            Correction.collection == correction.collection,
            Correction.cluster == correction.cluster,
            Correction.state.not_in(CLOSED),
            Correction.id != correction.id,
        )
    )
    if other is not None:
        raise NotAllowed(
            "Correction {number} about the same question is open. Work on that one, or reject it first.",
            code="correction_same_question",
            number=other,
        )


def priority_of(session: Session, correction_id: int) -> str:
    """urgent: three people or more complained; important: somebody rated it down; normal: only unanswered."""
    downs = session.execute(
        sa.select(Complaint.id, Complaint.reporter).where(
            Complaint.correction_id == correction_id, Complaint.rating == "down"
        )
    )
    people = {row.reporter or row.id for row in downs}  # who is not known is somebody else each time
    return "urgent" if len(people) >= URGENT else "important" if people else "normal"
