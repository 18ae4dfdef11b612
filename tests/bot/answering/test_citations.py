"""Markers of an answer: valid ones are kept, invented ones removed, a missing one is added, code is not changed."""

from __future__ import annotations

import pytest

from bot.answering.citations import support, verify

HOURS = "The shop opens at nine and closes at eight."
RETURNS = "Shoes can be returned within 14 days of delivery."
BOTH = [HOURS, RETURNS]


@pytest.mark.parametrize(
    ("answer", "expected", "cited"),
    [
        ("Within 14 days [2].", "Within 14 days [2].", (2,)),
        ("Within 14 days[2].", "Within 14 days[2].", (2,)),
        ("在 14 天内【2】。", "在 14 天内[2]。", (2,)),
        ("At nine [1, 2].", "At nine [1][2].", (1, 2)),
        ("At nine [1]. Within 14 days [2] [9].", "At nine [1]. Within 14 days [2].", (1, 2)),
        ("Shoes can be returned within 14 days [7].", "Shoes can be returned within 14 days. [2]", (2,)),
        ("Shoes can be returned within 14 days.", "Shoes can be returned within 14 days. [2]", (2,)),
        ("Shoes can be returned within 14 days [1].", "Shoes can be returned within 14 days [2].", (2,)),
        ("Bananas are yellow.", "Bananas are yellow.", ()),
        ("Put it into the .env file [1].", "Put it into the .env file [1].", (1,)),
        ("Run `print(argv[1])` and `ls .` [1]", "Run `print(argv[1])` and `ls .` [1]", (1,)),
        ("```\nx = a[1]\n```\nSee [2].", "```\nx = a[1]\n```\nSee [2].", (2,)),
        ("It is argv[10].", "It is argv[10].", ()),
        ("", "", ()),
    ],
)
def test_verify_keeps_valid_markers_and_repairs_others(answer: str, expected: str, cited: tuple[int, ...]) -> None:
    assert verify(answer, BOTH) == (expected, cited)


def test_support_is_the_share_of_the_answer_that_the_cited_passages_contain() -> None:
    assert support("Shoes can be returned within 14 days [2].", BOTH, (2,)) == 1.0
    assert support("Shoes can be returned within 14 days [1].", BOTH, (1,)) == 0.0
    assert support("", BOTH, ()) == 0.0
