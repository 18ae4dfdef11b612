"""Expected labels are those that Word's own dialogue "Define new multilevel list" shows."""

from __future__ import annotations

import pytest
from lxml import etree

from knowledge.load.word_numbers import Numbers, written

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def level(at: int, form: str, text: str, start: int = 1, more: str = "") -> str:
    shape = f'<w:start w:val="{start}"/><w:numFmt w:val="{form}"/>{more}<w:lvlText w:val="{text}"/>'
    return f'<w:lvl w:ilvl="{at}">{shape}</w:lvl>'


def numbers(
    levels: str, lists: str = '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>', styles: str = ""
) -> Numbers:
    numbering = f'<w:numbering {W}><w:abstractNum w:abstractNumId="0">{levels}</w:abstractNum>{lists}</w:numbering>'
    return Numbers(etree.fromstring(numbering), etree.fromstring(f"<w:styles {W}>{styles}</w:styles>"))


def item(at: int = 0, number: int = 1) -> object:
    return etree.fromstring(
        f'<w:p {W}><w:pPr><w:numPr><w:ilvl w:val="{at}"/><w:numId w:val="{number}"/></w:numPr></w:pPr></w:p>'
    )


def styled(style: str) -> object:
    return etree.fromstring(f'<w:p {W}><w:pPr><w:pStyle w:val="{style}"/></w:pPr></w:p>')


def labels(counter: Numbers, *levels: int) -> list[str]:
    return [counter.of(item(at))[0] for at in levels]


def test_a_list_counts_on_after_an_interruption() -> None:
    counter = numbers(level(0, "decimal", "Step %1:"))
    assert labels(counter, 0, 0) == ["Step 1:", "Step 2:"]
    assert counter.of(etree.fromstring(f"<w:p {W}/>")) == ("", False)
    assert labels(counter, 0) == ["Step 3:"]


def test_deeper_levels_begin_again_below_each_higher_one() -> None:
    levels = level(0, "decimal", "%1") + level(1, "decimal", "%1.%2") + level(2, "lowerLetter", "(%3)")
    assert labels(numbers(levels), 0, 1, 1, 2, 2, 0, 1, 2) == ["1", "1.1", "1.2", "(a)", "(b)", "2", "2.1", "(a)"]


def test_a_level_without_a_higher_one_shows_where_that_would_begin() -> None:
    assert labels(numbers(level(0, "decimal", "%1", start=3) + level(1, "decimal", "%1.%2")), 1) == ["3.1"]


def test_a_level_may_go_on_counting_below_the_next_higher_one() -> None:
    levels = level(0, "chineseCounting", "第%1章") + level(
        1, "chineseCounting", "第%2条", more='<w:lvlRestart w:val="0"/>'
    )
    assert labels(numbers(levels), 0, 1, 1, 0, 1) == ["第一章", "第一条", "第二条", "第二章", "第三条"]


def test_a_legal_level_shows_all_numbers_in_digits() -> None:
    levels = level(0, "upperRoman", "Article %1") + level(1, "decimal", "%1.%2", more="<w:isLgl/>")
    assert labels(numbers(levels), 0, 1) == ["Article I", "1.1"]


def test_lists_of_one_kind_share_their_count_unless_one_begins_again() -> None:
    lists = (
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="0"/></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/>'
        "</w:lvlOverride></w:num>"
    )
    counter = numbers(level(0, "decimal", "%1."), lists)
    assert [counter.of(item(0, number))[0] for number in (1, 2, 3, 3)] == ["1.", "2.", "7.", "8."]


def test_a_style_gives_its_paragraphs_the_number_of_its_level() -> None:
    styles = (
        '<w:style w:styleId="Base"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:styleId="Heading2"><w:basedOn w:val="Base"/></w:style>'
        '<w:style w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style>'
    )
    levels = level(0, "decimal", "%1") + level(1, "decimal", "%1.%2", more='<w:pStyle w:val="Heading2"/>')
    counter = numbers(levels, styles=styles)
    assert counter.of(styled("Base")) == ("1", True)
    assert counter.of(styled("Heading2")) == ("1.1", True)
    assert counter.of(styled("Loop")) == ("", False)


def test_bullets_and_lists_that_do_not_exist_have_no_number() -> None:
    assert numbers(level(0, "bullet", "•")).of(item()) == ("", False)
    assert numbers(level(0, "decimal", "%1")).of(item(number=9)) == ("", False)
    assert Numbers(None, None).of(item()) == ("", False)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("decimal", ["1", "4", "10", "27", "105"]),
        ("decimalZero", ["01", "04", "10", "27", "105"]),
        ("lowerLetter", ["a", "d", "j", "aa", "aaaaa"]),
        ("upperRoman", ["I", "IV", "X", "XXVII", "CV"]),
        ("ordinal", ["1st", "4th", "10th", "27th", "105th"]),
        ("chineseCountingThousand", ["一", "四", "十", "二十七", "一百零五"]),
        ("chineseLegalSimplified", ["壹", "肆", "壹拾", "贰拾柒", "壹佰零伍"]),
        ("ideographDigital", ["一", "四", "一〇", "二七", "一〇五"]),
        ("ideographTraditional", ["甲", "丁", "癸", "27", "105"]),
        ("decimalEnclosedCircle", ["①", "④", "⑩", "27", "105"]),
        ("somethingNew", ["1", "4", "10", "27", "105"]),
    ],
)
def test_numbers_in_the_formats_of_word(form: str, expected: list[str]) -> None:
    assert [written(number, form) for number in (1, 4, 10, 27, 105)] == expected
    assert all(written(number, form) for number in (0, 2_000_000))
