"""The probability of NO instead of YES, and how much doubt is too much."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bot.answering import doubt
from bot.answering.doubt import Limits


def metadata(**likely: float) -> dict[str, Any]:
    alternatives = [{"token": token, "logprob": math.log(p)} for token, p in likely.items()]
    return {"logprobs": {"content": [{"token": "x", "logprob": 0.0, "top_logprobs": alternatives}]}}


UNLIKELY = {"logprobs": {"content": [{"top_logprobs": [{"token": "NO", "logprob": None}]}]}}


def test_doubt_is_the_share_of_no_in_yes_and_no() -> None:
    assert doubt.from_metadata(metadata(NO=0.2, YES=0.6, The=0.1)) == pytest.approx(0.25)
    assert doubt.from_metadata(metadata(**{" NO": 0.1, "no": 0.1, "N": 0.1, "Yes": 0.4, " YE": 0.3})) == pytest.approx(
        0.3
    )
    assert doubt.from_metadata(metadata(NO=0.2)) == 1


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
def test_doubt_is_unknown_where_the_engine_gives_no_probabilities(nothing: dict[str, Any]) -> None:
    assert doubt.from_metadata(nothing) is None


def test_without_an_intercept_there_is_no_limit() -> None:
    assert Limits().limit(0.5, 1_000) is None


def test_the_limit_grows_with_coverage_and_falls_with_the_length_of_the_passages() -> None:
    limits = Limits(intercept=-1.8)
    covered = [limits.limit(coverage / 10, 1_000) or 0.0 for coverage in range(11)]
    assert covered == sorted(set(covered))
    long = [limits.limit(0.5, length) or 0.0 for length in (0, 100, 1_000, 100_000)]
    assert long == sorted(set(long), reverse=True)
    assert (limits.limit(0.5, 1_000, corrected=True) or 0.0) > covered[5]


def test_the_limit_is_the_intercept_for_typical_passages_without_coverage() -> None:
    assert Limits(intercept=-1.8).limit(0.0, 1_500) == -1.8
    assert Limits(intercept=-1.8).limit(1.0, 6_000) == pytest.approx(-0.8)  # 1.5 for the words, two doublings of .25


def test_log_odds_are_even_at_a_half_and_bounded() -> None:
    assert doubt.log_odds(0.5) == 0
    assert doubt.log_odds(0.9) == pytest.approx(-doubt.log_odds(0.1)) == pytest.approx(2.197, abs=1e-3)
    assert [round(doubt.log_odds(certain)) for certain in (0, 1)] == [-14, 14]
