"""Rebuilds derived data: missing vectors, then the index from SQL, which is compared and saved as a verified snapshot.

1. damaged vectors are deleted; live passages without a vector of the present model are embedded, in small
   transactions: after an interruption the next run continues where this one stopped, and a running server waits only
   for one small commit;
2. a new index is built separately from the log, brought to its newest step, and its ids are compared with all live
   passages;
3. it becomes the only snapshot of its model, which the server opens at its next start. A running server follows the
   log and does not need the snapshot.

Documents, versions and corrections are only read: approved corrections are documents and edits in SQL like any
other, so a rebuild restores them. Vectors of other models are kept, so that one can go back to them. Only one rebuild
runs at a time (its lock ends with its process). Knows nothing about models or people.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from knowledge.errors import Conflict, KnowledgeError
from knowledge.log import KnowledgeLog, load_passages
from knowledge.tables import Embedding, PassageRow, QuestionVector
from knowledge.vectors import read
from retrieval.index import Index
from retrieval.snapshot import Snapshots

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

    from knowledge.db import Database
    from retrieval.embed import Embedder
    from retrieval.passage import Row

BATCH = 64  # passages per transaction: some seconds of embedding on two cores
ROUNDS = 20  # how often an index that is behind a growing log is brought up to date
LOCK = "reindex.lock"

Progress = Callable[[str, int, int], None]  # step (embed | build | compare | save), done, total


class Running(Conflict):
    """Another rebuild is running."""


class MismatchError(KnowledgeError):
    """The log and the passages disagree, so no index of the log can be right."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The result of a rebuild. ``seq``: the step of the log at which the snapshot was made."""

    embedded: int
    reused: int
    damaged: int  # vectors that were no unit vectors of the model's dimension, and were embedded again
    passages: int
    seq: int
    snapshot: Path


def reindex(
    database: Database, embedder: Embedder, folder: Path, *, on_progress: Progress = lambda _step, _done, _total: None
) -> Rebuilt:
    """Embeds passages without a vector, rebuilds the index and saves it as a snapshot in ``folder``.

    Raises Running, MismatchError, and the errors of the embedder. An interruption leaves the old snapshots in place,
    or none: then the next start builds the index from SQL.
    """
    with one_at_a_time(folder):
        damaged = remove_damaged(database, embedder)
        embedded, reused = embed_missing(database, embedder, on_progress)
        index = build(database, embedder, on_progress)
        on_progress("save", 0, 1)
        snapshot = _replace_snapshots(folder, index)
        on_progress("save", 1, 1)
    return Rebuilt(embedded, reused, damaged, len(index), index.seq, snapshot)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Has the lock of rebuilds in ``folder`` inside the block. Raises Running at once when another process has it."""
    from filelock import FileLock, Timeout

    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Running(
            "Another reindex is running on this data folder. Wait until it ends.", code="reindex_running"
        ) from None
    try:
        yield
    finally:
        lock.release()


def count_missing(session: Session, fingerprint: str) -> int:
    """How many live passages have no vector of this model."""
    return session.scalar(sa.select(sa.func.count()).select_from(_missing(fingerprint).subquery())) or 0


def damaged_passages(session: Session, embedder: Embedder) -> list[int]:
    """The live passages whose stored vector is no unit vector of the model's dimension."""
    rows = session.execute(
        sa.select(Embedding.passage_id, Embedding.vector)
        .join(PassageRow, PassageRow.id == Embedding.passage_id)
        .where(PassageRow.live, Embedding.fingerprint == embedder.fingerprint)
        .order_by(Embedding.passage_id)
        .execution_options(yield_per=1000)
    )
    return [passage_id for passage_id, vector in rows if read(vector, embedder.dimension) is None]


def remove_damaged(database: Database, embedder: Embedder) -> int:
    """Deletes damaged vectors of live passages and of questions, so that they are computed again. Returns how many of
    passages."""
    with database.read() as session:
        damaged = damaged_passages(session, embedder)
        of_model = sa.select(QuestionVector.sha256, QuestionVector.vector).where(
            QuestionVector.fingerprint == embedder.fingerprint
        )
        questions = [sha256 for sha256, vector in session.execute(of_model) if read(vector, embedder.dimension) is None]
    if damaged or questions:
        with database.write() as session:
            for passage_id in damaged:
                session.execute(
                    sa.delete(Embedding).where(
                        Embedding.passage_id == passage_id, Embedding.fingerprint == embedder.fingerprint
                    )
                )
            for sha256 in questions:
                session.execute(
                    sa.delete(QuestionVector).where(
                        QuestionVector.sha256 == sha256, QuestionVector.fingerprint == embedder.fingerprint
                    )
                )
    return len(damaged)


