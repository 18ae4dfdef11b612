"""The order of all who wait for the chat model. Uses no threads (see gate) and no engines.

People take turns at two levels. Each account, and each network of people without an account, in turn gets one place;
within a network each asker in turn, and within one asker the first question comes first. So a person who alone asks
from a network waits for at most one question of each other network and account, however many questions others have
asked and however many askers they claim to be.
Background work (a proof, a recheck) waits for people, but gets every PATIENCE-th place when both wait, so that it
is never kept waiting for ever. Background jobs are served in the order in which they came.

Decision: turns instead of one order of arrival for all. Costs: a question of a person who has asked several can be
overtaken by a later question of a person who has asked fewer, and people who share a network also share its turns.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

PATIENCE: Final = 4


@dataclass(eq=False, slots=True)
class Waiter:
    """A question, or a background job, in the line. ``asker``: the person who asked it; ``network``: where from, of a
    person without an account. ``ready``: whether it takes a place that becomes free; until then the place goes to the
    next waiter that is ready."""

    asker: str
    network: str | None = None
    background: bool = False
    ready: bool = False


class Line:
    """The waiting questions and background jobs. Not thread-safe."""

    def __init__(self) -> None:
        self._people: dict[Hashable, dict[str, deque[Waiter]]] = {}  # by origin and asker, each in the order of turns
        self._background: deque[Waiter] = deque()
        self._streak = 0  # how many people got a place since the last background job, while another job waited
        self._positions: dict[Waiter, int] | None = None

    def __len__(self) -> int:
        return self.people + len(self._background)

    @property
    def people(self) -> int:
        """The number of waiting questions of people."""
        return sum(1 for _ in self._of_people())

    @property
    def background(self) -> int:
        """The number of waiting background jobs."""
        return len(self._background)

    def of(self, asker: str) -> list[Waiter]:
        """The waiting questions of an asker; from one network in the order in which they came."""
        return [waiter for waiter in self._of_people() if waiter.asker == asker]

    def from_network(self, network: str) -> list[Waiter]:
        """The waiting questions from a network."""
        return [waiter for waiter in self._of_people() if waiter.network == network]

    def join(self, waiter: Waiter) -> None:
        """Adds a waiter at the end: after the asker's own earlier questions; a new asker's turn comes after all others'
        of the network, and a new network's after all others'."""
        self._positions = None
        if waiter.background:
            self._background.append(waiter)
        else:
            self._people.setdefault(_origin(waiter), {}).setdefault(waiter.asker, deque()).append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Removes a waiter without a place. Raises ValueError if it is not in the line."""
        self._positions = None
        if waiter.background:
            self._background.remove(waiter)
            return
        askers = self._people.get(_origin(waiter), {})
        own = askers.get(waiter.asker, deque())
        own.remove(waiter)
        if not own:
            del askers[waiter.asker]
        if not askers:
            del self._people[_origin(waiter)]

    def take(self) -> Waiter | None:
        """Removes and returns the next waiter that is ready; None when no waiter is ready."""
        askers = (own for by_asker in self._people.values() for own in by_asker.values())
        person = next((waiter for questions in askers if (waiter := _first_ready(questions))), None)
        other = _first_ready(self._background)
        if person is None and other is None:
            return None
        person_is_next, self._streak = _choose(person is not None, other is not None, self._streak)
        chosen = person if person_is_next else other
        assert chosen is not None
        self.leave(chosen)
        if not chosen.background and (rest := self._people.pop(_origin(chosen), None)):
            if own := rest.pop(chosen.asker, None):
                rest[chosen.asker] = own  # the asker's next turn comes after all others' of the network
            self._people[_origin(chosen)] = rest  # and the network's next turn after all other networks'
        return chosen

    def position(self, waiter: Waiter) -> int:
        """The position (1 = next) in the order of the places if nobody else comes and all become ready. Raises
        KeyError if the waiter is not in the line."""
        if self._positions is None:
            self._positions = {waiting: number for number, waiting in enumerate(self._order(), start=1)}
        return self._positions[waiter]

    def _of_people(self) -> Iterator[Waiter]:
        for by_asker in self._people.values():
            for own in by_asker.values():
                yield from own

    def _order(self) -> list[Waiter]:
        people = deque[Waiter]()
        origins = deque(deque(map(deque, by_asker.values())) for by_asker in self._people.values())
        while origins:
            askers = origins.popleft()
            own = askers.popleft()
            people.append(own.popleft())
            if own:
                askers.append(own)
            if askers:
                origins.append(askers)
        background, streak = deque(self._background), self._streak
        order = []
        while people or background:
            person_is_next, streak = _choose(bool(people), bool(background), streak)
            order.append((people if person_is_next else background).popleft())
        return order


def _origin(waiter: Waiter) -> Hashable:
    """What takes turns: an account, or the network of people without one."""
    return ("asker", waiter.asker) if waiter.network is None else ("network", waiter.network)


def _first_ready(waiters: deque[Waiter]) -> Waiter | None:
    return next((waiter for waiter in waiters if waiter.ready), None)


def _choose(people: bool, background: bool, streak: int) -> tuple[bool, int]:
    """Returns (whether a person is next, the new streak)."""
    if not background:
        return True, 0
    if not people or streak >= PATIENCE - 1:
        return False, 0
    return True, streak + 1
