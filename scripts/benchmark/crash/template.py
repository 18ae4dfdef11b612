"""The data folder that every round and every trial begins as: a key of an administrator, and some documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.benchmark.errors import BenchError
from scripts.benchmark.processes import words

if TYPE_CHECKING:
    from pathlib import Path

    from scripts.benchmark.processes import Starter

DOCUMENTS = 40
SETTINGS = {
    "ERRATA_PORT": "0",
    "ERRATA_CHAT_MODEL": "extractive",
    "ERRATA_QUEUE": "1000",
    "ERRATA_QUEUE_PER_ASKER": "1000",
    "ERRATA_QUEUE_PER_NETWORK": "1000",
    "ERRATA_QUESTIONS_PER_MINUTE": "1000000",
    "ERRATA_QUESTIONS_PER_MINUTE_PER_ASKER": "1000000",
    "ERRATA_LOG_LEVEL": "warning",
}


@dataclass(frozen=True, slots=True)
class Template:
    """``data``: the folder; ``settings``: of the processes, without ERRATA_DATA; ``key``: of an administrator."""

    data: Path
    settings: dict[str, str]
    key: str


def make(folder: Path, starter: Starter, *, documents: int = DOCUMENTS) -> Template:
    """Makes the template in a folder. Raises BenchError when Errata does not run here."""
    data, books = folder / "template", folder / "books"
    settings = SETTINGS | {"ERRATA_DATA": str(data)}
    if documents:
        books.mkdir(parents=True)
        for number in range(documents):
            text = f"Book {number} stands on board {number % 7}.\n\nIts code is book{number}code."
            (books / f"book{number}.txt").write_text(text, encoding="utf-8")
        _run(starter, ["ingest", str(books)], settings, folder / "ingest.txt")
    key = _run(starter, ["keys", "add", "bench", "--role", "admin"], settings, folder / "key.txt")
    return Template(data, SETTINGS, key.strip().splitlines()[-1])


def _run(starter: Starter, arguments: list[str], settings: dict[str, str], log: Path) -> str:
    process = starter.start(arguments, settings, log)
    if (code := process.wait(300)) != 0:
        raise BenchError(f"errata {' '.join(arguments)} ends with {code}: {words(process)[-500:]}")
    return words(process)
