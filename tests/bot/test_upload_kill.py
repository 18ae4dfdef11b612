"""kill -9 again and again while an upload is read, and the data folder moves: every file ends once, and no try is used
up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from bot.worker import Worker
from knowledge import jobs, uploads
from knowledge.tables import Job
from tests.knowledge.dying import Countdown
from tests.knowledge.world import World, assert_index_follows

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
FILES = [f"{name}.md" for name in ("maple", "birch", "alder", "hazel", "larch", "aspen")]


def work(world: World, sent: Path) -> bool:
    def read(payload: dict[str, Any], report: Any) -> dict[str, Any]:
        return uploads.ingest_uploads(
            world.database, world.embedder, payload, uploads=sent, report=report, so_far=report.so_far
        )

    return Worker(world.database, {uploads.INGEST: read}).step()


def live_until(path: Path, sent: Path, steps: int) -> bool:
    """A server that works on the job and is killed after so many steps of its writing. False: it was not killed."""
    child = os.fork()
    if not child:
        try:
            world = World(path)
            countdown = Countdown(steps)
            sa.event.listen(world.database.engine, "before_cursor_execute", countdown.statement)
            sa.event.listen(world.database.engine, "commit", countdown.step)
            sa.event.listen(Session, "after_commit", countdown.step)
            work(world, sent)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("steps", [47, 50, 57])  # with 44, no life is long enough for one file
def test_an_upload_ends_well_however_often_the_server_is_killed(tmp_path: Path, migrated: Path, steps: int) -> None:
    path, sent = tmp_path / "errata.db", tmp_path / "uploads 0"
    folder = sent / "of carla"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"# {name}\n\nThe {name[:-3]} has its own leaves.", encoding="utf-8")
    world = World(path, template=migrated)
    payload = {"folder": folder.name, "files": [[name, name] for name in FILES], "actor": "carla", "replace": False}
    with world.database.write() as session:
        job_id = jobs.enqueue(session, uploads.INGEST, payload, actor="carla").id
    world.close()
    kills = 0
    while live_until(path, sent, steps):
        kills += 1
        sent = sent.rename(tmp_path / f"uploads {kills}")
        assert kills < 50
        world.restart()
        with world.database.write() as session:  # an hour later
            session.execute(sa.update(Job).values(heartbeat_at=sa.text("'2026-01-01 00:00:00.000000'")))
        world.close()
    assert kills > jobs.MAX_FAILURES
    world.restart()
    with world.database.read() as session:
        job = jobs.get(session, job_id)
    assert (job.state, job.failures) == ("done", 0)
    assert {file["state"] for file in job.progress["files"]} <= {"indexed", "unchanged"}
    assert [file["name"] for file in job.progress["files"]] == FILES
    assert world.live() == {f"upload/{name}": [f"The {name[:-3]} has its own leaves."] for name in FILES}
    assert len(world.rows("document_versions")["document_versions"]) == len(FILES)
    assert_index_follows(world)
    world.close()
