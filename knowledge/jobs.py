"""Work that outlives a request: written with the change that makes it necessary, claimed by one worker.

A claim is a conditional UPDATE; a job whose worker died is free again after its heartbeat grows old.
Knows nothing of what the kinds mean.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.db import utc_now
from knowledge.errors import NotFound
from knowledge.tables import Job

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

HEARTBEAT_SECONDS = 60  # a running job that has not reported for this long lost its worker
MAX_ATTEMPTS = 3


def enqueue(session: Session, kind: str, payload: dict[str, Any], *, actor: str) -> Job:
    job = Job(kind=kind, payload=payload, created_by=actor)
    session.add(job)
    session.flush()
    return job


def get(session: Session, job_id: int) -> Job:
    job = session.get(Job, job_id, populate_existing=True)
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def claim(session: Session, *, now: datetime | None = None) -> Job | None:
    """Takes the oldest waiting (or abandoned) job, or None. Another worker being first is a normal outcome."""
    now = now or utc_now()
    abandoned = sa.and_(Job.state == "running", Job.heartbeat_at < now - timedelta(seconds=HEARTBEAT_SECONDS))
    free = sa.or_(sa.and_(Job.state == "queued", Job.run_after <= now), abandoned)
    for job in session.scalars(sa.select(Job).where(free).order_by(Job.id).limit(10)):
        taken = session.execute(
            sa.update(Job)
            .where(Job.id == job.id, Job.attempts == job.attempts, free)
            .values(state="running", attempts=Job.attempts + 1, heartbeat_at=now)
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount == 1:  # type: ignore[attr-defined]
            session.refresh(job)
            return job
    return None


def beat(session: Session, job: Job, progress: dict[str, Any] | None = None) -> None:
    """Says that the worker is alive, and how far it is."""
    values: dict[str, Any] = {"heartbeat_at": utc_now()}
    if progress is not None:
        values["progress"] = progress
    session.execute(sa.update(Job).where(Job.id == job.id, Job.attempts == job.attempts).values(**values))


def finish(session: Session, job: Job, progress: dict[str, Any] | None = None) -> None:
    values: dict[str, Any] = {"state": "done", "finished_at": utc_now(), "error": None}
    if progress is not None:
        values["progress"] = progress
    session.execute(sa.update(Job).where(Job.id == job.id, Job.attempts == job.attempts).values(**values))


def fail(session: Session, job: Job, error: str) -> None:
    """Tries again later (with growing pauses) or gives up after ``MAX_ATTEMPTS``."""
    again = job.attempts < MAX_ATTEMPTS
    session.execute(
        sa.update(Job)
        .where(Job.id == job.id, Job.attempts == job.attempts)
        .values(
            state="queued" if again else "failed",
            error=error[:2000],
            run_after=utc_now() + timedelta(seconds=5 * 4**job.attempts),
            finished_at=None if again else utc_now(),
        )
    )


def cancel(session: Session, kind: str, key: str, value: Any) -> int:
    """Fails the waiting and running jobs of a kind whose payload has this value. Returns how many."""
    count = 0
    for job in session.scalars(sa.select(Job).where(Job.kind == kind, Job.state.in_(("queued", "running")))):
        if job.payload.get(key) == value:
            job.state, job.error, job.finished_at = "failed", "cancelled", utc_now()
            count += 1
    session.flush()
    return count
