"""Is there anything in the knowledge that the question could be answered from? Decided before a token is written.

Two signs, either is enough: the nearest passage is near in meaning, or one passage holds nearly all the telling
words of the question (an error number, a name). Between two languages neither tells anything. The floors are low on
purpose: what passes here can still be refused by the model that reads the passages, while what is refused here never
gets a chance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.text import language_of

if TYPE_CHECKING:
    from retrieval.search import SearchResult

# Cosines of multilingual-e5-small lie between 0.7 and 1 for any two texts. Measured on 2026-11-22 with the nearest of
# 667 passages: the lowest hundredth of answerable questions is at .806 (English articles), .857 to .878 (English FAQ,
# Chinese articles and FAQ); the median of questions about something else at .82 (English) and .85 (Chinese). Between
# the languages cosines tell nothing: answerable questions have .74 to .84, others .77 to .84. For a model that was not
# measured, the model that reads the passages decides alone.
_FLOORS = {"multilingual-e5-small": {"en": 0.80, "zh": 0.82}}
_NO_FLOOR = {"en": -1.0, "zh": -1.0}
# Of corrected questions in other words 27 of 28 (English) are at .89 and above, of near misses that a correction leads
# none is (at most .87). A model that was not measured: no question is like another.
_LIKE = {"multilingual-e5-small": 0.89}
_COVERAGE = 0.75


@dataclass(frozen=True, slots=True)
class Evidence:
    """``floors``: cosine of the nearest passage by language of the question; ``coverage``: see SearchResult; ``like``:
    cosine from which a question is like the one that a correction was written for."""

    floors: dict[str, float]
    coverage: float = _COVERAGE
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


def evidence_for(embedding_model: str) -> Evidence:
    """The floors for an embedding model."""
    return Evidence(_FLOORS.get(embedding_model, _NO_FLOOR), like=_LIKE.get(embedding_model, math.inf))
