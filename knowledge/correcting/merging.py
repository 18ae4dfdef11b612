"""Merges several corrections that ask the same into one, and splits a merged correction again.

Merging moves complaints and never changes their content. Only questions that the curator wrote or confirmed as
paraphrases are answered word for word (publication): merging alone makes no question a paraphrase of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.correcting import complaints, corrections, matching
from knowledge.correcting.corrections import CLOSED, State
from knowledge.correcting.matching import normal_form
from knowledge.correcting.reasons import Reason
from knowledge.db import utc_now
from knowledge.errors import Invalid, NotAllowed
from knowledge.tables import Complaint, Correction
from retrieval.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session


def merge(session: Session, ids: Sequence[int], scope: Scope, *, actor: str) -> Correction:
    """Moves the complaints of all corrections into the first. If the first is published, it comes back to the queue,
    because it must now answer more questions than it was approved for. Raises Invalid for fewer than two, NotAllowed,
    NotFound."""
    if len(set(ids)) < 2:
        raise Invalid("Merging needs at least two corrections.", code="merge_too_few")
    first, *others = [corrections.get(session, i, scope) for i in dict.fromkeys(ids)]
    for other in others:
        if other.collection != first.collection:
            raise NotAllowed(
                "Corrections {first} and {other} belong to different collections.",
                code="merge_across_collections",
                first=first.id,
                other=other.id,
            )
    if first.state in CLOSED:
        raise NotAllowed(
            "Correction {number} is {state}. Reopen it first, or merge into an open one.",
            code="merge_into_closed",
            number=first.id,
            state=first.state,
        )
    if first.state in (State.APPROVED, State.VERIFIED):
        names = ", ".join(str(other.id) for other in others)
        corrections.advance(
            session,
            first,
            "reopen",
            actor=actor,
            reason=Reason.of("merged with {names}", code="merged_with", names=names),
        )
    for other in others:
        into = Reason.of("into {number}", code="merged_into", number=first.id)
        corrections.advance(session, other, "merge", actor=actor, reason=into, changes={"merged_into": first.id})
        moved = sa.update(Complaint).where(Complaint.correction_id == other.id)
        session.execute(moved.values(correction_id=first.id, merged_from=other.id))
    _update(session, first)
    corrections.note(session, first, "absorb", actor=actor, reason=", ".join(str(other.id) for other in others))
    return first


def split(
    session: Session,
    correction_id: int,
    complaint_ids: Sequence[int],
    scope: Scope,
    *,
    actor: str,
    revision: int | None = None,
) -> tuple[Correction, Correction]:
    """Moves complaints of an open or published correction into another correction: the one that they were merged from,
    else the open one about their question, else a new one. Returns (the correction that was split, the correction that
    has the complaints now).

    The questions of these complaints are no longer paraphrases of the correction that was split. If readers get its
    published answer to one of them, it comes back to the queue. Raises Invalid, NotAllowed, NotFound, Stale.
    """
    correction = corrections.get(session, correction_id, scope)
    corrections.check_revision(session, correction, revision)
    if correction.state in CLOSED:
        raise NotAllowed(
            "Correction {number} is {state}: there is nothing to split.",
            code="split_closed",
            number=correction.id,
            state=correction.state,
        )
    complaints = session.scalars(
        sa.select(Complaint).where(Complaint.correction_id == correction.id).order_by(Complaint.id)
    ).all()
    moving = [complaint for complaint in complaints if complaint.id in set(complaint_ids)]
    staying = [complaint for complaint in complaints if complaint.id not in set(complaint_ids)]
    if not moving or len(moving) < len(set(complaint_ids)):
        raise Invalid(
            "These are not complaints of correction {number}: {ids}.",
            code="split_unknown",
            number=correction.id,
            ids=", ".join(map(str, complaint_ids)) or "-",
        )
    if not staying and correction.origin != "curator":
        raise Invalid("At least one complaint stays where it is.", code="split_all")
    apart = _target_of_split(session, correction, moving, actor)
    for complaint in moving:
        complaint.correction_id, complaint.merged_from = apart.id, None
    session.flush()
    moved = Reason.of("complaints moved to correction {number}", code="split_to", number=apart.id)
    staying_forms = {normal_form(complaint.question) for complaint in staying}
    forms = {normal_form(complaint.question) for complaint in moving} - staying_forms
    if correction.state in (State.APPROVED, State.VERIFIED) and _serves(session, correction, forms):
        corrections.advance(session, correction, "reopen", actor=actor, reason=moved)
    _update(session, correction, draft=_without(correction.draft, forms))
    _update(session, apart)
    corrections.note(session, correction, "split_off", actor=actor, reason=moved)
    return correction, apart


def _target_of_split(session: Session, correction: Correction, moving: Sequence[Complaint], actor: str) -> Correction:
    """The correction into which complaints are split off."""
    reason = Reason.of("complaints moved from correction {number}", code="split_from", number=correction.id)
    sources = {complaint.merged_from for complaint in moving}
    source = session.get(Correction, sources.pop() or 0) if len(sources) == 1 else None
    if source is not None and source.state == State.MERGED and source.merged_into == correction.id:
        other = corrections.open_about(session, source.collection, source.cluster)
        if other is None:
            return corrections.advance(
                session, source, "split", actor=actor, reason=reason, changes={"merged_into": None}
            )
        if other.id != correction.id:
            corrections.note(session, other, "absorb", actor=actor, reason=reason)
            return other
    questions = (complaint.question for complaint in moving)
    asked = next((question for question in questions if normal_form(question) != correction.cluster), None)
    if asked is None:
        raise Invalid(
            "These complaints ask the very question of correction {number}, so they belong to it.",
            code="split_same_question",
            number=correction.id,
        )
    cluster = normal_form(asked)
    other = corrections.open_about(session, correction.collection, cluster)
    if other is not None:
        corrections.note(session, other, "absorb", actor=actor, reason=reason)
        return other
    return corrections.create(
        session,
        asked,
        collection=correction.collection,
        origin="unanswered" if all(complaint.rating is None for complaint in moving) else "rated_down",
        action="split",
        actor=actor,
        reason=reason,
    )


def _serves(session: Session, correction: Correction, forms: set[str]) -> bool:
    """Whether readers get the published answer of this correction to one of these questions."""
    served = matching.served(session, forms, Scope.of(correction.collection), now=utc_now())
    return any(match.correction_id == correction.id for match in served.values())


def _without(draft: dict[str, Any] | None, forms: set[str]) -> dict[str, Any] | None:
    """The draft without these questions among its paraphrases."""
    if not draft:
        return draft
    paraphrases = [text for text in draft.get("paraphrases", ()) if normal_form(text) not in forms]
    return {**draft, "paraphrases": paraphrases}


def _update(session: Session, correction: Correction, **values: Any) -> None:
    """Writes the new revision and priority of a correction whose complaints changed, and ``values``."""
    priority = complaints.priority_of(session, correction.id)
    session.execute(
        sa.update(Correction)
        .where(Correction.id == correction.id)
        .values(revision=Correction.revision + 1, updated_at=utc_now(), priority=priority, **values)
        .execution_options(synchronize_session=False)
    )
    session.refresh(correction)
