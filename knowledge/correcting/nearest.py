"""Finds the nearest questions of a list that only grows: the golden questions, or those that people got an answer to.

The vector of a question is stored once, under its words (``question_vectors``), and kept in memory. So one matrix
product finds the nearest questions, and one SQL statement follows the list, however many questions there are. Proofs
embed a few of the questions whose vector is missing; the worker embeds more while it is idle, and ``errata reindex``
embeds all. This module does not know why the questions are replayed.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from knowledge.tables import QuestionVector
from knowledge.vectors import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from knowledge.db import Database
    from retrieval.embed import Embedder

MOST = 50_000  # newest questions that are kept in memory: 77 MB at 384 dimensions
AT_ONCE = 20  # questions that a proof embeds in addition to its own: about a second on two cores
BATCH = 500  # below SQLite's limit of bound parameters


def forget(session: Session, *tables: sa.FromClause) -> None:
    """Deletes the vectors of questions that none of the tables has any more. Searches that have them in memory leave
    out the questions."""
    session.execute(
        sa.delete(QuestionVector).where(*(QuestionVector.sha256.not_in(sa.select(table.c.sha256)) for table in tables))
    )


class NearestQuestions:
    """Follows ``table``, which has the columns ``id`` (growing), ``question`` and ``sha256`` (of the question's words).
    Safe to call from several threads."""

    def __init__(self, database: Database, embedder: Embedder, table: sa.FromClause, *, most: int = MOST) -> None:
        self._database = database
        self._embedder = embedder
        self._table = table
        self._most = most
        self._following = threading.Lock()
        self._last = 0  # the newest id that was read
        self._waiting: set[int] = set()  # ids without a vector
        self._ids = np.empty(0, dtype=np.int64)
        self._vectors = np.empty((0, embedder.dimension), dtype=np.float32)
        self._count = 0
        self._known = (self._ids, self._vectors)  # what ``ranked`` reads

    def follow(self, *, embed: int = AT_ONCE) -> frozenset[int]:
        """Reads the questions that are new, and embeds up to ``embed`` questions that have no vector, the newest first.
        Returns the ids that still have none. Call it without an open session: it opens its own."""
        with self._following:
            self._read()
            if self._waiting and embed > 0:
                fill(self._database, self._embedder, self._table, most=embed)
                self._read_waiting()
            return frozenset(self._waiting)

    def ranked(self, vector: NDArray[np.float32]) -> Iterator[int]:
        """The ids of the questions that have a vector, the nearest to a unit vector (dimension,) first; equally near
        ones in the order of their ids, the oldest first. Never waits for a thread that follows the list."""
        ids, vectors = self._known
        order = np.lexsort((ids, -(vectors @ vector)))
        return (int(ids[place]) for place in order)

    def _read(self) -> None:
        table, vectors = self._table.c, QuestionVector
        query = (
            sa.select(table.id, vectors.vector)
            .outerjoin_from(self._table, vectors, self._stored())
            .where(table.id > self._last)
            .order_by(table.id)
        )
        with self._database.read() as session:
            rows = session.execute(query).all()
        if rows:
            self._last = rows[-1].id
            self._add([(row.id, row.vector) for row in rows if row.vector is not None])
            self._waiting.update(row.id for row in rows if row.vector is None)

    def _read_waiting(self) -> None:
        table = self._table.c
        query = (
            sa.select(table.id, QuestionVector.vector)
            .join_from(self._table, QuestionVector, self._stored())
            .where(table.id.between(min(self._waiting), max(self._waiting)))
            .order_by(table.id)
        )
        with self._database.read() as session:
            rows = [(row.id, row.vector) for row in session.execute(query) if row.id in self._waiting]
            existing = set(session.scalars(sa.select(table.id).where(table.id >= min(self._waiting))))
        self._add(rows)
        self._waiting &= existing.difference(id_ for id_, _ in rows)  # a deleted question waits no longer

    def _stored(self) -> sa.ColumnElement[bool]:
        return sa.and_(
            QuestionVector.sha256 == self._table.c.sha256, QuestionVector.fingerprint == self._embedder.fingerprint
        )

    def _add(self, rows: list[tuple[int, bytes]]) -> None:
        """Appends rows. Arrays that a reader is using are not changed."""
        if not rows:
            return
        remaining = min(self._count, max(0, self._most - len(rows)))
        none = np.zeros(self._embedder.dimension, dtype=np.float32)  # for a damaged vector: it is near to nothing
        read_ones = [read(blob, self._embedder.dimension) for _, blob in rows[-self._most :]]
        new = np.stack([none if vector is None else vector for vector in read_ones])
        ids = np.array([id_ for id_, _ in rows[-self._most :]], dtype=np.int64)
        count = remaining + len(ids)
        if remaining == self._count and count <= len(self._ids):
            self._ids[self._count : count] = ids
            self._vectors[self._count : count] = new
        else:  # room for twice as many; the oldest are dropped when there are too many
            room = min(self._most, 2 * count)
            old = slice(self._count - remaining, self._count)
            grown_ids, grown = np.empty(room, dtype=np.int64), np.empty((room, new.shape[1]), dtype=np.float32)
            grown_ids[:count] = np.concatenate((self._ids[old], ids))
            grown[:count] = np.concatenate((self._vectors[old], new))
            self._ids, self._vectors = grown_ids, grown
        self._count = count
        self._known = (self._ids[:count], self._vectors[:count])


def fill(database: Database, embedder: Embedder, table: sa.FromClause, *, most: int) -> int:
    """Embeds and stores up to ``most`` questions of the table that have no vector of this model, the newest first.
    Returns how many it stored."""
    stored = sa.exists().where(
        QuestionVector.sha256 == table.c.sha256, QuestionVector.fingerprint == embedder.fingerprint
    )
    query = sa.select(table.c.sha256, table.c.question).where(~stored).order_by(table.c.id.desc()).limit(most)
    with database.read() as session:
        missing = {row.sha256: row.question for row in session.execute(query)}
    vectors = {sha: np.asarray(embedder.query(text), dtype="<f4").tobytes() for sha, text in missing.items()}
    if vectors:
        with database.write() as session:
            _store(session, vectors, embedder.fingerprint)
    return len(vectors)


def count_missing(session: sa.orm.Session, fingerprint: str, table: sa.FromClause) -> int:
    """How many questions of the table have no vector of this model."""
    stored = sa.exists().where(QuestionVector.sha256 == table.c.sha256, QuestionVector.fingerprint == fingerprint)
    return session.scalar(sa.select(sa.func.count()).select_from(table).where(~stored)) or 0


def _store(session: sa.orm.Session, vectors: dict[str, bytes], fingerprint: str) -> None:
    """Writes vectors, except those that somebody else wrote meanwhile."""
    hashes = list(vectors)
    present: set[str] = set()
    for start in range(0, len(hashes), BATCH):
        query = sa.select(QuestionVector.sha256).where(
            QuestionVector.fingerprint == fingerprint, QuestionVector.sha256.in_(hashes[start : start + BATCH])
        )
        present.update(session.scalars(query))
    rows = [
        {"fingerprint": fingerprint, "sha256": sha, "vector": vector}
        for sha, vector in vectors.items()
        if sha not in present
    ]
    if rows:
        session.execute(sa.insert(QuestionVector), rows)
