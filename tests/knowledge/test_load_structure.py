"""What plain text shows without marks: headings, tables of contents, lines that go on."""

from __future__ import annotations

import pytest

from knowledge.load import Limits, LoadedDocument
from knowledge.load.child import documents

BODY = """
The Garage Book

{contents}
Chapter 1. Parking

1.1. Where can I park by day?

    In the yard.

1.2. Where can I park at night, when the gate of the yard is closed
and the guard is gone?

    In the street.

Chapter 2. Washing

2.1. Prices

    A wash costs 5 euros.
"""


def load(text: str) -> LoadedDocument:
    (document,) = documents(text.encode(), "garage.txt", Limits())
    return document


def test_numbered_lines_that_stand_alone_are_headings() -> None:
    document = load(BODY.format(contents=""))
    assert document.title == "The Garage Book"
    assert [line for line in document.text.split("\n") if line.startswith("#")] == [
        "# Chapter 1. Parking",
        "## 1.1. Where can I park by day?",
        "## 1.2. Where can I park at night, when the gate of the yard is closed and the guard is gone?",
        "# Chapter 2. Washing",
        "## 2.1. Prices",
    ]
    assert document.text.count("A wash costs 5 euros.") == 1


@pytest.mark.parametrize(
    "text",
    [
        "1. Open the door\n\n2. Close the door\n\n3. Go home",
        "1. Open the door.\n\nThen wait.",
        "1. Open the door\n2. Close the door\n\nThen wait.",
        "3.5 million people came.\n\nThen they went.",
        "2026\n\nThe year was wet.",
        "A B C\n\nThree letters.",
        "A. Smith\n\nShe is the manager.",
        "24 hours\n\nThe shop is open.",
    ],
)
def test_items_sentences_and_figures_are_no_headings(text: str) -> None:
    assert load(text).text == text


@pytest.mark.parametrize(
    "contents",
    [
        """Table of Contents

1. Parking
    1.1. Where can I park by day?
    1.2. Where can I park at night, when the
    gate of the yard is closed and the
    guard is gone?
2. Washing
    2.1. Prices
""",
        """Contents

* 1 Parking

  * 1.1 Where can I park by day?

  * 1.2 Where can I park at night, when

* 2 Washing

  * 2.1 Prices
""",
        """1 Parking ........ 2
1.1 Where can I park by day? ..... 2
1.2 Where can I park at night .... 3
2 Washing ........ 4
2.1 Prices ...... 4
""",
    ],
)
def test_table_of_contents_is_not_read_and_is_counted(contents: str) -> None:
    document = load(BODY.format(contents=contents))
    assert document.text.split() == load(BODY.format(contents="")).text.split()
    assert document.left_out == {"navigation": 1}


def test_list_that_the_text_does_not_repeat_is_read() -> None:
    text = "Rules\n\n1. Park in the yard\n2. Lock the car\n3. Take the key\n4. Go home\n\nThank you."
    assert load(text).text == text
    assert load(text).left_out == {}


def test_chinese_contents_and_chapters() -> None:
    chapters = (
        "第一章 停车",
        "停在院子里。",
        "第二章 洗车",
        "洗一次五元。",
        "第三章 加油",
        "不加油。",
        "附录 A 电话",
        "没有电话。",
    )
    body = "\n\n".join(chapters)
    contents = "停车手册\n\n目 录\n\n第一章 停车……1\n第二章 洗车……2\n第三章 加油……3\n附录 A 电话……4\n\n"
    document = load(contents + body)
    assert document.title == "停车手册"
    assert document.text.split("\n")[0:3] == ["停车手册", "", "# 第一章 停车"]
    assert [line for line in document.text.split("\n") if line.startswith("#")] == [
        "# 第一章 停车",
        "# 第二章 洗车",
        "# 第三章 加油",
        "# 附录 A 电话",
    ]


def test_chinese_words_that_a_line_end_broke_are_joined() -> None:
    text = (
        "    本书的目标读者是愿意学习命令行的人，但是不准备为了理解系统的运\n"
        "    作原理而阅读全部的源代码。书中的例子都可以直接使用，不需要任何\n"
        "    准备。\n\n姓名\n电话\n地址"
    )
    assert load(text).text == (
        "    本书的目标读者是愿意学习命令行的人，但是不准备为了理解系统的运"
        "作原理而阅读全部的源代码。书中的例子都可以直接使用，不需要任何"
        "准备。\n\n姓名\n电话\n地址"
    )


def test_underlined_titles_of_plain_text_are_headings() -> None:
    text = "Garage\n******\n\nOpen.\n\nPrices\n======\n\nA wash costs 5 euros.\n\nTotal:\n--\n12"
    assert load(text).text == "# Garage\n\nOpen.\n\n## Prices\n\nA wash costs 5 euros.\n\nTotal:\n--\n12"


@pytest.mark.parametrize(
    "line", ["1. a", ". " * 5_000 + "x", "1 " + "." * 9_999 + "x", "中" * 9_000, "第" * 9_000, "A.1 b"]
)
def test_hostile_text_takes_time_proportional_to_its_length(line: str) -> None:
    text = f"{line}\n" * (200_000 // len(line))
    assert len(load(text).text.replace("\n", "").replace("# ", "")) > 100_000


def test_commands_and_comments_with_a_hash_are_no_headings_beside_real_ones() -> None:
    commands = "# apt-get update\n\nUpdates the lists.\n"
    assert load(f"1. Lists\n\n{commands}").text == f"# 1. Lists\n\n\\{commands}".strip()
    assert load(f"Lists\n=====\n\n{commands}").text == f"# Lists\n\n\\{commands}".strip()
    assert load(commands).text == commands.strip()  # perhaps a heading of Markdown


def test_restructured_text_without_the_names_of_places() -> None:
    (document,) = documents(b".. _x-y:\n\nLists\n=====\r\n\r\n.. _z:\r\n\r\nSee `x`_.\n", "a.rst", Limits())
    assert document.text.split() == ["#", "Lists", "See", "`x`_."]
