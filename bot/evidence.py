"""Is there anything in the knowledge that the question could be answered from? Decided before a token is written.

Two signs, either is enough: the nearest passage is near in meaning, or it holds nearly all the rare words of the
question. The floors are deliberately low: what passes here can still be refused by the model that reads the
passages, while what is refused here never gets a chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.text import tokens

if TYPE_CHECKING:
    from retrieval.search import SearchResult


@dataclass(frozen=True, slots=True)
class Evidence:
    """``dense_floor``: cosine of the nearest passage under the embedding model in use; ``coverage``: share of the
    question's distinct tokens that one passage holds."""

    dense_floor: float
    coverage: float = 0.6

    def enough(self, question: str, result: SearchResult) -> bool:
        """Whether it is worth asking the model. No hits: never."""
        if not result.hits:
            return False
        if result.best_dense >= self.dense_floor:
            return True
        asked = set(tokens(question))
        return any(
            len(asked & set(tokens(hit.passage.indexed_text))) >= self.coverage * len(asked) > 0
            for hit in result.hits[:3]
        )


# Cosines of multilingual-e5 lie between 0.7 and 1 for any two texts; the floor below is where answerable questions
# of the tuning sets begin (scripts/RESULTS.md). For a model that was not measured the model that reads decides.
_FLOORS = {"multilingual-e5-small": 0.80}


def evidence_for(embedding_model: str) -> Evidence:
    """The floors for an embedding model."""
    return Evidence(dense_floor=_FLOORS.get(embedding_model, -1.0))
