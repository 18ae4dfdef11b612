"""The fitted limit loses at most one question in twenty, and its figures show its errors."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering.evidence import Evidence
from bot.answering.profile import Profile
from bot.calibration.fit import Observation, Share, TooFew, fit


def observation(doubt: float, *, answerable: bool = True, language: str = "en", cosine: float = 0.9) -> Observation:
    return Observation(language, answerable, doubt, offset=0.0, cosine=cosine, bytes_per_token=4.0)


SURE = [observation(0.01) for _ in range(39)]
ODD = observation(0.6)
UNANSWERABLE = [observation(0.9, answerable=False) for _ in range(10)]


def test_one_answerable_question_in_forty_may_be_lost() -> None:
    calibration = fit([*SURE, ODD, *UNANSWERABLE[:5], *(observation(0.4, answerable=False) for _ in range(5))])
    middle = (math.log(0.01 / 0.99) + math.log(0.4 / 0.6)) / 2
    assert calibration.intercept == pytest.approx(middle, abs=1e-3)
    assert calibration.figures["all"].lost == Share(1, 40)
    assert calibration.figures["all"].passed == Share(0, 10)
    assert calibration.figures["all"].area == pytest.approx((39 * 10 + 5) / 400, abs=1e-3)  # ODD is under 5 of 10


def test_nothing_is_lost_where_the_two_groups_do_not_overlap() -> None:
    calibration = fit([*SURE, *UNANSWERABLE])
    assert calibration.figures["all"].lost == Share(0, 39)
    assert calibration.figures["all"].passed == Share(0, 10)
    assert calibration.figures["all"].area == 1.0


@given(st.lists(st.floats(0.001, 0.999), min_size=20, max_size=80), st.lists(st.floats(0.001, 0.999), max_size=40))
def test_never_more_than_one_in_twenty_is_lost(doubts: list[float], others: list[float]) -> None:
    observed = [observation(doubt) for doubt in doubts] + [observation(doubt, answerable=False) for doubt in others]
    calibration = fit(observed)
    refused = sum(math.log(doubt / (1 - doubt)) > calibration.intercept for doubt in doubts)
    assert refused <= len(doubts) / 20


def test_a_model_that_judges_by_chance_has_an_area_of_a_half() -> None:
    observed = [observation(0.5) for _ in range(20)] + [observation(0.5, answerable=False) for _ in range(20)]
    assert fit(observed).figures["all"].area == 0.5


def test_too_few_questions_give_no_limit() -> None:
    with pytest.raises(TooFew, match="19 answerable"):
        fit(SURE[:19] + UNANSWERABLE)


def test_figures_are_given_for_each_language() -> None:
    chinese = [replace(sample, language="zh") for sample in SURE]
    figures = fit([*SURE, *chinese]).figures
    assert {name: sample.lost.of for name, sample in figures.items()} == {"all": 78, "en": 39, "zh": 39}


def test_floors_are_taken_only_where_the_profile_has_none() -> None:
    calibration = fit([*SURE, observation(0.01, cosine=0.7), *(replace(sample, language="zh") for sample in SURE)])
    assert calibration.floors == {"en": 0.68, "zh": 0.88}
    known = Profile("known", evidence=Evidence({"en": 0.8, "zh": -1.0}))
    applied = calibration.applied(known, "now")
    assert applied.evidence.floors == {"en": 0.8, "zh": 0.88}
    assert (applied.name, applied.limits.intercept) == ("now", calibration.intercept)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 20, 0.0, 0.161), (5, 10, 0.237, 0.763), (20, 20, 0.839, 1.0)],  # R: prop.test without continuity correction
)
def test_intervals_are_wilson_intervals(hits: int, of: int, low: float, high: float) -> None:
    assert Share(hits, of).interval() == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))
