"""One data folder with its server, the clients that write to it, and the comparison with what they were promised.

* what is stored with the ledger: nothing acknowledged is lost or doubled, nothing is stored by halves;
* what is live with the log;
* what a search serves with an index built anew from the database, and with the texts that are promised;
* what the server said when it started: an index that it had to build anew did not follow the database.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import httpx

from scripts.benchmark.crash import facts
from scripts.benchmark.crash.clients import Client
from scripts.benchmark.crash.ledger import Ledger
from scripts.benchmark.crash.served import differences
from scripts.benchmark.processes import NO_TLS, address, kill, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retrieval.embed import Embedder
    from scripts.benchmark.crash.template import Template
    from scripts.benchmark.processes import Process, Starter

CLIENTS = 4
SEARCHES = 6  # of documents, and as many of corrections, after each start
JOB_SECONDS = 60.0  # in which accepted uploads are read
SUSPICIOUS = ("does not match the database", "damaged", "Traceback")  # words that no start may say


@dataclass(frozen=True, slots=True)
class Tools:
    """What every site of a run is made with. ``embedder``: the same as that of the processes."""

    template: Template
    starter: Starter
    embedder: Embedder


class Site:
    """``data``: the data folder, a copy of the template unless it exists. ``faults``: a sentence for everything that
    was wrong."""

    def __init__(
        self, folder: Path, tools: Tools, seed: str, *, data: Path | None = None, ledger: Ledger | None = None
    ) -> None:
        """``ledger``: what was promised; by default, that all stays as it is stored now."""
        self.folder = folder
        self.random = Random(seed)  # noqa: S311 - chooses moments, no secrets
        self.data = data or folder / "data"
        if not (self.data / "errata.db").exists():
            shutil.copytree(tools.template.data, self.data, dirs_exist_ok=True)
        self.database = self.data / "errata.db"
        self.counts: Counter[str] = Counter()
        self.starts: list[float] = []
        self.faults: list[str] = []
        self.ledger = ledger or Ledger(facts.read_copy(self.database))
        self.headers = {"Authorization": f"Bearer {tools.template.key}"}
        self.clients = [
            Client(f"c{n}", self.ledger, Random(f"{seed}/{n}"), self.headers)  # noqa: S311
            for n in range(CLIENTS)
        ]
        self.tools = tools
        self._settings = tools.template.settings | {"ERRATA_DATA": str(self.data)}
        self.processes = 0

    def start(self, *arguments: str) -> Process:
        """Starts a command line."""
        self.processes += 1
        log = self.folder / f"log-{self.processes:04d}.txt"
        return self.tools.starter.start(arguments, self._settings, log)

    def serve(self) -> tuple[Process, str] | None:
        """Starts a server, and compares it with what was promised. Returns it with its address; None when it does not
        start."""
        started = time.monotonic()
        process = self.start("serve")
        at = address(process)
        if at is None:
            self.report(f"the server does not start: {words(process)[-600:]}")
            return None
        self.starts.append(time.monotonic() - started)
        self.counts["starts"] += 1
        suspicious = [line for line in words(process).splitlines() if any(phrase in line for phrase in SUSPICIOUS)]
        self.report(*(f"the start says: {line}" for line in suspicious))
        self.compare(at)
        return process, at

    def compare(self, at: str) -> None:
        """Compares what is stored and served with what was promised."""
        self.settle(facts.read(self.database))
        self.report(*(f"passage {id_} is not as the log says" for id_ in facts.against_log(self.database)))
        with httpx.Client(base_url=at, headers=self.headers, timeout=30, verify=NO_TLS) as http:
            queries = [f"code of {name}" for name in self._some([*self.ledger.of_kind("document")])]
            queries += self._some([*self.ledger.of_kind("correction")])
            self.report(*differences(http, self.database, self.tools.embedder, queries, self.ledger))
        self.counts["comparisons"] += 1

    def settle(self, stored: dict[tuple[str, str], str] | None = None) -> None:
        """Compares what is stored (default: in the data folder) with the ledger; then no write is uncertain."""
        stored = facts.read_copy(self.database) if stored is None else stored
        self.report(*self.ledger.differences(stored))
        uncertain = self.ledger.settle(stored)
        for client in self.clients:
            client.forget(uncertain)

    @contextmanager
    def working(self, at: str) -> Iterator[None]:
        """The clients write until the end of the block."""
        over = threading.Event()
        threads = [threading.Thread(target=client.work, args=(at, over)) for client in self.clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            for thread in threads:
                thread.join()
        for client in self.clients:
            self.report(*client.faults)
            client.faults.clear()
            full = sum(refusal.startswith("507 ") for refusal in client.refused)
            self.counts["refused for lack of space"] += full
            self.counts["refused for other reasons"] += len(client.refused) - full
            client.refused.clear()

    def await_uploads(self, seconds: float = JOB_SECONDS) -> None:
        """Waits until the server has read every upload that was accepted."""
        until = time.monotonic() + seconds
        while (waiting := self._waiting_uploads()) and time.monotonic() < until:
            time.sleep(0.2)
        self.report(*(f"{name} was accepted and is not read" for name in waiting))

    def examine(self, *, deep: bool) -> None:
        """Has ``errata doctor`` look."""
        doctor = self.start("doctor", *(["--deep"] if deep else []))
        code = doctor.wait(120)
        self.counts["doctor"] += 1
        if code != 0:
            self.report(f"errata doctor ends with {code}: {words(doctor)[-800:]}")

    def kill(self, what: str, process: Process) -> None:
        """Kills a process. One that had ended already does not count."""
        if process.wait(0) is None:
            kill(process)
            self.counts["kills"] += 1
            self.counts[f"kills: {what}"] += 1

    def report(self, *faults: str) -> None:
        self.faults += [f"after {self.counts['kills']} kills: {fault}" for fault in faults]

    def _waiting_uploads(self) -> list[str]:
        stored = facts.read(self.database)
        uploads = self.ledger.of_kind(facts.UPLOADS)
        return [name for name in uploads if stored.get((facts.UPLOADS, name)) == facts.WAITING]

    def _some(self, names: list[str]) -> list[str]:
        return self.random.sample(names, min(SEARCHES, len(names)))
