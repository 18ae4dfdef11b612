"""kill -9 at any step of any change: the knowledge is as before or as after, and the next one works."""

from __future__ import annotations

import os
import shutil
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
    """Lets children do operations on copies of the scene and die at a step."""

    def __init__(self, scene: Path) -> None:
        self.scene = scene
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.knowledge.dying"],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def kill(self, copy: Path, operation: str, step: int) -> bool:
        """Whether the child died; False when it was done before that step."""
        if not copy.exists():
            shutil.copyfile(self.scene, copy)
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{copy} {operation} {step}\n")
        self._server.stdin.flush()
        answer = self._server.stdout.readline().strip()
        assert answer in ("killed", "done")
        return answer == "killed"

    def close(self) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait(10)
        self._server.stdout.close()


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Killer]:
    path = tmp_path_factory.mktemp("scene") / "errata.db"
    scene(path, empty_database)
    killer = Killer(path)
    yield killer
    killer.close()


def stored(world: World) -> dict[str, list[dict[str, Any]]]:
    """Everything that is stored, but the proofs: one that was interrupted is stored as that."""
    return {name: rows for name, rows in world.rows().items() if name != "proofs"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_change_that_is_killed_at_any_step_happened_or_did_not(
    killer: Killer, tmp_path: Path, operation: str
) -> None:
    whole = World(tmp_path / "whole.db", template=killer.scene)
    before = stored(whole)
    OPERATIONS[operation](whole)
    after, seen_after = stored(whole), whole.seen()
    whole.close()
    happened = []
    while killer.kill(path := tmp_path / f"{len(happened)}.db", operation, len(happened) + 1):
        world = World(path, template=killer.scene)
        found = stored(world)
        assert found in (before, after)
        assert world.searcher.check().ok
        happened.append(found == after)
        if found == before and len(happened) % 5 == 0:
            world.curation.fail_interrupted()
            OPERATIONS[operation](world)
            assert (stored(world), world.seen()) == (after, seen_after)
            assert_index_follows(world)
        assert world.database.integrity() == "ok"
        world.close()
        path.unlink()
    assert happened == sorted(happened)  # up to the commit it did not happen, from it on it did
    assert len(happened) >= 5
    assert before == after or set(happened) == {False, True}
    print(operation, len(happened))


def test_kills_in_a_row_lose_and_double_nothing(killer: Killer, tmp_path: Path) -> None:
    whole = World(tmp_path / "whole.db", template=killer.scene)
    OPERATIONS["approve"](whole)
    after = stored(whole)
    whole.close()
    path = tmp_path / "killed.db"
    for step in (5, 20, 30):
        assert killer.kill(path, "approve", step)
    world = World(path, template=killer.scene)
    world.curation.fail_interrupted()
    OPERATIONS["approve"](world)
    assert stored(world) == after
    assert world.searcher.check().ok
    world.close()