def embed_missing(database: Database, embedder: Embedder, on_progress: Progress) -> tuple[int, int]:
    """Gives every live passage its vector. Returns (embedded, reused from passages with the same text)."""
    fingerprint = embedder.fingerprint
    embedded = reused = 0
    with database.read() as session:
        total = count_missing(session, fingerprint)
    on_progress("embed", 0, total)
    while True:
        with database.read() as session:
            ids = list(session.scalars(_missing(fingerprint).order_by(PassageRow.id).limit(BATCH)))
            vectors = _same_text(session, ids, embedder)
            new = [passage for passage in load_passages(session, ids) if passage.id not in vectors]
        if not ids:
            return embedded, reused
        reused += len(vectors)
        embedded += len(new)
        embedded_now = embedder.passages([passage.indexed_text for passage in new]) if new else ()
        for passage, vector in zip(new, embedded_now, strict=True):
            vectors[passage.id] = np.asarray(vector, dtype="<f4").tobytes()
        with database.write() as session:
            _store(session, vectors, fingerprint)
        on_progress("embed", embedded + reused, max(total, embedded + reused))


def build(database: Database, embedder: Embedder, on_progress: Progress) -> Index:
    """A new index of every live passage at the newest step of the log, compared with SQL. Raises MismatchError."""
    source = KnowledgeLog(database, embedder.fingerprint)
    total = len(source.ids())
    seq, rows = source.rows()
    index = Index.build(
        _counted(rows, total, on_progress), seq=seq, fingerprint=embedder.fingerprint, dimension=embedder.dimension
    )
    for _ in range(ROUNDS):
        on_progress("compare", 0, 1)
        index = index.apply(*source.changes(index.seq))
        live = source.ids()
        if source.head() != index.seq:
            continue  # the log grew during the read: the ids may be those of a later step
        _compare(index.ids().tolist(), live)
        on_progress("compare", 1, 1)
        return index.compacted()
    raise KnowledgeError(
        "Documents keep changing faster than the index can be compared. Run this again later.", code="reindex_overtaken"
    )


def _missing(fingerprint: str) -> sa.Select[int]:
    stored = sa.exists().where(Embedding.passage_id == PassageRow.id, Embedding.fingerprint == fingerprint)
    return sa.select(PassageRow.id).where(PassageRow.live, ~stored)


def _same_text(session: Session, ids: list[int], embedder: Embedder) -> dict[int, bytes]:
    """Vectors that are stored already for another passage with exactly the same indexed text."""
    other = sa.orm.aliased(PassageRow)
    rows = session.execute(
        sa.select(PassageRow.id, Embedding.vector)
        .join(other, other.sha256 == PassageRow.sha256)
        .join(Embedding, sa.and_(Embedding.passage_id == other.id, Embedding.fingerprint == embedder.fingerprint))
        .where(PassageRow.id.in_(ids))
    )
    return {row.id: row.vector for row in rows if read(row.vector, embedder.dimension) is not None}


def _store(session: Session, vectors: dict[int, bytes], fingerprint: str) -> None:
    """Writes the vectors, except those that a server wrote meanwhile."""
    stored = set(
        session.scalars(
            sa.select(Embedding.passage_id).where(
                Embedding.passage_id.in_(list(vectors)), Embedding.fingerprint == fingerprint
            )
        )
    )
    rows: list[dict[str, Any]] = [
        {"passage_id": id_, "fingerprint": fingerprint, "vector": vector}
        for id_, vector in sorted(vectors.items())
        if id_ not in stored
    ]
    if rows:
        session.execute(sa.insert(Embedding), rows)


def _counted(rows: Iterable[Row], total: int, on_progress: Progress) -> Iterator[Row]:
    on_progress("build", 0, total)
    done = 0
    for done, row in enumerate(rows, start=1):
        yield row
        if done % 1000 == 0:
            on_progress("build", done, max(total, done))
    on_progress("build", done, max(total, done))


def _compare(indexed: list[int], live: list[int]) -> None:
    if indexed == live:
        return
    missing, surplus = sorted(set(live) - set(indexed)), sorted(set(indexed) - set(live))
    raise MismatchError(
        "The log and the passages of the database disagree: {missing} passage(s) are live and not in the "
        "log ({missing_ids}), {surplus} are in the log and not live ({surplus_ids}). Restore the "
        "database from a backup, and report this: it must not happen.",
        code="log_mismatch",
        missing=len(missing),
        missing_ids=_some(missing),
        surplus=len(surplus),
        surplus_ids=_some(surplus),
    )


def _some(ids: list[int]) -> str:
    return ", ".join(map(str, ids[:5])) + (", …" if len(ids) > 5 else "") if ids else "none"


def _replace_snapshots(folder: Path, index: Index) -> Path:
    """Makes the index the only snapshot of its model: writes and verifies it in another folder, removes the other
    snapshots, and moves it into place. A server that is reading one of the others builds its index from SQL instead."""
    aside = folder / f"reindex-{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        written = Snapshots(aside).save(index)
        back = Snapshots(aside).load_newest(index.fingerprint)
        if back is None or back.digests() != index.digests():
            raise KnowledgeError(
                "The snapshot in {aside} is not as it was written. Check the disk.",
                code="snapshot_misread",
                aside=aside,
            )
        model = written.name.rsplit("-", 2)[0]
        for old in folder.glob(f"{model}-*"):
            going = old.with_name(f"removing-{old.name}")
            try:
                old.rename(going)
            except OSError:
                continue  # a server has just replaced it with a newer one
            shutil.rmtree(going, ignore_errors=True)
        final = folder / written.name
        written.rename(final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return final
