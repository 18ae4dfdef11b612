"""Files into documents: incremental, each file ending indexed, unchanged or rejected with its reason.

A document's id is its path below the folder that was given (``handbook/en/asking.md``), with ``#key`` for a row
of a table or a line of JSONL. A file with several documents that now has fewer retires the others only on
``prune``, like a file that is gone. One bad file stops nothing; an interrupted run goes on where it stopped,
because what is unchanged costs only its reading.
"""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge import put
from knowledge.documents import Content
from knowledge.errors import Invalid, KnowledgeError
from knowledge.load import CannotStart, FoundFile, LoadedDocument, Loader, find_files
from knowledge.put import NewDocument
from knowledge.tables import Document, Job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from knowledge.db import Database
    from retrieval.embed import Embedder

INGEST = "ingest"  # the kind of the job that reads uploaded files
BATCH_CHARACTERS = 60_000  # of text per transaction: some seconds of embedding, so that progress is seen
BATCH_DOCUMENTS = 64


@dataclass(frozen=True, slots=True)
class FileResult:
    """What became of a file."""

    name: str
    state: str  # indexed | unchanged | rejected | skipped | retired
    documents: int = 0
    document_id: str | None = None
    version: int | None = None
    reason: str | None = None


@dataclass(slots=True)
class IngestReport:
    """What became of all files."""

    files: list[FileResult] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(one.state == state for one in self.files)


def ingest(
    database: Database,
    embedder: Embedder,
    paths: Sequence[Path],
    *,
    actor: str,
    source: str | None = None,
    prune: bool = False,
    on_file: Callable[[FileResult], None] = lambda _result: None,
) -> IngestReport:
    """Ingests files and folders. ``source`` names the collection (default: the folder's or file's name).

    ``prune`` retires the documents of these collections whose file or row is gone. Raises Invalid for a path
    that does not exist.
    """
    report = IngestReport()
    kept: dict[str, set[str]] = {}
    for path in paths:
        if not path.exists():
            raise Invalid(f"There is no file or folder {path}.")
    # A folder is known whole; of the folder of a single file nothing else is known, so nothing of it is retired.
    whole = {source or path.resolve().name for path in paths if path.is_dir()}

    def note(result: FileResult) -> None:
        report.files.append(result)
        on_file(result)

    with Loader() as loader:
        for found in find_files(paths):
            root = source or found.root.resolve().name or "files"
            note(_file(database, embedder, loader, found, root, kept.setdefault(root, set()), actor))
    if prune:
        for root in sorted(whole):
            for result in _prune(database, root, kept.get(root, set()), actor):
                note(result)
    return report


def ingest_uploads(
    database: Database, embedder: Embedder, payload: dict[str, Any], *, report: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """The job of an upload: ``payload`` has ``folder``, ``files`` (own name there, name as sent) and ``actor``.

    The folder stays for another try; ``discard_upload`` removes it when the job has ended.
    """
    folder = Path(payload["folder"])
    names: list[tuple[str, str]] = payload["files"]
    results: list[FileResult] = []
    progress: dict[str, Any] = {}
    with Loader() as loader:
        for done, (stored, name) in enumerate(names, start=1):
            found = FoundFile(path=folder / stored, root=folder, relative=name)
            results.append(_file(database, embedder, loader, found, "upload", set(), payload["actor"]))
            progress = {"total": len(names), "done": done, "files": [asdict(one) for one in results]}
            report(progress)
    return progress


def discard_upload(payload: dict[str, Any]) -> None:
    """Removes the files of an upload whose job has ended."""
    shutil.rmtree(payload["folder"], ignore_errors=True)


def discard_forgotten(database: Database, uploads: Path) -> int:
    """On start: removes the folders that no job waits for, of a server that ended before it could. Returns how many."""
    with database.read() as session:
        waiting = sa.select(Job.payload).where(Job.kind == INGEST, Job.state.in_(("queued", "running")))
        needed = {Path(payload["folder"]).name for payload in session.scalars(waiting)}
    folders = [one for one in uploads.iterdir() if one.is_dir()] if uploads.is_dir() else []
    forgotten = [one for one in folders if one.name not in needed]
    for one in forgotten:
        shutil.rmtree(one, ignore_errors=True)
    return len(forgotten)


def _file(
    database: Database,
    embedder: Embedder,
    loader: Loader,
    found: FoundFile,
    root: str,
    present: set[str],
    actor: str,
) -> FileResult:
    """Puts a file's documents in; ``present`` collects the ids that must not be retired. Raises CannotStart."""
    name = found.relative
    document_id = f"{root}/{name}"
    present.add(document_id)  # a file that cannot be read today must not lose what it gave yesterday
    if found.skipped:
        present.update(_known(database, document_id))
        return FileResult(name, "skipped", reason=found.skipped)
    try:
        new = [_new(document_id, name, one, root) for one in loader.load(found.path, name=name)]
        present.update(one.id for one in new)
        stored = [one for batch in _batches(new) for one in put.put(database, embedder, batch, actor=actor)]
    except CannotStart:
        raise  # the installation is broken: no other file would fare better
    except KnowledgeError as error:
        present.update(_known(database, document_id))
        return FileResult(name, "rejected", reason=str(error))
    return FileResult(
        name,
        "indexed" if any(one.changed for one in stored) else "unchanged",
        documents=len(stored),
        document_id=stored[0].id if stored else None,
        version=stored[0].version if stored else None,
    )


def _new(document_id: str, name: str, loaded: LoadedDocument, root: str) -> NewDocument:
    own_id = f"{document_id}#{loaded.key}" if loaded.key else document_id
    title = loaded.title or Path(name).stem
    return NewDocument(
        id=own_id,
        content=Content(title, loaded.text, loaded.url, dict(loaded.metadata)),
        source=root,
        language=loaded.language,
    )


def _batches(new: Iterable[NewDocument]) -> Iterator[list[NewDocument]]:
    batch: list[NewDocument] = []
    size = 0
    for one in new:
        if batch and (size + len(one.content.text) > BATCH_CHARACTERS or len(batch) >= BATCH_DOCUMENTS):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += len(one.content.text)
    if batch:
        yield batch


def _known(database: Database, document_id: str) -> list[str]:
    """The ids of the documents that a file gave before."""
    prefix = document_id.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    with database.read() as session:
        return list(session.scalars(sa.select(Document.id).where(Document.id.like(f"{prefix}#%", escape="\\"))))


def _prune(database: Database, root: str, present: set[str], actor: str) -> Iterator[FileResult]:
    with database.read() as session:
        standing = session.scalars(
            sa.select(Document.id)
            .where(Document.source == root, Document.kind == "source", Document.retired_at.is_(None))
            .order_by(Document.id)
        ).all()
    for document_id in standing:
        if document_id not in present:
            put.remove(database, document_id, actor=actor, reason="its file is gone")
            yield FileResult(document_id, "retired", documents=1, document_id=document_id)
