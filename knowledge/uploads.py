"""The job that reads uploaded files. When a server ends before the job is done, the next one continues after the last
finished file.

Nothing is replaced without a request: a file whose name belongs to a document with another text is rejected with that
reason, unless the upload has ``replace``. A busy database or a full disk rejects no file: the job is tried again. The
files of a job that failed for good are kept for ``KEPT``. The progress names the file that is being read. If the
server ended ``MOST_ENDS`` times while it read a file, the file is rejected, and the job continues with the others.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge import ingest, jobs, origins, put
from knowledge.db import utc_now
from knowledge.errors import Conflict, DatabaseBusy, DiskFull, Invalid, KnowledgeError, NotFound
from knowledge.ingest import FileResult, rejected
from knowledge.load import SUFFIXES, CannotStart, Loader
from knowledge.scoping import collections_of
from knowledge.tables import Document, Job
from retrieval.phrases import Phrase
from retrieval.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from knowledge.db import Database
    from retrieval.embed import Embedder

INGEST = "ingest"  # the kind of the job
KEPT = timedelta(days=7)  # how long the files of a job that failed for good stay
MOST_ENDS = 5  # more restarts than usually happen during the reading of one file


def ingest_uploads(
    database: Database,
    embedder: Embedder,
    payload: dict[str, Any],
    *,
    uploads: Path,
    report: Callable[[dict[str, Any]], None],
    so_far: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Reads the files of an upload: ``payload`` has ``folder`` (its name in ``uploads``), ``files`` (own name there,
    name as sent), ``actor``, ``replace`` and ``collection``. ``so_far``: the progress of the try before. The folder
    stays for another try; ``discard_upload`` removes it when the job has ended."""
    folder = _folder(uploads, payload)
    names: list[tuple[str, str]] = payload["files"]
    results: list[dict[str, Any]] = list((so_far or {}).get("files", []))
    reading: dict[str, int] = (so_far or {}).get("reading") or {}

    def progress(**more: Any) -> dict[str, Any]:
        return {"total": len(names), "done": len(results), "files": list(results), **more}

    with database.write() as session:
        origins.touch_uploads(session)
    with Loader() as loader:
        for number in range(len(results), len(names)):
            stored, name = names[number]
            ends = reading.get("ends", 0) if reading.get("file") == number else 0
            if ends >= MOST_ENDS:
                template = "The server ended {count} times while it read this file, so it was left out."
                result = rejected(name, Invalid(template, code="file_ends_server", count=ends))
            else:
                report(progress(reading={"file": number, "ends": ends + 1}))  # the next report takes this back
                earlier = {other_name for _, other_name in names[:number]}
                try:
                    result = _ingest_file(database, embedder, loader, folder / stored, name, earlier, payload)
                except Exception:  # the server did not end: the job counts its own failures
                    with suppress(Exception):
                        report(progress(reading={"file": number, "ends": ends}))
                    raise
            results.append(asdict(result))
            report(progress())
    return progress()


def discard_upload(database: Database, payload: dict[str, Any], *, uploads: Path, now: datetime | None = None) -> None:
    """Called when the job of an upload has ended: removes its files if the job is done, and those of jobs that failed
    for good more than ``KEPT`` ago."""
    folder = _folder(uploads, payload)
    with database.read() as session:
        failed = session.scalars(sa.select(Job).where(Job.kind == INGEST, Job.state == "failed")).all()
    unneeded = {_folder(uploads, job.payload) for job in failed if not _is_kept(job, now or utc_now())}
    if folder not in {_folder(uploads, job.payload) for job in failed}:
        unneeded.add(folder)
    for path in unneeded:
        shutil.rmtree(path, ignore_errors=True)


def kept_files(job: Job, uploads: Path) -> Phrase | None:
    """A sentence about the files of an upload that failed for good; None when they are not there, and for other
    jobs."""
    if job.kind != INGEST or job.state != "failed" or job.finished_at is None:
        return None
    if not (folder := _folder(uploads, job.payload)).is_dir():
        return None
    name, until = folder.name, job.finished_at + KEPT
    return Phrase.of(
        "Its files are kept until {date} UTC in the data folder, in uploads/{name}.",
        code="upload_kept",
        date=f"{until:%Y-%m-%d %H:%M}",
        name=name,
    )


def error_of(job: Job, uploads: Path, write: Callable[[Phrase], str]) -> str | None:
    """The error of a job of any kind, with where the files of an upload are, as ``write`` writes both."""
    error, files = jobs.error_of(job), kept_files(job, uploads)
    if error is None or files is None:
        only = error or files
        return write(only) if only else None
    text = write(error)
    if text.endswith("。"):
        return text + write(files)
    return f"{text if text.endswith(('.', '!', '?')) else f'{text}.'} {write(files)}"


def _folder(uploads: Path, payload: dict[str, Any]) -> Path:
    """Where the files of an upload are. Jobs of earlier versions have the whole path, of the data folder as it was
    then."""
    return uploads / Path(payload["folder"]).name


