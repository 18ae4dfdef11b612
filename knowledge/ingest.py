"""Turns files and folders into documents, incrementally. Each file ends indexed, unchanged or rejected with its reason.

A document's id is its source (knowledge.origins) and its path below the given folder (``handbook/en/asking.md``), with
``#key`` for a row of a table or a line of JSONL. One bad file does not stop the others. After an interruption, a second
run is quick, because unchanged files are only read. A document that a person retired stays retired, even if its file
changes. A document whose file had gone comes back with the file.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge import origins, pruning, put, remarks
from knowledge.errors import DatabaseBusy, DiskFull, Invalid, KnowledgeError
from knowledge.folder import Folder, folders_of, look_up
from knowledge.load import READER, CannotStart, FoundFile, LoadedDocument, Loader, left_out
from knowledge.origins import Place, Source
from knowledge.put import NewDocument, Reading
from knowledge.recognise import is_known
from knowledge.scoping import collections_of
from knowledge.versions import Content
from retrieval.phrases import Phrase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from knowledge.db import Database
    from knowledge.put import Stored
    from retrieval.embed import Embedder
    from retrieval.errors import ErrataError

BATCH_CHARACTERS = 60_000  # of text per transaction: some seconds of embedding, so that progress is seen
BATCH_DOCUMENTS = 64


@dataclass(frozen=True, slots=True)
class FileResult:
    """The result of a file. ``reason`` is in English; ``code`` and ``values`` give it in other languages.
    ``replaces``: the document that the file would have replaced if that had been requested. ``remarks``: what a curator
    should know about its text (Phrase.to_json)."""

    name: str
    state: str  # indexed | unchanged | kept_out | rejected | skipped | retired
    documents: int = 0
    document_id: str | None = None
    version: int | None = None
    reason: str | None = None
    code: str | None = None
    values: dict[str, str | int] = field(default_factory=dict)
    replaces: str | None = None
    remarks: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class IngestReport:
    """The results of all files. ``sources``: the name under which each folder is stored, by its path.
    ``refusals``: the reasons why ``prune`` retired nothing."""

    files: list[FileResult] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    refusals: list[Invalid] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(result.state == state for result in self.files)


def ingest(
    database: Database,
    embedder: Embedder,
    paths: Sequence[Path],
    *,
    actor: str,
    source: str | None = None,
    moved: bool = False,
    place: Place | None = None,
    collection: str | None = None,
    prune: bool = False,
    prune_limit: int = pruning.PERCENT,
    prune_all: bool = False,
    on_file: Callable[[FileResult], None] = lambda _result: None,
) -> IngestReport:
    """Ingests files and folders; a single file belongs to its folder.

    ``source``: the name of the only folder (default: its own name, or a longer one); ``moved``: its documents came
    from another folder until now; ``place``: stored instead of the folder's path, for a folder whose path changes.
    ``collection``: where the documents belong; None: where the others of their folder are, else the main one.
    ``prune``: retires the documents of the given folders whose file or row is gone. It refuses if a folder seems to be
    missing, or if these are more than ``prune_limit`` percent of the documents (``prune_all``: it never refuses).
    Raises Invalid for a path that cannot be read and for a source that belongs to another folder.
    """
    report = IngestReport()
    folders = folders_of(paths, place)
    if source is not None and len(folders) > 1:
        raise Invalid(
            "One --source is the name of one folder, and these are {count}. Ingest each of them by itself, or the "
            "folder that contains them all.",
            code="source_of_many_folders",
            count=len(folders),
        )

    def note(result: FileResult) -> None:
        report.files.append(result)
        on_file(result)

    with Loader() as loader:
        for folder in folders:
            if not folder.readable():
                continue
            report.sources[folder.place.path] = _claim(database, loader, folder, source, collection, moved=moved)
        with database.read() as session:
            for folder in folders:
                look_up(session, folder, collection, named=source is not None, prune=prune)
        for folder in folders:
            for file in folder.files:
                note(_ingest_file(database, embedder, loader, file, folder, actor))
    in_another = {part.source for folder in folders if folder.whole for part in folder.parts}
    whole = [folder for folder in folders if folder.whole and prune and folder.source not in in_another]
    if not prune_all:
        report.refusals = [why for folder in whole if (why := _refusal(folder, prune_limit))]
    for folder in whole if not report.refusals else []:
        for document_id in pruning.retire(database, folder.before, folder.present, actor):
            note(FileResult(document_id, "retired", documents=1, document_id=document_id))
    return report


def read(
    loader: Loader, path: Path, name: str, source: str, collection: str | None = None, *, document_id: str | None = None
) -> list[NewDocument]:
    """The documents of a file of this source. ``document_id``: the id of the file, by default its name in the source.
    Raises LoadError."""
    loaded = loader.load(path, name=name)
    new = [_new(document_id or f"{source}/{name}", name, document, source, collection) for document in loaded]
    try:
        with path.open("rb") as file:
            reading = Reading(hashlib.file_digest(file, "sha256").hexdigest(), READER)
    except OSError:  # gone since it was read
        return new
    return [replace(document, reading=reading) for document in new]


def store(
    database: Database, embedder: Embedder, name: str, new: Sequence[NewDocument], *, actor: str, revive: bool
) -> FileResult:
    """Stores a file's documents, in batches. Raises KnowledgeError."""
    results: list[Stored] = []
    for batch in _batches(new):
        results += put.put(database, embedder, batch, actor=actor, revive=revive)
    stored = [document for document in results if document.kept_out_by is None]
    is_changed = any(document.changed for document in stored)
    state = "indexed" if is_changed else "unchanged" if stored or not results else "kept_out"
    return FileResult(
        name,
        state,
        documents=len(stored),
        document_id=results[0].id if results else None,
        version=results[0].version if results else None,
        remarks=[remark.to_json() for remark in (*_read_anew(results), *remarks_on(new))],
        **_kept_out([document for document in results if document.kept_out_by is not None], len(results)),
    )


