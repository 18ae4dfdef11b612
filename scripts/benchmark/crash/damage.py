"""Damaged files: the server heals them, or refuses to start and says what is wrong.

Every trial begins with a copy of the same data folder, as a killed server left it: database, ``-wal``, snapshots. Its
file is damaged, then a server starts. Allowed are

* *healed*: it is ready, everything is stored that was, and a search serves what an index built anew finds;
* *refused*: it ends with 1, and its message has the word that the trial names;
* *shown*: it is ready, and ``errata doctor --deep`` ends with 1 and has the word that the trial names.

Nothing can notice a ``-wal`` that lost its end, because it is a valid one: SQLite wrote it so a moment before. So that
is no trial.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from scripts.benchmark.crash import facts, template
from scripts.benchmark.crash.site import Site, Tools
from scripts.benchmark.errors import BenchError
from scripts.benchmark.processes import Nursery, address, kill, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scripts.benchmark.crash.ledger import Ledger
    from scripts.benchmark.sections import Run

WRITING_SECONDS = 2.0
FLIPS = 10  # trials in which one bit of the database file changes


@dataclass(frozen=True, slots=True)
class Trial:
    """``damage`` of a data folder, the outcomes that are allowed, and the word that a message must have then."""

    name: str
    damage: Callable[[Path], object]
    allowed: tuple[str, ...]
    word: str = ""


def section(run: Run) -> None:
    """All trials, with forked processes and the hashing embedder."""
    from tests.fakes import HashingEmbedder

    with Nursery() as nursery:
        tools = Tools(template.make(run.folder, nursery), nursery, HashingEmbedder())
        whole = run.folder / "whole"
        whole.mkdir()
        promised = left_by_a_killed_server(whole, tools, str(run.options.seed))
        outcomes: dict[str, int] = {}
        chosen = list(trials(whole / "data", run.options.seed))
        if run.options.trials is not None:
            chosen = Random(run.options.seed).sample(chosen, min(run.options.trials, len(chosen)))  # noqa: S311
        for number, trial in enumerate(chosen):
            folder = run.folder / f"trial-{number}"
            folder.mkdir()
            shutil.copytree(whole / "data", folder / "data")
            outcome, faults = tried(folder, tools, trial, promised)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            for fault in faults:
                run.fault(f"{trial.name}: {fault}")
            if faults and run.options.keep:
                shutil.copytree(folder, run.options.keep / folder.name, dirs_exist_ok=True)
            print(f"  {trial.name:<48} {outcome}", flush=True)
            shutil.rmtree(folder)
    run.note("damaged files", sum(outcomes.values()))
    for outcome, count in sorted(outcomes.items()):
        run.note(outcome, count)


def left_by_a_killed_server(folder: Path, tools: Tools, seed: str) -> Ledger:
    """Makes the data folder of all trials: documents, conversations and corrections, and a ``-wal``. Every write was
    answered and every upload read before the kill. Returns what was promised."""
    site = Site(folder, tools, seed)
    for _ in range(2):  # the second start finds the snapshot of the first
        if (server := site.serve()) is not None:
            process, at = server
            with site.working(at):
                time.sleep(WRITING_SECONDS)
            site.await_uploads()
            kill(process)
            site.settle()
    if site.faults:
        raise BenchError(f"Without any damage: {site.faults[0]}")
    return site.ledger


def tried(folder: Path, tools: Tools, trial: Trial, promised: Ledger) -> tuple[str, list[str]]:
    """Damages the data folder in ``folder`` and starts a server. Returns the outcome and what is wrong about it."""
    site = Site(folder, tools, trial.name, ledger=promised.copy())
    trial.damage(site.data)
    process = site.start("serve")
    at = address(process)
    text = words(process)
    if at is None:
        outcome = "refused"
        if (code := process.wait(10)) != 1 or "Traceback" in text:
            site.report(f"it ends with {code}: {text[-500:]}")
    else:
        doctor = site.start("doctor", "--deep")
        outcome = "healed" if doctor.wait(120) == 0 else "shown"
        if outcome == "healed":
            site.compare(at)
        else:
            text = words(doctor)
        kill(process)
    if outcome not in trial.allowed:
        site.report(f"{outcome}, not {' or '.join(trial.allowed)}: {text[-500:]}")
    elif outcome != "healed" and trial.word not in text:
        site.report(f"the message has no {trial.word!r}: {text[-500:]}")
    return outcome, site.faults


def trials(data: Path, seed: int) -> Iterator[Trial]:
    """The trials for a data folder."""
    random = Random(seed)  # noqa: S311 - chooses bits, no secrets
    (snapshot, *_) = sorted((data / "index").glob("snapshot-*"))
    for file in sorted(snapshot.iterdir()):
        for name, change in (("cut", _cut), ("a bit of", _flip(random)), ("no", _remove), ("empty", _empty)):
            yield Trial(f"{name} {file.name} of the snapshot", _in_snapshots(file.name, change), ("healed",))
    yield Trial("no snapshot", lambda at: shutil.rmtree(at / "index"), ("healed",))
    yield Trial("a snapshot of no files", _in_snapshots("", _without_files), ("healed",))
    for name in ("index", "uploads", "profiles"):
        yield Trial(f"a file in place of {name}", _file_for_folder(name), ("refused",), "not a folder")
    yield Trial("a folder in place of the database", _folder_for_file, ("refused",), "is a folder")
    yield Trial("no database", lambda at: _remove(at / "errata.db"), ("refused",), "errata restore")
    yield Trial("no database and no -wal", _without_database, ("refused",), "errata restore")
    yield Trial("an empty database", _emptied, ("refused",), "errata restore")
    yield Trial(
        "an empty database beside its -wal", lambda at: _empty(at / "errata.db"), ("refused",), "errata restore"
    )
    yield Trial("a cut database", _folded(_cut), ("refused",), "errata restore")
    yield Trial("a -shm of noise", lambda at: (at / "errata.db-shm").write_bytes(random.randbytes(32_768)), ("healed",))
    yield Trial("the -wal of a later state", _earlier_database, ("refused",), "another state")
    yield Trial(
        "damaged vectors", _sql("update embeddings set vector = zeroblob(3) where passage_id % 3 = 0"), ("healed",)
    )
    yield Trial(
        "vectors of zeros", _sql("update embeddings set vector = zeroblob(256) where passage_id % 3 = 0"), ("healed",)
    )
    yield Trial(
        "vectors are missing",
        _sql("delete from embeddings where passage_id % 3 = 0"),
        ("healed", "refused"),
        "errata reindex",
    )
    yield Trial(
        "a changed word",
        _sql("update document_versions set text = replace(text, 'board', 'floor')"),
        ("shown",),
        "changed in the file",
    )
    yield Trial(
        "a changed passage",
        _sql("update passages set text = text || '!' where id = 1"),
        ("shown",),
        "changed in the file",
    )
    for number in range(FLIPS):
        yield Trial(f"a bit of the database, {number}", _folded(_flip(random)), ("healed", "refused", "shown"))


def _in_snapshots(name: str, change: Callable[[Path], object]) -> Callable[[Path], object]:
    def damage(data: Path) -> None:
        for snapshot in (data / "index").glob("snapshot-*"):
            change(snapshot / name)

    return damage


def _cut(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size // 2)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _remove(file: Path) -> None:
    file.unlink()


def _flip(random: Random) -> Callable[[Path], object]:
    def damage(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
        file.write_bytes(content)

    return damage


def _without_files(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def _file_for_folder(name: str) -> Callable[[Path], object]:
    def damage(data: Path) -> None:
        if (data / name).exists():
            shutil.rmtree(data / name)
        (data / name).write_text("no folder", encoding="utf-8")

    return damage


def _folder_for_file(data: Path) -> None:
    _without_database(data)
    (data / "errata.db").mkdir()


def _without_database(data: Path) -> None:
    for file in data.glob("errata.db*"):
        if file.name != "errata.db.exists":
            file.unlink()


def _emptied(data: Path) -> None:
    _without_database(data)
    (data / "errata.db").touch()


def _folded(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Changes the database file after its ``-wal`` was copied into it."""

    def damage(data: Path) -> None:
        facts.fold(data / "errata.db")
        change(data / "errata.db")

    return damage


def _earlier_database(data: Path) -> None:
    """The former ``-wal`` lies beside a database of another state."""
    wal = (data / "errata.db-wal").read_bytes()
    facts.fold(data / "errata.db")
    for number in range(3):  # commits of another history
        facts.execute(data / "errata.db", f"pragma user_version = {1_000 + number}")
    (data / "errata.db-wal").write_bytes(wal)


def _sql(statement: str) -> Callable[[Path], object]:
    def damage(data: Path) -> None:
        facts.execute(data / "errata.db", statement)

    return damage
