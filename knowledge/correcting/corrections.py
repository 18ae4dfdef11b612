"""Corrections: their states, the one table of transitions, and ``advance``, the one writer of states.

    queued ──draft──▶ drafted ──approve──▶ approved ──verify──▶ verified   (recheck: approved again)
      │  ▲               │                    │  │                 │
      │  └───────────────┘ (reject: rejected) │  └──reopen──▶ reopened ◀──reopen──┘
      └─merge─▶ merged                        └──rollback, expire──▶ rolled_back

A *reopened* correction that was published stays live until it is rolled back or its time is over. One that was never
published is only back in the queue. When a rollback publishes an earlier publication again, its correction is
*reopened* too. This module knows nothing of what readers reported (complaints), nor of how a publication is written
(publish) or proved (proof).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import sqlalchemy as sa

from knowledge.correcting.matching import normal_form
from knowledge.correcting.reasons import Reason, text_of
from knowledge.db import utc_now
from knowledge.errors import NotAllowed, NotFound, Stale
from knowledge.tables import Correction, CorrectionEvent, Entry
from retrieval.phrases import Phrase, stored
from retrieval.text import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from retrieval.scope import Scope


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


# where a correction comes from: a rating, a question without an answer, another front end, a curator
Origin: TypeAlias = Literal["rated_down", "unanswered", "api", "curator"]
# what became of asking the questions of a published correction again
RecheckState: TypeAlias = Literal["pending", "verified", "partly", "reopened", "failed"]

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

_OURS = ("verify", "not_verified", "not_checked", "expire", "split")  # actions that no curator does on the item itself
_NEEDS_LIVE = ("rollback", "expire")
_NEEDS_NOT_LIVE = ("reject", "merge")


def create(
    session: Session,
    question: str,
    *,
    collection: str,
    origin: Origin,
    action: str,
    actor: str,
    reason: str | Reason | None = None,
) -> Correction:
    """Puts a new correction into the queue; ``action`` (report | start | split) is the first line of its history."""
    correction = Correction(
        state=State.QUEUED,
        collection=collection,
        origin=origin,
        cluster=normal_form(question),
        question=question,
        language=language_of(question),
    )
    session.add(correction)
    session.flush()
    _record(session, correction, action, None, actor, reason)
    return correction


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
    """Carries out ``action``: checks the table, writes state and revision in one conditional UPDATE, and the history.

    ``revision``: the one that the caller saw (None: any); ``changes``: values of further columns.
    Raises NotAllowed (no such transition, or the published state forbids it) and Stale (somebody else changed the
    correction meanwhile).
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
        values.setdefault("recheck", None)  # a result of asking again is about the decision that is reopened now
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
    """The correction. Raises NotFound where there is none, and for one outside the scope."""
    fits = 0 < correction_id < 1 << 63  # the database refuses a larger number as a parameter
    correction = session.get(Correction, correction_id, populate_existing=True) if fits else None
    if correction is None or correction.collection not in scope:
        raise NotFound(
            "There is no correction {correction_id}.", code="correction_not_found", correction_id=correction_id
        )
    return correction


def is_live(session: Session, correction_id: int) -> bool:
    """Whether readers see a publication of this correction."""
    return live_entry(session, correction_id) is not None


def live_entry(session: Session, correction_id: int) -> Entry | None:
    return session.scalar(sa.select(Entry).where(Entry.correction_id == correction_id, Entry.live))


def check_revision(session: Session, correction: Correction, revision: int | None) -> None:
    """Raises Stale if the correction changed after the caller saw this revision. None: any revision is accepted."""
    if revision is not None and revision != correction.revision:
        raise _stale(session, correction)


def open_about(session: Session, collection: str, cluster: str) -> Correction | None:
    """The open correction of a collection about the question with this normal form."""
    same = sa.and_(Correction.collection == collection, Correction.cluster == cluster)
    return session.scalar(sa.select(Correction).where(same, Correction.state.not_in(CLOSED)))


def note(session: Session, correction: Correction, action: str, *, actor: str, reason: str | Reason | None) -> None:
    """Adds a line to the history without a change of state (e.g. ``source_changed`` while the correction is open)."""
    _record(session, correction, action, State(correction.state), actor, reason)


def _record(
    session: Session, correction: Correction, action: str, before: State | None, actor: str, reason: str | Reason | None
) -> None:
    coded = reason if isinstance(reason, Reason) else None
    session.add(
        CorrectionEvent(
            correction_id=correction.id,
            action=action,
            from_state=before,
            to_state=correction.state,
            actor=actor,
            reason=text_of(reason),
            reason_code=coded.code if coded else None,
            reason_values=stored(coded.values) if coded else None,
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
        "Correction {number} was changed by {who} ({action}) meanwhile; it is {state} now. Look at it again.",
        code="correction_changed_by",
        number=correction.id,
        who=_who(last.actor),
        action=last.action,
        revision=correction.revision,
        state=correction.state,
    )


def _who(actor: str) -> str | Phrase:
    """Who did a step, as a value of a message: a user, a part of Errata, or the key of a program."""
    name = actor.removeprefix("key ")
    return actor if name == actor else Phrase.of("key {name}", code="who_key", name=name)


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
