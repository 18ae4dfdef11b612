"""Measures whether Errata keeps what it acknowledged: kills at random moments, damaged files, a full disk.

    .venv/bin/python -m scripts.bench_crash [--only kills,damage,disk,real] [--kills N] [--seed S] [--keep DIR]
        [--out results.json]

``kills``: servers and commands (ingest, reindex, backup, restore) are ended by SIGKILL while clients write through HTTP
(documents, uploads, questions, complaints, drafts, approvals, rollbacks, deletions), and while they start; after every
kill what is stored and served is compared with every write that was acknowledged (scripts/benchmark/crash/kills.py).
``damage``: a file is damaged, missing or of another state; the start must heal it, or refuse and say why.
``disk``: the disk is full while clients write; what is refused says so, all else stays, and it recovers.
``real``: some kills with the real embedding model, started as people do. The others use the hashing embedder of the
tests in processes that are forked, because a start takes a tenth of the time then; all else is the product's.

A stopped run goes on with the next round of kills if --out is the same. Exit code 1: something was lost or wrong; the
data folder of that round or trial is kept in --keep.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.benchmark import sections
from scripts.benchmark.crash import damage, disk, template
from scripts.benchmark.crash.kills import Round
from scripts.benchmark.crash.site import Tools
from scripts.benchmark.processes import Nursery, Programs
from scripts.benchmark.results import Progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from scripts.benchmark.sections import Run, Section

KILLS_OF_A_ROUND = 25
LEAST_ACKNOWLEDGED = 1  # writes of a round; a run in which nothing was written compares nothing


def main(arguments: Sequence[str] | None = None) -> int:
    return sections.main("crash", __doc__, SECTIONS, arguments, add_options=_add_options)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kills", type=int, default=1_000, help="how many processes the section kills ends")
    parser.add_argument("--real-kills", type=int, default=10, help="how many the section real ends")
    parser.add_argument("--trials", type=int, help="at most this many trials of the section damage, chosen by chance")
    parser.add_argument("--fills", type=int, default=10, help="how often the section disk fills the disk")
    parser.add_argument("--keep", type=Path, help="a folder for the data of rounds in which something was wrong")


def kills(run: Run) -> None:
    """Kills with forked processes and the hashing embedder."""
    from tests.fakes import HashingEmbedder

    with Nursery() as nursery:
        _rounds(run, Tools(template.make(run.folder, nursery), nursery, HashingEmbedder()), run.options.kills)


def real(run: Run) -> None:
    """Kills with the program as people start it, and the real embedding model."""
    from bot.settings import read_settings
    from bot.wiring import Parts

    embedder = Parts(read_settings()).embedder
    programs = Programs()
    _rounds(run, Tools(template.make(run.folder, programs), programs, embedder), run.options.real_kills)


def _rounds(run: Run, tools: Tools, wanted: int) -> None:
    """Rounds until as many processes were killed; the journal has those of an earlier run."""
    progress = Progress(f"{run.section}: processes killed")
    done: list[dict[str, Any]] = []
    killed = 0
    while killed < wanted:
        key = f"{run.section}/{len(done)}"
        if key not in run.journal:
            size = min(KILLS_OF_A_ROUND, wanted - killed)
            run.journal.add(key, _round(run, tools, key, size))
        done.append(run.journal[key])
        killed += done[-1]["counts"]["kills"]
        progress.at(min(killed, wanted), wanted)
        if done[-1]["faults"] and not done[-1]["counts"]["kills"]:
            break  # it does not even start
    _figures(run, done)


def _round(run: Run, tools: Tools, key: str, size: int) -> dict[str, Any]:
    folder = run.folder / key.replace("/", "-")
    folder.mkdir()
    started = time.monotonic()
    one_round = Round(folder, tools, f"{run.options.seed}/{key}", migrations=run.section == "kills")
    one_round.run(size)
    if one_round.faults and run.options.keep:
        shutil.copytree(folder, run.options.keep / f"{run.options.seed}-{folder.name}", dirs_exist_ok=True)
    shutil.rmtree(folder)
    for fault in one_round.faults:
        print(f"  {key}: {fault}", file=sys.stderr, flush=True)
    return {
        "counts": {"kills": 0, **one_round.counts},
        "acknowledged": one_round.ledger.acknowledged,
        "starts": [round(seconds, 2) for seconds in one_round.starts],
        "faults": one_round.faults,
        "seconds": round(time.monotonic() - started, 1),
    }


def _figures(run: Run, done: list[dict[str, Any]]) -> None:
    counts: Counter[str] = Counter()
    for one_round in done:
        counts.update(one_round["counts"])
        for fault in one_round["faults"]:
            run.fault(fault)
        if one_round["acknowledged"] < LEAST_ACKNOWLEDGED and not one_round["faults"]:
            run.fault("nothing was written in a round, so nothing was compared")
    for name in ("kills", *sorted(name for name in counts if name != "kills")):
        run.note(name, counts[name])
    acknowledged = sum(one_round["acknowledged"] for one_round in done)
    run.note("acknowledged writes", acknowledged)
    run.note("lost, doubled or wrong", len(run.faults), n=acknowledged)
    starts = [seconds for one_round in done for seconds in one_round["starts"]]
    if starts:
        run.note("start p50", statistics.median(starts), "s", n=len(starts))
    run.note("seconds for each kill", sum(r["seconds"] for r in done) / max(1, counts["kills"]), "s")


SECTIONS: dict[str, Section] = {"kills": kills, "damage": damage.section, "disk": disk.section, "real": real}

if __name__ == "__main__":
    sys.exit(main())
