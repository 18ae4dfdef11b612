"""kill -9 at any step of any change: the knowledge is as before or as after, and the next one works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.knowledge.dying import OPERATIONS, scene
from tests.knowledge.world import World, assert_index_follows

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


class Killer:
    """A knowledge base, and children that change it and die at a step. ``beginning`` is what it is before that."""

    def __init__(self, path: Path, beginning: Path) -> None:
        self.world = World(path, template=beginning)
        self.beginning = beginning
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.knowledge.dying", str(path), str(beginning)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer() == "ready"

    def kill(self, operation: str, step: int) -> bool:
        """Whether the child died; False when it had finished before that step. Then the world is as after a
        restart."""
        self.world.close()
        assert self._server.stdin is not None
        self._server.stdin.write(f"{operation} {step}\n")
        self._server.stdin.flush()
        answer = self._answer()
        assert answer in ("killed", "done")
        self.world.restart()
        return answer == "killed"

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()

    def close(self) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()
        self.world.close()


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Killer]:
    folder = tmp_path_factory.mktemp("kill")
    scene(folder / "scene.db", empty_database)
    killer = Killer(folder / "errata.db", folder / "scene.db")
    yield killer
    killer.close()


def stored(world: World) -> dict[str, list[dict[str, Any]]]:
    """Everything that is stored, but the proofs: one that was interrupted is stored as that."""
    return {name: rows for name, rows in world.rows().items() if name != "proofs"}


def do(killer: Killer, operation: str) -> tuple[dict[str, Any], dict[str, Any], tuple[Any, ...]]:
    """(stored before, stored after, what readers see after) when nobody dies."""
    world = killer.world
    world.restart(killer.beginning)
    before = stored(world)
    OPERATIONS[operation](world)
    return before, stored(world), world.seen()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_change_that_is_killed_at_any_step_happened_or_did_not(killer: Killer, operation: str) -> None:
    world = killer.world
    before, after, seen_after = do(killer, operation)
    happened: list[bool] = []
    world.restart(killer.beginning)
    while killer.kill(operation, len(happened) + 1):
        present = stored(world)
        assert present in (before, after)
        assert world.searcher.check().ok
        assert world.database.integrity() == "ok"
        happened.append(present == after)
        if present == before and len(happened) % 5 == 0:
            world.curation.fail_interrupted()
            OPERATIONS[operation](world)
            assert (stored(world), world.seen()) == (after, seen_after)
            assert_index_follows(world)
        world.restart(killer.beginning)
    assert happened == sorted(happened)  # up to the commit it did not happen, from it on it did
    assert len(happened) >= 5
    assert before == after or set(happened) == {False, True}


def test_several_kills_lose_nothing_and_store_nothing_twice(killer: Killer) -> None:
    _, after, seen_after = do(killer, "approve")
    killer.world.restart(killer.beginning)
    for step in (5, 20, 30, 40, 50):
        assert killer.kill("approve", step)
    killer.world.curation.fail_interrupted()
    OPERATIONS["approve"](killer.world)
    assert (stored(killer.world), killer.world.seen()) == (after, seen_after)
    assert_index_follows(killer.world)
