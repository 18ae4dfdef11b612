"""How likely NO was instead of YES, and how much of that is too much."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bot.answering import doubt
from bot.models.catalogue import DEFAULT_CHAT


def metadata(**likely: float) -> dict[str, Any]:
    alternatives = [{"token": token, "logprob": math.log(p)} for token, p in likely.items()]
    return {"logprobs": {"content": [{"token": "x", "logprob": 0.0, "top_logprobs": alternatives}]}}


UNLIKELY = {"logprobs": {"content": [{"top_logprobs": [{"token": "NO", "logprob": None}]}]}}


def test_doubt_is_how_likely_no_was_of_the_two() -> None:
    assert doubt.of(metadata(NO=0.2, YES=0.6, The=0.1)) == pytest.approx(0.25)
    assert doubt.of(metadata(**{" NO": 0.1, "no": 0.1, "N": 0.1, "Yes": 0.4, " YE": 0.3})) == pytest.approx(0.3)
    assert doubt.of(metadata(NO=0.2)) == 1


@pytest.mark.parametrize(
    "nothing",
    [
        {},
        {"logprobs": None},
        {"logprobs": {"content": []}},
        UNLIKELY,
        metadata(),
        metadata(The=0.9, Not=0.1, Yesterday=0.1),
    ],
)
def test_doubt_of_an_engine_that_tells_nothing_is_not_known(nothing: dict[str, Any]) -> None:
    assert doubt.of(nothing) is None


def test_the_default_model_was_measured() -> None:
    assert doubt.intercept_for(DEFAULT_CHAT) is not None


def test_models_that_were_not_measured_have_no_limit() -> None:
    assert doubt.intercept_for("someone/else") is None


@pytest.mark.parametrize("intercept", doubt.INTERCEPTS.values())
def test_limit_grows_with_what_the_passages_hold_and_falls_with_their_length(intercept: float) -> None:
    held = [doubt.limit(intercept, coverage / 10, 1_000) for coverage in range(11)]
    assert held == sorted(set(held))
    long = [doubt.limit(intercept, 0.5, length) for length in (0, 100, 1_000, 100_000)]
    assert long == sorted(set(long), reverse=True)
    assert doubt.limit(intercept, 0.5, 1_000, corrected=True) > held[5]


def test_log_odds_are_even_at_a_half_and_bounded() -> None:
    assert doubt.log_odds(0.5) == 0
    assert doubt.log_odds(0.9) == pytest.approx(-doubt.log_odds(0.1)) == pytest.approx(2.197, abs=1e-3)
    assert [round(doubt.log_odds(certain)) for certain in (0, 1)] == [-14, 14]
