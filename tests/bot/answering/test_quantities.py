"""The same number, date, time or duration is equal in any form, and another one is not."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering.quantities import quantities, readings

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def in_english(number: int) -> str:
    """As it is spelt: the other way than the code under test reads."""
    if number < 20:
        return SMALL[number]
    if number < 100:
        return TENS[number // 10 - 2] + (f"-{SMALL[number % 10]}" if number % 10 else "")
    for size, word in ((10**6, "million"), (1_000, "thousand"), (100, "hundred")):
        if number >= size:
            rest = number % size
            return f"{in_english(number // size)} {word}" + (f" {in_english(rest)}" if rest else "")
    raise AssertionError(number)


def in_chinese(number: int) -> str:
    if number >= 10_000:
        rest = number % 10_000
        return f"{in_chinese(number // 10_000)}万" + (("零" if rest < 1_000 else "") + in_chinese(rest) if rest else "")
    text, gap = "", False
    for size, unit in ((1_000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit, number = divmod(number, size)
        if digit:
            text += ("零" if gap and text else "") + "零一二三四五六七八九"[digit] + unit
        gap = not digit
    return text or "零"


def equal(first: str, second: str) -> bool:
    """Whether each text is one quantity, and both are the same."""
    (quantity,), (other,) = quantities(first), quantities(second)
    return not set(quantity.equals).isdisjoint(other.equals)


@given(st.integers(2, 99_999_999))
def test_a_whole_number_is_equal_in_digits_in_groups_in_words_and_in_chinese(number: int) -> None:
    for form in (f"{number:,}", in_english(number), in_chinese(number), f"{number}.00"):
        assert equal(str(number), form), form


@given(st.integers(2, 99_999_999), st.integers(2, 99_999_999))
def test_two_different_whole_numbers_are_never_equal(first: int, second: int) -> None:
    if first != second:
        assert not equal(str(first), in_english(second))
        assert not equal(in_chinese(first), in_english(second))


@given(st.dates(datetime.date(1000, 1, 1)), st.dates(datetime.date(1000, 1, 1)))
def test_a_date_is_equal_in_all_forms_and_to_no_other_day(day: datetime.date, other: datetime.date) -> None:
    month = f"{day:%B}"
    forms = (
        f"{day.year}/{day.month}/{day.day}", f"{day.year}年{day.month}月{day.day}日", f"{month} {day.day}, {day.year}",
        f"{day.day} {month[:3]} {day.year}", f"{day.day}.{day.month}.{day.year}", f"{day.month}/{day.day}/{day.year}",
    )  # fmt: skip
    for form in forms:
        assert equal(day.isoformat(), form), form
    for form in (f"{day.day} {month}", f"{day.month}月{day.day}号", f"{month} {day.day}th"):
        assert equal(day.isoformat(), form), form
        if (other.month, other.day) != (day.month, day.day):
            assert not equal(other.isoformat(), form), form
    assert {str(day.year), f"month {day.month}"} <= readings(day.isoformat())


@given(st.times(), st.times())
def test_a_time_of_day_is_equal_in_both_clocks_and_to_no_other_time(time: datetime.time, other: datetime.time) -> None:
    clock = f"{time.hour}:{time.minute:02}"
    half = "pm" if time.hour >= 12 else "am"
    twelve = f"{time.hour % 12 or 12}:{time.minute:02}"
    for form in (f"{twelve} {half}", f"{twelve} {half[0]}.m.", f"{time.hour}点{time.minute:02}分"):
        assert equal(clock, form), form
    if (time.hour % 12, time.minute) != (other.hour % 12, other.minute):
        assert not equal(f"{other.hour}:{other.minute:02}", f"{twelve} {half}")


@pytest.mark.parametrize(
    "forms",
    [
        ("half a year", "半年", "six months", "6 个月", "六个月"),
        ("one and a half hours", "1.5 hours", "一个半小时", "90 分钟", "90 minutes"),
        ("两周", "two weeks", "14 天", "14-day", "两个星期"),
        ("三万五", "35000", "3.5 万", "35 thousand", "thirty-five thousand"),
        ("二点八五", "2.85", "2,85"),
        ("1.234,50", "1,234.5"),
        ("晚上八点", "8 pm", "20:00", "8 o'clock", "20 点整"),
        ("noon", "12:00", "正午", "中午十二点"),
        ("周五", "Friday", "星期五"),
        ("twice", "2", "两"),
        ("a dozen", "12", "十二"),
        ("２０２６年５月", "May 2026", "2026 年五月"),
    ],
)
def test_forms_of_one_quantity(forms: tuple[str, ...]) -> None:
    for form in forms:
        assert equal(forms[0], form), form


@pytest.mark.parametrize(
    ("text", "sure"),
    [
        ("one of them", []), ("一般", []), ("这一点", []), ("It may rain", []), ("once you have paid", []),
        ("the second door", []), ("二楼", ["二"]), ("每周一次", ["一"]), ("用 0 号", ["0"]),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_number_is_not_sure(text: str, sure: list[str]) -> None:
    assert [quantity.text for quantity in quantities(text) if quantity.sure] == sure


def test_a_code_stays_as_it_is_written() -> None:
    assert readings("00742, 3.40.1") == {"742", "00742", "3.40.1"}


@given(st.text())
def test_any_text_is_read_and_the_same_again(text: str) -> None:
    assert quantities(text) == quantities(text)


@pytest.mark.parametrize("piece", ["1", "1,", "1 ", "一", "半", "万", "one ", "9:", "9点", "may ", "half a ", "(1"])
def test_a_long_text_of_one_piece_is_read_in_time_proportional_to_its_length(piece: str) -> None:
    assert len(quantities(piece * 5_000)) <= 5_000
