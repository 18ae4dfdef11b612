"""What writers were promised: for every fact the values that may be stored now.

A fact is a kind and a name, such as ``("document", "shop/hours")``; its value is a text, or None where nothing is
stored. A write that was acknowledged must be there. A write whose answer never came may be there as a whole or not at
all; the first comparison after the restart finds out which, and from then on that is the promise.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Fact = tuple[str, str]
Values = tuple[str | None, ...]


class Ledger:
    """Safe to call from several threads. Each writer has at most one write under way."""

    def __init__(self, stored: Mapping[Fact, str] | None = None) -> None:
        self._promised: dict[Fact, Values] = {fact: (value,) for fact, value in (stored or {}).items()}
        self._open: dict[str, dict[Fact, Values]] = {}
        self._lock = threading.Lock()
        self.acknowledged = 0

    def begin(self, writer: str, values: Mapping[Fact, Values]) -> None:
        """A write is sent. ``values``: the facts that it changes, with the values that each may have after it."""
        with self._lock:
            assert writer not in self._open, "a writer sends one write at a time"
            self._open[writer] = dict(values)

    def acknowledge(self, writer: str, values: Mapping[Fact, Values] | None = None) -> None:
        """The write was confirmed. ``values``: what the confirmation says more exactly."""
        with self._lock:
            self._promised |= {**self._open.pop(writer), **(values or {})}
            self.acknowledged += 1

    def refuse(self, writer: str) -> None:
        """The write of this writer, if it has sent one, was refused: nothing of it may be stored."""
        with self._lock:
            self._open.pop(writer, None)

    def doubt(self, writer: str) -> None:
        """The write was refused, and may be stored all the same."""
        with self._lock:
            for fact, values in self._open.pop(writer).items():
                self._promised[fact] = (*self._promised.get(fact, (None,)), *values)

    def of_kind(self, kind: str) -> dict[str, Values]:
        """The promised values of the facts of a kind, by name."""
        with self._lock:
            return {name: values for (its_kind, name), values in self._promised.items() if its_kind == kind}

    def allowed(self, fact: Fact) -> Values:
        """The values that may be stored: those promised, and those of writes that nobody answered."""
        with self._lock:
            return self._allowed(fact)

    def differences(self, stored: Mapping[Fact, str]) -> list[str]:
        """A sentence for each fact that is lost, stored twice, changed, or stored without a promise."""
        with self._lock:
            facts = {*stored, *self._promised, *(fact for writes in self._open.values() for fact in writes)}
            wrong = [
                _sentence(fact, stored.get(fact), allowed)
                for fact in sorted(facts)
                if stored.get(fact) not in (allowed := self._allowed(fact))
            ]
            wrong += [
                f"half of a write of {writer} is stored"
                for writer, writes in self._open.items()
                if not self._is_whole(writer, writes, stored)
            ]
            return wrong

    def settle(self, stored: Mapping[Fact, str]) -> set[Fact]:
        """Notes which of the open writes are stored, and returns the facts that they could change."""
        with self._lock:
            for writes in self._open.values():
                self._promised |= {fact: after for fact, after in writes.items() if stored.get(fact) in after}
            changed = {fact for writes in self._open.values() for fact in writes}
            self._open.clear()
            return changed

    def copy(self) -> Ledger:
        """The promises of this moment, for a comparison with a copy of the data. Nothing may be under way."""
        with self._lock:
            assert not self._open, "writes are under way"
            copy = Ledger()
            copy._promised = dict(self._promised)
            return copy

    def become(self, other: Ledger) -> None:
        """From now on the promises of ``other`` hold: its copy of the data was put back."""
        with self._lock:
            self._open.clear()
            self._promised = dict(other._promised)

    def _allowed(self, fact: Fact) -> Values:
        open_ = [value for writes in self._open.values() for value in writes.get(fact, ())]
        return (*self._promised.get(fact, (None,)), *open_)

    def _is_whole(self, writer: str, writes: Mapping[Fact, Values], stored: Mapping[Fact, str]) -> bool:
        """Whether a write of one transaction is stored as a whole or not at all. Commands that write several documents,
        each in its own transaction, are named with ``steps`` and may stop between two."""
        if writer.startswith("steps"):
            return True
        before = all(stored.get(fact) in self._promised.get(fact, (None,)) for fact in writes)
        after = all(stored.get(fact) in values for fact, values in writes.items())
        return before or after


def _sentence(fact: Fact, actual: str | None, allowed: Values) -> str:
    wanted = " or ".join("nothing" if value is None else repr(value) for value in dict.fromkeys(allowed))
    return f"{fact[0]} {fact[1]}: {'nothing' if actual is None else repr(actual)} is stored, promised was {wanted}"
