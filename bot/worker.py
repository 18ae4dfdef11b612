"""The worker: a thread of the server that does the queued jobs (knowledge.jobs), one at a time.

Each kind has one handler, given by bot.wiring, and may have something that follows when a job has ended, done or
given up. A job that fails is tried again later; one whose server died is taken up by the next. Knows nothing of what
the handlers do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from knowledge import jobs

if TYPE_CHECKING:
    from knowledge.db import Database
    from knowledge.tables import Job

log = structlog.get_logger()

POLL_SECONDS = 1.0  # how long a job written by another process may wait; our own requests wake the worker

Report = Callable[[dict[str, Any]], None]
Handler = Callable[[dict[str, Any], Report], dict[str, Any] | None]
After = Callable[[dict[str, Any]], None]


class Worker:
    """``start`` runs it in the background, ``wake`` tells it of work, ``stop`` ends it after the present job."""

    def __init__(
        self, database: Database, handlers: Mapping[str, Handler], *, after: Mapping[str, After] | None = None
    ) -> None:
        self._database = database
        self._handlers = handlers
        self._after = after or {}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self, timeout: float) -> None:
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def step(self) -> bool:
        """Does one job. Returns False when none is waiting."""
        with self._database.write() as session:
            job = jobs.claim(session)
        if job is None:
            return False
        handler = self._handlers.get(job.kind)
        try:
            if handler is None:
                raise LookupError(f"no handler for jobs of kind {job.kind!r}")
            result = handler(dict(job.payload), self._reporter(job))
        except Exception as error:  # noqa: BLE001 - whatever it was, the job must be told and the worker go on
            log.warning("job_failed", job=job.id, kind=job.kind, error=type(error).__name__, detail=str(error)[:500])
            with self._database.write() as session:
                ended = jobs.fail(session, job, f"{type(error).__name__}: {error}") and jobs.is_last_try(job)
        else:
            with self._database.write() as session:
                ended = jobs.finish(session, job, result)
            log.info("job_done", job=job.id, kind=job.kind)
        if ended and job.kind in self._after:
            self._after[job.kind](dict(job.payload))
        return True

    def _reporter(self, job: Job) -> Report:
        def report(progress: dict[str, Any]) -> None:
            with self._database.write() as session:
                jobs.beat(session, job, progress)

        return report

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                busy = self.step()
            except Exception as error:  # noqa: BLE001 - e.g. a database that is locked for long: try again
                log.error("worker_error", error=type(error).__name__, detail=str(error)[:500])
                busy = False
            if not busy:
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()
