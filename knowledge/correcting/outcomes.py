"""The results of corrections, for the people whose questions led to them: one SQL statement for any number of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge.correcting.corrections import State
from knowledge.scoping import within
from knowledge.tables import Correction, Entry

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.orm import Session

    from retrieval.scope import Scope


@dataclass(frozen=True, slots=True)
class CorrectionOutcome:
    """The state of a correction, or of the one that it was merged into in the end; and, while one is published, the
    answer that readers get from it, with the time of its approval and its step of the log."""

    state: str
    answer: str | None
    approved_at: datetime | None
    seq: int | None


def outcomes(session: Session, correction_ids: Collection[int], scope: Scope) -> dict[int, CorrectionOutcome]:
    """The outcomes by the ids in ``correction_ids``. An id has no outcome when the correction does not exist, or when
    the correction that it was merged into is outside the scope."""
    if not correction_ids:
        return {}
    starts = sa.select(
        Correction.id.label("start"), Correction.id, Correction.state, Correction.merged_into, Correction.collection
    )
    chain = starts.where(Correction.id.in_(correction_ids)).cte("chain", recursive=True)
    chain = chain.union(  # UNION, not UNION ALL: a row that came before is not added again, so a circle ends
        sa.select(chain.c.start, Correction.id, Correction.state, Correction.merged_into, Correction.collection)
        .join(chain, Correction.id == chain.c.merged_into)
        .where(chain.c.state == State.MERGED)
    )
    ends = (
        sa.select(chain.c.start, chain.c.state, Entry.answer, Entry.created_at, Entry.seq)
        .outerjoin(Entry, sa.and_(Entry.correction_id == chain.c.id, Entry.live))
        .where(chain.c.state != State.MERGED, within(scope, chain.c.collection))
    )
    return {
        row.start: CorrectionOutcome(row.state, row.answer, row.created_at, row.seq) for row in session.execute(ends)
    }
