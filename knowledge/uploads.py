"""The job that reads uploaded files. It goes on after the last finished file, whoever ended before it was done.

Nothing is replaced unasked: a file whose name belongs to a document with another text is rejected with that reason,
unless the upload says that it replaces. While a file is read, the progress says so; a file in whose reading the server
ended ``MOST_ENDS`` times is rejected, and the others go on.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge import ingest, origins, put
from knowledge.errors import Conflict, Invalid, KnowledgeError, NotFound
from knowledge.ingest import FileResult, rejected
from knowledge.load import SUFFIXES, CannotStart, Loader
from knowledge.scoping import collections_of
from knowledge.tables import Document, Job
from retrieval.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from knowledge.db import Database
    from retrieval.embed import Embedder

INGEST = "ingest"  # the kind of the job
MOST_ENDS = 5  # more than a busy day of restarts meets in one file


def ingest_uploads(
    database: Database,
    embedder: Embedder,
    payload: dict[str, Any],
    *,
    report: Callable[[dict[str, Any]], None],
    so_far: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Reads the files of an upload: ``payload`` has ``folder``, ``files`` (own name there, name as sent), ``actor``,
    ``replace`` and ``collection``. ``so_far``: the progress of the try before. The folder stays for another try;
    ``discard_upload`` removes it when the job has ended."""
    folder = Path(payload["folder"])
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
                report(progress(reading={"file": number, "ends": ends + 1}))  # unless the next report comes
                earlier = {sent for _, sent in names[:number]}
                try:
                    result = _file(database, embedder, loader, folder / stored, name, earlier, payload)
                except Exception:  # not the server's end: the job counts its own failures
                    with suppress(Exception):
                        report(progress(reading={"file": number, "ends": ends}))
                    raise
            results.append(asdict(result))
            report(progress())
    return progress()


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
    path: Path,
    name: str,
    earlier: Collection[str],
    payload: dict[str, Any],
) -> FileResult:
    """Takes in one uploaded file. ``earlier``: the names of the files before it. Raises CannotStart."""
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
    except CannotStart:
        raise  # the installation is broken: no other file would fare better
    except KnowledgeError as error:
        return rejected(name, error)
    if replace:
        _retire_rest(database, name, {one.id for one in new}, scope, actor)
    return result


def _of_another_collection(
    database: Database, name: str, new: list[put.NewDocument], scope: Scope
) -> FileResult | None:
    """Refuses a file whose documents have the ids of documents of another collection, and tells nothing of these."""
    ids = [one.id for one in new]
    with database.read() as session:
        known = collections_of(session, ids)
    taken = next((one for one in ids if one in known and known[one] not in scope), None)
    if taken is None:
        return None
    template = "Another collection has a file named {name} already. Rename this one."
    return rejected(name, Conflict(template, code="upload_in_other_collection", name=name))


def _collection_of_file(database: Database, name: str) -> str | None:
    """The collection of what a file of this name gave before, where it is one: its new rows belong there, too."""
    with database.read() as session:
        known = set(session.scalars(sa.select(Document.collection).where(_given_by(name)).distinct()))
    return known.pop() if len(known) == 1 else None


def _given_by(name: str) -> sa.ColumnElement[bool]:
    """The documents that uploaded files of this name gave."""
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
    """Retires what a replaced file gave before and no longer gives: rows of a table, lines of JSONL; nothing of other
    collections that has a file of this name, too."""
    document_id = f"{origins.UPLOAD}/{name}"
    with database.read() as session:
        standing = origins.live(session, origins.UPLOAD)
    for one in standing:
        row = one.startswith(f"{document_id}#") and Path(one).suffix.lower() not in SUFFIXES  # no file of that name
        if (row or one == document_id) and one not in ids:
            with suppress(NotFound):
                put.remove(database, one, scope, actor=actor, reason="its file was replaced", keep_out=False)
