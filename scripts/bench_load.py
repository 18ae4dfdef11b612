"""Measures Errata under load: catching up with the log, approving during an ingest, proofs with many confirmed
questions, people who ask while a visitor sends questions without pause, many conversations at once, and what refused
questions cost on disk.

    .venv/bin/python -m scripts.bench_load [--only catchup,approvals,proof,line,chats,storage] [--chats N] [--seconds S]
        [--out results.json]

Uses the real embedding model and the extractive reader, in a temporary data folder; ``line`` and ``chats`` start a real
server. Prints a table; copy the figures with machine and date into scripts/RESULTS.md by hand. Times on a shared
machine are upper bounds: compare the ratios of one run.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from scripts.benchmark import crowd, sections, storing

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bot.wiring import Parts
    from scripts.benchmark.sections import Run, Section

STEPS = 3_000  # documents; each is a separate step of the log
APPROVALS = 20
GOLDEN = (10, 1_000, 10_000)


def main(arguments: Sequence[str] | None = None) -> int:
    return sections.main("load", __doc__, SECTIONS, arguments, add_options=_add_options)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--chats", type=int, default=200, help="conversations at once")
    parser.add_argument("--seconds", type=float, default=300.0, help="how long they ask")


def catchup(run: Run) -> None:
    """Time of a searcher that was up to date and now finds STEPS new steps of the log."""
    parts = _parts(run.folder)
    _put(parts, [("first", "The first document.")])
    parts.searcher.refresh()
    for number in range(STEPS):
        _put(parts, [(f"part-{number}", f"The code of part {number % 50} is K-{number % 50}.")])
    with _counting(parts) as statements:
        started = time.perf_counter()
        parts.searcher.refresh()
        run.note(f"catch up with {STEPS:,} steps", time.perf_counter() - started, "s", f"{len(statements)} statements")
    parts.close()


def approvals(run: Run) -> None:
    """Approving with its proof, alone and during an ingest without pause."""
    parts = _parts(run.folder)
    _put(parts, [(f"part-{n}", f"The code of part number {n} is X-{n}.") for n in range(200)])
    for name, busy in (("alone", False), ("beside an ingest", True)):
        done = threading.Event()
        written = [0]

        def ingest(done: threading.Event = done, written: list[int] = written, name: str = name) -> None:
            while not done.is_set():
                _put(parts, [(f"{name}-{written[0]}", f"Shelf {written[0]} holds part {written[0]}.")])
                written[0] += 1

        writer = threading.Thread(target=ingest)
        if busy:
            writer.start()
        seconds = []
        for number in range(APPROVALS):
            correction_id = _drafted(parts, f"What is the code of part number {number} {name}?", f"It is K-{number}.")
            started = time.perf_counter()
            _curation(parts).approve(correction_id, actor="bench")
            seconds.append(time.perf_counter() - started)
        done.set()
        if busy:
            writer.join()
        run.note(f"approve {name} p50", statistics.median(seconds), "s", f"{written[0]} documents written meanwhile")
        run.note(f"approve {name} worst of {APPROVALS}", max(seconds), "s")
    parts.close()


def proof(run: Run) -> None:
    """Proofs with more and more confirmed questions, whose vectors are stored."""
    from bot.proving import embed_questions

    parts = _parts(run.folder)
    _put(parts, [(f"part-{n}", f"The code of part number {n} is X-{n}.") for n in range(200)])
    confirmed = 0
    for size in GOLDEN:
        _confirm(parts, range(confirmed, size))
        confirmed = size
        started = time.perf_counter()
        while embedded := embed_questions(parts.database, parts.embedder, most=500):
            print(f"  {embedded} questions embedded", file=sys.stderr, flush=True)
        print(f"  their vectors took {time.perf_counter() - started:.0f} s", file=sys.stderr)
        seconds: list[float] = []
        counts: list[int] = []
        for number in range(12):
            correction_id = _drafted(parts, f"Which colour has shelf {size + number}?", f"Shelf {number} is red.")
            with _counting(parts) as statements:
                started = time.perf_counter()
                report = _curation(parts).prove(correction_id)["proof"]
                seconds.append(time.perf_counter() - started)
                counts.append(len(statements))
            assert report["verdict"] == "fixed", report["verdict"]
        first, *later = seconds  # the first proof loads data that is then kept in memory
        detail = f"first {first:.2f} s, worst {max(later):.2f} s, {statistics.median(counts):.0f} statements"
        run.note(f"proof with {size:,} confirmed questions p50", statistics.median(later), "s", detail)
    parts.close()


def _parts(data: Path) -> Parts:
    from bot.settings import read_settings
    from bot.wiring import Parts

    return Parts(read_settings().model_copy(update={"data": data, "chat_model": "extractive"}))


def _curation(parts: Parts) -> Any:
    from retrieval.scope import EVERYTHING

    return parts.curation(EVERYTHING)


def _put(parts: Parts, documents: list[tuple[str, str]]) -> None:
    from knowledge import put
    from knowledge.versions import Content

    new = [put.NewDocument(name, Content(name, text)) for name, text in documents]
    put.put(parts.database, parts.embedder, new, actor="bench")


def _drafted(parts: Parts, question: str, answer: str) -> int:
    item, _new = _curation(parts).start(question, actor="bench", answer=answer)
    number: int = item["id"]
    return number


def _confirm(parts: Parts, numbers: range) -> None:
    """Writes approved corrections directly into the tables, in the state after many approvals."""
    from knowledge.correcting.matching import normal_form
    from knowledge.tables import Correction, Entry, EntryQuestion, Golden

    _put(parts, [(f"confirmed-{n}", f"The weight of crate {n} is {n} kilograms.") for n in numbers[:50]])
    for start in range(numbers.start, numbers.stop, 500):
        with parts.database.write() as session:
            for number in range(start, min(start + 500, numbers.stop)):
                question = f"What is the weight of crate {number}?"
                correction = Correction(
                    state="verified", origin="curator", cluster=normal_form(question), question=question, language="en"
                )
                session.add(correction)
                session.flush()
                document = f"confirmed-{numbers.start + number % min(50, len(numbers))}"
                answer = f"The weight is {number} kilograms."
                entry = Entry(
                    correction_id=correction.id,
                    revision=1,
                    question=question,
                    answer=answer,
                    language="en",
                    document_id=document,
                    document_version=1,
                    actor="bench",
                )
                session.add(entry)
                session.flush()
                session.add(
                    EntryQuestion(entry_id=entry.id, role="canonical", text=question, normalised=normal_form(question))
                )
                session.add(Golden(entry_id=entry.id, question=question, answer=answer, document_id=document))


@contextmanager
def _counting(parts: Parts) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    sa.event.listen(parts.database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(parts.database.engine, "before_cursor_execute", note)


SECTIONS: dict[str, Section] = {
    "catchup": catchup,
    "approvals": approvals,
    "proof": proof,
    "line": crowd.line,
    "chats": crowd.chats,
    "storage": storing.storage,
}

if __name__ == "__main__":
    sys.exit(main())
