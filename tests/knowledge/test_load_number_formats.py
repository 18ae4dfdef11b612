"""Expected texts are what LibreOffice and Excel show for these values, in an English program."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.load.number_formats import Value, shown

DAY = datetime.datetime(2026, 3, 9)  # noqa: DTZ001 - a workbook knows no time zone
ACCOUNTING = '_ * #,##0.00_ ;_ * -#,##0.00_ ;_ * "-"??_ ;_ @_ '


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (0.0285, "0.00%", "2.85%"),
        (0.285, "0%", "29%"),
        (742, "00000", "00742"),
        (100_000, '"¥"#,##0', "¥100,000"),
        (5, "[$€-407]#,##0.00", "€5.00"),
        (1234.5, '#,##0.00 "元"', "1,234.50 元"),
        (1_234_567, "#,##0", "1,234,567"),
        (12.5, "#.##", "12.5"),
        (1.5, '0.00" kg"', "1.50 kg"),
        (3, r"0\ \m", "3 m"),
        (-5, "0.0", "-5.0"),
        (-5, "#,##0;[Red](#,##0)", "(5)"),
        (-0.001, "0.0", "0.0"),
        (12345.678, ACCOUNTING, "12,345.68"),
        (0, ACCOUNTING, "-"),
        (13_800_138_000, "000-0000-0000", "138-0013-8000"),
        (2_000, '0,"K"', "2K"),
        (5, ";;;", ""),
        (0, "0;-0;;@", ""),
        (3.0, "General", "3"),
        (0.1 + 0.2, "General", "0.3"),
        (True, "0", "TRUE"),
        ("00742", "0.00", "00742"),
    ],
)
def test_a_number_is_written_as_its_format_shows_it(value: Value, code: str, expected: str) -> None:
    assert shown(value, code) == expected


@pytest.mark.parametrize(
    ("value", "code", "expected"),
    [
        (datetime.timedelta(hours=36), "[h]:mm", "36:00"),
        (datetime.timedelta(minutes=90), "[mm]:ss", "90:00"),
        (datetime.time(17, 30), "h:mm AM/PM", "5:30 PM"),
        (datetime.time(0, 5), "h:mm AM/PM", "12:05 AM"),
        (datetime.time(9, 5), "hh:mm", "09:05"),
        (DAY, 'yyyy"年"m"月"d"日"', "2026年3月9日"),
        (DAY, "[$-F800]dddd, mmmm dd, yyyy", "Monday, March 09, 2026"),
        (DAY, "mmm-yy", "Mar-26"),
        (DAY, "d.m.yyyy", "9.3.2026"),
        (DAY, "yyyy/m/d", "2026/3/9"),
        (DAY, "aaaa", "星期一"),
        (DAY.replace(hour=14, minute=5), "yyyy-mm-dd hh:mm", "2026-03-09 14:05"),
    ],
)
def test_dates_and_times_are_written_as_their_format_shows_them(value: Value, code: str, expected: str) -> None:
    assert shown(value, code) == expected


@pytest.mark.parametrize("code", ["mm-dd-yy", "m/d/yyyy", "dd/mm/yyyy", "General", "0"])
def test_a_date_whose_month_could_be_its_day_is_written_with_the_year_first(code: str) -> None:
    assert shown(DAY, code) == "2026-03-09"


@pytest.mark.parametrize("code", ['0"', "# ?/?", "0.00E+00", "[>=100]0;0.0", "[h", "0;0;0;0;0", "9" * 300, ""])
def test_a_number_with_a_format_that_is_not_read_is_written_as_it_is(code: str) -> None:
    assert shown(1.25, code) == "1.25"


@given(
    st.one_of(st.floats(), st.integers(), st.datetimes(), st.times(), st.timedeltas()),
    st.text('0#?,.%;[]hmsdyae$"\\ @/E+-_*月GAPM', max_size=20),
)
def test_any_value_and_code_give_a_text(value: Value, code: str) -> None:
    assert isinstance(shown(value, code), str)
