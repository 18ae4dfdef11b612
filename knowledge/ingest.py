"""Files and folders into documents: incremental, each file ending indexed, unchanged or rejected with its reason.

A document's id is its source (knowledge.origins) and its path below the folder that was given
(``handbook/en/asking.md``), with ``#key`` for a row of a table or a line of JSONL. One bad file stops nothing; an
interrupted run goes on where it stopped, because what is unchanged costs only its reading. A document that a person
retired stays retired, whatever its file says; one whose file had gone comes back with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowledge import origins, pruning, put
from knowledge.errors import Invalid, KnowledgeError
from knowledge.load import CannotStart, FoundFile, LoadedDocument, Loader, find_files
from knowledge.origins import Place, Source, place_of
from knowledge.put import NewDocument
from knowledge.recognise import is_known
from knowledge.scoping import collections_of
from knowledge.versions import Content

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
    """What became of a file. ``reason`` in English; ``code`` and ``values`` are the same for other languages.
    ``replaces``: the document that it would have replaced, had that been asked for."""

    name: str
    state: str  # indexed | unchanged | kept_out | rejected | skipped | retired
    documents: int = 0
    document_id: str | None = None
    version: int | None = None
    reason: str | None = None
    code: str | None = None
    values: dict[str, str | int] = field(default_factory=dict)
    replaces: str | None = None


@dataclass(slots=True)
class IngestReport:
    """What became of all files. ``sources``: under which name each folder is stored, by its path.
    ``refusals``: why ``prune`` retired nothing."""

    files: list[FileResult] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    refusals: list[Invalid] = field(default_factory=list)

    def count(self, state: str) -> int:
        return sum(one.state == state for one in self.files)


@dataclass(slots=True)
class _Folder:
    """A folder of one run. ``whole``: it was named, so all its files are known. ``before``: the documents that readers
    could find before the run (only where it is pruned); ``present``: those whose file is there or cannot be read."""

    root: Path
    place: Place
    files: list[FoundFile] = field(default_factory=list)
    whole: bool = False
    source: str | None = None
    inside: str = ""  # the folder's path below the one whose documents its files are, with a / at its end
    collection: str | None = None
    before: list[str] = field(default_factory=list)
    present: set[str] = field(default_factory=set)

    def readable(self) -> bool:
        return any(not found.skipped for found in self.files)


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
    from another folder until now; ``place``: what stands for the folder's path where that changes. ``collection``:
    where the documents belong; None: where the others of their folder are, else the main one. ``prune``: retires
    the documents of the named folders whose file or row is gone, unless a folder seems to be missing or they are more
    than ``prune_limit`` percent (``prune_all``: in any case). Raises Invalid for a path that cannot be read and for a
    source that belongs to another folder.
    """
    report = IngestReport()
    folders = _folders(paths, place)
    if source is not None and len(folders) > 1:
        raise Invalid(
            "One --source is the name of one folder, and these are {count}. Ingest each of them by itself, or the "
            "folder that holds them all.",
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
                folder.source = folder.source or origins.source_of(session, folder.place)
                if prune and folder.whole and folder.source is not None:
                    below = f"{folder.source}/{folder.inside}" if folder.inside else ""
                    folder.before = [one for one in origins.live(session, folder.source) if one.startswith(below)]
        for folder in folders:
            for found in folder.files:
                note(_file(database, embedder, loader, found, folder, actor))
    whole = [folder for folder in folders if folder.whole and prune]
    if not prune_all:
        report.refusals = [why for folder in whole if (why := _refusal(folder, prune_limit))]
    for folder in whole if not report.refusals else []:
        for document_id in pruning.retire(database, folder.before, folder.present, actor):
            note(FileResult(document_id, "retired", documents=1, document_id=document_id))
    return report


def read(
    loader: Loader, path: Path, name: str, source: str, collection: str | None = None, *, inside: str = ""
) -> list[NewDocument]:
    """The documents of a file under the ids that they have in this source. ``inside``: see _Folder. Raises
    LoadError."""
    return [_new(f"{source}/{inside}{name}", name, one, source, collection) for one in loader.load(path, name=name)]


def store(
    database: Database, embedder: Embedder, name: str, new: Sequence[NewDocument], *, actor: str, revive: bool
) -> FileResult:
    """Puts a file's documents in, in batches. Raises KnowledgeError."""
    results = [one for batch in _batches(new) for one in put.put(database, embedder, batch, actor=actor, revive=revive)]
    stored = [one for one in results if one.kept_out_by is None]
    state = "indexed" if any(one.changed for one in stored) else "unchanged" if stored or not results else "kept_out"
    return FileResult(
        name,
        state,
        documents=len(stored),
        document_id=results[0].id if results else None,
        version=results[0].version if results else None,
        **_kept_out([one for one in results if one.kept_out_by is not None], len(results)),
    )


def rejected(name: str, error: ErrataError, *, replaces: str | None = None) -> FileResult:
    """A file that was not taken in, and why."""
    return FileResult(name, "rejected", replaces=replaces, **_why(error))


def _folders(paths: Sequence[Path], place: Place | None) -> list[_Folder]:
    """What is to be read, by folder. Raises Invalid for a path that is not there or cannot be entered."""
    folders: dict[Path, _Folder] = {}

    def of(root: Path) -> _Folder:
        real = root.resolve()
        return folders.setdefault(real, _Folder(real, place or place_of(real)))

    for path in paths:
        try:
            is_folder = path.is_dir()
            there = is_folder or path.exists()
        except OSError as error:
            raise Invalid(
                "{path} cannot be read: {problem}.", code="path_unreadable", path=path, problem=error.strerror
            ) from None
        if not there:
            raise Invalid("There is no file or folder {path}.", code="path_missing", path=path)
        if is_folder:
            of(path).whole = True
    last: tuple[Path, _Folder] | None = None
    for found in find_files(paths):
        if last is None or last[0] != found.root:
            last = (found.root, of(found.root))
        last[1].files.append(found)
    return list(folders.values())


def _claim(
    database: Database, loader: Loader, folder: _Folder, source: str | None, collection: str | None, *, moved: bool
) -> Source:
    """Says under which source and in which collection the files of a folder are stored. Raises Invalid."""
    with database.read() as session:
        outer = origins.around(session, folder.place) if source is None else None
        if outer is not None:
            folder.source, folder.inside = outer
            folder.collection = origins.collection_of(session, folder.source, collection)
            return Source(folder.source, new=False)
    known = is_known(database, loader, folder.root, source or folder.place.names[0])
    with database.write() as session:
        claimed = origins.claim(session, folder.place, source=source, moved=moved, known=known)
        folder.source = claimed.name
        folder.collection = origins.collection_of(session, claimed.name, collection)
    return claimed


def _file(
    database: Database,
    embedder: Embedder,
    loader: Loader,
    found: FoundFile,
    folder: _Folder,
    actor: str,
) -> FileResult:
    """Takes in one file of a folder. Raises CannotStart."""
    name = found.relative or folder.place.names[0]
    source = folder.source
    if found.skipped or source is None:
        folder.present.update(_kept_by(f"{source}/{folder.inside}{found.relative}", folder.before))
        return FileResult(name, "skipped", reason=found.skipped)
    try:
        new = read(loader, found.path, found.relative, source, inside=folder.inside)
        ids = [one.id for one in new]
        folder.present.update(ids)
        with database.read() as session:
            others = origins.strangers(session, source, ids)
            known = collections_of(session, ids)
        if others:
            raise Invalid(
                "There is a document {document_id} already that came from somewhere else. Rename the file, or choose "
                "another name for this folder with --source.",
                code="document_of_another_source",
                document_id=others[0],
            )
        new = [replace(one, collection=known.get(one.id, folder.collection)) for one in new]
        return store(database, embedder, name, new, actor=actor, revive=False)
    except CannotStart:
        raise  # the installation is broken: no other file would fare better
    except KnowledgeError as error:
        folder.present.update(_kept_by(f"{source}/{folder.inside}{found.relative}", folder.before))
        return rejected(name, error)


def _kept_by(document_id: str, before: Iterable[str]) -> list[str]:
    """The documents that a file or folder gave before: what cannot be read today must not lose them."""
    return [one for one in before if one == document_id or one.startswith((f"{document_id}#", f"{document_id}/"))]


def _refusal(folder: _Folder, limit: int) -> Invalid | None:
    """Why the documents of a folder must not be pruned."""
    unlisted = next((found.skipped for found in folder.files if not found.relative), None)
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
    """Why documents of a file were not taken in, although nothing is wrong with them."""
    if not kept:
        return {}
    if total == 1:
        template = "{actor} retired it: kept out. To bring it back: errata documents restore {document_id}"
        one = kept[0]
        return _why(Invalid(template, code="document_kept_out", actor=one.kept_out_by, document_id=one.id))
    template = "{count} of its {total} documents were retired by a curator: kept out."
    return _why(Invalid(template, code="documents_kept_out", count=len(kept), total=total))


def _new(document_id: str, name: str, loaded: LoadedDocument, source: str, collection: str | None) -> NewDocument:
    own_id = f"{document_id}#{loaded.key}" if loaded.key else document_id
    title = loaded.title or Path(name).stem
    return NewDocument(
        id=own_id,
        content=Content(title, loaded.text, loaded.url, dict(loaded.metadata)),
        source=source,
        language=loaded.language,
        collection=collection,
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
