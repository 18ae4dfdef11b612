"""The folders of an ingest: their files, and the documents that these files were before."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from knowledge import origins
from knowledge.errors import Invalid
from knowledge.load import FoundFile, find_files
from knowledge.origins import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Part:
    """A folder in a folder that was ingested by itself before, so its files keep their ids. ``inside``: its path below
    the folder, with a / at its end; ``prefix``: what its ids begin with instead of ``inside``."""

    inside: str
    prefix: str
    source: str
    collection: str | None

    def document_id(self, relative: str) -> str:
        return f"{self.prefix}{relative[len(self.inside) :]}"


@dataclass(slots=True)
class Folder:
    """A folder of one run. ``whole``: the folder itself was given, so all its files are known. ``before``: the
    documents that readers could find before the run (only if it is pruned); ``present``: those whose file exists or
    cannot be read."""

    root: Path
    place: Place
    files: list[FoundFile] = field(default_factory=list)
    whole: bool = False
    source: str | None = None
    inside: str = ""  # the folder's path below the one whose documents its files are, with a / at its end
    collection: str | None = None
    parts: list[Part] = field(default_factory=list)  # outer ones first
    before: list[str] = field(default_factory=list)
    present: set[str] = field(default_factory=set)

    def readable(self) -> bool:
        return any(not file.skipped for file in self.files)

    def part_of(self, relative: str) -> Part:
        """The part that a file belongs to: the innermost one, else the folder itself."""
        whole = Part("", f"{self.source}/{self.inside}", self.source or "", self.collection)
        return next((part for part in reversed(self.parts) if relative.startswith(part.inside)), whole)

    def earlier_documents(self, relative: str) -> list[str]:
        """The documents that came from a file, or from a folder in this folder, before. They are kept while it cannot
        be read."""
        starts = [self.part_of(relative).document_id(relative)]
        starts += [part.prefix.rstrip("/") for part in self.parts if part.inside.startswith(f"{relative}/")]
        return [
            document_id
            for document_id in self.before
            if any(document_id == start or document_id.startswith((f"{start}#", f"{start}/")) for start in starts)
        ]


def folders_of(paths: Sequence[Path], place: Place | None) -> list[Folder]:
    """The files to read, by folder. Raises Invalid for a path that does not exist or cannot be entered."""
    folders: dict[Path, Folder] = {}

    def of(root: Path) -> Folder:
        real = root.resolve()
        return folders.setdefault(real, Folder(real, place or place_of(real)))

    for path in paths:
        try:
            is_folder = path.is_dir()
            exists = is_folder or path.exists()
        except OSError as error:
            raise Invalid(
                "{path} cannot be read: {problem}.", code="path_unreadable", path=path, problem=error.strerror
            ) from None
        if not exists:
            raise Invalid("There is no file or folder {path}.", code="path_missing", path=path)
        if is_folder:
            of(path).whole = True
    last: tuple[Path, Folder] | None = None
    for file in find_files(paths):
        if last is None or last[0] != file.root:
            last = (file.root, of(file.root))
        last[1].files.append(file)
    return list(folders.values())


def look_up(session: Session, folder: Folder, collection: str | None, *, named: bool, prune: bool) -> None:
    """Finds out which documents a folder has already. ``named``: the person gave it a name of its own. Raises
    Invalid."""
    folder.source = folder.source or origins.source_of(session, folder.place)
    if folder.source is not None and not named and not folder.inside:
        folder.parts = _parts(session, folder.place, folder.source, collection)
    if prune and folder.whole:
        folder.before = _before(session, folder)


def _parts(session: Session, place: Place, source: str, collection: str | None) -> list[Part]:
    """The folders in a folder that keep their own documents. Raises Invalid (see origins.collection_of)."""
    return [
        Part(inside, f"{inner}/", inner, origins.collection_of(session, inner, collection))
        for inside, inner in origins.within(session, place, source)
    ]


def _before(session: Session, folder: Folder) -> list[str]:
    """The documents of a folder and of its parts that readers can find."""
    if folder.source is None:
        return []
    below = f"{folder.source}/{folder.inside}" if folder.inside else ""
    own = [document_id for document_id in origins.live(session, folder.source) if document_id.startswith(below)]
    return own + [document_id for part in folder.parts for document_id in origins.live(session, part.source)]