def _read_anew(results: Sequence[Stored]) -> list[Phrase]:
    count = sum(result.read_anew for result in results)
    if not count:
        return []
    return [
        Phrase.of(
            "Read again because the reader changed; the file is the same. Documents with a new text: {count}.",
            code="reader_changed",
            count=count,
        )
    ]


def remarks_on(documents: Sequence[NewDocument]) -> list[Phrase]:
    """What a curator should know about the documents of a file: about their texts, and what was left out."""
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(document.left_out)
    return [*remarks.of(document.content for document in documents), *left_out.phrases(counts)]


def rejected(name: str, error: ErrataError, *, replaces: str | None = None) -> FileResult:
    """The result of a file that was rejected, with the reason."""
    return FileResult(name, "rejected", replaces=replaces, **_why(error))


def _claim(
    database: Database, loader: Loader, folder: Folder, source: str | None, collection: str | None, *, moved: bool
) -> Source:
    """Decides under which source and in which collection the files of a folder are stored. Raises Invalid."""
    with database.read() as session:
        outer = origins.around(session, folder.place) if source is None else None
        if outer is not None:
            folder.source, folder.inside = outer
            folder.collection = origins.collection_of(session, folder.source, collection)
            return Source(folder.source, new=False)
    recognised = is_known(database, loader, folder.root, source or folder.place.names[0])
    with database.write() as session:
        claimed = origins.claim(session, folder.place, source=source, moved=moved, known=recognised)
        folder.source = claimed.name
        folder.collection = origins.collection_of(session, claimed.name, collection)
    return claimed


def _ingest_file(
    database: Database,
    embedder: Embedder,
    loader: Loader,
    file: FoundFile,
    folder: Folder,
    actor: str,
) -> FileResult:
    """Ingests one file of a folder. Raises CannotStart, DatabaseBusy, DiskFull."""
    name = file.relative or folder.place.names[0]
    part = folder.part_of(file.relative)
    if file.skipped or folder.source is None:
        folder.present.update(folder.earlier_documents(file.relative))
        return FileResult(name, "skipped", reason=file.skipped)
    try:
        document_id = part.document_id(file.relative)
        new = read(loader, file.path, file.relative, part.source, document_id=document_id)
        ids = [document.id for document in new]
        folder.present.update(ids)
        with database.read() as session:
            others = origins.strangers(session, part.source, ids)
            collections = collections_of(session, ids)
        if others:
            raise Invalid(
                "There is a document {document_id} already that came from somewhere else. Rename the file, or choose "
                "another name for this folder with --source.",
                code="document_of_another_source",
                document_id=others[0],
            )
        new = [replace(document, collection=collections.get(document.id, part.collection)) for document in new]
        return store(database, embedder, name, new, actor=actor, revive=False)
    except (CannotStart, DatabaseBusy, DiskFull):
        raise  # no fault of the file: every other one would fail too
    except KnowledgeError as error:
        folder.present.update(folder.earlier_documents(file.relative))
        return rejected(name, error)


def _refusal(folder: Folder, limit: int) -> Invalid | None:
    """The reason why the documents of a folder must not be pruned; None if they may."""
    unlisted = next((file.skipped for file in folder.files if not file.relative), None)
    return pruning.refusal(
        folder.place.path,
        folder.source,
        empty=not folder.readable(),
        unlisted=unlisted,
        before=folder.before,
        present=folder.present,
        limit=limit,
    )


def _why(error: ErrataError) -> dict[str, Any]:
    return {"reason": str(error), "code": error.code, "values": error.stored_values()}


def _kept_out(kept: Sequence[Stored], total: int) -> dict[str, Any]:
    """The reason why documents of a file stay retired, although nothing is wrong with them."""
    if not kept:
        return {}
    if total == 1:
        template = "{actor} retired it: kept out. To bring it back: errata documents restore {document_id}"
        only = kept[0]
        return _why(Invalid(template, code="document_kept_out", actor=only.kept_out_by, document_id=only.id))
    template = "{count} of its {total} documents were retired by a curator: kept out."
    return _why(Invalid(template, code="documents_kept_out", count=len(kept), total=total))


def _new(document_id: str, name: str, loaded: LoadedDocument, source: str, collection: str | None) -> NewDocument:
    own_id = f"{document_id}#{loaded.key}" if loaded.key else document_id
    title = loaded.title or Path(name).stem
    return NewDocument(
        id=own_id,
        content=Content(title, loaded.text, loaded.url, dict(loaded.metadata), places=loaded.places),
        source=source,
        language=loaded.language,
        collection=collection,
        left_out=loaded.left_out,
    )


def _batches(new: Iterable[NewDocument]) -> Iterator[list[NewDocument]]:
    batch: list[NewDocument] = []
    size = 0
    for document in new:
        if batch and (size + len(document.content.text) > BATCH_CHARACTERS or len(batch) >= BATCH_DOCUMENTS):
            yield batch
            batch, size = [], 0
        batch.append(document)
        size += len(document.content.text)
    if batch:
        yield batch
