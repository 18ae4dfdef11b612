"""Jobs are claimed by one worker, claimed again when that worker died, tried again with pauses, and cancelled."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from knowledge import jobs
from knowledge.db import utc_now
from knowledge.errors import NotFound

if TYPE_CHECKING:
    from knowledge.tables import Job
    from tests.knowledge.world import World

LATER = timedelta(seconds=jobs.HEARTBEAT_SECONDS + 1)


def enqueue(world: World, kind: str = "recheck", **payload: object) -> int:
    with world.database.write() as session:
        return jobs.enqueue(session, kind, payload, actor="ann").id


def claim(world: World, kind: str = "recheck", *, now: datetime | None = None) -> Job | None:
    with world.database.write() as session:
        return jobs.claim(session, [kind], now=now)


def job(world: World, job_id: int) -> Job:
    with world.database.read() as session:
        return jobs.get(session, job_id)


def test_claim_takes_only_jobs_of_the_requested_kinds(world: World) -> None:
    enqueue(world, "ingest")
    assert claim(world, "recheck") is None
    assert claim(world, "ingest") is not None


def test_claim_takes_the_oldest_waiting_job(world: World) -> None:
    first, second = enqueue(world, n=1), enqueue(world, n=2)
    claimed = claim(world)
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.attempts, claimed.payload) == (first, "running", 1, {"n": 1})
    claimed = claim(world)
    assert claimed is not None
    assert claimed.id == second
    assert claim(world) is None


def test_claim_by_many_workers_gives_each_job_to_one(world: World) -> None:
    enqueued = [enqueue(world) for _ in range(6)]
    claimed: list[int] = []
    ready = threading.Barrier(4)

    def work() -> None:
        ready.wait()
        while (next_job := claim(world)) is not None:
            claimed.append(next_job.id)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(claimed) == enqueued


def test_a_job_is_free_again_when_its_worker_stopped_reporting(world: World) -> None:
    enqueue(world)
    assert claim(world) is not None
    assert claim(world, now=utc_now() + timedelta(seconds=jobs.HEARTBEAT_SECONDS - 1)) is None
    claimed = claim(world, now=utc_now() + LATER)
    assert claimed is not None
    assert claimed.attempts == 2


def test_beat_keeps_a_job_and_records_its_progress(world: World) -> None:
    job_id = enqueue(world)
    with world.database.write() as session:
        jobs.get(session, job_id).run_after -= LATER
    claimed = claim(world, now=utc_now() - LATER)
    assert claimed is not None
    with world.database.write() as session:
        assert jobs.beat(session, claimed, {"done": 1})
    assert claim(world) is None
    assert job(world, claimed.id).progress == {"done": 1}


def test_a_worker_that_lost_its_job_can_no_longer_change_it(world: World) -> None:
    enqueue(world)
    slow = claim(world)
    quick = claim(world, now=utc_now() + LATER)
    assert slow is not None
    assert quick is not None
    with world.database.write() as session:
        assert not jobs.beat(session, slow, {"done": 9})
        assert not jobs.finish(session, slow)
        assert not jobs.fail(session, slow, "late")
        assert jobs.finish(session, quick, {"done": 2})
    assert (job(world, quick.id).state, job(world, quick.id).progress) == ("done", {"done": 2})


def test_a_job_whose_worker_ends_is_claimed_again_and_again(world: World) -> None:
    """The end of a killed server does not count as a failure of the work."""
    job_id = enqueue(world)
    now = utc_now()
    for _ in range(20):
        assert claim(world, now=now) is not None
        now += timedelta(hours=2)
    claimed = claim(world, now=now)
    assert claimed is not None
    assert (claimed.id, claimed.attempts, claimed.failures, claimed.state) == (job_id, 21, 0, "running")


def test_a_job_that_keeps_ending_its_worker_waits_longer_each_time_and_others_go_on(world: World) -> None:
    job_id = enqueue(world)
    now = utc_now()
    waited = []
    for _ in range(jobs.FREE_ENDS + 9):
        assert claim(world, now=now) is not None
        start = now
        while claim(world, now=now + timedelta(seconds=1)) is None:
            now += timedelta(seconds=30)
        waited.append((now - start).total_seconds())
        with world.database.write() as session:  # the claim above only examined the job
            jobs.get(session, job_id).attempts -= 1
            jobs.get(session, job_id).heartbeat_at = start
        now += timedelta(seconds=1)
    assert waited[: jobs.FREE_ENDS] == [60] * jobs.FREE_ENDS
    assert waited[jobs.FREE_ENDS :] == [120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    other = enqueue(world)
    assert claim(world, now=start + timedelta(minutes=10)) is not None
    assert job(world, other).state == "running"


def test_a_failed_job_is_tried_again_with_growing_pauses_and_then_given_up(world: World) -> None:
    job_id = enqueue(world)
    pauses = []
    for _ in range(jobs.MAX_FAILURES):
        claimed = claim(world, now=datetime(2100, 1, 1, tzinfo=UTC))
        assert claimed is not None
        with world.database.write() as session:
            assert jobs.fail(session, claimed, "x" * 5000)
        failed = job(world, job_id)
        pauses.append(round((failed.run_after - utc_now()).total_seconds()))
    assert pauses == [20, 80, 320]
    assert (failed.state, len(failed.error or ""), failed.finished_at is not None) == ("failed", 2000, True)
    assert claim(world, now=datetime(2100, 1, 1, tzinfo=UTC)) is None


def test_the_end_of_a_killed_server_does_not_count_as_a_try(world: World) -> None:
    enqueue(world)
    now = datetime(2100, 1, 1, tzinfo=UTC)
    for _ in range(jobs.MAX_FAILURES + 1):
        assert claim(world, now=now) is not None
        now += LATER
    states = []
    for _ in range(jobs.MAX_FAILURES):
        claimed = claim(world, now=now)
        assert claimed is not None
        now += LATER
        with world.database.write() as session:
            jobs.fail(session, claimed, "the disk is full")
        states.append(job(world, claimed.id).state)
    assert states == ["queued", "queued", "failed"]


def test_a_failed_job_waits_for_its_pause(world: World) -> None:
    enqueue(world)
    claimed = claim(world)
    assert claimed is not None
    with world.database.write() as session:
        jobs.fail(session, claimed, "engine down")
    assert claim(world) is None
    assert claim(world, now=utc_now() + timedelta(seconds=21)) is not None


def test_cancel_ends_waiting_and_running_jobs_of_that_kind_and_value(world: World) -> None:
    running, waiting = enqueue(world, correction_id=1), enqueue(world, correction_id=1)
    other, kind = enqueue(world, correction_id=2), enqueue(world, "ingest", correction_id=1)
    claimed = claim(world)
    assert claimed is not None
    with world.database.write() as session:
        assert jobs.cancel(session, "recheck", "correction_id", 1) == 2
    assert [job(world, job_id).state for job_id in (running, waiting, other, kind)] == [
        "failed",
        "failed",
        "queued",
        "queued",
    ]
    with world.database.write() as session:
        assert not jobs.finish(session, claimed)
        assert not jobs.fail(session, claimed, "too late")
    assert (job(world, running).state, job(world, running).error) == ("failed", "cancelled")


@pytest.mark.parametrize("job_id", [1, 0, -1, 10**30])
def test_an_unknown_job_is_reported(world: World, job_id: int) -> None:
    with world.database.read() as session, pytest.raises(NotFound, match="no job"):
        jobs.get(session, job_id)
