"""A process that forks into several, which all do one thing at the same moment: run by test_races.

``approve PATH CORRECTION TIMES``: each approves the correction from this number of threads; ``migrate PATH``: each
opens the database. Prints the result of each try.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.db import open_database
from knowledge.errors import Conflict
from tests.knowledge.world import World

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

PROCESSES = 4


def approve(world: World, correction_id: int, who: list[str]) -> list[str]:
    """The results of the approvals of these curators, made at the same moment."""
    results: list[str] = []
    start = threading.Barrier(len(who))

    def work(actor: str) -> None:
        start.wait()
        try:
            world.curation.approve(correction_id, actor=actor)
            results.append("approved")
        except Conflict as error:
            results.append(type(error).__name__)

    threads = [threading.Thread(target=work, args=(actor,)) for actor in who]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def approve_here(start: Barrier, path: Path, correction_id: str, times: str) -> None:
    world = World(path, template=path)
    world.searcher.refresh()
    start.wait()
    print(*approve(world, int(correction_id), [str(number) for number in range(int(times))]), flush=True)
    world.close()


def migrate_here(start: Barrier, path: Path) -> None:
    start.wait()
    database = open_database(path)
    print(database.integrity(), flush=True)
    database.close()


def main(action: str, path: Path, *how: str) -> int:
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(PROCESSES)
    work = {"approve": approve_here, "migrate": migrate_here}[action]
    racers = [fork.Process(target=work, args=(start, path, *how)) for _ in range(PROCESSES)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    return sum(racer.exitcode != 0 for racer in racers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
