"""Where documents come from, and the name under which an ingest stores them (``documents.source``).

An origin is a folder by its real path, or the uploads. The folder's own name is its source when that name is free. A
second folder of the same name gets a longer source, ``depot-b/docs``, and keeps it, whichever path leads to the folder.
So the id of a document (its source and its path below the folder) names one file, and pruning retires only documents
of its own folder.

Decision: a source has one folder. Two folders under one source would replace each other's files of the same name, so
this is refused. The person who moved a folder must say so (``moved``), because nothing else distinguishes a moved
folder from another one of the same name. Sources of an older version have no path; the caller decides whether a folder
is theirs (``known``).

Decision: the files of a folder are stored once, whichever of the folders around them is named. A known folder keeps its
documents when a folder around it is ingested (``within``), and the other way round (``around``), unless the person
gives the folder another name with ``--source``.

Decision: the documents of a folder are in one collection. A new file goes where the others are, also when the command
does not name the collection. Otherwise one scheduled command without the name would show everybody what only some may
see. To have the same folder in two collections, ingest it under two names.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge.db import utc_now
from knowledge.errors import Invalid
from knowledge.tables import Document, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

UPLOAD = "upload"  # the source of uploaded files, and the path of their origin
RESERVED = frozenset({UPLOAD, "api", "errata"})  # sources of documents that no folder holds


@dataclass(frozen=True, slots=True)
class Place:
    """A folder as an origin: its path, and the names that its source may have, the best one first."""

    path: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """The name under which a place's documents are stored. ``new``: it was not known before. ``instead_of``: the
    folder's own name, if another origin has that name."""

    name: str
    new: bool
    instead_of: str | None = None


def place_of(folder: Path) -> Place:
    """The origin of a folder, named by the last parts of its real path: as few as are needed."""
    real = folder.resolve()
    path = os.fsencode(real).decode("utf-8", "backslashreplace")
    parts = [part.encode("utf-8", "replace").decode("utf-8") for part in real.parts if part != real.anchor]
    return Place(path, tuple("/".join(parts[-n:]) for n in range(1, len(parts) + 1)) or ("files",))


def touch_uploads(session: Session) -> None:
    """Stores that files were uploaded, and when."""
    row = session.get(Origin, UPLOAD)
    if row is None:
        session.add(Origin(source=UPLOAD, path=UPLOAD))
    else:
        row.last_at = utc_now()
    session.flush()


def source_of(session: Session, place: Place) -> str | None:
    """The source of a place that was ingested before; None for another place."""
    of_place = sa.select(Origin.source).where(Origin.path == place.path).order_by(Origin.first_at, Origin.source)
    return session.scalars(of_place).first()


def around(session: Session, place: Place) -> tuple[str, str] | None:
    """(source, path below it with a / at its end) of the nearest known folder that this place lies in, where documents
    of this very place are there already: its files are these documents, and would else be there twice. None for a
    place that has a source of its own."""
    if source_of(session, place) is not None:
        return None
    above = [place.path[:at] for at, letter in enumerate(place.path) if letter == "/" and at]
    known = sa.select(Origin.source, Origin.path).where(Origin.path.in_(above)).order_by(sa.func.length(Origin.path))
    for source, path in reversed(session.execute(known).all()):
        inside = f"{place.path[len(path or '') + 1 :]}/"
        here = sa.and_(Document.source == source, Document.id.startswith(f"{source}/{inside}", autoescape=True))
        if session.scalar(sa.select(Document.id).where(here).limit(1)) is not None:
            return source, inside
    return None


def within(session: Session, place: Place, source: str) -> list[tuple[str, str]]:
    """(path below the place with a / at its end, source) of the known folders in a place that keep their documents when
    it is ingested as ``source``: those whose files are not documents of ``source`` already, outer folders first."""
    prefix = place.path.rstrip("/") + "/"
    known = sa.select(Origin.path, Origin.source).where(Origin.path.startswith(prefix, autoescape=True))
    keeping: list[tuple[str, str]] = []
    for path, inner in session.execute(known.order_by(sa.func.length(Origin.path), Origin.first_at, Origin.source)):
        inside = f"{str(path)[len(prefix) :]}/"
        outer, owner = next(
            ((outer, owner) for outer, owner in reversed(keeping) if inside.startswith(outer)), ("", source)
        )
        below = f"{owner}/{inside[len(outer) :]}"
        here = sa.and_(Document.source == owner, Document.id.startswith(below, autoescape=True))
        if session.scalar(sa.select(Document.id).where(here).limit(1)) is None and inside != outer:
            keeping.append((inside, inner))
    return keeping


