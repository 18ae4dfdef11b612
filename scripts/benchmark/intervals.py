"""Bootstrap intervals of 95 %: of a mean over items, and of the difference of two means over the same items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES = 2000
_AT_ONCE = 2_000_000  # numbers in memory for one batch of resamples


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval of 95 %; ``n``: the items. All are NaN without items."""

    value: float
    low: float
    high: float
    n: int


def mean(values: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """The mean of ``values`` with the interval that resampling the items gives."""
    if not values:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    numbers = np.asarray(values, dtype=np.float64)
    random = np.random.default_rng(seed)
    count = max(1, _AT_ONCE // len(numbers))
    means: list[float] = []
    while len(means) < resamples:
        size = (min(count, resamples - len(means)), len(numbers))
        means += numbers[random.integers(0, len(numbers), size)].mean(axis=1).tolist()
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(numbers.mean()), float(low), float(high), len(numbers))


def difference(after: Sequence[float], before: Sequence[float], *, seed: int = 0) -> Estimate:
    """The mean of the differences of paired values. Raises ValueError for lists of different lengths."""
    return mean([new - old for new, old in zip(after, before, strict=True)], seed=seed)
