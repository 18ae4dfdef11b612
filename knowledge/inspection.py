"""Shows what a file would become, and stores nothing: its documents and passages by the same steps as an ingest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowledge import ingest, versions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from knowledge.load import Loader
    from retrieval.phrases import Phrase
    from retrieval.place import Place


@dataclass(frozen=True, slots=True)
class InspectedPassage:
    """A passage as search would find it. ``headings``: those above the text, outermost first; ``place``: where it
    stands in the file, if that is known."""

    headings: tuple[str, ...]
    text: str
    language: str
    place: Place | None


@dataclass(frozen=True, slots=True)
class InspectedDocument:
    """``key``: what distinguishes the document from the others of its file; "" if it is the only one."""

    key: str
    title: str
    language: str
    url: str | None
    metadata: Mapping[str, str]
    passages: tuple[InspectedPassage, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What an ingest of a file would store. ``remarks``: what its report would say, left-out parts among them."""

    documents: tuple[InspectedDocument, ...]
    remarks: tuple[Phrase, ...]


def inspect(loader: Loader, path: Path, name: str) -> Inspection:
    """Reads a file as an ingest does. ``name``: its original name. Raises LoadError."""
    new = ingest.read(loader, path, name, source="", document_id=name)
    documents = []
    for document in new:
        content = document.content
        language = document.language or versions.language_of_content(content)
        pieces = versions.pieces(content, language)
        passages = tuple(InspectedPassage(piece.headings, piece.text, piece.language, piece.place) for piece in pieces)
        key = document.id.removeprefix(name).removeprefix("#")
        documents.append(InspectedDocument(key, content.title, language, content.url, dict(content.details), passages))
    return Inspection(tuple(documents), tuple(ingest.remarks_on(new)))
