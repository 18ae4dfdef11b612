"""Jobs: claimed by one worker, taken up when that worker died, tried again with pauses, cancelled."""

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


def test_claim_takes_jobs_of_the_kinds_asked_for(world: World) -> None:
    enqueue(world, "ingest")
    assert claim(world, "recheck") is None
    assert claim(world, "ingest") is not None


def test_claim_takes_the_oldest_waiting_job(world: World) -> None:
    first, second = enqueue(world, n=1), enqueue(world, n=2)
    taken = claim(world)
    assert taken is not None
    assert (taken.id, taken.state, taken.attempts, taken.payload) == (first, "running", 1, {"n": 1})
    taken = claim(world)
    assert taken is not None
    assert taken.id == second
    assert claim(world) is None


def test_claim_by_many_workers_gives_each_job_to_one(world: World) -> None:
    wanted = [enqueue(world) for _ in range(6)]
    taken: list[int] = []
    ready = threading.Barrier(4)

    def work() -> None:
        ready.wait()
        while (one := claim(world)) is not None:
            taken.append(one.id)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert sorted(taken) == wanted


def test_a_job_is_free_again_when_its_worker_stopped_reporting(world: World) -> None:
    enqueue(world)
    assert claim(world) is not None
    assert claim(world, now=utc_now() + timedelta(seconds=jobs.HEARTBEAT_SECONDS - 1)) is None
    taken = claim(world, now=utc_now() + LATER)
    assert taken is not None
    assert taken.attempts == 2


def test_beat_keeps_a_job_and_tells_how_far_it_is(world: World) -> None:
    job_id = enqueue(world)
    with world.database.write() as session:
        jobs.get(session, job_id).run_after -= LATER
    taken = claim(world, now=utc_now() - LATER)
    assert taken is not None
    with world.database.write() as session:
        assert jobs.beat(session, taken, {"done": 1})
    assert claim(world) is None
    assert job(world, taken.id).progress == {"done": 1}


def test_a_worker_that_lost_its_job_changes_nothing_any_more(world: World) -> None:
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


def test_a_job_whose_worker_ends_is_taken_up_again_and_again(world: World) -> None:
    """A server that is killed says nothing about the work."""
    job_id = enqueue(world)
    now = utc_now()
    for _ in range(20):
        assert claim(world, now=now) is not None
        now += timedelta(hours=2)
    taken = claim(world, now=now)
    assert taken is not None
    assert (taken.id, taken.attempts, taken.failures, taken.state) == (job_id, 21, 0, "running")


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
        with world.database.write() as session:  # the claim above was a look only
            jobs.get(session, job_id).attempts -= 1
            jobs.get(session, job_id).heartbeat_at = start
        now += timedelta(seconds=1)
    assert waited[: jobs.FREE_ENDS] == [60] * jobs.FREE_ENDS
    assert waited[jobs.FREE_ENDS :] == [120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
    other = enqueue(world)
    assert claim(world, now=utc_now()) is not None
    assert job(world, other).state == "running"


def test_fail_tries_again_with_growing_pauses_and_then_gives_up(world: World) -> None:
    job_id = enqueue(world)
    pauses = []
    for _ in range(jobs.MAX_FAILURES):
        taken = claim(world, now=datetime(2100, 1, 1, tzinfo=UTC))
        assert taken is not None
        with world.database.write() as session:
            assert jobs.fail(session, taken, "x" * 5000)
        failed = job(world, job_id)
        pauses.append(round((failed.run_after - utc_now()).total_seconds()))
    assert pauses == [20, 80, 320]
    assert (failed.state, len(failed.error or ""), failed.finished_at is not None) == ("failed", 2000, True)
    assert claim(world, now=datetime(2100, 1, 1, tzinfo=UTC)) is None


def test_a_server_that_was_killed_uses_up_no_try(world: World) -> None:
    enqueue(world)
    now = datetime(2100, 1, 1, tzinfo=UTC)
    for _ in range(jobs.MAX_FAILURES + 1):
        assert claim(world, now=now) is not None
        now += LATER
    states = []
    for _ in range(jobs.MAX_FAILURES):
        taken = claim(world, now=now)
        assert taken is not None
        now += LATER
        with world.database.write() as session:
            jobs.fail(session, taken, "the disk is full")
        states.append(job(world, taken.id).state)
    assert states == ["queued", "queued", "failed"]


def test_a_failed_job_waits_for_its_pause(world: World) -> None:
    enqueue(world)
    taken = claim(world)
    assert taken is not None
    with world.database.write() as session:
        jobs.fail(session, taken, "engine down")
    assert claim(world) is None
    assert claim(world, now=utc_now() + timedelta(seconds=21)) is not None


def test_cancel_ends_waiting_and_running_jobs_of_that_kind_and_value(world: World) -> None:
    running, waiting = enqueue(world, correction_id=1), enqueue(world, correction_id=1)
    other, kind = enqueue(world, correction_id=2), enqueue(world, "ingest", correction_id=1)
    taken = claim(world)
    assert taken is not None
    with world.database.write() as session:
        assert jobs.cancel(session, "recheck", "correction_id", 1) == 2
    assert [job(world, one).state for one in (running, waiting, other, kind)] == [
        "failed",
        "failed",
        "queued",
        "queued",
    ]
    with world.database.write() as session:
        assert not jobs.finish(session, taken)
        assert not jobs.fail(session, taken, "too late")
    assert (job(world, running).state, job(world, running).error) == ("failed", "cancelled")


@pytest.mark.parametrize("job_id", [1, 0, -1, 10**30])
def test_an_unknown_job_says_so(world: World, job_id: int) -> None:
    with world.database.read() as session, pytest.raises(NotFound, match="no job"):
        jobs.get(session, job_id)
