"""How likely NO was instead of YES, and how much of that is too much."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bot import doubt


def metadata(**likely: float) -> dict[str, Any]:
    alternatives = [{"token": token, "logprob": math.log(p)} for token, p in likely.items()]
    return {"logprobs": {"content": [{"token": "x", "logprob": 0.0, "top_logprobs": alternatives}]}}


def test_doubt_is_how_likely_no_was_of_the_two() -> None:
    assert doubt.of(metadata(NO=0.2, YES=0.6, The=0.1)) == pytest.approx(0.25)
    assert doubt.of(metadata(**{" NO": 0.1, "no": 0.1, "N": 0.1, "Yes": 0.4, " YE": 0.3})) == pytest.approx(0.3)
    assert doubt.of(metadata(NO=0.2)) == 1


@pytest.mark.parametrize(
    "nothing",
    [{}, {"logprobs": None}, {"logprobs": {"content": []}}, metadata(), metadata(The=0.9, Not=0.1, Yesterday=0.1)],
)
def test_doubt_of_an_engine_that_tells_nothing_is_not_known(nothing: dict[str, Any]) -> None:
    assert doubt.of(nothing) is None


def test_models_that_were_not_measured_have_no_limit() -> None:
    assert doubt.intercepts_for("someone/else") == {}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("model", doubt.INTERCEPTS)
def test_limit_grows_with_what_the_passages_hold(model: str, language: str) -> None:
    intercept = doubt.intercepts_for(model)[language]
    limits = [doubt.limit(intercept, coverage / 10) for coverage in range(11)]
    assert limits == sorted(set(limits))
    assert all(0 < limit < 1 for limit in limits)
