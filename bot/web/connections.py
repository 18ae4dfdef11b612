"""Connections that nobody uses are closed, and the process may have as many open as the system allows.

Without this, whoever opens enough connections and sends nothing keeps everybody else out. A proxy in front does it
better, because it reads whole requests before it asks us.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

log = structlog.get_logger()

REQUEST_SECONDS = 20.0  # a connection is closed when no whole head of a request came for so long
KEEP_ALIVE_SECONDS = 10  # … and when no next request begins so long after an answer
MOST_OPEN_FILES = 65_536  # connections are open files; more than this nobody needs here


class PunctualProtocol(H11Protocol):
    """HTTP/1.1 whose clients must send the head of a request in time. Bytes that trickle in do not extend the time."""

    request_seconds = REQUEST_SECONDS
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._waits_for_request():
            self._expect_nothing()
        elif self._deadline is None:
            self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect_nothing()
        super().connection_lost(exc)

    def _waits_for_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect_request(self) -> None:
        self._deadline = self.loop.call_later(self.request_seconds, self._close_if_late)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close_if_late(self) -> None:
        self._deadline = None
        if self._waits_for_request() and not self.transport.is_closing():
            self.transport.close()


def allow_open_files(most: int = MOST_OPEN_FILES) -> int | None:
    """Raises the soft limit of open files to the hard one, ``most`` at most. Returns the limit that holds now; None
    where the system has none of this kind."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(hard, most)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        log.warning("open_files_not_raised", error=type(error).__name__, limit=soft)
        return soft
    return wanted
