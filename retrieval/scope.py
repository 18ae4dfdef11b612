"""Whose knowledge a call may see: the collections that a caller may read.

A ``Scope`` is made once, at the edge, from the caller's identity, and handed down. What lies outside it is never
found, served, replayed, listed or counted. Knows nothing of people, rights or SQL.
"""

from __future__ import annotations

from dataclasses import dataclass

MAIN = "main"  # the collection of what was put in without naming one


@dataclass(frozen=True, slots=True)
class Scope:
    """The collections that may be seen; None: every one, for the operator and for the system's own work."""

    collections: frozenset[str] | None

    @classmethod
    def of(cls, *names: str) -> Scope:
        """The scope of these collections; without any, of none."""
        return cls(frozenset(names))

    @property
    def default(self) -> str:
        """The collection of what somebody with this scope adds without naming one."""
        if not self.collections or MAIN in self.collections:
            return MAIN
        return min(self.collections)

    def only(self, collection: str | None) -> Scope:
        """What of the scope lies in this collection (None: all of it); nothing for one that is outside."""
        if collection is None:
            return self
        return Scope(frozenset({collection} if collection in self else ()))

    def __contains__(self, collection: str) -> bool:
        return self.collections is None or collection in self.collections


EVERYTHING = Scope(None)
