"""A process that does something several times at once, together with other processes: run by test_races.

``approve PATH CORRECTION TIMES`` approves a correction from as many threads; ``migrate PATH`` opens a database. Waits
for a line on its input when it is ready; prints what became of each try.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from knowledge.db import open_database
from knowledge.errors import Conflict
from tests.knowledge.world import World


def approve(world: World, correction_id: int, who: list[str]) -> list[str]:
    """What became of each of these curators' approvals, all at once."""
    told: list[str] = []
    start = threading.Barrier(len(who))

    def work(actor: str) -> None:
        start.wait()
        try:
            world.curation.approve(correction_id, actor=actor)
            told.append("approved")
        except Conflict as error:
            told.append(type(error).__name__)

    threads = [threading.Thread(target=work, args=(actor,)) for actor in who]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def main() -> None:
    action, path = sys.argv[1], Path(sys.argv[2])
    if action == "approve":
        world = World(path, template=path)
        world.searcher.refresh()
        print("ready", flush=True)
        sys.stdin.readline()
        who = [f"{number}" for number in range(int(sys.argv[4]))]
        print(*approve(world, int(sys.argv[3]), who), flush=True)
        world.close()
    else:
        print("ready", flush=True)
        sys.stdin.readline()
        database = open_database(path)
        print(database.integrity(), flush=True)
        database.close()


if __name__ == "__main__":
    main()
