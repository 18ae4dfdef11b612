"""``errata ingest``: takes files and folders into the knowledge."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.context import FAILED, actor, open_parts, say
from bot.commands.progress import Steps

if TYPE_CHECKING:
    from bot.wiring import Parts
    from knowledge.ingest import FileResult, IngestReport

HANDBOOK = "handbook"  # the source of the product's own handbook


def ingest(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files and folders.", path_type=Path)] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Name for the documents of the folder; by default the folder's own name, or a longer one."),
    ] = None,
    moved: Annotated[
        bool,
        typer.Option("--moved", help="The documents of --source came from another folder; from now on from this one."),
    ] = False,
    collection: Annotated[
        str | None,
        typer.Option(
            help="The collection of the documents, for ever; by default that of their folder, else the main one."
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also retire documents of these folders whose file is gone.")
    ] = False,
    prune_limit: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=100,
            help="Retire nothing if more than this percentage of a folder's documents, and more than 5, would be "
            "retired. 20 by default.",
        ),
    ] = None,
    prune_all: Annotated[
        bool, typer.Option("--prune-all", help="Retire however many there are, even if the folder is empty.")
    ] = False,
    handbook: Annotated[
        bool, typer.Option("--handbook", help="Take in the handbook of Errata that came with it, if it is new.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if any file was rejected.")] = False,
) -> None:
    """Take in Markdown, text, AsciiDoc, HTML, PDF, EPUB, EML, DOCX, ODT, RTF, PPTX, CSV, XLSX and JSONL files.

    Only what is new or changed costs time; what was approved as a correction stays. Each file ends indexed,
    unchanged, skipped or rejected with its reason; one bad file stops nothing. A running server answers from the
    new documents with the next question. Two folders of the same name are kept apart. What a curator retired stays
    retired.

    Exit code 0: done; 1: nothing could be taken in, --prune retired nothing because too much is missing, or with
    --strict not everything was taken in.
    """
    if not paths and not handbook:
        raise typer.BadParameter("Name at least one file or folder.", param_hint="PATHS")
    if moved and source is None:
        raise typer.BadParameter("Name the documents with --source.", param_hint="--moved")
    if not prune and (prune_all or prune_limit is not None):
        raise typer.BadParameter("This goes with --prune.", param_hint="--prune-all, --prune-limit")
    with open_parts() as parts:
        if handbook:
            take_in_handbook(parts)
        if not paths:
            return
        started = time.monotonic()
        options: dict[str, Any] = {"prune": prune, "prune_all": prune_all}
        if prune_limit is not None:
            options["prune_limit"] = prune_limit
        report = _ingest(parts, paths, by=actor(), source=source, moved=moved, collection=collection, **options)
        _summarise(report, time.monotonic() - started)
        rejected = report.count("rejected")
        accepted = (
            report.count("indexed") + report.count("unchanged") + report.count("kept_out") + report.count("retired")
        )
        if report.refusals or (rejected and (strict or not accepted)):
            raise typer.Exit(FAILED)


def take_in_handbook(parts: Parts) -> None:
    """Ingests the bundled handbook into its own collection, once per edition of it. What a curator retires in it stays
    retired; pages that a new edition no longer has are retired."""
    import knowledge
    from knowledge import put
    from knowledge.errors import NotFound
    from knowledge.origins import Place
    from knowledge.scoping import collections_of
    from retrieval.scope import EVERYTHING
    from retrieval.scope import HANDBOOK as COLLECTION

    folder = Path(knowledge.__file__).parent / "handbook"
    stamp = parts.settings.data / "handbook.json"
    edition = _edition(folder)
    known_edition, known_ids = _read(stamp)
    if known_edition == edition:
        return
    # wherever this installation lies; a folder of the user's own may have been given the name before
    place = Place(HANDBOOK, (HANDBOOK, "errata-handbook"))
    with parts.database.read() as session:
        stored = set(collections_of(session, known_ids).values())
    # corrections keep the pages that they change in their own collection; new pages go where the others are
    collection = COLLECTION if not stored or COLLECTION in stored else None
    report = _ingest(parts, [folder], by="errata", place=place, collection=collection)
    if report.count("rejected"):
        return  # reported already; the next start tries again
    ids = sorted(file.document_id for file in report.files if file.document_id)
    for gone in sorted(known_ids - set(ids)):
        try:
            put.remove(
                parts.database, gone, EVERYTHING, actor="errata", reason="no longer in the handbook", keep_out=False
            )
        except NotFound:
            continue
    stamp.write_text(json.dumps({"edition": edition, "ids": ids}), encoding="utf-8")
    say(f"Handbook taken in: {report.count('indexed')} new or changed, {report.count('unchanged')} unchanged.")


def _ingest(parts: Parts, paths: list[Path], *, by: str, **options: Any) -> IngestReport:
    from knowledge import ingest as ingesting
    from knowledge.load import find_files

    total = sum(1 for _ in find_files(paths))
    done = 0
    with Steps(unit="files") as steps:
        steps.update("Reading documents", 0, total)

        def on_file(result: FileResult) -> None:
            nonlocal done
            done += result.state != "retired"
            if result.state == "retired":
                steps.note(f"retired: {result.name}: its file is gone")
            elif result.reason:
                steps.note(f"{result.state.replace('_', ' ')}: {result.name}: {result.reason}")
            for remark in result.remarks:
                steps.note(f"{result.state.replace('_', ' ')}: {result.name}: {remark['text']}")
            steps.update("Reading documents", done, max(total, done))

        return ingesting.ingest(parts.database, parts.embedder, paths, actor=by, on_file=on_file, **options)


def _summarise(report: IngestReport, seconds: float) -> None:
    states = ("indexed", "unchanged", "kept_out", "rejected", "skipped", "retired")
    counts = [
        f"{report.count(state)} {state.replace('_', ' ')}"
        for state in states
        if report.count(state) or state == "indexed"
    ]
    documents = sum(file.documents for file in report.files if file.state in ("indexed", "unchanged"))
    say(f"{len(report.files)} files: {', '.join(counts)}; {documents} documents; {seconds:.1f} s.")
    for path, source in report.sources.items():
        if source.instead_of is not None:
            say(f"The documents of {path} are named {source.name}; {source.instead_of} is the name of others.")
    for refusal in report.refusals:
        say(str(refusal), error=True)


def _edition(folder: Path) -> str:
    """A hash that changes when a file of the handbook changes."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.md")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _read(stamp: Path) -> tuple[str, set[str]]:
    """The edition that was taken in last, and the ids of its documents."""
    try:
        stored = json.loads(stamp.read_text(encoding="utf-8"))
        return str(stored["edition"]), set(map(str, stored["ids"]))
    except (OSError, ValueError, KeyError, TypeError):
        return "", set()
