"""The worker: threads of the server that do the queued jobs (knowledge.jobs), one for each kind, so that the end of a
correction does not wait for a long ingest. Jobs of one kind are done one at a time.

bot.wiring gives each kind one handler, and sometimes a function that is called after a job has ended, done or given up.
A job that fails is tried again later. A job whose server died is continued by the next server, from the stored
progress. A job of a kind without a handler waits for a server that has one. Knows nothing of the work of the handlers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog

from bot import texts
from knowledge import jobs
from knowledge.db import lacks_space
from knowledge.errors import DatabaseBusy, DiskFull
from retrieval.errors import ErrataError

if TYPE_CHECKING:
    from knowledge.db import Database
    from knowledge.tables import Job

log = structlog.get_logger()

SPARE_SECONDS = 30.0  # between two searches for work that nobody waits for
PAUSE_SECONDS = 0.5  # between two pieces of such work: people's questions need the processor
POLL_SECONDS = 1.0  # how long a job written by another process may wait; our own requests wake the worker


class Reporter:
    """Stores a job's progress for its handler. ``so_far``: the progress of an earlier try; a call stores more."""

    def __init__(self, database: Database, job: Job) -> None:
        self._database = database
        self._job = job
        self.so_far: dict[str, Any] = dict(job.progress)

    def __call__(self, progress: dict[str, Any]) -> None:
        with self._database.write() as session:
            jobs.beat(session, self._job, progress)


Handler = Callable[[dict[str, Any], Reporter], dict[str, Any] | None]
After = Callable[[dict[str, Any]], None]


class Worker:
    """``start`` runs it in the background, ``wake`` announces new work, ``stop`` ends it after the present jobs."""

    def __init__(
        self,
        database: Database,
        handlers: Mapping[str, Handler],
        *,
        after: Mapping[str, After] | None = None,
        spare: Callable[[], bool] | None = None,
    ) -> None:
        """``spare``: does a little of the work that nobody waits for; False when there is none."""
        self._spare = spare
        self._database = database
        self._handlers = handlers
        self._after = after or {}
        self._wakes = {kind: threading.Event() for kind in handlers}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for kind in self._handlers:
            thread = threading.Thread(target=self._run, args=(kind,), name=f"worker-{kind}", daemon=True)
            self._threads.append(thread)
            thread.start()
        if self._spare is not None:
            thread = threading.Thread(target=self._run_spare, args=(self._spare,), name="worker-spare", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wake(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    def stop(self, timeout: float) -> None:
        """Waits for the present jobs, ``timeout`` seconds at most."""
        self._stopping.set()
        self.wake()
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def step(self, kind: str | None = None) -> bool:
        """Does one job, of this kind or of any. Returns False when none is waiting."""
        with self._database.write() as session:
            job = jobs.claim(session, list(self._handlers) if kind is None else [kind])
        if job is None:
            return False
        try:
            result = self._handlers[job.kind](dict(job.payload), Reporter(self._database, job))
        except (
            DiskFull,
            DatabaseBusy,
        ):  # no fault of the job, and nothing can be noted now: it is taken up again later
            raise
        except Exception as error:  # after any error the job is marked and the worker goes on
            if lacks_space(error):
                raise
            log.warning("job_failed", job=job.id, kind=job.kind, error=type(error).__name__, detail=str(error)[:500])
            with self._database.write() as session:
                phrase = error.phrase() if isinstance(error, ErrataError) and texts.is_translated(error) else None
                failed = jobs.fail(session, job, f"{type(error).__name__}: {error}", phrase=phrase)
                ended = failed and jobs.is_last_try(job)
        else:
            with self._database.write() as session:
                ended = jobs.finish(session, job, result)
            log.info("job_done", job=job.id, kind=job.kind)
        if ended and job.kind in self._after:
            self._after[job.kind](dict(job.payload))
        return True

    def _run(self, kind: str) -> None:
        wake = self._wakes[kind]
        while not self._stopping.is_set():
            try:
                busy = self.step(kind)
            except Exception as error:  # noqa: BLE001 - e.g. a database that is locked for long: try again
                log.error("worker_error", error=type(error).__name__, detail=str(error)[:500])
                busy = False
            if not busy:
                wake.wait(POLL_SECONDS)
                wake.clear()

    def _run_spare(self, spare: Callable[[], bool]) -> None:
        pause = PAUSE_SECONDS
        while not self._stopping.wait(pause):
            try:
                pause = PAUSE_SECONDS if spare() else SPARE_SECONDS
            except Exception as error:  # noqa: BLE001 - e.g. an embedding model that is missing: try again
                log.error("spare_work_failed", error=type(error).__name__, detail=str(error)[:500])
                pause = SPARE_SECONDS
