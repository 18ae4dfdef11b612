"""Whether a text contains an accepted answer, in any form of numbers, dates and marks."""

from __future__ import annotations

import pytest

from scripts.benchmark.answers import comparable, contains


@pytest.mark.parametrize(
    "forms",
    [
        ("六千元", "6000 元", "6,000元"),
        ("二十一", "twenty-one", "21", "Twenty one"),
        ("三百零五", "three hundred and five", "305"),
        ("十一万五千", "115,000", "11.5万", "115 thousand"),
        ("3亿", "三亿", "300 million", "300000000"),
        ("百分之九", "9 %", "9 percent", "nine per cent"),
        ("百分之零点五", "0.5%", "0.50 %"),
        (
            "2020年1月30日",
            "January 30, 2020",
            "30 January 2020",
            "2020-01-30",
            "二〇二〇年一月三十日",
            "Jan. 30th, 2020",
        ),
        ("1月30日", "January 30", "the 30th of January"),
        ("1776年7月", "July 1776"),
        ("三月", "March", "3月"),
        ("2019年", "2019"),
        ("20:00", "8 pm", "8:00 p.m.", "晚上8点", "20点"),
        ("8:30", "8:30 am", "八点半", "早上8点30分"),
        ("《飞虎将军》", "飞虎将军", "「飛虎將軍」"),
        ("The Panthers", "panthers.", "“Panthers”"),
        ("U.S.", "U S"),
    ],
    ids=lambda forms: forms[0],
)
def test_forms_of_the_same_answer_are_equal(forms: tuple[str, ...]) -> None:
    assert {comparable(form) for form in forms} == {comparable(forms[0])}
    assert comparable(forms[0]) != ()


@pytest.mark.parametrize(
    ("text", "groups", "expected"),
    [
        ("It was founded in 1912 [1].", (("12",),), False),
        ("至少有十二人死亡 [1]。", (("12人",),), True),
        ("The rate is 1.12.", (("12",), ("1.12",)), False),
        ("The rate is 1.12.", (("12", "1.12"),), True),
        ("On May 5 it opened.", (("5 May",),), True),
        ("Smith and then Jones.", (("Smith",), ("Jones",)), True),
        ("Smith and then nobody.", (("Smith",), ("Jones",)), False),
        ("A category.", (("cat",),), False),
        ("任何文本", (), False),
        ("Anything.", (("—",),), False),
        ("The train leaves at 8 pm.", (("20:00",),), True),
    ],
)
def test_every_group_needs_one_of_its_answers(text: str, groups: tuple[tuple[str, ...], ...], expected: bool) -> None:
    assert contains(text, groups) is expected
