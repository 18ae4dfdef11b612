"""A full disk: what cannot be stored is refused with the reason, the rest goes on, and nothing acknowledged is lost.

The data folder lies on a file system of its own, which is filled while clients write, then freed. Half of the times the
server is killed while the disk is full, and starts on it. Needs the right to mount (root).
"""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from scripts.benchmark.crash import facts, template
from scripts.benchmark.crash.site import Site, Tools
from scripts.benchmark.errors import BenchError
from scripts.benchmark.processes import NO_TLS, Nursery, address, kill, stop, words

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripts.benchmark.processes import Process
    from scripts.benchmark.sections import Run

MEGABYTES = 32
CHUNK = 4096
FULL_SECONDS = 30.0  # the longest wait for a first refusal
WRITING_SECONDS = 1.5  # before the disk is full, while it is, and after that


def section(run: Run) -> None:
    """``--fills`` times a full disk, with forked processes and the hashing embedder."""
    from tests.fakes import HashingEmbedder

    counts: Counter[str] = Counter()
    with Nursery() as nursery:
        tools = Tools(template.make(run.folder, nursery), nursery, HashingEmbedder())
        for number in range(run.options.fills):
            folder = run.folder / f"disk-{number}"
            (folder / "data").mkdir(parents=True)
            with small(folder / "data"):
                filling = Filling(folder, tools, f"{run.options.seed}/{number}", data=folder / "data")
                filling.run()
            counts.update(filling.counts)
            counts["acknowledged writes"] += filling.ledger.acknowledged
            for fault in filling.faults:
                run.fault(fault)
    run.note("full disks", run.options.fills)
    for name, count in sorted(counts.items()):
        run.note(name, count)
    if not counts["refused for lack of space"]:
        run.fault("no write was refused for lack of space, so the disk was never full")


@contextmanager
def small(folder: Path) -> Iterator[None]:
    """A small file system at this folder. Raises BenchError without the right to mount."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=700", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        raise BenchError(
            f"disk needs the right to mount a file system ({mounted.stderr.strip()}). Leave it out: --only"
        )
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Filling(Site):
    """One data folder whose disk is filled and freed."""

    def run(self) -> None:
        if (server := self.serve()) is None:
            return
        process, at = server
        with self.working(at):
            time.sleep(WRITING_SECONDS)
            self._fill()
            self._await_refusals()
        self._look(at, full=True)
        if self.random.random() < 0.5:
            kill(process)
            process, at = self._serve_full(process, at)
        self._filler.unlink()
        if not at:
            if (server := self.serve()) is None:
                return
            process, at = server
        self._look(at, full=False)
        self.compare(at)
        before = self.ledger.acknowledged
        with self.working(at):
            time.sleep(WRITING_SECONDS)
        if self.ledger.acknowledged == before:
            self.report("nothing can be written after there is space again")
        self._stop(process)
        facts.age_jobs(self.database)  # an upload that met the full disk is taken up again after a minute
        if (server := self.serve()) is not None:
            process, at = server
            self.await_uploads()
            self.compare(at)
            self._stop(process)

    def _stop(self, process: Process) -> None:
        if (code := stop(process)) != 0:
            self.report(f"the server ends with {code} after SIGTERM: {words(process)[-600:]}")

    @property
    def _filler(self) -> Path:
        return self.data / "filler"

    def _fill(self) -> None:
        """Fills the disk to its last page, beside those who write."""
        with self._filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(CHUNK))
            except OSError:
                return

    def _await_refusals(self) -> None:
        """Waits until clients were refused: for a while the ``-wal`` has space that it may use again."""
        until = time.monotonic() + FULL_SECONDS
        while time.monotonic() < until and not any(client.refused for client in self.clients):
            time.sleep(0.1)
            self._fill()
        time.sleep(WRITING_SECONDS)

    def _serve_full(self, process: Process, at: str) -> tuple[Process, str]:
        """Starts on a full disk: the server is ready and can be read, or refuses and says that the disk is full."""
        process = self.start("serve")
        started = address(process)
        if started is None:
            self.counts["refused starts"] += 1
            if not any(word in words(process) for word in ("disk", "space")):
                self.report(f"on a full disk the server refuses without the reason: {words(process)[-600:]}")
            return process, ""
        self._look(started, full=True)
        return process, started

    def _look(self, at: str, *, full: bool) -> None:
        """Searching works, and ``/readyz`` says whether there is space."""
        with httpx.Client(base_url=at, headers=self.headers, timeout=30, verify=NO_TLS) as http:
            ready = http.get("/readyz")
            if (ready.status_code, "disk" in ready.text) != ((503, True) if full else (200, False)):
                self.report(f"the disk is {'full' if full else 'free'}, /readyz says {ready.status_code} {ready.text}")
            search = http.post("/api/search", json={"query": "book code", "k": 3})
            if search.status_code != 200 or not search.json()["hits"]:
                self.report(f"a search gives {search.status_code} {search.text[:200]}")
