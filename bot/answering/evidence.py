"""Is there anything in the knowledge that the question could be answered from? Decided before a token is written.

Two signs, either is enough: the nearest passage is near in meaning, or one passage holds nearly all the telling
words of the question (an error number, a name). Between two languages neither tells anything. The floors are low on
purpose: what passes here can still be refused by the model that reads the passages, while what is refused here never
gets a chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrieval.text import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from retrieval.search import SearchResult


@dataclass(frozen=True, slots=True)
class Evidence:
    """``floors``: cosine of the nearest passage by language of the question, -1 where the embedding model was not
    measured; ``coverage``: see SearchResult; ``like``: cosine from which a question is like the one that a correction
    was written for, infinite where that was not measured."""

    floors: Mapping[str, float] = field(default_factory=lambda: {"en": -1.0, "zh": -1.0})
    coverage: float = 0.75
    like: float = math.inf

    def enough(self, result: SearchResult, language: str) -> bool:
        """Whether it is worth asking the model. No hits: never; hits in another language: always."""
        if not result.hits:
            return False
        return (
            foreign(result, language) or result.best_dense >= self.floors[language] or result.coverage >= self.coverage
        )

    def corrected(self, result: SearchResult) -> bool:
        """Whether a correction that was written for a question like this one leads the hits."""
        stages = result.hits[0].stages if result.hits else {}
        return "erratum" in stages and stages.get("dense", 0.0) >= self.like


def foreign(result: SearchResult, language: str) -> bool:
    """Whether the best hit is in another language than the question (``language``). Then neither its cosine nor its
    words say how near it is."""
    return language_of(result.hits[0].passage.indexed_text) != language
