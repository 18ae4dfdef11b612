"""Decides who may use the engine now: a fair queue in front of it.

Knows nothing about engines, prompts or the web. `slots` generations run at once; others wait, get their position (1 =
next), and get a slot in the order of `line`: askers take turns. If `limit` people wait already, the next question is
refused with the number of seconds after which to try again. Background work has a limit of the same size. An asker may
have `per_asker` places, waiting and running ones together, so that nobody can fill the line alone; anybody can be many
askers without an account, so all of one network may have `per_network` places.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bot.errors import Busy, TooManyFromNetwork, TooManyWaiting
from bot.llm.errors import WaitCancelled
from bot.llm.line import Line, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

POLL_SECONDS: Final = 0.1  # how soon the `cancelled` event of a waiting person is noticed
FIRST_GUESS_SECONDS: Final = 10.0  # assumed length of a generation until one was measured
SMOOTHING: Final = 0.3
NOBODY: Final = ""  # the asker of questions of this program itself; it has no limit per asker


class Ticket:
    """A place in the line from ``Gate.join`` until ``leave``; between them, ``wait`` waits for the turn."""

    def __init__(self, gate: Gate, waiter: Waiter) -> None:
        self._gate = gate
        self._began: float | None = None
        self._left = False
        self.waiter = waiter
        self.admitted = False  # only the gate sets it

    @property
    def position(self) -> int:
        """The position in the line: 1 = next; 0 = admitted, or no longer in the line."""
        return self._gate.position(self)

    def wait(
        self, *, on_position: Callable[[int], None] | None = None, cancelled: threading.Event | None = None
    ) -> None:
        """Returns when there is a slot. `on_position` is called in this thread with each new position, only if there
        is a wait. Raises WaitCancelled soon after `cancelled` is set; even then the place is kept until `leave`.
        """
        self._began = self._gate.wait(self, on_position, cancelled)

    def leave(self) -> None:
        """Gives the place back, whether it is still in the line or already admitted. A second call does nothing."""
        if not self._left:
            self._left = True
            self._gate.leave(self, self._began)


class Gate:
    """The queue. Thread-safe. `per_asker`, `per_network` None: an asker, a network may have all places. `clock` is a
    parameter for tests."""

    def __init__(
        self,
        slots: int,
        limit: int,
        *,
        per_asker: int | None = None,
        per_network: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if slots < 1 or limit < 0 or any(most is not None and most < 1 for most in (per_asker, per_network)):
            raise ValueError(
                "A gate needs at least one slot, a limit of 0 or more, and a place for each asker and network."
            )
        self.slots = slots
        self.limit = limit
        self._per_asker = per_asker
        self._per_network = per_network
        self._clock = clock
        self._changed = threading.Condition()
        self._line = Line()
        self._tickets: dict[Waiter, Ticket] = {}  # of all who wait
        self._running: Counter[str] = Counter()  # asker → running generations
        self._networks: Counter[str | None] = Counter()  # the same by network
        self._seconds = FIRST_GUESS_SECONDS

    @property
    def running(self) -> int:
        """The number of running generations."""
        with self._changed:
            return self._running.total()

    @property
    def waiting(self) -> int:
        """The number of people and background jobs in the line."""
        with self._changed:
            return len(self._line)

    def position(self, ticket: Ticket) -> int:
        """See Ticket.position."""
        with self._changed:
            return self._position(ticket)

    def join(self, asker: str = NOBODY, *, network: str | None = None, background: bool = False) -> Ticket:
        """Takes a place in the line without waiting, so that the caller knows at once whether there is one. It keeps
        no free slot from others until `wait` is called. `network`: of a person without an account. Raises Busy past the
        limit, TooManyWaiting past that of an asker, TooManyFromNetwork past that of a network."""
        waiter = Waiter(asker, network, background)
        ticket = Ticket(self, waiter)
        with self._changed:
            if not background and asker != NOBODY:
                self._refuse_too_many(asker, network)
            waiting = self._line.background if background else self._line.people
            if waiting >= self.limit + max(0, self.slots - self._running.total()):
                raise Busy(self._seconds_for(waiting + 1))
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
        """Joins, waits and leaves: the caller has a slot during the `with` block. Raises Busy, TooManyWaiting,
        WaitCancelled."""
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
        reported = 0
        with self._changed:
            ticket.waiter.ready = True
            self._admit()
        while True:
            with self._changed:
                if not ticket.admitted and (position := self._position(ticket)) == reported:
                    self._changed.wait(POLL_SECONDS)
                    position = self._position(ticket)
                if cancelled is not None and cancelled.is_set():
                    raise WaitCancelled("The person who asked has left.", code="asker_left")
                if ticket.admitted:
                    return self._clock()
            if position != reported:
                reported = position
                if on_position is not None:
                    on_position(position)

    def leave(self, ticket: Ticket, began: float | None) -> None:
        """See Ticket.leave. `began`: when the ticket's wait ended; None if its slot was not used."""
        with self._changed:
            if ticket.admitted:
                self._running[ticket.waiter.asker] -= 1
                self._networks[ticket.waiter.network] -= 1
                self._running += Counter()  # forgets askers without running generations
                self._networks += Counter()
                if began is not None:
                    self._seconds += SMOOTHING * (self._clock() - began - self._seconds)
            else:
                self._line.leave(ticket.waiter)
                del self._tickets[ticket.waiter]
            self._admit()
            self._changed.notify_all()

    def _admit(self) -> None:
        """Gives the free slots to those who wait."""
        while self._running.total() < self.slots and (waiter := self._line.take()) is not None:
            self._tickets.pop(waiter).admitted = True
            self._running[waiter.asker] += 1
            self._networks[waiter.network] += 1

    def _position(self, ticket: Ticket) -> int:
        return self._line.position(ticket.waiter) if ticket.waiter in self._tickets else 0

    def _refuse_too_many(self, asker: str, network: str | None) -> None:
        self._refuse_past(self._per_asker, self._line.of(asker), self._running[asker], TooManyWaiting)
        if network is not None:
            waiting = self._line.from_network(network)
            self._refuse_past(self._per_network, waiting, self._networks[network], TooManyFromNetwork)

    def _refuse_past(
        self,
        most: int | None,
        waiting: Sequence[Waiter],
        running: int,
        refusal: type[TooManyWaiting | TooManyFromNetwork],
    ) -> None:
        count = len(waiting) + running
        if most is None or count < most:
            return
        # One of these generations must end first: a running one, or else the first waiting one.
        ahead = 0 if running else min(self._line.position(waiter) for waiter in waiting)
        raise refusal(count, retry_after=self._seconds_for(ahead + 1))

    def _seconds_for(self, generations: int) -> int:
        """The estimated seconds until so many generations have ended."""
        return max(1, math.ceil(round(self._seconds * generations / self.slots, 1)))