def live(session: Session, source: str) -> list[str]:
    """The ids of the documents of a source that readers can find, ascending."""
    return list(
        session.scalars(
            sa.select(Document.id)
            .where(Document.source == source, Document.kind == "source", Document.retired_at.is_(None))
            .order_by(Document.id)
        )
    )


def without_path(session: Session, source: str) -> bool:
    """Whether this source was stored by a version that did not store its folder."""
    row = session.get(Origin, source)
    return row is not None and row.path is None


def claim(
    session: Session, place: Place, *, source: str | None = None, moved: bool = False, known: bool = False
) -> Source:
    """The source of a place; it is stored when it is new. ``source``: the name that the person wants for it.

    ``moved``: its documents came from another folder until now. ``known``: if the source has no path, its documents
    came from this place. Raises Invalid when the wanted source belongs to another place.
    """
    if source is not None:
        return _claim_named(session, place, source, moved=moved, known=known)
    own = place.names[0]
    earlier = source_of(session, place)
    if earlier is None and known and without_path(session, own):
        earlier = own
    if earlier is not None:
        row = session.get_one(Origin, earlier)
        row.path = place.path
        return _touch(row, own)
    name = next(name for name in _names(place) if _is_free(session, name))
    session.add(Origin(source=name, path=place.path))
    session.flush()
    return Source(name, new=True, instead_of=own if name != own else None)


def collection_of(session: Session, source: str, requested: str | None) -> str | None:
    """The collection that new documents of a source go to; None: the main one. ``requested``: the one that the person
    named. Raises Invalid if the documents of the source are in another one, or in several and none is named."""
    ours = sa.and_(Document.source == source, Document.kind == "source")
    collections = sorted(session.scalars(sa.select(Document.collection).where(ours).distinct()))
    if not collections or requested in collections:
        return requested
    if requested is not None:
        raise Invalid(
            "The documents of {source} are in another collection, {known!r}, and new files of a folder go where the "
            "others are. To take the folder into {collection!r} as well, give it a second name with --source.",
            code="folder_in_other_collection",
            source=source,
            known=", ".join(collections),
            collection=requested[:80],
        )
    if len(collections) > 1:
        raise Invalid(
            "The documents of {source} are in several collections ({known}). Say with --collection where new files go.",
            code="folder_in_many_collections",
            source=source,
            known=", ".join(collections),
        )
    return collections[0]


def strangers(session: Session, source: str, ids: list[str]) -> list[str]:
    """Those of the ids that belong to documents of another source."""
    others: list[str] = []
    for start in range(0, len(ids), 500):
        batch = ids[start : start + 500]
        others += session.scalars(sa.select(Document.id).where(Document.id.in_(batch), Document.source != source))
    return sorted(others)


def _claim_named(session: Session, place: Place, source: str, *, moved: bool, known: bool) -> Source:
    row = session.get(Origin, source)
    if row is None:
        if source in RESERVED:
            raise Invalid(
                "The name {source} is kept for documents that come from no folder. Choose another with --source.",
                code="source_reserved",
                source=source,
            )
        session.add(Origin(source=source, path=place.path))
        session.flush()
        return Source(source, new=True)
    if row.path is None and not (known or moved):
        raise Invalid(
            "Documents named {source} are there from an older version, and most of them are not as in {path}. "
            "If this is their folder, add --moved; if it is another one, choose another --source.",
            code="source_without_folder",
            source=source,
            path=place.path,
        )
    if row.path not in (None, place.path) and not (moved and row.path.startswith("/")):
        raise Invalid(
            "The documents named {source} come from {known}, not from {path}. Two folders under one name would "
            "replace each other's files. If the folder was moved, add --moved; if not, choose another --source.",
            code="source_of_another_folder",
            source=source,
            known=row.path,
            path=place.path,
        )
    row.path = place.path
    return _touch(row, source)


def _touch(row: Origin, own: str) -> Source:
    row.last_at = utc_now()
    return Source(row.source, new=False, instead_of=own if row.source != own else None)


def _names(place: Place) -> Iterator[str]:
    """The names that a place may have, the best one first: an endless list."""
    return chain(place.names, (f"{place.names[-1]} ({number})" for number in count(2)))


def _is_free(session: Session, name: str) -> bool:
    """Whether no document has this source, or an id that could be an id of it."""
    above = [name[:at] for at, letter in enumerate(name) if letter == "/"]  # the source a may have the id a/b/c, too
    owner = session.scalar(sa.select(Origin.source).where(Origin.source.in_([name, *above])).limit(1))
    if owner is not None or not RESERVED.isdisjoint([name, *above]):
        return False
    below = sa.and_(Document.id >= f"{name}/", Document.id < f"{name}0")  # "0" comes after "/"
    return session.scalar(sa.select(Document.id).where(sa.or_(Document.source == name, below)).limit(1)) is None
