"""A follow-up becomes a question that can be understood alone, whatever the model writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.answering.condense import Condensed, Condensing, EarlierTurn, How, build, condense
from knowledge.correcting.matching import normal_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.answering.prompt import Message

SHOES = EarlierTurn("Within how many days can shoes be returned?", "Within 14 days [1].")
LOANS = EarlierTurn("图书馆的书可以借多久？", "可以借 30 天 [1]。")
WHOLE = "Which documents do I need in order to open an account?"
WHOLE_ZH = "开立一个账户需要准备哪些证件和材料？"


def condensed(question: str, written: str, turn: EarlierTurn = SHOES) -> str:
    """The condensed text of ``question`` after ``turn`` when the model writes ``written``."""
    return condense(question, (turn,), lambda _messages, *, max_tokens: written[: max_tokens * 9]).text


@pytest.mark.parametrize(
    ("turn", "question", "written", "expected"),
    [
        (SHOES, "And sale items?", "Last question: Can sale items be returned?\nmore", "Can sale items be returned?"),
        (LOANS, "那杂志呢？", "杂志可以借多久？", "杂志可以借多久？"),
        (LOANS, "那杂志呢？", "最后一个问题：“杂志可以借几天”", "杂志可以借几天"),
    ],
)
def test_a_rewriting_with_words_of_the_conversation_is_used(
    turn: EarlierTurn, question: str, written: str, expected: str
) -> None:
    assert condensed(question, written, turn) == expected


BAD = [
    "",
    "Bananas grow in warm countries.",
    "word " * 200,
    SHOES.question,
    "Sale items can be returned within 14 days.",
]


@pytest.mark.parametrize("bad", BAD)
def test_a_short_question_without_a_good_rewriting_is_joined_with_the_one_before(bad: str) -> None:
    assert condensed("And sale items?", bad) == f"{SHOES.question} And sale items?"


@pytest.mark.parametrize("bad", BAD)
def test_a_long_question_without_a_good_rewriting_is_used_as_it_is(bad: str) -> None:
    assert condensed(WHOLE, bad) == WHOLE


@pytest.mark.parametrize("statement", ["开立账户需要身份证。", LOANS.question, "可以借 30 天"])
def test_a_statement_as_rewriting_of_a_chinese_question_is_dropped(statement: str) -> None:
    assert condensed(WHOLE_ZH, statement, LOANS) == WHOLE_ZH
    assert condensed("那杂志呢？", statement, LOANS) == f"{LOANS.question} 那杂志呢？"


def test_a_rewriting_without_words_of_the_conversation_is_not_used() -> None:
    assert condensed("那杂志呢？", "杂志是什么？", LOANS) == f"{LOANS.question} 那杂志呢？"


@pytest.mark.parametrize(("question", "joined"), [("And on Sundays?", True), ("周一呢？", True), (WHOLE, False)])
def test_a_question_that_the_model_repeats_is_used_alone_unless_it_is_very_short(question: str, joined: bool) -> None:
    assert condensed(question, question) == (f"{SHOES.question} {question}" if joined else question)


def test_a_question_without_a_question_mark_may_get_one() -> None:
    assert condensed("and sale items", "Can sale items be returned?") == "Can sale items be returned?"


@pytest.mark.parametrize(
    "question",
    ["My log says:\nERROR 1234 connection lost\nWhat does it mean?", "word " * 40 + "?", "详细说明" * 20 + "？"],
)
def test_a_question_that_is_too_long_to_be_rewritten_is_used_as_it_is(question: str) -> None:
    assert condensed(question, question[:60]) == question


def test_a_joined_question_keeps_the_end_of_the_long_question_before() -> None:
    long = EarlierTurn("x" * 5000 + " What about the garage?", "Closed.")
    assert condensed("And Sunday?", "", long).endswith("What about the garage? And Sunday?")


def test_without_a_history_the_model_is_not_asked() -> None:
    def write(_messages: Sequence[Message], *, max_tokens: int) -> str:
        raise AssertionError(max_tokens)

    assert condense("Alone?", (), write) == Condensed("Alone?", How.ALONE)


def test_the_model_reads_limited_parts_of_the_conversation() -> None:
    messages = build("And?", [EarlierTurn("q" * 5000, "a" * 5000)] * 9, "en")
    assert len(messages[-1].content) < 3 * 700


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_prompt_has_a_prefix_that_never_changes(language: str) -> None:
    first, second = build("One?", (SHOES,), language), build("二？", (LOANS,), language)
    assert first[:-1] == second[:-1]
    assert first[-1].content.endswith("One?")


def how(question: str, written: str, *history: EarlierTurn) -> Condensed:
    return condense(question, history or (SHOES,), lambda _messages, *, max_tokens: written[: max_tokens * 9])


PARCELS = EarlierTurn("How long do parcels to islands take?", "Five days [1].")
POINTS_BACK = "And how many days do I have for sending them back to you?"


@pytest.mark.parametrize(
    ("question", "written", "expected", "certain"),
    [
        ("And sale items?", "Within how many days can sale items be returned?", How.REWRITTEN, True),
        ("And sale items?", "Can sale items be exchanged?", How.GUESSED, False),  # nobody spoke of exchanging
        ("And sale items?", "Can sale items not be returned?", How.GUESSED, False),  # nor asked what cannot be
        # a word of the question that the rewriting lost may be the one that matters
        ("And shoes that are not new?", "Can new shoes be returned?", How.GUESSED, False),
        ("And without the box?", "Can shoes be returned and the box?", How.GUESSED, False),
        ("Why not?", "Why can shoes be returned?", How.GUESSED, False),
        ("And other shoes?", "Can shoes be returned?", How.GUESSED, False),
        ("And sale items?", "", How.JOINED, True),
        ("Who manages?", "Who manages?", How.UNCHANGED, False),  # about something new, or about the shoes
        ("How long?", "How long?", How.JOINED, True),
        # as it was asked: nothing proves that it is about a subject of its own
        (WHOLE, WHOLE, How.UNCHANGED, False),
        (WHOLE, WHOLE.upper(), How.UNCHANGED, False),
        (WHOLE, "", How.UNCHANGED, False),  # the model did not agree
        (POINTS_BACK, POINTS_BACK, How.UNCHANGED, False),
        (POINTS_BACK, "", How.UNCHANGED, False),
        (WHOLE_ZH, WHOLE_ZH, How.UNCHANGED, False),
        ("那么我应该在多少天之内把商品寄回给商店？", "", How.UNCHANGED, False),
        ("My log says:\nERROR 1234 connection lost\nWhat does it mean?", "", How.UNCHANGED, False),
        ("word " * 40 + "?", "", How.UNCHANGED, False),
    ],
)
def test_the_result_says_how_its_text_was_made(question: str, written: str, expected: How, certain: bool) -> None:
    made = how(question, written)
    assert (made.how, made.certain) == (expected, certain)


QUESTIONS = ["How long?", "Who manages?", POINTS_BACK, WHOLE, WHOLE_ZH, "word " * 40 + "?", "For how long\nis that?"]
BEFORE = [SHOES, LOANS, PARCELS, EarlierTurn("", "Welcome to the island post office."), EarlierTurn("\u200b?!", "")]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_follow_up_in_its_own_words_is_never_compared_with_corrected_questions(question: str) -> None:
    for turn in BEFORE:
        for written in (
            "",
            question,
            question.upper(),
            f"Question: {question}",
            question.rstrip("?？"),
            f"«{question}»!",
        ):
            made = how(question, written, turn)
            assert not made.certain or normal_form(made.text) != normal_form(question), (turn, written)


@pytest.mark.parametrize(
    ("question", "written", "expected"),
    [
        ("没有发票的鞋子呢？", "有发票的鞋子可以退货吗？", How.GUESSED),
        ("不是新的鞋子呢？", "新的鞋子能不能退货？", How.GUESSED),
        ("那旧鞋子呢？", "旧鞋子可以退货吗？", How.REWRITTEN),
        ("它们可以退货吗？", "鞋子可以退货吗？", How.REWRITTEN),
    ],
)
def test_a_chinese_rewriting_without_a_word_of_the_question_is_a_guess(
    question: str, written: str, expected: How
) -> None:
    shoes = EarlierTurn("鞋子可以退货吗？", "可以，有发票的新鞋子能退货 [1]。")
    assert how(question, written, shoes).how == expected


def test_a_rewriting_that_takes_up_an_earlier_topic_is_a_guess() -> None:
    made = how("How long?", "How long can shoes be returned?", SHOES, PARCELS)
    assert (made.text, made.how, made.certain) == ("How long can shoes be returned?", How.GUESSED, False)


def test_turns_without_a_question_are_not_joined_with() -> None:
    greeting = EarlierTurn("", "Welcome to the island post office.")
    assert how("How long?", "", greeting) == Condensed("How long?", How.UNCHANGED)
    assert how("How long?", "", PARCELS, greeting) == Condensed(f"{PARCELS.question} How long?", How.JOINED)


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("Who manages?", True),
        ("Where is the gym?", True),
        ("食堂几点开门？", True),
        ("How long?", False),
        ("And the gym?", False),
        ("满十年的呢？", False),
        ("多少钱？", False),
        ("When is it?", False),
    ],
)
def test_a_short_question_with_a_subject_of_its_own_is_searched_with_the_one_before_and_asked_alone(
    question: str, asked: bool
) -> None:
    made = how(question, "")
    assert (made.text, made.asked) == (f"{SHOES.question} {question}", question if asked else None)


def test_the_model_reads_no_hidden_characters_of_a_conversation() -> None:
    prompt = build("And \u202eshoes\U000e0041?", [EarlierTurn("How\u200b long?", "14\u2060 days")], "en")[-1].content
    assert prompt == "Question: How long?\nAnswer: 14 days\nLast question: And shoes?"


def test_the_limits_of_a_profile_decide_what_is_joined() -> None:
    def refused(_messages: object, *, max_tokens: int) -> str:
        return ""

    history = (EarlierTurn("How long is a loan?", "30 days [1]."),)
    question = "Which rooms may readers book?"
    assert condense(question, history, refused).how is How.JOINED
    assert condense(question, history, refused, Condensing(whole=3)).how is How.UNCHANGED
