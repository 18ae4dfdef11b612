"""Who may generate now: a fair queue in front of an engine.

Knows nothing about engines, prompts or the web. `slots` generations run at once; others wait, are told their position
(1 = next) and get a place in the order that `line` gives: askers take turns. Past `limit` waiting people the next
question is refused with the number of seconds after which trying again makes sense; the background has a limit of the
same size. One asker may have `per_asker` places, waiting ones and running ones together, so that nobody fills the line
alone.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bot.errors import Busy, TooManyWaiting
from bot.llm.errors import WaitCancelled
from bot.llm.line import Line, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

POLL_SECONDS: Final = 0.1  # how soon a waiter's own `cancelled` event is noticed
FIRST_GUESS_SECONDS: Final = 10.0  # length of a generation before any was measured
SMOOTHING: Final = 0.3
NOBODY: Final = ""  # the asker of what this program asks for itself; has no limit of its own


class Ticket:
    """A place in the line, held from ``Gate.join`` to ``leave``; between them, ``wait`` until it is one's turn."""

    def __init__(self, gate: Gate, waiter: Waiter) -> None:
        self._gate = gate
        self._began: float | None = None
        self._left = False
        self.waiter = waiter
        self.admitted = False  # the gate's to set

    @property
    def position(self) -> int:
        """1 = next; 0 = admitted, or gone."""
        return self._gate.position(self)

    def wait(
        self, *, on_position: Callable[[int], None] | None = None, cancelled: threading.Event | None = None
    ) -> None:
        """Returns when there is a slot. `on_position` is called in this thread, with each new position, only if there
        is a wait. Raises WaitCancelled soon after `cancelled` is set; the place is held until `leave` all the same.
        """
        self._began = self._gate.wait(self, on_position, cancelled)

    def leave(self) -> None:
        """Gives the place back, whether still in the line or already admitted. Again: nothing."""
        if not self._left:
            self._left = True
            self._gate.leave(self, self._began)


class Gate:
    """Thread-safe. `per_asker` None: one asker may have all places. `clock` is a parameter for tests."""

    def __init__(
        self,
        slots: int,
        limit: int,
        *,
        per_asker: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if slots < 1 or limit < 0 or (per_asker is not None and per_asker < 1):
            raise ValueError("A gate needs at least one slot, a limit of 0 or more, and a place for each asker.")
        self.slots = slots
        self.limit = limit
        self._per_asker = per_asker
        self._clock = clock
        self._changed = threading.Condition()
        self._line = Line()
        self._tickets: dict[Waiter, Ticket] = {}  # of those who wait
        self._running: Counter[str] = Counter()  # asker → generations under way
        self._seconds = FIRST_GUESS_SECONDS

    @property
    def running(self) -> int:
        """Generations under way."""
        with self._changed:
            return self._running.total()

    @property
    def waiting(self) -> int:
        """People and background work in the queue."""
        with self._changed:
            return len(self._line)

    def position(self, ticket: Ticket) -> int:
        """See Ticket.position."""
        with self._changed:
            return self._position(ticket)

    def join(self, asker: str = NOBODY, *, background: bool = False) -> Ticket:
        """A place in the line, for whoever must know at once whether there is one. It keeps nobody from a free slot
        until its holder waits for one. Raises Busy past the limit, TooManyWaiting past that of one asker."""
        waiter = Waiter(asker, background)
        ticket = Ticket(self, waiter)
        with self._changed:
            if not background and asker != NOBODY:
                self._refuse_too_many(asker)
            others = self._line.background if background else self._line.people
            if others >= self.limit + max(0, self.slots - self._running.total()):
                raise Busy(self._seconds_for(others + 1))
            self._line.join(waiter)
            self._tickets[waiter] = ticket
        return ticket

    @contextmanager
    def enter(
        self,
        *,
        asker: str = NOBODY,
        on_position: Callable[[int], None] | None = None,
        cancelled: threading.Event | None = None,
        background: bool = False,
    ) -> Iterator[None]:
        """Joins, waits and leaves: a slot is held for the `with` block. Raises Busy, TooManyWaiting, WaitCancelled."""
        ticket = self.join(asker, background=background)
        try:
            ticket.wait(on_position=on_position, cancelled=cancelled)
            yield
        finally:
            ticket.leave()

    def wait(
        self, ticket: Ticket, on_position: Callable[[int], None] | None, cancelled: threading.Event | None
    ) -> float:
        """See Ticket.wait. Returns the time by the gate's clock."""
        told = 0
        with self._changed:
            ticket.waiter.ready = True
            self._admit()
        while True:
            with self._changed:
                if not ticket.admitted and (position := self._position(ticket)) == told:
                    self._changed.wait(POLL_SECONDS)
                    position = self._position(ticket)
                if cancelled is not None and cancelled.is_set():
                    raise WaitCancelled("The one who asked has left.", code="asker_left")
                if ticket.admitted:
                    return self._clock()
            if position != told:
                told = position
                if on_position is not None:
                    on_position(position)

    def leave(self, ticket: Ticket, began: float | None) -> None:
        """See Ticket.leave. `began`: when the ticket's wait was over; None for one that did not use its slot."""
        with self._changed:
            if ticket.admitted:
                self._running[ticket.waiter.asker] -= 1
                self._running += Counter()  # forgets askers who have none
                if began is not None:
                    self._seconds += SMOOTHING * (self._clock() - began - self._seconds)
            else:
                self._line.leave(ticket.waiter)
                del self._tickets[ticket.waiter]
            self._admit()
            self._changed.notify_all()

    def _admit(self) -> None:
        """Fill the free slots with those who wait."""
        while self._running.total() < self.slots and (waiter := self._line.take()) is not None:
            self._tickets.pop(waiter).admitted = True
            self._running[waiter.asker] += 1

    def _position(self, ticket: Ticket) -> int:
        return self._line.position(ticket.waiter) if ticket.waiter in self._tickets else 0

    def _refuse_too_many(self, asker: str) -> None:
        waiting = self._line.of(asker)
        count = len(waiting) + self._running[asker]
        if self._per_asker is None or count < self._per_asker:
            return
        # One of theirs must end first: one that runs, or else the first of those that wait.
        ahead = 0 if self._running[asker] else self._line.position(waiting[0])
        raise TooManyWaiting(count, retry_after=self._seconds_for(ahead + 1))

    def _seconds_for(self, generations: int) -> int:
        """After how many seconds so many generations will have ended."""
        return max(1, math.ceil(round(self._seconds * generations / self.slots, 1)))
