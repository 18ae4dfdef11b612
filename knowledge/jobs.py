"""Jobs are work that takes longer than a request: written in the transaction that needs them, claimed by one worker.

A claim is a conditional UPDATE. A job whose worker died is free again when its heartbeat is too old. A job fails for
good when its work failed ``MAX_FAILURES`` times. The end of its worker does not count as a failure of the work: the job
is claimed again, after longer and longer pauses, so that a job which ends its worker leaves the server time for other
work. Knows nothing about the meaning of the kinds.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.db import utc_now
from knowledge.errors import NotFound
from knowledge.tables import Job
from retrieval.phrases import Phrase, stored

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

CANCELLED = Phrase.of("cancelled", code="job_cancelled")
HEARTBEAT_SECONDS = 60  # a running job without a heartbeat for this long has lost its worker
MAX_FAILURES = 3
FREE_ENDS = 5  # so often may workers end before the pauses begin: some restarts in a day
HEARTBEAT = timedelta(seconds=HEARTBEAT_SECONDS)
AT_ONCE = 100  # jobs examined for a claim: more than ever pause at the same time
LONGEST_PAUSE = timedelta(hours=1)
FIRST_RETRY, RETRY_FACTOR = 5, 4  # seconds; each failure makes the pause this many times as long
LONGEST_RETRY = timedelta(seconds=FIRST_RETRY * RETRY_FACTOR**MAX_FAILURES)


def enqueue(
    session: Session, kind: str, payload: dict[str, Any], *, actor: str, run_after: datetime | None = None
) -> Job:
    """Writes a job. It waits until ``run_after``, if this is not None."""
    job = Job(kind=kind, payload=payload, created_by=actor, run_after=run_after or utc_now())
    session.add(job)
    session.flush()
    return job


def get(session: Session, job_id: int) -> Job:
    possible = 0 < job_id < 1 << 63  # SQLite accepts no larger number
    job = session.get(Job, job_id, populate_existing=True) if possible else None
    if job is None:
        raise NotFound("There is no job {job_id}.", code="job_not_found", job_id=job_id)
    return job


def claim(session: Session, kinds: Collection[str], *, now: datetime | None = None) -> Job | None:
    """Claims the oldest waiting (or abandoned) job of these kinds; None without one. That another worker is first is a
    normal outcome."""
    now = now or utc_now()
    free = _free(now)
    for job in session.scalars(sa.select(Job).where(free, Job.kind.in_(kinds)).order_by(Job.id).limit(AT_ONCE)):
        if _pauses(job, now):
            continue
        update = session.execute(
            sa.update(Job)
            .where(Job.id == job.id, Job.attempts == job.attempts, free)
            .values(state="running", attempts=Job.attempts + 1, heartbeat_at=now)
            .execution_options(synchronize_session=False)
        )
        if update.rowcount == 1:  # type: ignore[attr-defined]
            session.refresh(job)
            return job
    return None


def beat(session: Session, job: Job, progress: dict[str, Any] | None = None) -> bool:
    """Records that the worker is alive, and its progress. False when the job is no longer this worker's."""
    values: dict[str, Any] = {"heartbeat_at": utc_now()}
    if progress is not None:
        values["progress"] = progress
    return _write(session, job, values)


def finish(session: Session, job: Job, progress: dict[str, Any] | None = None) -> bool:
    """Records that the job is done. False when it is no longer this worker's: cancelled, or claimed by another."""
    values: dict[str, Any] = {"state": "done", "finished_at": utc_now(), "error": None, "error_code": None}
    if progress is not None:
        values["progress"] = progress
    return _write(session, job, values)


def fail(session: Session, job: Job, error: str, *, phrase: Phrase | None = None) -> bool:
    """Records that the work failed: the job is tried again later (with growing pauses), or fails for good after
    ``MAX_FAILURES``. ``phrase``: the error in words that other languages have, too. False as in ``finish``."""
    again = not is_last_try(job)
    failures = job.failures + 1
    return _write(
        session,
        job,
        {
            "state": "queued" if again else "failed",
            "error": error[:2000],
            "error_code": phrase.code if phrase else None,
            "error_values": stored(phrase.values) if phrase else None,
            "failures": failures,
            "run_after": utc_now() + timedelta(seconds=FIRST_RETRY * RETRY_FACTOR**failures),
            "finished_at": None if again else utc_now(),
        },
    )


def error_of(job: Job) -> Phrase | None:
    """The error of a job; None where there is none. Its text is the English one that is stored; what is not written for
    people, such as the text of another program's error, has only a general message in other languages."""
    if not job.error:
        return None
    if job.error_code:
        return Phrase(job.error, job.error_code, job.error_values or {})
    general = Phrase.of("It failed. The server's log says why, under job {number}.", code="job_failed", number=job.id)
    return Phrase(job.error, general.code, general.values)


def is_last_try(job: Job) -> bool:
    """Whether a claimed job fails for good if it fails this time."""
    return job.failures + 1 >= MAX_FAILURES


def cancel(session: Session, kind: str, key: str, value: Any) -> int:
    """Cancels the waiting and running jobs of a kind whose payload has this value. Returns their number."""
    count = 0
    for job in session.scalars(sa.select(Job).where(Job.kind == kind, Job.state.in_(("queued", "running")))):
        if job.payload.get(key) == value:
            job.state, job.error, job.finished_at = "failed", CANCELLED.text, utc_now()
            job.error_code, job.error_values = CANCELLED.code, {}
            count += 1
    session.flush()
    return count


def _free(now: datetime) -> sa.ColumnElement[bool]:
    """The jobs that no worker has and that need not wait. Times that only a later clock can have written, because the
    clock was set back since, are not waited for."""
    abandoned = sa.or_(Job.heartbeat_at < now - HEARTBEAT, Job.heartbeat_at > now + HEARTBEAT)
    due = sa.or_(
        Job.run_after <= now,
        sa.and_(Job.failures == 0, Job.run_after <= Job.created_at),  # it was never meant to wait
        sa.and_(Job.failures > 0, Job.run_after > now + LONGEST_RETRY),
    )
    return sa.or_(sa.and_(Job.state == "queued", due), sa.and_(Job.state == "running", abandoned))


def _pauses(job: Job, now: datetime) -> bool:
    """Whether an abandoned job waits longer than its heartbeat, because its workers keep ending."""
    ends = job.attempts - job.failures  # the claims until now whose work did not fail
    if job.state != "running" or job.heartbeat_at is None or ends <= FREE_ENDS:
        return False
    pause = min(LONGEST_PAUSE, HEARTBEAT * 2 ** min(ends - FREE_ENDS, 10))
    return bool(now - job.heartbeat_at < pause and job.heartbeat_at <= now + HEARTBEAT)


def _write(session: Session, job: Job, values: dict[str, Any]) -> bool:
    """Writes to a job if it still runs under this claim; whether it does."""
    update = session.execute(
        sa.update(Job)
        .where(Job.id == job.id, Job.attempts == job.attempts, Job.state == "running")
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return update.rowcount == 1  # type: ignore[attr-defined, no-any-return]
