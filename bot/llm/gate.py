"""Who may generate now: a fair queue in front of an engine.

Knows nothing about engines, prompts or the web. `slots` generations run at once; others wait in the order in which
they came and are told their position (1 = next). People go first: those who enter with `background=True` (a proof, a
recheck) wait for them, but every PATIENCE-th place goes to the background where both wait, so that it is never
starved. Past `limit` waiting people the next one is refused with the number of seconds after which trying again makes
sense; the background has a limit of the same size.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from bot.errors import Busy
from bot.llm.errors import WaitCancelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE: Final = 4
POLL_SECONDS: Final = 0.1  # how soon a waiter's own `cancelled` event is noticed
FIRST_GUESS_SECONDS: Final = 10.0  # length of a generation before any was measured
SMOOTHING: Final = 0.3


class Ticket:
    """A place in the line, held from ``Gate.join`` to ``leave``; between them, ``wait`` until it is one's turn."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._began: float | None = None
        self._left = False
        self.waits = False  # these two are the gate's to set
        self.admitted = False

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
    """Thread-safe. `clock` is a parameter for tests."""

    def __init__(self, slots: int, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        if slots < 1 or limit < 0:
            raise ValueError("A gate needs at least one slot and a limit of 0 or more.")
        self.slots = slots
        self.limit = limit
        self._clock = clock
        self._changed = threading.Condition()
        self._people: deque[Ticket] = deque()
        self._background: deque[Ticket] = deque()
        self._running = 0
        self._turn = 0  # people admitted since the background last was, while it waited
        self._seconds = FIRST_GUESS_SECONDS

    @property
    def running(self) -> int:
        """Generations under way."""
        with self._changed:
            return self._running

    @property
    def waiting(self) -> int:
        """People and background work in the queue."""
        with self._changed:
            return len(self._people) + len(self._background)

    def join(self, *, background: bool = False) -> Ticket:
        """A place in the line, for whoever must know at once whether there is one. It keeps nobody from a free slot
        until its holder waits for one. Raises Busy past the limit."""
        ticket = Ticket(self)
        with self._changed:
            line = self._background if background else self._people
            if len(line) >= self.limit + max(0, self.slots - self._running):
                raise Busy(self._retry_after(len(line)))
            line.append(ticket)
        return ticket

    @contextmanager
    def enter(
        self,
        *,
        on_position: Callable[[int], None] | None = None,
        cancelled: threading.Event | None = None,
        background: bool = False,
    ) -> Iterator[None]:
        """Joins, waits and leaves: a slot is held for the `with` block. Raises Busy, WaitCancelled."""
        ticket = self.join(background=background)
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
            ticket.waits = True
            self._admit()
        while True:
            with self._changed:
                if not ticket.admitted and (position := self._position(ticket)) == told:
                    self._changed.wait(POLL_SECONDS)
                    position = 0 if ticket.admitted else self._position(ticket)
                if cancelled is not None and cancelled.is_set():
                    raise WaitCancelled("The one who asked has left.")
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
                self._running -= 1
                if began is not None:
                    self._seconds += SMOOTHING * (self._clock() - began - self._seconds)
            else:
                (self._people if ticket in self._people else self._background).remove(ticket)
            self._admit()
            self._changed.notify_all()

    def _admit(self) -> None:
        """Fill the free slots with those who wait."""
        while self._running < self.slots:
            people = [ticket for ticket in self._people if ticket.waits]
            background = [ticket for ticket in self._background if ticket.waits]
            if not people and not background:
                return
            person, self._turn = self._next(len(people), len(background), self._turn)
            chosen = people[0] if person else background[0]
            (self._people if person else self._background).remove(chosen)
            chosen.admitted = True
            self._running += 1

    @staticmethod
    def _next(people: int, background: int, turn: int) -> tuple[bool, int]:
        """(whether a person is next, the turn after that)."""
        if not background:
            return True, 0
        if not people or turn >= PATIENCE - 1:
            return False, 0
        return True, turn + 1

    def _position(self, ticket: Ticket) -> int:
        """1 = next. Follows the order in which places will be given if nobody else comes."""
        people, background, turn = len(self._people), len(self._background), self._turn
        mine_is_person = ticket in self._people
        mine = (self._people if mine_is_person else self._background).index(ticket)
        position = passed_people = passed_background = 0
        while True:
            person, turn = self._next(people - passed_people, background - passed_background, turn)
            position += 1
            if person == mine_is_person and (passed_people if person else passed_background) == mine:
                return position
            passed_people += person
            passed_background += not person

    def _retry_after(self, ahead: int) -> int:
        return max(1, math.ceil(round(self._seconds * (ahead + 1) / self.slots, 1)))
