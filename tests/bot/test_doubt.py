"""How near the model was to refusing, read from the probabilities of its first token."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bot import doubt
from bot.prompt import NO_ANSWER


def metadata(**likely: float) -> dict[str, Any]:
    alternatives = [{"token": token, "logprob": math.log(p)} for token, p in likely.items()]
    return {"logprobs": {"content": [{"token": "x", "logprob": 0.0, "top_logprobs": alternatives}]}}


def test_doubt_is_how_likely_the_sentinel_was() -> None:
    assert doubt.of(metadata(NO=0.2, The=0.7)) == pytest.approx(0.2)
    assert doubt.of(metadata(**{" NO": 0.2, "N": 0.1, NO_ANSWER: 0.3})) == pytest.approx(0.6)


def test_a_plain_no_is_an_answer() -> None:
    assert doubt.of(metadata(No=0.9, no=0.05)) == 0


@pytest.mark.parametrize("nothing", [{}, {"logprobs": None}, {"logprobs": {"content": []}}, metadata()])
def test_an_engine_that_tells_nothing_does_not_doubt(nothing: dict[str, Any]) -> None:
    assert doubt.of(nothing) == 0


def test_models_that_were_not_measured_have_no_limit() -> None:
    assert doubt.limits_for("someone/else") == {}
    assert all(0 < limit < 1 for limits in doubt.LIMITS.values() for limit in limits.values())
