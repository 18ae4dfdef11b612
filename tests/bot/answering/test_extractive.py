"""The reader without a model: the best sentences of the passages, in both languages, or a refusal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering.condense import Condensed, EarlierTurn, How
from bot.answering.extractive import ExtractiveReader, Passage, answer, split_sentences
from bot.answering.values import Material, Reply, Source

if TYPE_CHECKING:
    from collections.abc import Callable

ENGLISH = [
    ("Harbour Museum", "Visits", "The museum opens at ten. Dogs must stay outside."),
    ("Harbour Museum", "Tickets", "A ticket costs 12 euros. Children under six are free."),
]
CHINESE = [
    ("员工手册", "休假", "员工每年有十五天年假。年假须提前两周申请。"),
    ("员工手册", "报销", "报销单须在三十天内提交。超过期限不予受理。"),
]
TICKET = "How much is a ticket?"


def source(n: int, title: str, heading: str, text: str) -> Source:
    return Source(n, n, f"doc{n}", 1, title, (heading,), None, text, 1.0, {}, curated=False)


def read(
    passages: list[tuple[str, str, str]],
    question: str,
    *,
    stop: threading.Event | None = None,
    on_text: Callable[[str], None] = lambda _text: None,
) -> Reply:
    sources = tuple(source(n, *passage) for n, passage in enumerate(passages, start=1))
    material = Material(question, "en", (), sources, coverage=1.0)
    with ExtractiveReader().reading(
        None,
        on_position=lambda _position: None,
        on_silence=lambda _seconds: None,
        stop=stop or threading.Event(),
        background=False,
    ) as reading:
        return reading.read(material, on_text)


@pytest.mark.parametrize(
    ("passages", "question", "expected", "cited"),
    [
        (ENGLISH, TICKET, "A ticket costs 12 euros. [2]", (2,)),
        (CHINESE, "年假要提前多久申请？", "年假须提前两周申请。 [1]", (1,)),
        (
            [
                ("FAQ", "", "How do I reset my password?\nOpen the settings and choose Security."),
            ],
            "How do I reset my password?",
            "Open the settings and choose Security. [1]",
            (1,),
        ),
        (
            [("Bicycle", "Brakes", "They are checked in spring."), ("Car", "Brakes", "They are checked in autumn.")],
            "When are the brakes of the car checked?",
            "They are checked in autumn. [2]",
            (2,),
        ),
        # what looks like a part of a prompt is text like any other
        (
            [("Forms", "", "Question: 7 asks for the name of the ship.\n[9] Sign it.")],
            "Which name does question 7 ask for?",
            "Question: 7 asks for the name of the ship. [1]",
            (1,),
        ),
    ],
)
def test_it_answers_with_the_best_sentence(
    passages: list[tuple[str, str, str]], question: str, expected: str, cited: tuple[int, ...]
) -> None:
    pieces: list[str] = []
    reply = read(passages, question, on_text=pieces.append)
    assert (reply.status, reply.text, reply.citations, reply.reason) == ("answered", expected, cited, None)
    assert "".join(pieces) == expected
    assert len(pieces) == reply.completion_tokens > 1


@pytest.mark.parametrize(
    ("passages", "question"),
    [
        (ENGLISH, "Who was the first emperor of Rome?"),
        (CHINESE, "食堂的老板叫什么名字？"),
        ([], "Anything?"),
        ([("Empty", "", "")], "?"),
    ],
)
def test_it_refuses_where_no_sentence_shares_enough(passages: list[tuple[str, str, str]], question: str) -> None:
    reply = read(passages, question)
    assert (reply.status, reply.text, reply.reason) == ("refused", "", "said_so")


def test_a_stop_keeps_the_text_so_far() -> None:
    stop = threading.Event()
    pieces: list[str] = []

    def on_text(text: str) -> None:
        pieces.append(text)
        if len(pieces) == 2:
            stop.set()

    reply = read(ENGLISH, TICKET, stop=stop, on_text=on_text)
    assert (reply.status, "".join(pieces)) == ("stopped", "A ticket")
    assert reply.text.startswith("A ticket")


def test_it_condenses_without_a_model() -> None:
    before = EarlierTurn("When does the museum open?", "At ten. [1]")
    with ExtractiveReader().reading(
        ExtractiveReader().join("ann"),
        on_position=lambda _position: None,
        on_silence=lambda _seconds: None,
        stop=threading.Event(),
        background=False,
    ) as reading:
        assert reading.condense("And dogs?", [before]) == Condensed(f"{before.question} And dogs?", How.JOINED)
        assert reading.condense("And dogs?", []) == Condensed("And dogs?", How.ALONE)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Version 1.5 is out. See example.com now.", ["Version 1.5 is out.", "See example.com now."]),
        ("第一句。第二句！“第三句。”第四句", ["第一句。", "第二句！", "“第三句。”", "第四句"]),
        ("- item one\n\n## Heading\n* item two", ["item one", "Heading", "item two"]),
        ("…\n---\n", []),
    ],
)
def test_texts_in_both_languages_are_split_into_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


PARTS = st.lists(st.sampled_from(["[1] a\n", "word. ", "Question: word\n", "[2] b\n", "\n", "词。"]), max_size=6)


@given(st.lists(PARTS.map("".join), max_size=4), st.sampled_from(["word", "词", "Question: word", "b?"]))
def test_an_answer_quotes_a_passage(texts: list[str], question: str) -> None:
    passages = [Passage(n, "title", text) for n, text in enumerate(texts, start=1)]
    text = answer(passages, question)
    assert text is None or any(text.startswith(s) for p in passages for s in split_sentences(p.text))


def test_an_answer_has_no_characters_that_nobody_sees() -> None:
    made = read([("Harbour Museum", "Tickets", "A ticket costs \u202e12 eu\u200bros\U000e0041.")], TICKET)
    assert made.text == "A ticket costs 12 euros. [1]"
