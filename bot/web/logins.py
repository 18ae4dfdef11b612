"""Guessing passwords is slow, and nobody can lock somebody else out.

Wrong passwords are counted for an address, for a name from that address, and for a name from anywhere. The first two
make the *address* wait. A name that is guessed from many addresses only becomes slow, for at most ``SLOWEST`` seconds
per attempt: if it were locked, anybody could keep its owner out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bot.errors import TooMany
from bot.web.security import Flood

WRONG_FOR_A_NAME = 8  # from one address …
WRONG_FROM_AN_ADDRESS = 24  # for all names together, since people in one office share an address …
SECONDS = 300.0  # … within this time
FREE_FOR_A_NAME = 8  # wrong passwords from anywhere before attempts become slow
SLOWEST = 4.0  # seconds
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class Attempt:
    """A counted attempt; ``pause``: seconds to wait before the password is looked at."""

    address: str
    pair: str
    name: str
    pause: float


class Logins:
    """Counts wrong passwords: so many for a name from one address, so many from an address, within SECONDS."""

    def __init__(
        self,
        for_a_name: int = WRONG_FOR_A_NAME,
        from_an_address: int = WRONG_FROM_AN_ADDRESS,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = Flood(from_an_address, SECONDS, clock=clock)
        self._pairs = Flood(for_a_name, SECONDS, clock=clock)
        self._names = Flood(_NO_LIMIT, SECONDS, clock=clock)

    def begin(self, address: str, username: str) -> Attempt:
        """Counts an attempt before its password is looked at, so that many at once are not all let through. Raises
        TooMany."""
        name = username.lower()[:64]
        pair = f"{address} {name}"
        self._addresses.take(address)
        try:
            self._pairs.take(pair)
        except TooMany:
            self._addresses.give_back(address)
            raise
        before = self._names.count(name)
        self._names.take(name)
        pause = min(SLOWEST, 0.25 * 2 ** min(before - FREE_FOR_A_NAME, 10)) if before >= FREE_FOR_A_NAME else 0.0
        return Attempt(address, pair, name, pause)

    def was_right(self, attempt: Attempt) -> None:
        """Right passwords do not count; the wrong ones before it still do."""
        self._addresses.give_back(attempt.address)
        self._pairs.give_back(attempt.pair)
        self._names.give_back(attempt.name)
