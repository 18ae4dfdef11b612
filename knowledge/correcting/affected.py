"""Which published corrections somebody else's change touches: they go back to the queue, still published.

A correction is touched by a change of a source document when words that it replaced, or a passage that it superseded,
stood in the document before and stand there no longer: what its curator decided about is gone. It is touched by
another publication that takes its place: supersedes its erratum, or answers a question of it. Knows nothing of who
changed the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge.correcting import corrections, matching
from knowledge.correcting.corrections import State
from knowledge.tables import Edit, Entry, PassageRow, Supersession
from retrieval.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from knowledge.versions import Plan

ACTOR = "system"


def by_new_text(session: Session, plan: Plan) -> set[int]:
    """Corrections whose edits or superseded passages the planned text no longer has; with a new base text, those too
    that supersede the whole document. Ask after the plan was installed."""
    texts = sa.select(PassageRow.text).where(PassageRow.document_id == plan.document_id)
    before = set(session.scalars(texts.where(PassageRow.version == plan.seen.current_version)))
    gone = before - {piece.text for piece in plan.pieces}
    superseded = session.execute(
        sa.select(Entry.correction_id, Supersession.passage)
        .join(Supersession, Supersession.entry_id == Entry.id)
        .where(Supersession.document_id == plan.document_id, Supersession.active)
    )
    new_base = plan.base is not None and plan.seen.base_version is not None
    return by_edits(session, plan.broken) | {
        owner for owner, passage in superseded if (new_base if passage is None else passage in gone)
    }


def by_edits(session: Session, edits: Collection[int]) -> set[int]:
    """The published corrections that these edits belong to."""
    owners = sa.select(Entry.correction_id).join(Edit, Edit.entry_id == Entry.id).where(Entry.live, Edit.id.in_(edits))
    return set(session.scalars(owners))


def reopen(session: Session, owners: Collection[int], why: str) -> None:
    """Sends these corrections back to the queue; of those that are there already the history says why again."""
    for owner in sorted(owners):
        correction = corrections.get(session, owner, EVERYTHING)
        if correction.state in (State.APPROVED, State.VERIFIED):
            corrections.advance(session, correction, "reopen", actor=ACTOR, reason=why)
        else:
            corrections.note(session, correction, "source_changed", actor=ACTOR, reason=why)


def reopen_rewritten(session: Session, correction_id: int, plans: Sequence[Plan]) -> None:
    """After a correction wrote these texts: reopens others whose words or superseded passages they no longer have."""
    for plan in plans:
        owners = by_new_text(session, plan) - {correction_id}
        reopen(session, owners, f"correction {correction_id} changed the source: {plan.document_id}")


def reopen_replaced(
    session: Session, correction_id: int, forms: Mapping[str, str], superseded: Collection[str], *, now: datetime
) -> None:
    """Before a correction is published that answers ``forms`` (normal form → wording) and supersedes these documents:
    reopens others whose place it takes. Nothing of them is lost, but what they say is not what readers get."""
    hidden = sa.exists().where(Supersession.document_id == Entry.document_id, Supersession.active)
    errata = sa.select(Entry.correction_id).where(Entry.live, Entry.document_id.in_(superseded), ~hidden)
    owners = set(session.scalars(errata))
    reopen(session, owners, f"correction {correction_id} superseded its erratum")
    own = Scope.of(corrections.get(session, correction_id, EVERYTHING).collection)
    taken: dict[int, str] = {}
    for form, found in matching.served(session, forms, own, now=now).items():
        taken.setdefault(found.correction_id, forms[form])
    for owner in sorted(taken.keys() - owners - {correction_id}):
        reopen(session, [owner], f"correction {correction_id} answers a question of it now: {taken[owner]}")
