"""Who is next: the order of those who wait for the chat model. No threads here (gate), no engines.

People take turns: each asker in turn gets one place, and within one asker the first question comes first. So a person
with one question waits for at most one question of each other person, however many others have brought.
Background work (a proof, a recheck) waits for people, but every PATIENCE-th place goes to it where both wait, so
that it never starves. It is first come, first served.

Decision: turns, not first come, first served over all. Costs: a question of a person who has asked several can be
overtaken by a later question of somebody who has asked fewer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

PATIENCE: Final = 4


@dataclass(eq=False, slots=True)
class Waiter:
    """One question, or one piece of background work, in the line. ``asker``: who brought it. ``ready``: whether it
    takes a place that becomes free; until then the place goes to the next one who is ready."""

    asker: str
    background: bool = False
    ready: bool = False


class Line:
    """Those who wait. Not thread-safe."""

    def __init__(self) -> None:
        self._people: dict[str, deque[Waiter]] = {}  # in the order of the askers' turns
        self._background: deque[Waiter] = deque()
        self._streak = 0  # people who got a place since the background last did, while it waited
        self._positions: dict[Waiter, int] | None = None

    def __len__(self) -> int:
        return self.people + len(self._background)

    @property
    def people(self) -> int:
        """How many questions of people wait."""
        return sum(map(len, self._people.values()))

    @property
    def background(self) -> int:
        """How much background work waits."""
        return len(self._background)

    def of(self, asker: str) -> list[Waiter]:
        """The questions of one asker, in the order in which they came."""
        return list(self._people.get(asker, ()))

    def join(self, waiter: Waiter) -> None:
        """Comes last: behind the asker's own earlier questions; a new asker's turn comes after all others'."""
        self._positions = None
        if waiter.background:
            self._background.append(waiter)
        else:
            self._people.setdefault(waiter.asker, deque()).append(waiter)

    def leave(self, waiter: Waiter) -> None:
        """Goes without a place. Raises ValueError for one who is not here."""
        self._positions = None
        if waiter.background:
            self._background.remove(waiter)
            return
        own = self._people.get(waiter.asker, deque())
        own.remove(waiter)
        if not own:
            del self._people[waiter.asker]

    def take(self) -> Waiter | None:
        """The next one who is ready leaves the line for a place; None when nobody is ready."""
        person = next((one for own in self._people.values() if (one := _first_ready(own))), None)
        other = _first_ready(self._background)
        if person is None and other is None:
            return None
        person_is_next, self._streak = _choose(person is not None, other is not None, self._streak)
        chosen = person if person_is_next else other
        assert chosen is not None
        self.leave(chosen)
        if not chosen.background and (rest := self._people.pop(chosen.asker, None)):
            self._people[chosen.asker] = rest  # the asker's next turn comes after all others'
        return chosen

    def position(self, waiter: Waiter) -> int:
        """1 = next: the order in which places are given if nobody else comes and all become ready. Raises KeyError for
        one who is not here."""
        if self._positions is None:
            self._positions = {one: number for number, one in enumerate(self._order(), start=1)}
        return self._positions[waiter]

    def _order(self) -> list[Waiter]:
        people = deque[Waiter]()
        askers = deque(deque(own) for own in self._people.values())
        while askers:
            own = askers.popleft()
            people.append(own.popleft())
            if own:
                askers.append(own)
        background, streak = deque(self._background), self._streak
        order = []
        while people or background:
            person_is_next, streak = _choose(bool(people), bool(background), streak)
            order.append((people if person_is_next else background).popleft())
        return order


def _first_ready(waiters: deque[Waiter]) -> Waiter | None:
    return next((one for one in waiters if one.ready), None)


def _choose(people: bool, background: bool, streak: int) -> tuple[bool, int]:
    """(whether a person is next, the streak after that)."""
    if not background:
        return True, 0
    if not people or streak >= PATIENCE - 1:
        return False, 0
    return True, streak + 1
