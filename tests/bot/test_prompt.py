"""What the model reads: few passages, near the best one, errata first; and when it said that it does not know."""

from __future__ import annotations

import pytest

from bot.answer import is_refusal
from bot.prompt import BUDGET, build, choose, judging
from retrieval.passage import Hit
from tests.fakes import passage


def hit(number: int, fused: float, *, erratum: bool = False, text: str = "words") -> Hit:
    stages = {"fused": fused, **({"erratum": 1.0} if erratum else {})}
    return Hit(passage(number, text, erratum=erratum), fused + erratum, stages)


def numbers(hits: list[Hit]) -> list[int]:
    return [one.passage.id for one in hits]


def test_choose_takes_what_is_near_the_best() -> None:
    assert numbers(choose([hit(1, 1.0), hit(2, 0.9), hit(3, 0.5)], 4)) == [1, 2]


def test_choose_is_not_misled_by_errata_that_stand_first() -> None:
    hits = [hit(1, 0.5, erratum=True), hit(2, 0.45, erratum=True), hit(3, 1.0), hit(4, 0.95)]
    assert numbers(choose(hits, 4)) == [1, 2, 3, 4]
    assert numbers(choose(hits, 3)) == [1, 2, 3]


def test_choose_keeps_the_budget_and_always_the_first() -> None:
    long = "x" * (BUDGET + 1)
    assert numbers(choose([hit(1, 1.0, text=long), hit(2, 1.0)], 4)) == [1]
    assert choose([], 4) == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_build_has_a_prefix_that_never_changes(language: str) -> None:
    first = build("One?", [hit(1, 1.0)], language)
    second = build("Two?", [hit(2, 1.0, erratum=True)], language)
    assert first[:-1] == second[:-1]
    assert first[-1].content.splitlines()[-1].endswith("One?")


def test_judging_differs_from_answering_at_the_end_only() -> None:
    answering = build("One?", [hit(1, 1.0)], "en")
    judged = judging(answering)
    assert judged[:-1] == answering[:-1]
    assert judged[-1].content.startswith(answering[-1].content)
    assert judged[-1].content.endswith("Write YES or NO.")


@pytest.mark.parametrize("text", ["NO_ANSWER", "no answer.", '"NO_ANSWER" [1]', "", "  \n", "[2]", "[1] [2]."])
def test_refusal_is_the_sentinel_or_nothing(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize("text", ["No answers are stored longer than a year [1].", "Nobody answered.", "No."])
def test_refusal_is_not_guessed_from_words(text: str) -> None:
    assert not is_refusal(text)
