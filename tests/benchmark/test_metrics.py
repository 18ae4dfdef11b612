"""The metrics and intervals of the benchmarks, against values that were computed by hand."""

from __future__ import annotations

import math

import pytest

from scripts.benchmark.intervals import Estimate, difference, mean
from scripts.benchmark.metrics import ranking_metrics


def test_a_perfect_ranking_has_the_best_value_of_every_metric() -> None:
    assert ranking_metrics(["a", "b", "x"], {"a", "b"}) == {
        "ndcg@10": 1.0,
        "mrr@10": 1.0,
        "recall@5": 1.0,
        "recall@10": 1.0,
        "hit@3": 1.0,
        "hit@5": 1.0,
        "mrr@5": 1.0,
    }


def test_metrics_of_ranks_two_and_six_of_three_relevant_documents() -> None:
    values = ranking_metrics(["x", "a", "y", "z", "u", "b", "v"], {"a", "b", "c"})
    # The gains of ranks 2 and 6, then those of ranks 1, 2 and 3.
    assert values["ndcg@10"] == pytest.approx((0.63093 + 0.35621) / (1 + 0.63093 + 0.5), abs=1e-5)
    assert values == {
        "ndcg@10": values["ndcg@10"],
        "mrr@10": 0.5,
        "recall@5": 1 / 3,
        "recall@10": 2 / 3,
        "hit@3": 1.0,
        "hit@5": 1.0,
        "mrr@5": 0.5,
    }


@pytest.mark.parametrize(("rank", "hit3", "hit5"), [(3, 1.0, 1.0), (4, 0.0, 1.0), (5, 0.0, 1.0), (6, 0.0, 0.0)])
def test_a_hit_counts_up_to_its_rank(rank: int, hit3: float, hit5: float) -> None:
    ranking = [str(number) for number in range(1, 11)]
    values = ranking_metrics(ranking, {str(rank)})
    assert (values["hit@3"], values["hit@5"]) == (hit3, hit5)


def test_documents_beyond_the_tenth_do_not_count() -> None:
    ranking = [str(number) for number in range(20)]
    assert set(ranking_metrics(ranking, {"10", "15"}).values()) == {0.0}
    assert ranking_metrics(ranking, {"5"})["mrr@5"] == 0.0
    assert ranking_metrics(ranking, {"5"})["mrr@10"] == pytest.approx(1 / 6)


def test_more_than_ten_relevant_documents_can_still_be_ranked_perfectly() -> None:
    ranking = [str(number) for number in range(12)]
    assert ranking_metrics(ranking, ranking)["ndcg@10"] == 1.0
    assert ranking_metrics(ranking, ranking)["recall@10"] == pytest.approx(10 / 12)


@pytest.mark.parametrize(("ranking", "relevant"), [(["a"], ()), (["a", "a"], ("a",))])
def test_no_relevant_document_or_one_twice_is_an_error(ranking: list[str], relevant: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="document"):
        ranking_metrics(ranking, relevant)


def test_the_interval_of_a_mean_is_near_that_of_the_normal_distribution() -> None:
    values = [1.0] * 60 + [0.0] * 40
    estimate = mean(values)
    half = 1.96 * math.sqrt(0.6 * 0.4 / 100)
    assert (estimate.value, estimate.n) == (0.6, 100)
    assert estimate.low == pytest.approx(0.6 - half, abs=0.02)
    assert estimate.high == pytest.approx(0.6 + half, abs=0.02)
    assert mean(values) == estimate
    assert mean([0.25] * 7) == Estimate(0.25, 0.25, 0.25, 7)


def test_a_paired_difference_is_narrower_than_two_intervals() -> None:
    before = [float(number % 2) for number in range(100)]
    after = [1.0 if number % 10 == 0 else value for number, value in enumerate(before)]
    estimate = difference(after, before)
    assert estimate.value == pytest.approx(0.1)
    assert 0.04 < estimate.low < 0.1 < estimate.high < 0.17
    with pytest.raises(ValueError, match="zip"):
        difference([1.0], [])


def test_nothing_has_no_mean() -> None:
    estimate = mean([])
    assert (math.isnan(estimate.value), math.isnan(estimate.low), estimate.n) == (True, True, 0)
