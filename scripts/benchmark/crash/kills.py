"""Kills at random moments: while people and commands write, while a server starts, while a copy is put back.

The kills come in rounds. A round has an own data folder and an own seed, so that a stopped benchmark goes on with the
next round. After every kill a server starts on what is left, and is compared with what was promised (site). Now and
then ``errata doctor`` looks, too, and copies that a killed command left are verified.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from knowledge.backup import manifest_path, verify
from knowledge.errors import KnowledgeError
from scripts.benchmark.crash import facts, old
from scripts.benchmark.crash.site import Site
from scripts.benchmark.processes import KILLED, address, stop, words

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.benchmark.crash.ledger import Fact, Ledger, Values
    from scripts.benchmark.crash.site import Tools
    from scripts.benchmark.processes import Process

FILES = 6  # of the folder that a command ingests
COMMANDS = ("ingest", "ingest", "reindex", "backup")
MORE = 20
WORK_SECONDS = 2.0  # the longest time from a start to the kill


class Round(Site):
    """One data folder, killed again and again."""

    def __init__(self, folder: Path, tools: Tools, seed: str, *, migrations: bool = True) -> None:
        """``migrations``: a part of the rounds begins with kills while an old database is migrated."""
        super().__init__(folder, tools, seed)
        self._migrations = migrations
        self._copy: tuple[Path, Ledger] | None = None

    def run(self, kills: int) -> None:
        """Works and kills until ``kills`` is reached or something is wrong; at the end every accepted upload must be
        there, and the server ends in order."""
        if self._migrations and self.random.random() < 0.4:
            self._kill_while_migrating()
        while not self.faults and self.counts["kills"] < self._wanted(kills):
            self._kill_while_starting()
            if self.random.random() < 0.15:
                self._put_back()
            if (server := self.serve()) is None:
                return
            if self.counts["comparisons"] % 8 == 0:
                self.examine(deep=self.counts["comparisons"] % 24 == 0)
            self._work(*server)
        if not self.faults:
            self._end()

    def _wanted(self, kills: int) -> int:
        """How many kills there must be: some more where nothing was acknowledged yet, so that there is something to
        lose."""
        return kills if self.ledger.acknowledged else kills + MORE

    def _work(self, process: Process, at: str) -> None:
        """People write and maybe a command runs, until the server is killed."""
        with self.working(at):
            beside = self._command() if self.random.random() < 0.5 else None
            time.sleep(self.random.uniform(0.05, WORK_SECONDS))
            if beside is not None and self.random.random() < 0.5:
                self.kill("command", beside[0])
            self.kill("server", process)
        if beside is not None:
            self._end_command(*beside)

    def _kill_while_starting(self) -> None:
        """Kills servers that start, at any moment until shortly after they are ready."""
        if self.random.random() < 0.2:
            shutil.rmtree(self.data / "index", ignore_errors=True)  # so that the start writes a snapshot
        while self.random.random() < 0.45:
            process = self.start("serve")
            time.sleep(self.random.uniform(0, 1.2 * (self.starts[-1] if self.starts else 1.0)))
            self.kill("start", process)

    def _kill_while_migrating(self) -> None:
        """Kills servers that bring a database of the first version to the newest form, until one is ready."""
        folder = self.folder / "migrated"
        old.write(folder / "data" / "errata.db")
        site = Site(folder, self.tools, "", data=folder / "data")
        for _ in range(self.random.randrange(1, 5)):
            process = site.start("serve")
            time.sleep(self.random.uniform(0, 0.8))
            site.kill("migration", process)
            site.settle()
        process = site.start("serve")
        if address(process) is None:
            site.report(f"the server does not start after killed migrations: {words(process)[-600:]}")
        elif (code := stop(process)) != 0:
            site.report(f"the server ends with {code} after killed migrations: {words(process)[-600:]}")
        site.settle()
        self.counts.update(site.counts)
        self.report(*site.faults)
        shutil.rmtree(folder)

    def _command(self) -> tuple[Process, str, Path]:
        """Starts a command beside the server. Returns it with its name and its file or folder."""
        name = self.random.choice(COMMANDS)
        self.counts[f"commands: {name}"] += 1
        if name == "ingest":
            folder = self.folder / "shelf"
            self.ledger.begin("steps of ingest", self._write_files(folder))
            return self.start("ingest", str(folder)), name, folder
        if name == "backup":
            file = self.folder / f"copy{self.processes}.db"
            return self.start("backup", str(file)), name, file
        return self.start("reindex"), name, self.data

    def _write_files(self, folder: Path) -> dict[Fact, Values]:
        """Writes a new text into each file of a folder. Returns what its ingestion will store."""
        folder.mkdir(exist_ok=True)
        written: dict[Fact, Values] = {}
        for number in range(FILES):
            name = f"shelf{number}.txt"
            text = f"The code of shelf {number} is shelf{self.processes}code{number}."
            (folder / name).write_text(text, encoding="utf-8")
            (before,) = self.ledger.allowed(("versions", f"shelf/{name}"))
            written["document", f"shelf/{name}"] = (text,)
            written["versions", f"shelf/{name}"] = (str(int(before or 0) + 1),)
        return written

    def _end_command(self, process: Process, name: str, path: Path) -> None:
        """Waits for a command that was not killed; it must succeed although the server died meanwhile."""
        code = process.wait(120)
        if code not in (0, KILLED):
            self.report(f"errata {name} ends with {code}: {words(process)[-600:]}")
        if name == "ingest" and code == 0:
            self.ledger.acknowledge("steps of ingest")
        if name == "backup":
            if code == 0 and not manifest_path(path).exists():
                self.report("errata backup succeeded without a manifest")
            if path.exists():
                self.report(*self._unsound(path))
            for file in self.folder.glob("copy*"):
                file.unlink()

    def _unsound(self, copy: Path) -> list[str]:
        """Why a copy that has its name cannot be put back."""
        try:
            verify(copy)
        except KnowledgeError as error:
            return [f"a copy has its name, but: {error}"]
        return []

    def _put_back(self) -> None:
        """Copies the data while nothing runs; later, or at once, has the copy put back, killed at any moment."""
        if self._copy is None:
            self.settle()
            file = self.folder / "kept.db"
            process = self.start("backup", str(file))
            if (code := process.wait(120)) != 0:
                self.report(f"errata backup ends with {code}: {words(process)[-600:]}")
                return
            promised = self.ledger.copy()
            # The files of uploads that wait are no part of a backup, so that these may be missing after a restore.
            promised.begin("backup", {(facts.UPLOADS, name): (None,) for name in self._waiting_uploads()})
            promised.doubt("backup")
            self._copy = (file, promised)
            return
        file, promised = self._copy
        while self.random.random() < 0.7:
            self.settle()
            process = self.start("restore", str(file), "--force")
            time.sleep(self.random.uniform(0, 0.5))
            self.kill("restore", process)
            if (code := process.wait(0)) not in (0, KILLED):
                self.report(f"errata restore ends with {code}: {words(process)[-600:]}")
            self._after_killed_restore(promised)
        process = self.start("restore", str(file), "--force")
        if (code := process.wait(120)) != 0:
            self.report(f"errata restore ends with {code}: {words(process)[-600:]}")
        self._is_as_the_copy(promised)
        for aside in self.data.glob("errata.db.replaced-*"):
            aside.unlink()

    def _after_killed_restore(self, promised: Ledger) -> None:
        """After a killed restore a server serves the former data or the copy, or refuses and says what to do."""
        process = self.start("serve")
        if address(process) is None:
            if "errata restore" not in words(process):
                self.report(f"after a killed restore the server refuses without advice: {words(process)[-600:]}")
            self.counts["refused starts"] += 1
            return
        self.kill("server", process)
        stored = facts.read_copy(self.database)
        if self.ledger.differences(stored) and promised.differences(stored):
            self.report("after a killed restore the data is neither as before nor as the copy")
        elif not promised.differences(stored):
            self._is_as_the_copy(promised)

    def _is_as_the_copy(self, promised: Ledger) -> None:
        """From now on the promises of the copy's moment hold."""
        self.ledger.become(promised)
        self.counts["restores"] += 1
        for client in self.clients:
            client.documents.clear()
            client.questions.clear()

    def _end(self) -> None:
        """The last start: every accepted upload is read, the doctor finds nothing, and the server ends in order."""
        facts.age_jobs(self.database)
        if (server := self.serve()) is None:
            return
        process, at = server
        self.await_uploads()
        self.compare(at)
        self.examine(deep=True)
        if (code := stop(process)) != 0:
            self.report(f"the server ends with {code} after SIGTERM: {words(process)[-600:]}")
