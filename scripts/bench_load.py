"""Measures Errata under load: catching up with the log, approving during an ingest, proofs with many confirmed
questions, and people who ask while a visitor sends questions without pause.

    .venv/bin/python scripts/bench_load.py [--only catchup,approvals,proof,line] [--out results.json]

Uses the real embedding model and the extractive reader, in a temporary data folder; ``line`` starts a real server.
Prints a table; copy the figures with machine and date into scripts/RESULTS.md by hand. Times on a shared machine are
upper bounds: compare the ratios of one run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.wiring import Parts

ROOT = Path(__file__).parent.parent
STEPS = 3_000  # documents; each is a separate step of the log
APPROVALS = 20
GOLDEN = (10, 1_000, 10_000)
PEOPLE = 40
FLOOD = 8  # connections of the visitor who asks without pause


def main() -> int:
    from bot import logs

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SECTIONS), help="comma-separated sections")
    parser.add_argument("--out", help="write results.json here")
    arguments = parser.parse_args()
    logs.configure(form="console", level="error", text=False)
    rows: list[dict[str, Any]] = []

    def note(metric: str, value: float, unit: str, detail: str = "") -> None:
        rows.append({"set": "load", "lang": "all", "system": "product", "metric": metric, "value": round(value, 4)})
        print(f"{metric:<58} {value:>12.3f} {unit:<6} {detail}", flush=True)

    unknown = set(arguments.only.split(",")) - SECTIONS.keys()
    if unknown:
        print(f"--only takes {', '.join(SECTIONS)}; not {min(unknown)!r}.", file=sys.stderr)
        return 2
    for name in arguments.only.split(","):
        with tempfile.TemporaryDirectory(prefix="errata-bench-") as folder:
            SECTIONS[name](Path(folder), note)
    if arguments.out:
        result = {
            "bench": "load",
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {psutil.virtual_memory().total >> 30} GiB",
            "settings": {"only": arguments.only},
            "rows": rows,
        }
        Path(arguments.out).write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
    return 0


def catchup(folder: Path, note: Callable[..., None]) -> None:
    """Time of a searcher that was up to date and now finds STEPS new steps of the log."""
    parts = _parts(folder)
    _put(parts, [("first", "The first document.")])
    parts.searcher.refresh()
    for number in range(STEPS):
        _put(parts, [(f"part-{number}", f"The code of part {number % 50} is K-{number % 50}.")])
    with _counting(parts) as statements:
        started = time.perf_counter()
        parts.searcher.refresh()
        note(f"catch up with {STEPS:,} steps", time.perf_counter() - started, "s", f"{len(statements)} statements")
    parts.close()


def approvals(folder: Path, note: Callable[..., None]) -> None:
    """Approving with its proof, alone and during an ingest without pause."""
    parts = _parts(folder)
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
        note(f"approve {name} p50", statistics.median(seconds), "s", f"{written[0]} documents written meanwhile")
        note(f"approve {name} worst of {APPROVALS}", max(seconds), "s")
    parts.close()


def proof(folder: Path, note: Callable[..., None]) -> None:
    """Proofs with more and more confirmed questions, whose vectors are stored."""
    from bot.proving import embed_questions

    parts = _parts(folder)
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
        note(f"proof with {size:,} confirmed questions p50", statistics.median(later), "s", detail)
    parts.close()


def line(folder: Path, note: Callable[..., None]) -> None:
    """PEOPLE ask one question each, alone and while a visitor asks without pause over FLOOD connections."""
    environment = os.environ | {
        "ERRATA_DATA": str(folder),
        "ERRATA_PORT": "0",
        "ERRATA_CHAT_MODEL": "extractive",
        "ERRATA_QUEUE": str(PEOPLE + FLOOD),
        "ERRATA_LOG_LEVEL": "error",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "bot", "serve"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            address = _address(server)
            subprocess.run(
                [sys.executable, "-m", "bot", "ingest", str(ROOT / "knowledge" / "handbook" / "en")],
                cwd=ROOT,
                env=environment,
                check=True,
                capture_output=True,
            )
            for name, flooded in (("alone", False), ("beside one who floods", True)):
                _ask_together(address, name, note, flooded=flooded)
        finally:
            server.terminate()
            server.communicate()


def _ask_together(address: str, name: str, note: Callable[..., None], *, flooded: bool) -> None:
    over = threading.Event()
    flood = {"answered": 0, "refused": 0}
    cookies = _visitor(address)

    def insist(connection: int) -> None:
        with httpx.Client(base_url=address, cookies=cookies, timeout=120) as client:
            number = 0
            while not over.is_set():
                number += 1
                response = client.post("/api/chat", json=_question(f"flood {connection} {number}"))
                flood["answered" if response.status_code == 200 else "refused"] += 1

    flooders = [threading.Thread(target=insist, args=(n,)) for n in range(FLOOD if flooded else 0)]
    for thread in flooders:
        thread.start()
    time.sleep(2 if flooded else 0)
    seconds: list[float] = []
    refused: list[int] = []

    def ask(number: int) -> None:
        with httpx.Client(base_url=address, timeout=120) as client:
            started = time.perf_counter()
            response = client.post("/api/chat", json=_question(f"person {number} {name}"))
            (seconds.append(time.perf_counter() - started) if response.status_code == 200 else refused.append(number))

    people = [threading.Thread(target=ask, args=(n,)) for n in range(PEOPLE)]
    for thread in people:
        thread.start()
    for thread in people:
        thread.join()
    over.set()
    for thread in flooders:
        thread.join()
    detail = f"flood: {flood['answered']} answered, {flood['refused']} refused" if flooded else ""
    note(f"{PEOPLE} people at once, {name}: p50", statistics.median(seconds), "s", detail)
    note(f"{PEOPLE} people at once, {name}: worst", max(seconds), "s", f"{len(refused)} refused")


def _question(words: str) -> dict[str, Any]:
    return {"question": f"How do I rate an answer? ({words})", "stream": False}


def _visitor(address: str) -> httpx.Cookies:
    with httpx.Client(base_url=address, timeout=120) as client:
        client.post("/api/chat", json=_question("first"))
        return client.cookies


def _address(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    for text in server.stdout:
        if "is ready" in text and (match := re.search(r"http://[\w.:]+", text)):
            return match[0]
    raise RuntimeError("the server ended before it was ready")


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


SECTIONS: dict[str, Callable[[Path, Callable[..., None]], None]] = {
    "catchup": catchup,
    "approvals": approvals,
    "proof": proof,
    "line": line,
}

if __name__ == "__main__":
    sys.exit(main())
