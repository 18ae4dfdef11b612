"""The knowledge log as retrieval reads it: rows, changes after a sequence number, passages, filters.

Implements ``retrieval.follow.PassageLog`` for one model fingerprint. Knows nothing of who writes the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from knowledge.errors import KnowledgeError
from knowledge.scoping import fulfils, properties
from knowledge.tables import Document, DocumentVersion, Embedding, LogChange, LogStep, PassageRow
from retrieval.passage import Change, Passage, Row, indexed_text
from retrieval.place import place_from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from knowledge.db import Database

BATCH = 500  # bound parameters and rows per round trip
_OF_PASSAGE = sa.and_(
    DocumentVersion.document_id == PassageRow.document_id, DocumentVersion.version == PassageRow.version
)


class NotEmbedded(KnowledgeError):
    """Some live passages have no vector of this model: the index cannot follow the log. ``errata reindex`` repairs
    this."""


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
        """The log after ``after``, oldest first, read in one statement. Raises NotEmbedded."""
        with self._database.read() as session:
            return self.changes_in(session, after)

    def changes_in(self, session: Session, after: int) -> Sequence[Change]:
        """``changes``, read in a session that the caller has already."""
        step = (LogStep.seq, LogChange.passage_id.label("changed"), LogChange.added)
        query = (
            sa.select(*step, *self._columns())
            .outerjoin(LogChange, LogChange.seq == LogStep.seq)
            .outerjoin(PassageRow, sa.and_(PassageRow.id == LogChange.passage_id, LogChange.added))
        )
        query = self._joined(query, outer=True).where(LogStep.seq > after).order_by(LogStep.seq, LogChange.passage_id)
        added: dict[int, list[Row]] = {}
        hidden: dict[int, set[int]] = {}
        for record in session.execute(query):
            added.setdefault(record.seq, [])
            if record.added:
                added[record.seq].append(_row(record))
            elif record.added is not None:
                hidden.setdefault(record.seq, set()).add(record.changed)
        return [Change(seq, tuple(rows), frozenset(hidden.get(seq, ()))) for seq, rows in added.items()]

    def ids(self) -> list[int]:
        """The ids of all live passages, ascending. The index must contain exactly these; the full check compares
        them."""
        with self._database.read() as session:
            return list(session.scalars(sa.select(PassageRow.id).where(PassageRow.live).order_by(PassageRow.id)))

    def passages(self, ids: Sequence[int]) -> Mapping[int, Passage]:
        """The passages of these ids, live or not; unknown ids are absent."""
        with self._database.read() as session:
            return {passage.id: passage for passage in load_passages(session, ids)}

    def select(self, filters: Mapping[str, str]) -> frozenset[int]:
        """The ids of the live passages of documents that fulfil the filters (knowledge.scoping.fulfils)."""
        query = (
            sa.select(PassageRow.id)
            .join(Document, Document.id == PassageRow.document_id)
            .join(DocumentVersion, _OF_PASSAGE)
            .where(PassageRow.live, *fulfils(filters))
        )
        with self._database.read() as session:
            return frozenset(session.scalars(query))

    def _rows_at(self, seq: int) -> Iterator[Row]:
        """Live passages as of ``seq``: a log row that is written during the reading must not get into the base
        index."""
        newest = (
            sa.select(LogChange.passage_id, sa.func.max(LogChange.seq).label("seq"))
            .where(LogChange.seq <= seq)
            .group_by(LogChange.passage_id)
            .subquery()
        )
        query = (
            sa.select(LogChange.passage_id.label("changed"), *self._columns())
            .join(newest, sa.and_(newest.c.passage_id == LogChange.passage_id, newest.c.seq == LogChange.seq))
            .join(PassageRow, PassageRow.id == LogChange.passage_id)
        )
        query = self._joined(query, outer=False).where(LogChange.added).order_by(LogChange.passage_id)
        with self._database.read() as session:
            for record in session.execute(query.execution_options(yield_per=BATCH)):
                yield _row(record)

    def _columns(self) -> tuple[Any, ...]:
        """The columns that a row of the index is made of, once the tables are joined."""
        return (
            PassageRow.headings,
            PassageRow.text,
            PassageRow.language,
            Document.collection,
            DocumentVersion.title,
            Embedding.vector,
        )

    def _joined(self, query: sa.Select[Any], *, outer: bool) -> sa.Select[Any]:
        """The query joined with all tables of ``_columns``; passages without a vector are included."""
        return (
            query.join(Document, Document.id == PassageRow.document_id, isouter=outer)
            .join(DocumentVersion, _OF_PASSAGE, isouter=outer)
            .outerjoin(
                Embedding,
                sa.and_(Embedding.passage_id == PassageRow.id, Embedding.fingerprint == self._fingerprint),
            )
        )


def _row(record: sa.Row[Any]) -> Row:
    if record.vector is None:
        raise NotEmbedded(
            "Passage {passage_id} has no vector of the embedding model in use. Run: errata reindex",
            code="not_embedded",
            passage_id=record.changed,
        )
    return Row(
        record.changed,
        indexed_text(record.title, record.headings, record.text),
        np.frombuffer(record.vector[: len(record.vector) // 4 * 4], dtype="<f4"),  # the index refuses a wrong length
        record.collection,
        record.language,
    )


def head(session: Session) -> int:
    """The newest seq of the log; 0 for an empty one."""
    return session.scalar(sa.select(sa.func.max(LogStep.seq))) or 0


def load_passages(session: Session, ids: Sequence[int]) -> list[Passage]:
    """Passages by id, ascending; unknown ids are absent."""
    passages: list[Passage] = []
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), BATCH):
        rows = session.execute(
            sa.select(
                PassageRow,
                DocumentVersion.title,
                DocumentVersion.url,
                DocumentVersion.details,
                Document.kind,
                Document.source,
                Document.collection,
            )
            .join(DocumentVersion, _OF_PASSAGE)
            .join(Document, Document.id == PassageRow.document_id)
            .where(PassageRow.id.in_(ordered[start : start + BATCH]))
            .order_by(PassageRow.id)
        )
        passages += [
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
                collection=collection,
                properties=properties(row.document_id, source, kind, details),
                place=place_from_json(row.place),
            )
            for row, title, url, details, kind, source, collection in rows
        ]
    return passages
