from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.keywords import K1, B, KeywordsBuilder, SealedKeywords, Terms, bm25

if TYPE_CHECKING:
    from random import Random

TEXTS = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=8), max_size=12)


def naive(query: list[str], texts: list[list[str]]) -> dict[int, float]:
    """BM25 by its textbook formula, over a list of tokenised texts."""
    average = sum(map(len, texts)) / len(texts) if texts else 1.0
    scores: dict[int, float] = {}
    for term in query:
        documents_with_term = sum(term in text for text in texts)
        rarity = math.log(1 + (len(texts) - documents_with_term + 0.5) / (documents_with_term + 0.5))
        for place, text in enumerate(texts):
            if term in text:
                count = text.count(term)
                weight = rarity * count * (K1 + 1) / (count + K1 * (1 - B + B * len(text) / average))
                scores[place] = scores.get(place, 0.0) + weight
    return scores


def score(
    query: list[str], sealed: SealedKeywords, live: np.ndarray | None, fresh: list[Terms], total: int
) -> dict[int, float]:
    places, scores = bm25(query, sealed, live, fresh, total)
    return dict(zip(places.tolist(), scores.tolist(), strict=True))


def same_arrays(index: SealedKeywords, other: SealedKeywords) -> bool:
    return index.terms == other.terms and all(
        np.array_equal(getattr(index, name), getattr(other, name))
        and getattr(index, name).dtype == getattr(other, name).dtype
        for name in ("starts", "ordinals", "counts", "lengths")
    )


@given(TEXTS, st.lists(st.sampled_from("abcxyz"), max_size=5))
def test_bm25_agrees_with_the_textbook_formula(texts: list[list[str]], query: list[str]) -> None:
    sealed = SealedKeywords.build(map(Terms.of, texts))
    assert score(query, sealed, None, [], sum(map(len, texts))) == pytest.approx(naive(query, texts))


@given(TEXTS, TEXTS, st.sets(st.integers(0, 11)), st.lists(st.sampled_from("abcx"), max_size=4))
def test_bm25_counts_live_passages_only(
    old: list[list[str]], new: list[list[str]], hidden: set[int], query: list[str]
) -> None:
    sealed = SealedKeywords.build(map(Terms.of, old))
    live = np.array([place not in hidden for place in range(len(old))], dtype=np.bool_)
    places = [*np.flatnonzero(live).tolist(), *(len(old) + number for number in range(len(new)))]
    texts = [(old + new)[place] for place in places]
    expected = {places[place]: value for place, value in naive(query, texts).items()}
    assert score(query, sealed, live, [*map(Terms.of, new)], sum(map(len, texts))) == pytest.approx(expected)


def test_bm25_scores_of_sealed_and_fresh_passages_are_identical() -> None:
    texts = [[*"aabbc"], [*"abcd"], [*"ccccddde"], [*"a"]]
    total = sum(map(len, texts))
    sealed = score([*"abcdea"], SealedKeywords.build(map(Terms.of, texts)), None, [], total)
    fresh = score([*"abcdea"], SealedKeywords.build([]), None, [*map(Terms.of, texts)], total)
    assert sealed == fresh


@given(TEXTS, TEXTS, st.sets(st.integers(0, 11)), st.randoms())
def test_a_merged_index_equals_a_newly_built_one(
    old: list[list[str]], new: list[list[str]], hidden: set[int], random: Random
) -> None:
    places = [place for place in range(len(old)) if place not in hidden]
    order = [*places, *(len(old) + number for number in range(len(new)))]
    ranks = {place: random.random() for place in order}
    # the kept passages keep their order
    ranks |= dict(zip(places, sorted(ranks[place] for place in places), strict=True))
    order.sort(key=lambda place: (ranks[place], place))
    target = {place: ordinal for ordinal, place in enumerate(order)}
    renumbered = np.array([target.get(place, -1) for place in range(len(old))], dtype=np.int32)
    fresh = {target[len(old) + number]: Terms.of(text) for number, text in enumerate(new)}
    merged = SealedKeywords.build(map(Terms.of, old)).merged(renumbered, fresh, len(order))
    assert same_arrays(merged, SealedKeywords.build(Terms.of((old + new)[place]) for place in order))


def test_builder_takes_passages_in_any_order() -> None:
    texts = [[*"abc"], [*"cd"], [], [*"aad"]]
    builder = KeywordsBuilder()
    for place in (2, 0, 3, 1):
        builder.add(Terms.of(texts[place]))
    assert same_arrays(
        builder.sealed(np.array([2, 0, 3, 1], dtype=np.int32)), SealedKeywords.build(map(Terms.of, texts))
    )


def test_postings_of_a_term_name_its_passages_and_counts() -> None:
    sealed = SealedKeywords.build(map(Terms.of, [[*"ab"], [*"bb"], []]))
    assert [[part.tolist() for part in sealed.postings(term)] for term in "abc"] == [
        [[0], [1]],
        [[0, 1], [1, 2]],
        [[], []],
    ]


def test_terms_count_the_tokens_of_a_passage() -> None:
    assert Terms.of(["b", "a", "b"]).counts == Counter(a=1, b=2)
    assert Terms.of(["b", "a", "b"]).length == 3
