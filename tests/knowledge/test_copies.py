"""Which statements of a text are the same, wherever they are written and however they are laid out."""

from __future__ import annotations

import pytest

from knowledge.copies import statements, statements_at

RETURN = "Shoes: within 14 days."


def times(words: str, text: str) -> int:
    """How often a text has the statement that these words are in, by the words of a text with nothing else."""
    (form,) = statements_at(words, 0, len(words))
    return statements(text)[form]


@pytest.mark.parametrize(
    "text",
    [
        "# Returns\n\nShoes: within 14 days.",
        "- Shoes: within 14 days\n- Coats: never",
        "1. Shoes: within 14 days.",
        "| Shoes | within 14 days |\n| Coats | never |",
        "Keep the bill. Shoes: within 14 days. Thanks!",
        "Keep the bill.\nShoes: within\n14 days.\nThanks!",
        "Shoes: within 14 days\nCoats: never",
        "SHOES:  within 14 days!",
        "# Shoes: within 14 days",
        "Only for members.\n\n> Shoes: within 14 days.",
    ],
)
def test_a_statement_is_the_same_in_any_layout(text: str) -> None:
    assert times(RETURN, text) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Shoes: within 30 days.",
        "Coats: within 14 days.",
        "Within 14 days.",
        "Shoes: not within 14 days.",
        "Shoes: within 14 days for members.",
        "Shoes: within 1.4 days.",
        "| Shoes | within 14 days | members |",
    ],
)
def test_a_statement_with_other_words_is_another_one(text: str) -> None:
    assert times(RETURN, text) == 0


def test_every_place_of_a_statement_counts() -> None:
    text = f"# A\n\n{RETURN}\n\n# B\n\n{RETURN} {RETURN}\n\n- {RETURN}"
    assert times(RETURN, text) == 4


def test_chinese_sentences_are_statements() -> None:
    assert times("鞋类14天内退货。", "退货：保留发票。鞋类14天内退货。大衣不退。") == 1


def test_words_over_two_sentences_are_in_both() -> None:
    text = "Keep the bill. Shoes take long. Coats do not."
    start, end = text.index("bill"), text.index("long")
    assert statements_at(text, start, end) >= {"keep the bill", "shoes take long"}
    assert "coats do not" not in statements_at(text, start, end)


def test_a_long_text_without_any_break_is_read_in_reasonable_time() -> None:
    assert len(statements("a." * 200_000)) == 1
