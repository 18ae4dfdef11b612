"""Which published corrections a change of a source document touches: they go back to the queue, still published.

A correction is touched when words that it replaced, or a passage that it superseded, stood in the document before
and stand there no longer: what its curator decided about is gone. Knows nothing of who changed the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge import corrections
from knowledge.corrections import State
from knowledge.tables import Edit, Entry, PassageRow, Supersession

if TYPE_CHECKING:
    from collections.abc import Collection

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
        correction = corrections.get(session, owner)
        if correction.state in (State.APPROVED, State.VERIFIED):
            corrections.advance(session, correction, "reopen", actor=ACTOR, reason=why)
        else:
            corrections.note(session, correction, "source_changed", actor=ACTOR, reason=why)
