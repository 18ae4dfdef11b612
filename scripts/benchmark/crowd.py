"""Many people at once, before a server of its own with the real embedding model and the extractive reader: sections of
bench_load.

``line``: whether others wait when a visitor sends questions without pause. ``chats``: many conversations at once for
some minutes; memory, open descriptors, and whether ``/healthz`` answers meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from scripts.benchmark.errors import BenchError
from scripts.benchmark.processes import NO_TLS, ROOT, Programs, address, stop, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripts.benchmark.processes import Process, Starter
    from scripts.benchmark.sections import Run

HANDBOOK = ROOT / "knowledge" / "handbook" / "en"
PEOPLE = 40
FLOOD = 8  # connections of the visitor who asks without pause
SECONDS = 120.0  # the longest wait for an answer
HEALTH_PAUSE = 0.25
LOOK_PAUSE = 1.0
QUESTIONS = (
    "How do I rate an answer?",
    "What does the proof check before a correction is approved?",
    "Which file formats can be ingested?",
    "How do I roll back a correction?",
    "Which chat models can be used?",
    "How do I make a backup?",
)


@contextmanager
def server(run: Run, starter: Starter, **settings: str) -> Iterator[tuple[Process, str]]:
    """A server with the English handbook. Raises BenchError when it does not start, or does not end in order."""
    environment = {
        "ERRATA_DATA": str(run.folder / "data"),
        "ERRATA_PORT": "0",
        "ERRATA_CHAT_MODEL": "extractive",
        "ERRATA_LOG_LEVEL": "error",
        "ERRATA_QUEUE_PER_NETWORK": "10000",  # all ask from one address
        "ERRATA_QUESTIONS_PER_MINUTE": "1000000",
        "ERRATA_QUESTIONS_PER_MINUTE_PER_ASKER": "1000000",
        **settings,
    }
    process = starter.start(["serve"], environment, run.folder / "server.txt")
    try:
        if (at := address(process)) is None:
            raise BenchError(f"The server does not start: {words(process)[-500:]}")
        ingest = starter.start(["ingest", str(HANDBOOK)], environment, run.folder / "ingest.txt")
        if ingest.wait(300) != 0:
            raise BenchError(f"The handbook cannot be ingested: {words(ingest)[-500:]}")
        yield process, at
    finally:
        code = stop(process)
    if code != 0:
        raise BenchError(f"The server ended with {code}: {words(process)[-500:]}")


def line(run: Run) -> None:
    """PEOPLE ask one question each, alone and while a visitor asks without pause over FLOOD connections."""
    with server(run, Programs(), ERRATA_QUEUE=str(PEOPLE + FLOOD)) as (_, at):
        for name, flooded in (("alone", False), ("beside one who floods", True)):
            _ask_together(at, name, run, flooded=flooded)


@dataclass
class _Chats:
    """What many conversations met."""

    seconds: list[float] = field(default_factory=list)  # of each answer
    answers: Counter[str] = field(default_factory=Counter)  # by status, or the error
    health: list[float] = field(default_factory=list)  # seconds of each call of /healthz


def chats(run: Run, starter: Starter | None = None) -> None:
    """``--chats`` conversations at once for ``--seconds`` seconds; each asks, reads the whole answer, and asks on."""
    people, seconds = run.options.chats, run.options.seconds
    with server(run, starter or Programs(), ERRATA_QUEUE=str(2 * people)) as (process, at):
        looked: list[tuple[float, int]] = []  # bytes of memory, descriptors
        over = threading.Event()
        looking = threading.Thread(target=_look, args=(psutil.Process(process.pid), looked, over))
        asyncio.run(_converse(at, _Chats(), people, min(seconds, 10)))  # loads what is kept in memory
        looking.start()
        met = _Chats()
        asyncio.run(_converse(at, met, people, seconds))
        over.set()
        looking.join()
        time.sleep(1)
        open_after = psutil.Process(process.pid).num_fds()
    answered = sum(met.answers[status] for status in ("answered", "curated", "refused"))
    others = {name: count for name, count in met.answers.items() if name not in ("answered", "curated", "refused")}
    run.note(f"{people} chats at once: answers", answered, "", f"in {seconds:.0f} s; errors: {others or 'none'}")
    run.note("errors", sum(others.values()))
    run.note("answer p50", statistics.median(met.seconds), "s")
    run.note("answer p95", _p95(met.seconds), "s")
    run.note("/healthz p50", statistics.median(met.health), "s", f"{len(met.health)} calls")
    run.note("/healthz p95", _p95(met.health), "s", f"worst {max(met.health):.2f} s")
    memory = [size / 2**20 for size, _ in looked]
    tenth = max(1, len(memory) // 10)
    run.note("resident memory, first tenth", statistics.median(memory[:tenth]), "MiB")
    run.note("resident memory, last tenth", statistics.median(memory[-tenth:]), "MiB", f"most {max(memory):.0f}")
    run.note("open descriptors, most", max(count for _, count in looked), "", f"{open_after} afterwards")
    if others:
        run.fault(f"{sum(others.values())} of {sum(met.answers.values())} questions were not answered: {others}")


def _look(process: psutil.Process, looked: list[tuple[float, int]], over: threading.Event) -> None:
    while True:
        looked.append((process.memory_info().rss, process.num_fds()))
        if over.wait(LOOK_PAUSE):
            return


async def _converse(at: str, met: _Chats, people: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=at, timeout=SECONDS, limits=limits, verify=NO_TLS) as health:
        watching = asyncio.create_task(_watch(health, met))
        await asyncio.gather(*(_person(at, met, number, until) for number in range(people)))
        watching.cancel()


async def _person(at: str, met: _Chats, number: int, until: float) -> None:
    conversation = None
    async with httpx.AsyncClient(base_url=at, timeout=SECONDS, verify=NO_TLS) as http:
        for turn in itertools.count():
            if time.monotonic() > until:
                return
            question = QUESTIONS[(number + turn) % len(QUESTIONS)]
            body = {"question": question, "conversation_id": conversation, "stream": False}
            started = time.perf_counter()
            try:
                response = await http.post("/api/chat", json=body)
            except httpx.HTTPError as error:
                met.answers[type(error).__name__] += 1
                continue
            met.seconds.append(time.perf_counter() - started)
            if response.status_code != 200:
                met.answers[str(response.status_code)] += 1
                await asyncio.sleep(1)
                continue
            done = response.json()
            met.answers[done["status"]] += 1
            conversation = None if turn % 4 == 3 else done["conversation_id"]  # four questions, then a new one


async def _watch(http: httpx.AsyncClient, met: _Chats) -> None:
    while True:
        started = time.perf_counter()
        response = await http.get("/healthz")
        met.health.append(time.perf_counter() - started)
        if response.status_code != 200:
            met.answers[f"/healthz {response.status_code}"] += 1
        await asyncio.sleep(HEALTH_PAUSE)


def _p95(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.95)]


def _ask_together(address: str, name: str, run: Run, *, flooded: bool) -> None:
    over = threading.Event()
    flood = {"answered": 0, "refused": 0}
    cookies = _visitor(address)

    def insist(connection: int) -> None:
        with httpx.Client(base_url=address, cookies=cookies, timeout=120, verify=NO_TLS) as client:
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
        with httpx.Client(base_url=address, timeout=120, verify=NO_TLS) as client:
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
    run.note(f"{PEOPLE} people at once, {name}: p50", statistics.median(seconds), "s", detail)
    run.note(f"{PEOPLE} people at once, {name}: worst", max(seconds), "s", f"{len(refused)} refused")


def _question(words: str) -> dict[str, Any]:
    return {"question": f"How do I rate an answer? ({words})", "stream": False}


def _visitor(address: str) -> httpx.Cookies:
    with httpx.Client(base_url=address, timeout=120, verify=NO_TLS) as client:
        client.post("/api/chat", json=_question("first"))
        return client.cookies
