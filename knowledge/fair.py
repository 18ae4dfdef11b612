"""A lock that is given in the order in which it was asked for.

SQLite lets waiting writers look again after growing pauses, and whoever looks at the right moment goes first: of many
who write at once, some wait very long. Writers of one process therefore wait here before they ask SQLite.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class FairLock:
    """First come, first served. Not reentrant: ``mine`` says whether the calling thread has it."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()  # each is released when it is that thread's turn
        self._taken = False
        self._owner: int | None = None

    @property
    def mine(self) -> bool:
        return self._owner == threading.get_ident()

    @property
    def waiting(self) -> int:
        """How many threads wait for it."""
        return len(self._waiting)

    def acquire(self, timeout: float) -> bool:
        """Waits for its turn, ``timeout`` seconds at most. Whether the caller has the lock now."""
        if not self._mine_at_once() and not self._wait(timeout):
            return False
        self._owner = threading.get_ident()
        return True

    def release(self) -> None:
        """Gives it to whoever has waited longest."""
        with self._changing:
            self._owner = None
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False

    @contextmanager
    def turn(self, timeout: float) -> Iterator[bool]:
        """Whether the lock was had within ``timeout`` seconds; it is given back at the end of the block."""
        had = self.acquire(timeout)
        try:
            yield had
        finally:
            if had:
                self.release()

    def _mine_at_once(self) -> bool:
        with self._changing:
            at_once, self._taken = not self._taken, True
            return at_once

    def _wait(self, timeout: float) -> bool:
        turn = threading.Lock()
        turn.acquire()
        with self._changing:
            if not self._taken:  # given back between the two looks
                self._taken = True
                return True
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        with self._changing:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
            return True  # it became this thread's turn at the last moment