def _is_kept(job: Job, now: datetime) -> bool:
    return job.finished_at is not None and job.finished_at + KEPT > now


def discard_forgotten(database: Database, uploads: Path, *, now: datetime | None = None) -> int:
    """On start: removes folders of uploads that no job needs any more; an earlier server ended before it could remove
    them. Returns how many."""
    now = now or utc_now()
    with database.read() as session:
        left = session.scalars(sa.select(Job).where(Job.kind == INGEST, Job.state != "done")).all()
    needed = {_folder(uploads, job.payload) for job in left if job.state != "failed" or _is_kept(job, now)}
    folders = [path for path in uploads.iterdir() if path.is_dir()] if uploads.is_dir() else []
    forgotten = [folder for folder in folders if folder not in needed]
    for folder in forgotten:
        shutil.rmtree(folder, ignore_errors=True)
    return len(forgotten)


def _ingest_file(
    database: Database,
    embedder: Embedder,
    loader: Loader,
    path: Path,
    name: str,
    earlier: Collection[str],
    payload: dict[str, Any],
) -> FileResult:
    """Ingests one uploaded file. ``earlier``: the names of the files before it. Raises CannotStart, DatabaseBusy,
    DiskFull."""
    if name in earlier:
        template = "Another file of this upload is named {name}, and that one was read. Rename one of them."
        return rejected(name, Invalid(template, code="upload_name_twice", name=name))
    replace, actor, collection = bool(payload.get("replace")), payload["actor"], payload.get("collection")
    if collection is None:
        collection = _collection_of_file(database, name)
    scope = EVERYTHING if collection is None else Scope.of(collection)
    try:
        new = ingest.read(loader, path, name, origins.UPLOAD, collection)
        if (result := _of_another_collection(database, name, new, scope)) is not None:
            return result
        if not replace and (result := _would_replace(database, name, new)) is not None:
            return result
        result = ingest.store(database, embedder, name, new, actor=actor, revive=True)
    except (CannotStart, DatabaseBusy, DiskFull):
        raise  # no fault of the file: every other one would fail too
    except KnowledgeError as error:
        return rejected(name, error)
    if replace:
        _retire_rest(database, name, {document.id for document in new}, scope, actor)
    return result


def _of_another_collection(
    database: Database, name: str, new: list[put.NewDocument], scope: Scope
) -> FileResult | None:
    """Refuses a file whose documents have the ids of documents of another collection, without details of these."""
    ids = [document.id for document in new]
    with database.read() as session:
        collections = collections_of(session, ids)
    if all(collections.get(document_id) is None or collections[document_id] in scope for document_id in ids):
        return None
    template = "Another collection has a file named {name} already. Rename this one."
    return rejected(name, Conflict(template, code="upload_in_other_collection", name=name))


def _collection_of_file(database: Database, name: str) -> str | None:
    """The collection of the documents that came from a file of this name before, if they are in one: new rows of the
    file belong there, too."""
    with database.read() as session:
        collections = set(session.scalars(sa.select(Document.collection).where(_came_from(name)).distinct()))
    return collections.pop() if len(collections) == 1 else None


def _came_from(name: str) -> sa.ColumnElement[bool]:
    """The documents that came from uploaded files of this name."""
    whole = f"{origins.UPLOAD}/{name}"
    row = Document.id.startswith(f"{whole}#", autoescape=True)
    return sa.and_(Document.source == origins.UPLOAD, sa.or_(Document.id == whole, row))


def _would_replace(database: Database, name: str, new: list[put.NewDocument]) -> FileResult | None:
    with database.read() as session:
        others = put.replaced(session, new)
        title = session.get_one(Document, others[0]).title if others else ""
    if not others:
        return None
    if len(others) == 1:
        template = "It would replace a document that has another text: {document_id} ({title})."
        error = Invalid(template, code="upload_would_replace", document_id=others[0], title=title)
    else:
        template = "It would replace {count} documents that have another text, among them {document_id} ({title})."
        error = Invalid(
            template, code="upload_would_replace_many", count=len(others), document_id=others[0], title=title
        )
    return rejected(name, error, replaces=others[0])


def _retire_rest(database: Database, name: str, ids: Collection[str], scope: Scope, actor: str) -> None:
    """Retires the documents that came from an earlier version of the file and are no longer in it: rows of a table,
    lines of JSONL. Documents of a file of this name in other collections stay."""
    file_id = f"{origins.UPLOAD}/{name}"
    with database.read() as session:
        live = origins.live(session, origins.UPLOAD)
    for document_id in live:
        # An id with the suffix of a file belongs to another file, whose name has a # in it.
        row = document_id.startswith(f"{file_id}#") and Path(document_id).suffix.lower() not in SUFFIXES
        if (row or document_id == file_id) and document_id not in ids:
            with suppress(NotFound):
                put.remove(database, document_id, scope, actor=actor, reason="its file was replaced", keep_out=False)
