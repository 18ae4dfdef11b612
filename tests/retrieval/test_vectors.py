from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import VectorError
from retrieval.vectors import SealedVectors, could_be_best, exact_scores


def unit_rows(count: int, dimension: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def best(sealed: SealedVectors, query: np.ndarray, k: int, included: np.ndarray | None = None) -> list[int]:
    ordinals = sealed.search(query, k, included)
    scored = zip(exact_scores(sealed.matrix[ordinals], query), ordinals.tolist(), strict=True)
    return [ordinal for _, ordinal in sorted(scored, key=lambda item: (-item[0], item[1]))][:k]


def naive(matrix: np.ndarray, query: np.ndarray, k: int, included: np.ndarray | None = None) -> list[int]:
    ordinals = range(len(matrix)) if included is None else np.flatnonzero(included).tolist()
    scored = [
        (round(float(matrix[ordinal].astype(np.float64) @ query.astype(np.float64)), 6), ordinal)
        for ordinal in ordinals
    ]
    return [ordinal for _, ordinal in sorted(scored, key=lambda item: (-item[0], item[1]))][:k]


@given(st.integers(0, 60), st.integers(1, 20), st.integers(0, 1000), st.booleans())
def test_search_returns_every_one_of_the_best_rows(count: int, k: int, seed: int, masked: bool) -> None:
    matrix = unit_rows(count, 8, seed)
    included = np.random.default_rng(seed).random(count) < 0.6 if masked else None
    query = unit_rows(1, 8, seed + 1)[0]
    assert best(SealedVectors(matrix, 8), query, k, included) == naive(matrix, query, k, included)


def test_search_orders_copies_of_one_text_by_ordinal() -> None:
    matrix = np.repeat(unit_rows(3, 16), 200, axis=0)
    assert best(SealedVectors(matrix, 16), matrix[250], 5) == [200, 201, 202, 203, 204]


def test_search_without_included_rows_finds_nothing() -> None:
    sealed = SealedVectors(unit_rows(5, 4), 4)
    assert sealed.search(unit_rows(1, 4)[0], 3, np.zeros(5, dtype=np.bool_)).tolist() == []
    assert SealedVectors(np.empty((0, 4), dtype=np.float32), 4).search(unit_rows(1, 4)[0], 3, None).tolist() == []


def test_an_exact_score_does_not_depend_on_the_other_rows() -> None:
    matrix, query = unit_rows(100, 384), unit_rows(1, 384, 7)[0]
    together = exact_scores(matrix, query)
    assert [exact_scores(matrix[row : row + 1], query)[0] for row in range(100)] == together


def test_could_be_best_keeps_rows_that_rounding_could_move_up() -> None:
    scores = np.array([0.5, 0.50001, 0.9, 0.1], dtype=np.float32)
    assert could_be_best(scores, 2).tolist() == [0, 1, 2]


def test_matrix_is_the_vectors_and_cannot_be_changed() -> None:
    matrix = unit_rows(10, 4)
    sealed = SealedVectors(matrix, 4)
    assert np.array_equal(sealed.matrix, matrix)
    with pytest.raises(ValueError, match="read-only"):
        sealed.matrix[0, 0] = 1.0


def test_vectors_of_another_dimension_are_refused() -> None:
    with pytest.raises(VectorError):
        SealedVectors(unit_rows(2, 5), 4)
