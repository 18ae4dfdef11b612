"""Characters that nobody sees: which are reported, which real text keeps, and that nothing else ever changes."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval import invisible
from retrieval.passage import indexed_text
from retrieval.text import normalise, tokens

ANY_TEXT = st.text(st.characters(blacklist_categories=()), max_size=60)
WORDS = st.from_regex("[A-Za-z0-9 .,]{0,8}[A-Za-z .,]", fullmatch=True)
# Listed by hand from the Unicode charts: one of each kind that a text can hide something with.
HIDING = [
    "\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067", "\u2069",  # direction
    "\u200e", "\u200f", "\u061c",  # direction marks
    "\u200b", "\u2060", "\u2062", "\u180e",  # no width
    "\U000e0001", "\U000e0041", "\U000e007f",  # tags
    "\ufe00", "\ufe0f", "\U000e0100", "\U000e01ef", "\u180b",  # selectors
    "\u034f", "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\u17b4",  # blanks that are letters, marks or signs
    "\ufff9", "\ufffb", "\u206a", "\U0001d173", "\U0001bca0", "\U00013430",  # annotation, deprecated, layout
    "\x00", "\x07", "\x08", "\x1b", "\x7f", "\x9b",  # controls, of terminals too
    "\x0b", "\x0c", "\x85", "\u2028", "\u2029",  # line ends that editors do not show
    "\ud800", "\udfff", "\ue000", "\U000f0000", "\U0010fffd",  # halves, private use
    "\ufdd0", "\uffff", "\U0001ffff", "\U000e0080", "\U000e0fff", "\u0378",  # no characters
]  # fmt: skip
NEEDED = [
    "می‌خواهم کتاب‌ها را ببینم",  # Persian
    "क्‍ष और क्‌ष",  # Hindi: half form, and no ligature
    "ශ්‍රී ලංකාව",  # Sinhala
    "ক্‍ষ র‍্য",  # Bengali
    "👨‍👩‍👧‍👦 👩🏽‍🚀 🏳️‍🌈 ❤️‍🔥 👁️‍🗨️ 🐻‍❄️ ⛹🏻‍♀️ 🧑🏿‍🤝‍🧑🏻",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f England",
    "1️⃣ #️⃣ ☎️ ☺︎ ©️ ™️ ‼️",
    "葛\U000e0100飾区と辻\U000e0101",  # Japanese with variants of characters
    "ภาษา\u200bไทย ភាសា\u200bខ្មែរ",  # no spaces between words
    "ᠮᠣᠩᠭᠣᠯ\u180b",
    "ᄀ\u1160ᆨ \u115fᅡ",  # old Korean
    "\u0600١٢٣ \u06dd",  # signs before Arabic numbers
    "日本語 中文 한국어 עברית العربية ελληνικά naïve “quotes” — a\u00a0b\u3000c\u2009d",
    "tab\tline\nline\r\nmath ∀x∈ℝ ⟨a⟩ x̄ é",
    "🫨🪿🫩",  # newer than some Unicode data
]


@pytest.mark.parametrize("character", HIDING, ids=lambda c: f"{ord(c):04X}")
@given(before=WORDS, after=WORDS)
def test_a_hidden_character_in_plain_words_is_reported_where_it_is(character: str, before: str, after: str) -> None:
    text = before + character + after
    assert invisible.find(text) == [(len(before), character)]
    breaks = "\n" if character in "\x0b\x0c\x85\u2028\u2029" else ""
    assert invisible.cleaned(text) == before + breaks + after
    assert invisible.marked(text) == f"{before}‹U+{ord(character):04X}›{after}"


@pytest.mark.parametrize("text", NEEDED)
def test_what_real_text_needs_is_kept(text: str) -> None:
    assert invisible.find(text) == []
    assert invisible.cleaned(text) == text
    assert invisible.marked(text) == text.replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("👍\ufe0f\ufe0e\ufe0f", ["\ufe0e", "\ufe0f"]),  # one selector, not a message in selectors
        ("葛\U000e0100\U000e0152\U000e0143", ["\U000e0152", "\U000e0143"]),
        ("م\u200c\u200d\u200cم", ["\u200c", "\u200d", "\u200c"]),  # bits between two letters
        ("👨\u200dab", ["\u200d"]),
        ("🏴\U000e0069\U000e0067\U000e006e\U000e007f", ["\U000e0069", "\U000e0067", "\U000e006e", "\U000e007f"]),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f\U000e0041", ["\U000e0041"]),
        ("a\ufeffb", ["\ufeff"]),
        ("\u00ad a", ["\u00ad"]),
    ],
)
def test_what_real_text_needs_elsewhere_is_hidden_here(text: str, hidden: list[str]) -> None:
    assert [place.character for place in invisible.find(text)][: len(hidden) + 2] == hidden


def test_a_byte_order_mark_and_soft_hyphens_are_harmless_but_go() -> None:
    assert invisible.find("\ufeffco\u00adoperate") == []
    assert invisible.cleaned("\ufeffco\u00adoperate") == "cooperate"


@given(ANY_TEXT)
def test_a_stripped_text_hides_nothing_and_is_stripped_once(text: str) -> None:
    stripped = invisible.cleaned(text)
    assert invisible.find(stripped) == []
    assert invisible.cleaned(stripped) == stripped


@given(ANY_TEXT)
def test_stripping_keeps_every_character_that_python_calls_printable(text: str) -> None:
    blank = set("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f")

    def seen(text: str) -> str:
        return "".join(c for c in text if c.isprintable() and c not in blank and not is_selector(c))

    def is_selector(c: str) -> bool:
        return "\ufe00" <= c <= "\ufe0f" or "\U000e0100" <= c <= "\U000e01ef"

    assert seen(invisible.cleaned(text)) == seen(text)


@given(ANY_TEXT)
def test_a_marked_text_moves_no_cursor_and_turns_no_direction(text: str) -> None:
    shown = invisible.marked(text)
    assert {c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Co", "Zl", "Zp")} <= {"\n", "\t"}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def test_no_assigned_letter_number_mark_or_sign_is_hidden_alone_but_known_blanks() -> None:
    hidden = {
        chr(code) for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code))[0] in "LNPS" and invisible.find(f"a{chr(code)}b")
    }  # fmt: skip
    assert hidden == set("\u115f\u1160\u2800\u3164\uffa0")


def test_names_say_which_and_how_many() -> None:
    assert invisible.names(["a\u202eb\u202ec", "\x1b[31m", "\ue000"]) == [
        "U+202E RIGHT-TO-LEFT OVERRIDE (2)",
        "U+001B CONTROL (1)",
        "U+E000 PRIVATE USE (1)",
    ]
    assert invisible.names(["".join(chr(0xE0000 + n) for n in range(0x41, 0x5B))], most=2)[-1] == "… (+24)"
    assert invisible.names(["plain", "👨‍👩‍👧"]) == []


@pytest.mark.parametrize(
    "text", ["🏴" * 200_000, "a\U000e0041" * 200_000, "\u200d" * 200_000, "中文 words\n" * 200_000]
)
def test_it_takes_little_time_for_long_texts(text: str) -> None:
    started = time.monotonic()
    invisible.cleaned(text)
    assert time.monotonic() - started < 5


def test_what_is_hidden_is_not_searched_or_embedded() -> None:
    poison = "Goods \U000e0069\U000e0067\U000e006e\U000e006fmay be \u202ereturned"
    assert normalise(poison) == "goods may be returned"
    assert tokens(poison) == tokens("Goods may be returned")
    assert indexed_text("Re\u200bturns", ("A\u2066b",), poison) == "Returns › Ab\nGoods may be returned"
