"""A file with one line for each item that is done, so that a stopped run goes on where it was.

The first line has the settings of the run. A file of other settings is never mixed in: ``BenchError`` says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.benchmark.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Journal:
    """The items that are done, by key. ``file`` is made when the first item is done; None keeps all in memory."""

    def __init__(self, file: Path | None, settings: Mapping[str, Any]) -> None:
        self._file = file
        self._settings = dict(settings)
        self._done: dict[str, dict[str, Any]] = {}
        if file is not None and file.exists():
            self._read(file)

    @classmethod
    def beside(cls, out: Path | None, settings: Mapping[str, Any]) -> Journal:
        """The journal of a run that writes its results to ``out``: ``out`` with ``.partial.jsonl`` behind its name."""
        return cls(None if out is None else Path(f"{out}.partial.jsonl"), settings)

    def __contains__(self, key: str) -> bool:
        return key in self._done

    def __len__(self) -> int:
        return len(self._done)

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self._done[key]

    def add(self, key: str, values: Mapping[str, Any]) -> None:
        """Notes an item. The line is in the file when this returns."""
        self._done[key] = dict(values)
        if self._file is None:
            return
        if not self._file.exists():
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._write({"settings": self._settings})
        self._write({"key": key, **values})

    def _write(self, row: Mapping[str, Any]) -> None:
        assert self._file is not None
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _read(self, file: Path) -> None:
        text = file.read_text(encoding="utf-8")
        *whole, last = text.split("\n")
        if last:  # the run was stopped in the middle of a line: that item is done again
            file.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")
        try:
            rows = [json.loads(line) for line in whole]
        except ValueError as error:
            raise BenchError(f"{file} is damaged ({error}). Delete it to start again.") from error
        if not rows:
            file.unlink()
            return
        first, *items = rows
        if first.get("settings") != self._settings:
            raise BenchError(f"{file} is of a run with other settings. Delete it, or give another --out.")
        self._done = {row.pop("key"): row for row in items}
