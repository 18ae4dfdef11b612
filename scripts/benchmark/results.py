"""The results of a benchmark: rows, a table for people, a JSON file for programs, and the machine."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.benchmark.intervals import Estimate, mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. ``set`` and ``lang`` may be ``all``; ``low`` and ``high``: its interval of 95 %, None where the
    figure is no mean; ``n``: the items it was computed from."""

    set: str
    lang: str
    system: str
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None

    @classmethod
    def of_mean(cls, set_: str, lang: str, system: str, metric: str, values: Sequence[float]) -> Result:
        return cls.of(set_, lang, system, metric, mean(values))

    @classmethod
    def of(cls, set_: str, lang: str, system: str, metric: str, estimate: Estimate) -> Result:
        low, high = round(estimate.low, 4), round(estimate.high, 4)
        return cls(set_, lang, system, metric, round(estimate.value, 4), low, high, estimate.n)


class Progress:
    """A line on standard error at most every five seconds."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = 0.0

    def at(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._shown >= 5 or done == total:
            self._shown = now
            print(f"  {self._what}: {done:,} of {total:,}", file=sys.stderr, flush=True)


def machine() -> str:
    """Processor type, cores, memory, system, Python."""
    import psutil

    memory = psutil.virtual_memory().total >> 30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.machine()}, {cores} cores, {memory} GiB, {platform.system()}, Python {platform.python_version()}"


def write(out: Path, bench: str, settings: Mapping[str, Any], rows: Iterable[Result]) -> None:
    """Writes the results file: all of it, or the old one stays."""
    whole = {
        "bench": bench,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "settings": dict(settings),
        "rows": [asdict(row) for row in rows],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(f"{out}.new")
    aside.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    aside.replace(out)


def table(rows: Sequence[Result]) -> str:
    """The rows as a Markdown table: a line for each set, language and system, a column for each metric."""
    metrics = list(dict.fromkeys(row.metric for row in rows))
    lines: dict[tuple[str, str, str], dict[str, Result]] = {}
    for row in rows:
        lines.setdefault((row.set, row.lang, row.system), {})[row.metric] = row
    head = ["set", "language", "system", "n", *metrics]
    text = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for names, cells in lines.items():
        counts = [cell.n for cell in cells.values() if cell.n is not None]
        size = str(max(counts)) if counts else ""
        text.append("| " + " | ".join((*names, size, *(_cell(cells.get(metric)) for metric in metrics))) + " |")
    return "\n".join(text)


def lines(rows: Sequence[Result]) -> str:
    """The rows as a Markdown table with a line for each figure, where each has a metric of its own."""
    text = ["| set | metric | value | n |", "|---|---|---|---|"]
    text += [f"| {row.set} | {row.metric} | {_cell(row)} | {'' if row.n is None else row.n} |" for row in rows]
    return "\n".join(text)


def _cell(row: Result | None) -> str:
    if row is None:
        return ""
    if row.low is None or row.high is None:
        return f"{row.value:g}"
    return f"{row.value:.3f} ({row.low:.3f}–{row.high:.3f})"
