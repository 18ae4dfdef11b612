from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opencc import OpenCC

from retrieval.text import codes, language_of, normalise, tokens, tokens_fingerprint

ANY_TEXT = st.text(st.characters(blacklist_categories=()))  # with lone surrogates and control characters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ＴｉＤＢ　４．０", "tidb 4.0"),
        ("  a\t\n b\u00a0c ", "a b c"),
        ("軟體資料庫檢索", "软体资料库检索"),
        ("沈默的乾隆，頭髮乾燥", "沉默的乾隆,头发干燥"),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("bad\ud800\x00\x1bthings", "bad things"),
        ("cafe\u0301 ﬁle", "café file"),
        ("", ""),
    ],
)
def test_normalise_gives_one_form(text: str, expected: str) -> None:
    assert normalise(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "這個資料庫的檢索結果顯示，後來發現裡面有許多錯誤。",
        "他反覆瞭解情況以後，回覆說：乾坤未定，頭髮已經乾了，麵包裡面只有麵粉。",
        "簡體字不會改變",
    ],
)
def test_normalise_simplifies_as_opencc_does(text: str) -> None:
    expected = OpenCC("t2s").convert(text)
    assert normalise(text) == normalise(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("知识库检索", ["知识", "知识库", "检索"]),
        ("資料庫", ["资料", "资料库"]),
        ("tidb-dashboard", ["tidb-dashboard", "tidb", "dashboard"]),
        ("KX-59566", ["kx-59566", "kx", "59566", "kx59566"]),
        ("CG7625/5", ["cg7625/5", "cg7625", "5", "cg76255"]),
        ("12-144", ["12-144", "12", "144"]),
        ("import imports imported importing", ["import"] * 4),
        ("use used using user's users", ["use", "used", "using", "user", "user"]),
        ("queries query", ["query", "query"]),
        ("mapped mapping maps", ["map"] * 3),
        ("string bus less this", ["string", "bus", "less", "thi"]),
        ("E1101", ["e1101"]),
        ("v5.4.0", ["v5.4.0", "5.4.0", "5.4"]),
        ("5.4.0", ["5.4.0", "5.4"]),
        ("5.4", ["5.4"]),
        ("backup.enable-auto-tune", ["backup.enable-auto-tune", "backup", "enabl", "auto", "tun"]),
        ("max_open_files=10", ["max_open_files", "max", "open", "fil", "10"]),
        ("C++ and C#", ["c++", "and", "c#"]),
        ("the user's 1,000 files", ["the", "user", "1000", "fil"]),
        ("don’t", ["don’t"]),
        ("TiDB版本v4.0升级", ["tidb", "版本", "v4.0", "4.0", "升级"]),
        ("カタカナ", ["カタ", "タカ", "カナ"]),
        ("한", ["한"]),
        ("🚀 … ！", []),
        ("", []),
        ("x" * 100, ["x" * 64]),
    ],
)
def test_tokens_of_mixed_text(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("物料号 KX-59566 在哪个货位？", [("kx-59566", "kx59566", "59566")]),
        ("ＫＸ－５９５６６在哪里", [("kx-59566", "kx59566", "59566")]),
        ("From when may ticket CG7625/5 enter?", [("cg7625/5", "cg76255")]),
        ("房号 12-14 的面积，房号 8-1881 的租金", [("12-14",), ("8-1881",)]),
        ("error 40013 in v5.4.0 or 6.1.0", [("40013",), ("v5.4.0", "5.4.0"), ("6.1.0",)]),
        ("is KX-59566 the same as kx-59566?", [("kx-59566", "kx59566", "59566")]),
        ("the 5th of 2023: 20mg at 3.14 %, open 24/7, half of 1,200, tidb-dashboard", []),
        ("", []),
    ],
)
def test_codes_of_a_question(question: str, expected: list[tuple[str, ...]]) -> None:
    assert codes(question) == expected


@given(ANY_TEXT)
def test_a_code_as_written_is_a_token_of_any_text(text: str) -> None:
    for forms in codes(text):
        assert forms[0] in tokens(text)


def test_a_version_inside_a_name_becomes_tokens() -> None:
    assert tokens("tidb-v5.4.0") == ["tidb-v5.4.0", "tidb", "v5.4.0", "5.4.0", "5.4"]


@given(ANY_TEXT)
def test_tokens_of_any_text_are_clean(text: str) -> None:
    words = tokens(text)
    assert [token for token in words if not token or len(token) > 64 or token.split() != [token]] == []
    assert " ".join(words).encode("utf-8").decode("utf-8") == " ".join(words)
    assert tokens(text) == words


@given(ANY_TEXT)
def test_normalise_any_text_is_printable(text: str) -> None:
    result = normalise(text)
    assert result == " ".join(result.split())
    assert result.encode("utf-8").decode("utf-8") == result
    assert [character for character in result if ord(character) < 32] == []


@pytest.mark.parametrize(
    "text",
    [
        "x" + "\u0591\u05b0" * 50_000,  # combining marks out of order: quadratic time if normalised all at once
        "軟體資料庫檢索" * 15_000,  # traditional characters without a break: quadratic time in OpenCC's port
        "a." * 50_000,
        "1,000" * 20_000,
        "v1.1" * 25_000,
        "'a" * 50_000,
        "知" * 100_000,
    ],
    ids=lambda text: repr(text[:4]),
)
def test_tokens_of_hostile_text_take_linear_time(text: str) -> None:
    started = time.thread_time()
    tokens(text)
    assert time.thread_time() - started < 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("TiDB 是什么", "zh"),
        ("如何用 SELECT FOR UPDATE", "zh"),
        ("tidb-lightning 报错", "zh"),
        ("這是什麼", "zh"),
        ("これは何ですか", "zh"),
        ("What is TiDB?", "en"),
        ("What does 知识库 mean?", "en"),
        ("What is 勘误?", "en"),
        ("Qu'est-ce que c'est ?", "en"),
        ("42", "en"),
        ("", "en"),
    ],
)
def test_language_of_follows_the_grammar(text: str, expected: str) -> None:
    assert language_of(text) == expected


@given(ANY_TEXT)
def test_language_of_any_text_is_chinese_or_english(text: str) -> None:
    assert language_of(text) in {"zh", "en"}


def test_tokens_fingerprint_names_what_tokens_depend_on() -> None:
    assert [part.rpartition("-")[0] for part in tokens_fingerprint().split("/")] == [
        "tokens",
        "rjieba",
        "opencc-python-reimplemented",
        "unicode",
    ]
