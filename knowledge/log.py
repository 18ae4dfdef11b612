"""The knowledge log as retrieval reads it: rows, changes after a sequence number, passages, filters.

Implements ``retrieval.follow.PassageLog`` for one model fingerprint. Knows nothing of who writes the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from knowledge.errors import KnowledgeError
from knowledge.tables import Document, DocumentVersion, Embedding, LogChange, LogStep, PassageRow
from retrieval.passage import Change, Passage, Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from knowledge.db import Database

BATCH = 500  # bound parameters and rows per round trip


class NotEmbedded(KnowledgeError):
    """Some live passages have no vector of this model: the index cannot follow the log. ``errata reindex`` mends it."""


class KnowledgeLog:
    """Reads the log of ``database``; vectors are those of ``fingerprint``."""

    def __init__(self, database: Database, fingerprint: str) -> None:
        self._database = database
        self._fingerprint = fingerprint

    def head(self) -> int:
        """The newest seq; 0 for an empty log."""
        with self._database.read() as session:
            return head(session)

    def rows(self) -> tuple[int, Iterable[Row]]:
        """Every live passage at one seq. The rows stream from a read transaction that ends with the iterator."""
        with self._database.read() as session:
            seq = head(session)
        return seq, self._rows_at(seq)

    def changes(self, after: int) -> Sequence[Change]:
        """The log after ``after``, oldest first. Raises NotEmbedded."""
        with self._database.read() as session:
            seqs = list(session.scalars(sa.select(LogStep.seq).where(LogStep.seq > after).order_by(LogStep.seq)))
            result = []
            for seq in seqs:
                rows = session.execute(
                    sa.select(LogChange.passage_id, LogChange.added).where(LogChange.seq == seq)
                ).all()
                added = [row.passage_id for row in rows if row.added]
                hidden = frozenset(row.passage_id for row in rows if not row.added)
                result.append(Change(seq, tuple(self._load(session, added)), hidden))
            return result

    def ids(self) -> list[int]:
        """The ids of all live passages, ascending: what the index must hold, for the exhaustive comparison."""
        with self._database.read() as session:
            return list(session.scalars(sa.select(PassageRow.id).where(PassageRow.live).order_by(PassageRow.id)))

    def passages(self, ids: Sequence[int]) -> Mapping[int, Passage]:
        """The passages of these ids, live or not; unknown ids are absent."""
        with self._database.read() as session:
            return {passage.id: passage for passage in load_passages(session, ids)}

    def select(self, *, language: str | None, filters: Mapping[str, str]) -> frozenset[int] | None:
        """The ids of live passages in a language and of documents whose details match; None means all.

        ``filters`` keys: ``document_id``, ``source``, ``kind``, or any key of a document's metadata; a key that a
        path into JSON cannot name (quotation marks, backslashes, control characters) matches nothing.
        """
        if language is None and not filters:
            return None
        if any(not key.isprintable() or '"' in key or "\\" in key for key in filters):
            return frozenset()
        query = (
            sa.select(PassageRow.id)
            .join(Document, Document.id == PassageRow.document_id)
            .join(
                DocumentVersion,
                sa.and_(
                    DocumentVersion.document_id == PassageRow.document_id, DocumentVersion.version == PassageRow.version
                ),
            )
            .where(PassageRow.live)
        )
        if language is not None:
            query = query.where(PassageRow.language == language)
        columns = {"document_id": Document.id, "source": Document.source, "kind": Document.kind}
        for key, value in filters.items():
            column = columns.get(key)
            query = query.where(
                column == value if column is not None else DocumentVersion.details[key].as_string() == value
            )
        with self._database.read() as session:
            return frozenset(session.scalars(query))

    def _rows_at(self, seq: int) -> Iterator[Row]:
        """Live passages as of ``seq``: a log row written while we stream must not leak into the base index."""
        newest = (
            sa.select(LogChange.passage_id, sa.func.max(LogChange.seq).label("seq"))
            .where(LogChange.seq <= seq)
            .group_by(LogChange.passage_id)
            .subquery()
        )
        query = (
            sa.select(LogChange.passage_id)
            .join(newest, sa.and_(newest.c.passage_id == LogChange.passage_id, newest.c.seq == LogChange.seq))
            .where(LogChange.added)
            .order_by(LogChange.passage_id)
        )
        with self._database.read() as session:
            ids = list(session.scalars(query))
            for start in range(0, len(ids), BATCH):
                yield from self._load(session, ids[start : start + BATCH])

    def _load(self, session: Session, ids: Sequence[int]) -> list[Row]:
        rows: list[Row] = []
        for start in range(0, len(ids), BATCH):
            batch = ids[start : start + BATCH]
            vectors = dict(
                session.execute(
                    sa.select(Embedding.passage_id, Embedding.vector).where(
                        Embedding.passage_id.in_(batch), Embedding.fingerprint == self._fingerprint
                    )
                ).all()
            )
            for passage in load_passages(session, batch):
                blob = vectors.get(passage.id)
                if blob is None:
                    raise NotEmbedded(
                        f"Passage {passage.id} has no vector of the embedding model in use. Run: errata reindex"
                    )
                rows.append(Row(passage.id, passage.indexed_text, np.frombuffer(blob, dtype="<f4")))
        return rows


def head(session: Session) -> int:
    """The newest seq of the log; 0 for an empty one."""
    return session.scalar(sa.select(sa.func.max(LogStep.seq))) or 0


def load_passages(session: Session, ids: Sequence[int]) -> list[Passage]:
    """Passages by id, ascending; unknown ids are absent."""
    found: list[Passage] = []
    wanted = sorted(set(ids))
    for start in range(0, len(wanted), BATCH):
        rows = session.execute(
            sa.select(PassageRow, DocumentVersion.title, DocumentVersion.url, Document.kind)
            .join(
                DocumentVersion,
                sa.and_(
                    DocumentVersion.document_id == PassageRow.document_id, DocumentVersion.version == PassageRow.version
                ),
            )
            .join(Document, Document.id == PassageRow.document_id)
            .where(PassageRow.id.in_(wanted[start : start + BATCH]))
            .order_by(PassageRow.id)
        )
        found += [
            Passage(
                id=row.id,
                document_id=row.document_id,
                version=row.version,
                position=row.position,
                title=title,
                headings=tuple(row.headings),
                text=row.text,
                language=row.language,
                url=url,
                erratum=kind == "erratum",
            )
            for row, title, url, kind in rows
        ]
    return found
