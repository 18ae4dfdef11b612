"""The command line of a benchmark on given data: its common options, its table, results and exit code.

Exit codes: 0 done; 1 the benchmark cannot run (BenchError); 2 called wrongly.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scripts.benchmark import results
from scripts.benchmark.errors import BenchError
from scripts.benchmark.knowledge import DEFAULT_VECTORS

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripts.benchmark.results import Result


def parser(description: str | None, *, items: str = "questions", data_required: bool = True) -> argparse.ArgumentParser:
    """A parser with the options that all of them have. ``items``: what ``--limit`` limits."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=data_required, help="folder of the benchmark data")
    parser.add_argument("--sets", help="comma-separated; default: all")
    parser.add_argument("--limit", type=int, help=f"at most this many {items} of a set, chosen by chance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vectors", type=Path, default=DEFAULT_VECTORS, help=f"default: {DEFAULT_VECTORS}")
    parser.add_argument("--out", type=Path, help="write results.json here")
    return parser


def add_documents(parser: argparse.ArgumentParser) -> None:
    """Adds the option that makes the knowledge smaller."""
    parser.add_argument("--documents", type=int, help="at most this many documents of a set, with those asked about")


def run(
    program: str,
    options: argparse.Namespace,
    measure: Callable[[argparse.Namespace], tuple[list[Result], dict[str, object]]],
) -> int:
    """Prints the results of ``measure``, and writes them with its settings to ``--out``. ``program``: the name of the
    script; its second word is the name of the benchmark. Returns the exit code."""
    try:
        rows, settings = measure(options)
    except BenchError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 1
    print(results.table(rows))
    if options.out:
        results.write(options.out, program.partition("_")[2], settings, rows)
    return 0
