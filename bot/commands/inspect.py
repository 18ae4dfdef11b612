"""``errata inspect``: shows what an ingest would store, without storing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot import texts
from bot.commands.context import FAILED, say, say_json

if TYPE_CHECKING:
    from knowledge.inspection import InspectedDocument, Inspection
    from knowledge.load import FoundFile, Loader


def inspect(
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files and folders.", path_type=Path)],
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON, for programs.")] = False,
) -> None:
    """Show what an ingest of files would store: titles, passages, and what is left out.

    Nothing is stored, and no model is needed. Exit code 0: done; 1: a file was rejected, or none could be read.
    """
    from knowledge.load import Loader, find_files

    results: list[dict[str, Any]] = []
    rejected = readable = 0
    with Loader() as loader:
        for file in find_files(paths):
            inspection, reason = _inspect(loader, file)
            rejected += inspection is None and not file.skipped
            readable += inspection is not None
            if as_json:
                results.append(_as_json(file.relative, inspection, reason))
            else:
                _show(file.relative, inspection, reason)
    if as_json:
        say_json(results)
    if rejected or not readable:
        raise typer.Exit(FAILED)


def _inspect(loader: Loader, file: FoundFile) -> tuple[Inspection | None, str]:
    """(what would be stored, "") or (None, why the file cannot be read). Raises CannotStart."""
    from knowledge.inspection import inspect as look_at
    from knowledge.load import CannotStart, LoadError

    if file.skipped:
        return None, file.skipped
    try:
        return look_at(loader, file.path, file.relative), ""
    except CannotStart:
        raise  # no fault of the file: every other one would fail too
    except LoadError as error:
        return None, str(error)


def _show(name: str, inspection: Inspection | None, reason: str) -> None:
    say(f"== {name}")
    if inspection is None:
        say(f"Cannot be read: {reason}")
        say()
        return
    for remark in inspection.remarks:
        say(f"Remark: {remark}")
    for document in inspection.documents:
        _show_document(document)
    passages = sum(len(document.passages) for document in inspection.documents)
    say(f"{len(inspection.documents)} documents, {passages} passages; nothing was stored.")
    say()


def _show_document(document: InspectedDocument) -> None:
    say(f"Title: {document.title}")
    if document.key:
        say(f"Key: {document.key}")
    say(f"Language: {document.language}")
    if document.url:
        say(f"Address: {document.url}")
    for field, value in document.metadata.items():
        say(f"{field}: {value}")
    for number, passage in enumerate(document.passages, start=1):
        language = "" if passage.language == document.language else f" [{passage.language}]"
        place = f" ({where})" if (where := texts.place(passage.place, "en")) else ""
        say(f"-- {number}{language}{place} {' › '.join(passage.headings)}".rstrip())
        say(passage.text)
    say()


def _as_json(name: str, inspection: Inspection | None, reason: str) -> dict[str, Any]:
    if inspection is None:
        return {"file": name, "error": reason, "remarks": [], "documents": []}
    from dataclasses import asdict

    return {
        "file": name,
        "error": None,
        "remarks": [str(remark) for remark in inspection.remarks],
        "documents": [asdict(document) for document in inspection.documents],
    }
