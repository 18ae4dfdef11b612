"""A process whose children do one thing to a knowledge base and die, by SIGKILL, at the n-th step of it.

It is started with the paths of the knowledge base and of the scene that it begins as. It reads lines ``OPERATION STEP``
and answers each with ``killed``, or with ``done`` when there are fewer steps. A step is the beginning of a statement of
a write transaction, of its commit, or the moment after its commit. A child that is forked from a process that has done
everything once costs only a twentieth of a second.
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

PUBLISHED, DRAFTED, QUEUED, OTHER, ENDING, ANEW = 1, 2, 3, 4, 5, 6  # the corrections of the scene
ENDING_ENTRY = 2


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
    world.put("hours", "The shop opens at nine.\n\n# Doors\n\nIt closes at eight.")
    edits = [world.edit("hours", "nine", "ten")]
    assert world.publish("When open?", "At ten.", edits=edits, valid_until="2100-01-31") == ENDING
    edits, hidden = [world.edit("hours", "eight", "seven")], [{"document_id": "shipping"}]
    assert world.publish("When closed?", "At seven.", edits=edits) == ANEW
    world.curation.reopen(ANEW, actor="ann")
    world.curation.draft(ANEW, {"answer": "At six.", "edits": [], "supersedes": hidden}, actor="ann")
    world.curation.approve(ANEW, actor="ann")
    world.curation.prove(DRAFTED)
    world.close()


def _put(world: World) -> None:
    world.put("returns", RETURNS.replace("14 days", "15 days"))


def _complain(world: World) -> None:
    world.complain("How long?", answer_id="a9", comment="31 days")


OPERATIONS: dict[str, Callable[[World], Any]] = {
    "approve": lambda world: world.curation.approve(DRAFTED, actor="bob"),
    "rollback": lambda world: world.curation.rollback(PUBLISHED, actor="bob"),
    "rollback to the publication before": lambda world: world.curation.rollback(ANEW, actor="bob"),
    "expire": lambda world: world.curation.expire(ENDING_ENTRY),
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


def die(world: World, operation: str, step: int) -> None:
    """Does the operation up to the step; exits when there is none of that number."""
    countdown = Countdown(step)
    sa.event.listen(world.database.engine, "before_cursor_execute", countdown.statement)
    sa.event.listen(world.database.engine, "commit", countdown.step)
    sa.event.listen(Session, "after_commit", countdown.step)
    OPERATIONS[operation](world)
    os._exit(0)


def main(path: Path, beginning: Path) -> None:
    world = World(path, template=beginning)
    for operation in OPERATIONS.values():
        world.restart(beginning)
        operation(world)
    world.restart(beginning)
    print("ready", flush=True)
    for line in sys.stdin:
        operation_name, _, step = line.strip().rpartition(" ")
        child = os.fork()
        if not child:
            try:
                die(world, operation_name, int(step))
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else "done" if status == 0 else "failed", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
