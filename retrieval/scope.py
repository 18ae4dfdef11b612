"""The scope of a call: the collections that the caller may read.

A ``Scope`` is made once, at the edge, from the caller's identity, and passed down. Knowledge outside it is never
found, served, replayed, listed or counted. Knows nothing about people, rights or SQL.
"""

from __future__ import annotations

from dataclasses import dataclass

MAIN = "main"  # the collection of documents that were added without naming one
HANDBOOK = "errata-handbook"  # the collection of the product's own handbook


@dataclass(frozen=True, slots=True)
class Scope:
    """The collections that may be seen; None: all, for the operator and for the system's own work."""

    collections: frozenset[str] | None

    @classmethod
    def of(cls, *names: str) -> Scope:
        """The scope of these collections; without names, the empty scope."""
        return cls(frozenset(names))

    @property
    def default(self) -> str:
        """The collection of documents that somebody with this scope adds without naming one."""
        if not self.collections or MAIN in self.collections:
            return MAIN
        return min(self.collections)

    def only(self, collection: str | None) -> Scope:
        """This scope restricted to a collection (None: unchanged); empty if the collection is outside."""
        if collection is None:
            return self
        return Scope(frozenset({collection} if collection in self else ()))

    def __contains__(self, collection: object) -> bool:
        return self.collections is None or collection in self.collections


EVERYTHING = Scope(None)
