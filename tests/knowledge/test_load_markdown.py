from __future__ import annotations

import pytest

from knowledge.load import Empty, Limits, LoadedDocument
from knowledge.load.child import documents


def load(text: str, name: str = "returns.md") -> LoadedDocument:
    (document,) = documents(text.encode(), name, Limits())
    return document


def test_markdown_reads_front_matter() -> None:
    source = (
        '---\ntitle: "Returns: the rules"\nlang: zh-CN\nurl: https://acme.example/returns\n'
        "tags:\n  - shop\n  - parcels\naudience: [staff, visitors]\n---\n\n# Returns\n\n三十天内退货。\n"
    )
    assert load(source) == LoadedDocument(
        key="",
        title="Returns: the rules",
        text="tags: shop, parcels; audience: staff, visitors\n\n# Returns\n\n三十天内退货。",
        language="zh",
        url="https://acme.example/returns",
        metadata={"tags": "shop, parcels", "audience": "staff, visitors"},
    )


def test_markdown_keeps_a_rule_at_the_start() -> None:
    source = "---\n\nThis is no front matter\n\n---\nText"
    assert load(source).text == source


def test_markdown_keeps_an_invalid_address_as_metadata() -> None:
    document = load("---\nurl: javascript:alert(1)\n---\nText")
    assert (document.url, dict(document.metadata)) == (None, {"url": "javascript:alert(1)"})


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("# Returns\n\ntext", "Returns"),
        ("intro\n\n## **Sale** [items](x.md) `now` {#sale} ##\n", "Sale items now"),
        ("Returns\n=======\n\ntext", "Returns"),
        ("```\n# no heading\n```\n\n# Heading\n", "Heading"),
        ("no heading at all", "returns"),
        ("# snake_case_name\n", "snake_case_name"),
    ],
)
def test_markdown_title_is_the_first_heading_or_the_name(source: str, title: str) -> None:
    assert load(source).title == title


def test_markdown_marks_underlined_headings_and_keeps_the_rest() -> None:
    source = (
        "Returns\n=======\n\nSale items\n---\n\n- a list\n---\n\ntwo lines of\na paragraph\n---\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n~~~text\ncode\n---\n~~~\n\nhard  \nbreak"
    )
    assert load(source).text == (
        "# Returns\n\n## Sale items\n\n- a list\n---\n\ntwo lines of\na paragraph\n---\n\n"
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n~~~text\ncode\n---\n~~~\n\nhard  \nbreak"
    )


def test_plain_text_is_not_changed() -> None:
    source = "First line\n=====\n# not touched\n  indented"
    assert load(source, "notes.txt") == LoadedDocument("", "notes", source)


def test_restructured_text_gets_headings() -> None:
    source = "=======\nManual\n=======\n\nStart\n-----\n\ntext\n\nDetail\n~~~~~~\n\nEnd\n---\n\n::\n\n   code\n"
    document = load(source, "manual.rst")
    assert document.title == "Manual"
    assert document.text == "# Manual\n\n## Start\n\ntext\n\n### Detail\n\n## End\n\n::\n\n   code"


def test_blank_text_is_empty() -> None:
    with pytest.raises(Empty):
        load(" \n\u200b\n")


def test_a_long_table_repeats_its_header_in_each_piece() -> None:
    rows = [f"| KM-{number} | {number} minutes |" for number in range(100)]
    text = load("# Devices\n\n| Device | Time |\n|---|:-:|\n" + "\n".join(rows) + "\n\nChecked yearly.\n").text
    heading, *pieces, end = text.strip().split("\n\n")
    assert (heading, end) == ("# Devices", "Checked yearly.")
    assert len(pieces) > 1
    assert {piece.split("\n")[0] for piece in pieces} == {"| Device | Time |"}
    assert [row for piece in pieces for row in piece.split("\n")[2:]] == rows


def test_a_table_without_bars_at_the_ends_of_its_rows_is_a_table() -> None:
    assert load("Route | Adult\n--- | ---\nA to B | 4\nC \\| D | 5\n").text.strip() == (
        "| Route | Adult |\n| --- | --- |\n| A to B | 4 |\n| C \\| D | 5 |"
    )


def test_a_short_table_and_a_table_in_code_stay_as_they_are() -> None:
    for text in ("|a|b|\n|:-|-|\n| 1|2 |", "```\na | b\n--- | ---\n1 | 2\n```", "one | two\nthree | four"):
        assert load(text).text == text


def test_what_the_front_matter_says_about_the_page_is_in_the_text() -> None:
    document = load(
        "---\ntitle: Backup\nowner: Team Heron\nlayout: page\n生效日期：2026-07-01\n---\n\n# Backup\n\nAt 01:40.\n"
    )
    assert document.title == "Backup"
    assert document.text.strip() == "owner: Team Heron; 生效日期: 2026-07-01\n\n# Backup\n\nAt 01:40."
