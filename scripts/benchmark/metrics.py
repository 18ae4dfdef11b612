"""Metrics of a ranking, for one question. Every relevant document counts the same.

Exact definitions, in the usual form: nDCG with the gain 1 / log2(rank + 1) and the best possible order as the ideal.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

METRICS = ("ndcg@10", "mrr@10", "recall@5", "recall@10", "hit@3", "hit@5", "mrr@5")


def ranking_metrics(ranking: Sequence[str], relevant: Collection[str]) -> dict[str, float]:
    """Every metric of ``METRICS`` for the ids of a ranking, best first. Raises ValueError without relevant ids, or when
    the ranking has an id twice."""
    if not relevant:
        raise ValueError("without a relevant document there is no metric")
    if len(set(ranking)) != len(ranking):
        raise ValueError("a document is in the ranking twice")
    ranks = [rank for rank, id_ in enumerate(ranking, start=1) if id_ in relevant]
    wanted = len(set(relevant))
    ideal = sum(_gain(rank) for rank in range(1, min(wanted, 10) + 1))
    first = min(ranks, default=math.inf)
    return {
        "ndcg@10": sum(_gain(rank) for rank in ranks if rank <= 10) / ideal,
        "mrr@10": 1 / first if first <= 10 else 0.0,
        "recall@5": sum(rank <= 5 for rank in ranks) / wanted,
        "recall@10": sum(rank <= 10 for rank in ranks) / wanted,
        "hit@3": float(first <= 3),
        "hit@5": float(first <= 5),
        "mrr@5": 1 / first if first <= 5 else 0.0,
    }


def _gain(rank: int) -> float:
    return 1 / math.log2(rank + 1)


def area_under_curve(higher: Sequence[float], lower: Sequence[float]) -> float:
    """How often a score of ``higher`` is above one of ``lower``; ties count half. Raises ValueError without scores."""
    if not higher or not lower:
        raise ValueError("two groups of scores are needed")
    scores = np.concatenate([higher, lower])
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[group]  # equal scores share the mean of their ranks
    wins = ranks[: len(higher)].sum() - len(higher) * (len(higher) + 1) / 2
    return float(wins / (len(higher) * len(lower)))
