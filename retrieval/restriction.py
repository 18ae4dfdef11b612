"""Which passages of a scope a search may find: those in a language, and those with certain properties.

Knows views and passages; knows nothing about vectors, words or how results are ranked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.passage import LANGUAGE
from retrieval.text import primary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from retrieval.passage import Passage
    from retrieval.view import Part, PassageView


@dataclass(frozen=True, slots=True)
class Restriction:
    """The passages that may be found: those in a language and with one of these ids; None: all."""

    language: str | None = None
    allowed: frozenset[int] | None = None

    @classmethod
    def of(
        cls,
        language: str | None,
        filters: Mapping[str, str],
        *,
        select: Callable[[Mapping[str, str]], frozenset[int]],
        own: Iterable[Passage],
    ) -> Restriction:
        """The restriction to a language (also as the filter of this name) and to the passages that fulfil the other
        filters: stored ones, which ``select`` finds, and those of a candidate (``own``)."""
        languages = {primary(code) for code in (language, filters.get(LANGUAGE)) if code is not None}
        if len(languages) > 1:
            return cls(allowed=frozenset())  # no passage is in two languages
        properties = {key: value for key, value in filters.items() if key != LANGUAGE}
        allowed = None
        if properties:
            allowed = select(properties) | {passage.id for passage in own if passage.fulfils(properties)}
        return cls(min(languages, default=None), allowed)

    def part(self, view: PassageView) -> Part | None:
        return view.part(language=self.language, allowed=self.allowed)


NO_RESTRICTION = Restriction()
