"""Finds corrections in the queue that ask the same question as another one. A curator may merge them.

The rule is that of unanswered questions (bot.unanswered): near in meaning by a strict limit, in the same language, and
equal in numbers and names. Others can be merged by hand. A question of a merged correction is answered word for word
only where the curator confirms it (knowledge.correcting.publication).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from bot.answering.grounding import facts
from knowledge.correcting import corrections
from knowledge.correcting.corrections import State
from knowledge.scoping import within
from knowledge.tables import Correction, Entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from retrieval.embed import Embedder
    from retrieval.scope import Scope

MOST = 300  # corrections that are compared, those that changed last
MOST_KEPT = 5_000  # vectors in memory: 8 MB
_OPEN = (State.QUEUED, State.DRAFTED, State.REOPENED)


class SameQuestions:
    """Compares questions; remembers their vectors. ``alike``: cosine from which two may be the same. Called from
    several threads."""

    def __init__(self, embedder: Embedder, alike: float) -> None:
        self._embedder = embedder
        self._alike = alike
        self._vectors: dict[str, NDArray[np.float32]] = {}
        self._changing = threading.Lock()

    def of(self, session: Session, correction_id: int, scope: Scope) -> list[dict[str, Any]]:
        """The corrections in the queue that ask the same as this one and that can be merged into it, the nearest
        first: ``{id, question, state}``. Raises NotFound."""
        own = corrections.get(session, correction_id, scope)
        if self._alike > 1 or own.state in corrections.CLOSED:  # above 1: not measured for this embedding model
            return []
        rows = session.scalars(
            sa.select(Correction)
            .where(
                within(scope, Correction.collection),
                Correction.collection == own.collection,
                Correction.language == own.language,
                Correction.state.in_(_OPEN),
                Correction.id != own.id,
            )
            .order_by(Correction.updated_at.desc(), Correction.id)
            .limit(MOST)
        ).all()
        live = set(session.scalars(sa.select(Entry.correction_id).where(Entry.live)))
        own_facts = facts(own.question)
        rows = [row for row in rows if row.id not in live and facts(row.question) == own_facts]
        cosines = self._cosines(own.question, [row.question for row in rows])
        alike = sorted(
            (-cosine, row.id, row) for cosine, row in zip(cosines, rows, strict=True) if cosine >= self._alike
        )
        return [{"id": row.id, "question": row.question, "state": row.state} for _, _, row in alike]

    def _cosines(self, question: str, others: Sequence[str]) -> list[float]:
        if not others:
            return []
        return [
            float(cosine) for cosine in np.stack([self._vector(other) for other in others]) @ self._vector(question)
        ]

    def _vector(self, text: str) -> NDArray[np.float32]:
        vector = self._vectors.get(text)
        if vector is None:
            vector = self._embedder.query(text)
            with self._changing:
                if len(self._vectors) >= MOST_KEPT:
                    self._vectors.clear()
                self._vectors[text] = vector
        return vector
