"""Traces: ids and numbers, few enough to be kept with every answer."""

from __future__ import annotations

import json

from bot.answering.evidence import Evidence
from bot.answering.prompt import Use
from bot.answering.trace import MOST, ReadingTrace, Span, Trace, of_search
from retrieval.passage import Hit
from retrieval.search import SearchResult
from tests.fakes import passage

EVIDENCE = Evidence({"en": 0.8, "zh": 0.82}, coverage=0.75)


def result(*hits: Hit) -> SearchResult:
    return SearchResult(hits, 3, 0.0, 0.0, best_dense=0.91234567, coverage=1 / 3)


def test_a_trace_has_ids_and_rounded_numbers_and_no_words() -> None:
    hits = (Hit(passage(7, "The shop opens at nine."), 0.99999, {"dense": 0.91234567, "dense_rank": 1.0}),)
    made = of_search([(hits[0], Use.READ)], result(*hits), EVIDENCE, "en")
    assert made.to_json() == {
        "candidates": [{"id": 7, "score": 1.0, "use": "read", "stages": {"dense": 0.9123, "dense_rank": 1.0}}],
        "signs": {"nearest": 0.9123, "floor": 0.8, "coverage": 0.3333, "covering": 0.75, "foreign": False},
    }


def test_a_trace_of_nothing_is_empty() -> None:
    assert of_search([], result(), EVIDENCE, "en").to_json() == {}


def test_a_question_in_another_language_than_its_passages_is_marked() -> None:
    hit = Hit(passage(7, "The shop opens at nine."), 1.0)
    made = of_search([(hit, Use.READ)], result(hit), EVIDENCE, "zh").signs
    assert made is not None
    assert (made.foreign, made.floor) == (True, 0.82)


def test_the_limit_of_the_doubt_is_a_probability_like_the_doubt() -> None:
    reading = ReadingTrace(doubt=0.25, limit=0.0, tries=2, quoted=True, spans=(Span(1, 4, 14, 0.87654),))
    assert reading.to_json() == {
        "doubt": 0.25,
        "limit": 0.5,
        "tries": 2,
        "quoted": True,
        "spans": [[1, 4, 14, 0.8765]],
    }
    assert ReadingTrace(tries=1).to_json() == {"tries": 1}


def test_a_trace_stays_small_however_much_is_found() -> None:
    stages = {f"stage_{number}": 0.123456789 for number in range(100)}
    hits = [Hit(passage(2**62 + number, "words " * 1000), 0.5, stages) for number in range(200)]
    spans = tuple(Span(number, 10**6, 10**6, 0.5) for number in range(500))
    made = of_search([(hit, Use.FAR) for hit in hits], result(*hits), EVIDENCE, "en")
    assert len(made.candidates) == MOST
    whole = Trace(made.candidates, made.signs, ReadingTrace(0.5, 1.0, 2, spans=spans))
    assert len(json.dumps(whole.to_json())) < 10_000
