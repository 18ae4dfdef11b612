"""Decides, before a token is written, whether the knowledge has anything from which a question could be answered.

One of two signs is enough: the nearest passage is near in meaning, or one passage contains nearly all characteristic
words of the question (an error number, a name). Between two languages neither sign means anything. The floors are low
on purpose: the model that reads the passages can still refuse a question that passes here, while a question that is
refused here never gets a chance.
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
        """Whether it is worth asking the model. Without hits: never; with hits in another language: always."""
        if not result.hits:
            return False
        return (
            foreign(result, language) or result.best_dense >= self.floors[language] or result.coverage >= self.coverage
        )

    def corrected(self, result: SearchResult) -> bool:
        """Whether the first hit is a correction that was written for a question like this one."""
        stages = result.hits[0].stages if result.hits else {}
        return "erratum" in stages and stages.get("dense", 0.0) >= self.like


def foreign(result: SearchResult, language: str) -> bool:
    """Whether the best hit is in another language than the question (``language``). Then neither its cosine nor its
    words show how near it is."""
    return language_of(result.hits[0].passage.indexed_text) != language
