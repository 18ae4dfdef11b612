"""Computes the limits of a profile from observed judgements, with figures that show how good these limits are.

Knows nothing of models, files or databases.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.answering.doubt import log_odds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.answering.profile import Profile

MOST_LOST = 0.05  # share of answerable questions that may be refused
FEWEST = 20  # answerable questions; with fewer of them, a single question would decide
BELOW = 0.02  # distance of the floor of evidence below the lowest cosine of an answerable question
ABOVE = 0.1  # log-odds above the highest value, for a limit that refuses nothing
WILSON = 1.96  # for an interval of 95 %


class TooFew(ValueError):
    """There are too few judgements to fit a limit."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One question that the model was asked to judge. ``answerable``: whether the passages state the answer;
    ``doubt``: the probability of NO, 0 to 1; ``offset``: the part of the limit that depends on the passages, in
    log-odds; ``cosine``: of the nearest passage; ``bytes_per_token``: of the prompt; ``group``: shipped | confirmed."""

    language: str
    answerable: bool
    doubt: float
    offset: float
    cosine: float
    bytes_per_token: float
    group: str = "shipped"

    @property
    def excess(self) -> float:
        """The smallest intercept that does not refuse the question."""
        return log_odds(self.doubt) - self.offset


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``of``, with the Wilson interval of 95 %."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        return self.hits / self.of if self.of else math.nan

    def interval(self) -> tuple[float, float]:
        if not self.of:
            return math.nan, math.nan
        square = WILSON**2
        middle = (self.hits + square / 2) / (self.of + square)
        half = WILSON * math.sqrt(self.hits * (self.of - self.hits) / self.of + square / 4) / (self.of + square)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True, slots=True)
class Figures:
    """What the limit does on the questions that chose it: ``lost`` answerable questions are refused, ``passed``
    unanswerable ones go on to the model. ``area``: how well the doubt separates the two; 0.5 is chance, 1 perfect."""

    lost: Share
    passed: Share
    area: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The values that were measured for a pair of models."""

    intercept: float
    floors: dict[str, float]
    bytes_per_token: float
    figures: dict[str, Figures]  # by language, and "all"

    def applied(self, profile: Profile, name: str) -> Profile:
        """The profile with the measured values. Floors are taken only where the profile has none."""
        floors = {
            language: floor if floor > -1 else self.floors.get(language, -1.0)
            for language, floor in profile.evidence.floors.items()
        }
        return replace(
            profile,
            name=name,
            selection=replace(profile.selection, bytes_per_token=self.bytes_per_token),
            evidence=replace(profile.evidence, floors=floors),
            limits=replace(profile.limits, intercept=self.intercept),
        )


def fit(observations: Sequence[Observation]) -> Calibration:
    """The intercept with the fewest errors among those that lose at most ``MOST_LOST`` of the answerable questions.
    Among several equal ones, the middle of the widest gap. Raises TooFew."""
    answerable = [each.excess for each in observations if each.answerable]
    if len(answerable) < FEWEST:
        raise TooFew(f"{len(answerable)} answerable questions were judged; at least {FEWEST} are needed.")
    intercept = _intercept(answerable, [each.excess for each in observations if not each.answerable])
    languages = sorted({each.language for each in observations})
    groups = {language: [each for each in observations if each.language == language] for language in languages}
    return Calibration(
        intercept=intercept,
        floors={language: _floor(group) for language, group in groups.items()},
        bytes_per_token=round(min(each.bytes_per_token for each in observations), 2),
        figures={"all": _figures(observations, intercept)}
        | {language: _figures(group, intercept) for language, group in groups.items()},
    )


def _intercept(answerable: Sequence[float], others: Sequence[float]) -> float:
    """The best intercept between neighbouring values; one above the highest value refuses nothing."""
    values = sorted({*answerable, *others})
    gaps = [*itertools.pairwise(values), (values[-1], values[-1] + 2 * ABOVE)]
    best: tuple[float, float] | None = None
    chosen = 0.0
    for low, high in gaps:
        intercept = (low + high) / 2
        lost = sum(excess > intercept for excess in answerable) / len(answerable)
        passed = sum(excess <= intercept for excess in others) / max(1, len(others))
        rank = (lost + passed, low - high)
        if lost <= MOST_LOST and (best is None or rank < best):
            best, chosen = rank, intercept
    return round(chosen, 4)


def _floor(group: Sequence[Observation]) -> float:
    shipped = [each.cosine for each in group if each.answerable and each.group == "shipped"]
    return round(min(shipped) - BELOW, 3) if shipped else -1.0


def _figures(group: Sequence[Observation], intercept: float) -> Figures:
    answerable = [each.excess for each in group if each.answerable]
    others = [each.excess for each in group if not each.answerable]
    return Figures(
        lost=Share(sum(excess > intercept for excess in answerable), len(answerable)),
        passed=Share(sum(excess <= intercept for excess in others), len(others)),
        area=_area(answerable, others),
    )


def _area(answerable: Sequence[float], others: Sequence[float]) -> float:
    """The area under the curve: how often an unanswerable question is doubted more than an answerable one."""
    pairs = [(low, high) for low in answerable for high in others]
    if not pairs:
        return math.nan
    return round(sum((high > low) + (high == low) / 2 for low, high in pairs) / len(pairs), 3)
