"""The command line of a benchmark that consists of sections: arguments, journal, progress, table, results, exit code.

    main("load", __doc__, {"catchup": catchup, …})

A section gets a ``Run``: an empty folder of its own, and ``note`` for its figures. A finished section is a line of the
journal, so that a stopped run goes on with the next one if ``--out`` is the same. Exit codes: 0 done; 1 something was
wrong (``Run.fault``) or the benchmark cannot run (BenchError); 2 called wrongly.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.benchmark import results
from scripts.benchmark.errors import BenchError
from scripts.benchmark.journal import Journal
from scripts.benchmark.results import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Section = Callable[["Run"], None]


@dataclass
class Run:
    """One run of one section. ``journal``: for the items of a section that is long; their keys begin with its name."""

    section: str
    folder: Path
    options: argparse.Namespace
    journal: Journal
    rows: list[Result] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def note(self, metric: str, value: float, unit: str = "", detail: str = "", *, n: int | None = None) -> None:
        """A figure of the results; ``detail`` is only printed."""
        name = f"{metric} ({unit})" if unit else metric
        self.rows.append(Result(self.section, "all", "product", name, round(value, 4), n=n))
        print(f"{metric:<58} {value:>12.3f} {unit:<6} {detail}".rstrip(), flush=True)

    def fault(self, what: str) -> None:
        """Something was wrong: it is printed, and the benchmark ends with 1."""
        self.faults.append(what)
        print(f"FAULT: {self.section}: {what}", file=sys.stderr, flush=True)


def main(
    bench: str,
    description: str | None,
    sections: Mapping[str, Section],
    arguments: Sequence[str] | None = None,
    *,
    add_options: Callable[[argparse.ArgumentParser], None] = lambda _parser: None,
) -> int:
    """Runs the chosen sections, prints their figures as a table, and writes ``--out``. Returns the exit code."""
    from bot import logs

    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(sections), help=f"comma-separated sections: {', '.join(sections)}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write results.json here; the same file again: go on there")
    add_options(parser)
    options = parser.parse_args(arguments)
    chosen = options.only.split(",")
    if unknown := set(chosen) - sections.keys():
        print(f"--only takes {', '.join(sections)}; not {min(unknown)!r}.", file=sys.stderr)
        return 2
    logs.configure(form="console", level="error", text=False)
    settings = {name: value for name, value in vars(options).items() if not isinstance(value, Path)}
    try:
        journal = Journal.beside(options.out, settings)
        finished = [_finished(name, sections[name], options, journal) for name in chosen]
    except BenchError as error:
        print(f"bench_{bench}: {error}", file=sys.stderr)
        return 1
    rows = [row for section_rows, _ in finished for row in section_rows]
    print(results.lines(rows))
    if options.out:
        results.write(options.out, bench, settings, rows)
    return int(any(faults for _, faults in finished))


def _finished(
    name: str, section: Section, options: argparse.Namespace, journal: Journal
) -> tuple[list[Result], list[str]]:
    """The rows and faults of a section, from the journal if an earlier run has finished it."""
    if name not in journal:
        print(f"# {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="errata-bench-") as folder:
            run = Run(name, Path(folder), options, journal)
            section(run)
        journal.add(name, {"rows": [asdict(row) for row in run.rows], "faults": run.faults})
    done = journal[name]
    return [Result(**row) for row in done["rows"]], done["faults"]
