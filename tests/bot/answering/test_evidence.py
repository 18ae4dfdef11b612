"""The model is asked where a passage is near, contains the question's words, or is in another language."""

from __future__ import annotations

import pytest

from bot.answering.evidence import Evidence
from bot.answering.profile import shipped
from retrieval.passage import Hit
from retrieval.search import SearchResult
from tests.fakes import passage

EVIDENCE = Evidence({"en": 0.8, "zh": 0.82}, coverage=0.75)


def result(dense: float, coverage: float = 0.0, *texts: str) -> SearchResult:
    hits = tuple(Hit(passage(number, text), 1.0, {"dense": dense}) for number, text in enumerate(texts, start=1))
    return SearchResult(hits, 1, 0.0, 0.0, dense, coverage)


@pytest.mark.parametrize(
    ("language", "dense", "coverage", "enough"),
    [("en", 0.81, 0.0, True), ("en", 0.79, 0.0, False), ("en", 0.7, 0.8, True), ("zh", 0.83, 0.0, True)],
)
def test_a_near_passage_or_one_with_the_words_of_the_question_is_enough(
    language: str, dense: float, coverage: float, enough: bool
) -> None:
    text = "The shop opens at nine." if language == "en" else "商店九点开门。"
    assert EVIDENCE.enough(result(dense, coverage, text), language) is enough


def test_between_languages_the_model_is_asked_at_any_cosine() -> None:
    assert EVIDENCE.enough(result(0.7, 0.0, "The shop opens at nine."), "zh")
    assert EVIDENCE.enough(result(0.7, 0.0, "商店九点开门。"), "en")


def test_without_hits_the_model_is_never_asked() -> None:
    assert not EVIDENCE.enough(result(0.0), "en")


def test_an_embedding_model_that_was_not_measured_has_no_floor() -> None:
    assert Evidence().enough(result(-0.5, 0.0, "The shop opens at nine."), "en")


@pytest.mark.parametrize(
    ("dense", "led", "expected"), [(0.9, True, True), (0.88, True, False), (0.9, False, False), (1.0, True, True)]
)
def test_a_correction_counts_only_as_first_hit_and_for_a_near_question(dense: float, led: bool, expected: bool) -> None:
    stages = {"dense": dense} | ({"erratum": 1.0} if led else {})
    search_result = SearchResult((Hit(passage(1, "At nine.", erratum=True), 2.0, stages),), 1, 0.0, 0.0, dense, 0.5)
    assert shipped("any", "multilingual-e5-small").evidence.corrected(search_result) is expected
    assert not Evidence().corrected(search_result)
    assert not shipped("any", "multilingual-e5-small").evidence.corrected(result(0.0))
