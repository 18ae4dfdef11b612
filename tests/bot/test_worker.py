"""The worker does the queued jobs, one of each kind at a time, and goes on whatever happens."""

from __future__ import annotations

import errno
import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from bot.worker import Worker
from knowledge import jobs
from knowledge.db import Database
from knowledge.errors import DatabaseBusy, DiskFull

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    shutil.copyfile(migrated, tmp_path / "errata.db")
    database = Database(f"sqlite:///{tmp_path / 'errata.db'}")
    yield database
    database.close()


def enqueue(database: Database, kind: str, **payload: Any) -> int:
    with database.write() as session:
        return jobs.enqueue(session, kind, payload, actor="ann").id


def told(database: Database, job_id: int) -> tuple[str, str | None, dict[str, Any]]:
    with database.read() as session:
        job = jobs.get(session, job_id)
        return job.state, job.error, job.progress


def test_a_step_does_the_oldest_job_and_keeps_its_result(database: Database) -> None:
    done: list[dict[str, Any]] = []

    def handler(payload: dict[str, Any], report: Any) -> dict[str, Any]:
        done.append(payload)
        report({"done": 1})
        return {"done": 2}

    ids = [enqueue(database, "count", number=number) for number in range(2)]
    worker = Worker(database, {"count": handler})
    assert worker.step()
    assert done == [{"number": 0}]
    assert [told(database, id_) for id_ in ids] == [("done", None, {"done": 2}), ("queued", None, {})]
    assert worker.step()
    assert not worker.step()


def test_a_report_is_seen_while_the_job_runs(database: Database) -> None:
    seen = []

    def handler(_payload: dict[str, Any], report: Any) -> None:
        report({"done": 1, "total": 3})
        seen.append(told(database, job_id))

    job_id = enqueue(database, "count")
    Worker(database, {"count": handler}).step()
    assert seen == [("running", None, {"done": 1, "total": 3})]


def test_the_next_try_gets_the_progress_of_the_one_before(database: Database) -> None:
    seen = []

    def handler(_payload: dict[str, Any], report: Any) -> None:
        seen.append(report.so_far)
        report({"done": len(seen)})
        if len(seen) == 1:
            raise ValueError("not yet")

    enqueue(database, "count")
    worker = Worker(database, {"count": handler})
    assert worker.step()
    with database.write() as session:
        session.execute(sa.text("update jobs set run_after = '2020-01-01 00:00:00.000000'"))
    assert worker.step()
    assert seen == [{}, {"done": 1}]


def test_a_job_that_fails_is_marked_and_tried_again_later(database: Database) -> None:
    def handler(_payload: dict[str, Any], _report: Any) -> None:
        raise ValueError("the engine is down")

    job_id = enqueue(database, "ask")
    worker = Worker(database, {"ask": handler})
    assert worker.step()
    assert told(database, job_id) == ("queued", "ValueError: the engine is down", {})
    assert not worker.step()  # its pause is not over


def test_the_function_after_a_job_is_called_when_the_job_is_done_or_given_up(database: Database) -> None:
    followed: list[dict[str, Any]] = []

    def handler(payload: dict[str, Any], _report: Any) -> None:
        if payload["number"] == 1:
            raise ValueError("never")

    enqueue(database, "count", number=0)
    enqueue(database, "count", number=1)
    worker = Worker(database, {"count": handler}, after={"count": followed.append})
    for _ in range(1 + jobs.MAX_FAILURES):
        assert followed == ([{"number": 0}] if followed else [])
        assert worker.step()
        with database.write() as session:
            session.execute(sa.text("update jobs set run_after = '2020-01-01 00:00:00.000000'"))
    assert followed == [{"number": 0}, {"number": 1}]
    assert not worker.step()


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_follows_a_job_that_another_worker_has_taken_up(database: Database, fails: bool) -> None:
    followed: list[dict[str, Any]] = []

    def handler(_payload: dict[str, Any], _report: Any) -> None:
        with database.write() as session:
            session.execute(sa.text("update jobs set attempts = 3"))
        if fails:
            raise ValueError("late")

    enqueue(database, "count")
    assert Worker(database, {"count": handler}, after={"count": followed.append}).step()
    assert followed == []


@pytest.mark.parametrize(
    "trouble", [DatabaseBusy("busy"), DiskFull("full"), OSError(errno.ENOSPC, "no space")], ids=["busy", "full", "file"]
)
def test_a_busy_database_and_a_full_disk_are_no_failures_of_a_job(database: Database, trouble: Exception) -> None:
    troubles = [trouble] * (jobs.MAX_FAILURES + 1)

    def handler(_payload: dict[str, Any], _report: Any) -> None:
        if troubles:
            raise troubles.pop()

    job_id = enqueue(database, "count")
    worker = Worker(database, {"count": handler})
    while troubles:
        with pytest.raises(type(trouble)):
            worker.step()
        with database.write() as session:
            session.execute(sa.text("update jobs set heartbeat_at = datetime('now', '-2 minutes')"))
    assert worker.step()
    assert told(database, job_id)[0] == "done"


def test_a_job_of_an_unknown_kind_waits_and_others_go_on(database: Database) -> None:
    unknown, known = enqueue(database, "dance"), enqueue(database, "ask")
    worker = Worker(database, {"ask": lambda _payload, _report: None})
    assert worker.step()
    assert not worker.step()
    assert [told(database, job)[0] for job in (unknown, known)] == ["queued", "done"]


def test_a_long_job_delays_only_jobs_of_its_kind(database: Database) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def long(_payload: dict[str, Any], _report: Any) -> None:
        assert go_on.wait(30)

    def ask(_payload: dict[str, Any], _report: Any) -> None:
        asked.set()

    enqueue(database, "long")
    enqueue(database, "ask")
    worker = Worker(database, {"long": long, "ask": ask})
    worker.start()
    try:
        assert asked.wait(30)
    finally:
        go_on.set()
        worker.stop(30)


def test_a_job_that_is_cancelled_while_it_runs_stays_cancelled(database: Database) -> None:
    def handler(_payload: dict[str, Any], _report: Any) -> None:
        with database.write() as session:
            jobs.cancel(session, "ask", "number", 1)

    job_id = enqueue(database, "ask", number=1)
    Worker(database, {"ask": handler}).step()
    assert told(database, job_id)[:2] == ("failed", "cancelled")


def test_a_started_worker_is_woken_and_stops_after_its_job(database: Database) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def handler(_payload: dict[str, Any], _report: Any) -> None:
        begun.set()
        assert go_on.wait(5)

    worker = Worker(database, {"ask": handler})
    worker.start()
    job_id, second = enqueue(database, "ask"), enqueue(database, "ask")
    worker.wake()
    assert begun.wait(5)
    stopping = threading.Thread(target=worker.stop, args=(5,))
    stopping.start()
    go_on.set()
    stopping.join()
    assert told(database, job_id)[0] == "done"
    assert told(database, second)[0] == "queued"


def test_work_that_nobody_waits_for_is_done_in_pieces_until_there_is_none(database: Database) -> None:
    left = [3]
    done = threading.Event()

    def spare() -> bool:
        left[0] -= 1
        if left[0] == 0:
            done.set()
        return left[0] > 0

    worker = Worker(database, {}, spare=spare)
    worker.start()
    assert done.wait(10)
    worker.stop(timeout=5)
    assert left == [0]
