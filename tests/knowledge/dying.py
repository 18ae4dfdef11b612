"""A process whose children do one thing to a knowledge base and die, by SIGKILL, at the n-th step of it.

Reads lines ``PATH OPERATION STEP`` and answers each with ``killed`` or ``done`` (there are fewer steps than that). A
step is the beginning of a statement of a write transaction, of its commit, or the moment after its commit. Forking
from a process that has all imports behind it makes a death cost a fiftieth of a second.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tests.knowledge.world import RETURNS, SHIPPING, World

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLISHED, DRAFTED, QUEUED, OTHER = 1, 2, 3, 4  # the corrections of the scene


def scene(path: Path, template: Path) -> None:
    """A knowledge base in which every operation below has much to do."""
    world = World(path, template=template)
    world.put("returns", RETURNS)
    world.put("shipping", SHIPPING)
    edits = [world.edit("returns", "14 days", "30 days")]
    assert world.publish("How long?", "30 days.", edits=edits, paraphrases=["Until when?"]) == PUBLISHED
    edits = [world.edit("returns", "within 5 days", "at once"), world.edit("shipping", "3 days", "2 days")]
    hidden = [{"document_id": "returns", "passage": "Goods may be returned within 30 days."}]
    assert world.draft("When money?", "At once.", edits=edits, supersedes=hidden) == DRAFTED
    assert world.complain("How fast?", answer_id="a3") == QUEUED
    assert world.complain("How quick?", answer_id="a4") == OTHER
    world.curation.prove(DRAFTED)
    world.close()


def _put(world: World) -> None:
    world.put("returns", RETURNS.replace("14 days", "15 days"))


def _complain(world: World) -> None:
    world.complain("How long?", answer_id="a9", comment="31 days")


OPERATIONS: dict[str, Callable[[World], Any]] = {
    "approve": lambda world: world.curation.approve(DRAFTED, actor="bob"),
    "rollback": lambda world: world.curation.rollback(PUBLISHED, actor="bob"),
    "put": _put,
    "remove": lambda world: world.remove("returns"),
    "draft": lambda world: world.curation.draft(QUEUED, {"answer": "Fast."}, actor="bob"),
    "report": _complain,
    "merge": lambda world: world.curation.merge([PUBLISHED, QUEUED, OTHER], actor="bob"),
    "prove": lambda world: world.curation.prove(DRAFTED),
}


class Countdown:
    """Ends this process at a step."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, *_args: object) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(self, connection: sa.Connection, *_args: object) -> None:
        if connection.get_execution_options().get("errata_write"):
            self.step()


def die(path: Path, operation: str, step: int) -> None:
    """Does the operation up to the step; exits when there is none of that number."""
    world = World(path, template=path)
    countdown = Countdown(step)
    sa.event.listen(world.database.engine, "before_cursor_execute", countdown.statement)
    sa.event.listen(world.database.engine, "commit", countdown.step)
    sa.event.listen(Session, "after_commit", countdown.step)
    OPERATIONS[operation](world)
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        path, operation, step = line.split()
        child = os.fork()
        if not child:
            try:
                die(Path(path), operation, int(step))
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "done" if status == 0 else "failed", flush=True)


if __name__ == "__main__":
    main()
