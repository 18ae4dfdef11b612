"""Reads the numbers, dates, times and durations of a text, so that the same one counts as equal in any form.

六千元 is 6000 元, 20:00 is 8 pm, 半年 is six months, 2026-05-06 is 6 May 2026. What may be read in two ways (8 o'clock,
1.234) has both readings, and two quantities are equal when they share one. Reads English and Chinese, and knows nothing
of answers and passages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from bot.answering.numerals import CHINESE, DIGITS, ENGLISH, NUMERAL, SCALES, WORD, decimal, plain, read_numeral
from retrieval.text import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number, date, time or duration as a text has it."""

    text: str  # as written, in the normal form of retrieval.text.normalise
    equals: tuple[str, ...]  # its readings, the usual one first: "6000", "05-06", "20:00", "month 5", "15552000 s"
    parts: tuple[str, ...] = ()  # what is stated with it: the year of a date
    sure: bool = True  # False where the word may mean something else ("one of", 一般, "may", "once you …")


def quantities(text: str) -> list[Quantity]:
    """The quantities of a text, in its order."""
    rest = normalise(text)
    placed: list[tuple[int, Quantity]] = []
    for pattern, read in _PATTERNS:

        def take(match: re.Match[str], read: Callable[[re.Match[str]], Quantity | None] = read) -> str:
            quantity = read(match)
            if quantity is None:
                return match[0]
            placed.append((match.start(), quantity))
            return "\0" * len(match[0])  # nothing is read twice, and places stay

        rest = pattern.sub(take, rest)
    return [quantity for _, quantity in sorted(placed, key=lambda pair: pair[0])]


@lru_cache(maxsize=1_024)  # a proof compares many answers with the same passages
def readings(text: str) -> frozenset[str]:
    """All that the quantities of a text may be read as, parts and what is not sure included."""
    return frozenset(reading for quantity in quantities(text) for reading in (*quantity.equals, *quantity.parts))


# Numbers

_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split()
# A Chinese numeral surely is a number when it has at least two characters, or when it counts something.
_COUNTS = re.compile(r"\s*(?:[年月日天点岁元倍位名台件册条页楼层号次章节周%％]|小时|分钟|个月|星期)")


def _number(match: re.Match[str]) -> Quantity | None:
    written = match["number"]
    values = read_numeral(written)
    scale = match.groupdict().get("scale")
    if scale:
        values = [values[-1] * (1_000 if scale == "k" else SCALES[scale])] if values else []
    equals = [plain(value) for value in values]
    if written[0].isdigit() and written not in equals and not scale:
        equals.append(written)  # a code: 00742, 3.40.1
    if not equals:
        return None
    after = match.string[match.end() : match.end() + 4]
    if scale:
        sure = True
    elif written.isascii():
        sure = written not in ("zero", "one")
    elif len(written) == 1:
        sure = bool(_COUNTS.match(after))
    else:
        sure = after[:1] not in tuple("分足一")  # 十分, 十足, 万一
    return Quantity(match[0].strip(), tuple(dict.fromkeys(equals)), sure=sure)


def _decimal(match: re.Match[str]) -> Quantity:
    return Quantity(match[0], (plain(decimal(match["whole"], match["tenths"])),))


def _times(match: re.Match[str]) -> Quantity:
    return Quantity(match[0], (str(("once", "twice", "thrice").index(match[0]) + 1),), sure=match[0] != "once")


def _ordinal(match: re.Match[str]) -> Quantity:
    return Quantity(match[0], (str(_ORDINALS.index(match[0]) + 1),), sure=False)


def _half(match: re.Match[str]) -> Quantity:
    return Quantity(match[0], ("0.5", "50"), sure=False)


# Dates

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = rf"(?P<name>{'|'.join(_MONTHS)}|(?:{'|'.join(month[:3] for month in _MONTHS)}|sept)(?!\w))\.?"
_DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_TH = r"(?:st|nd|rd|th)?"


def _date(match: re.Match[str]) -> Quantity | None:
    """A day (with or without its year), a month of a year, or a month."""
    parts = match.groupdict()
    name = parts.get("name")
    month = (
        next(n for n, full in enumerate(_MONTHS, 1) if full.startswith(name[:3])) if name else _whole(parts["month"])
    )
    day, year = _whole(parts.get("day")), _whole(parts.get("year"))
    if month is None or not 1 <= month <= 12 or (day is not None and not 1 <= day <= 31):
        return None
    years = () if year is None else (str(year),)
    if day is None:
        in_year = () if year is None else (f"{year}-{month:02}",)
        bare = () if name else (str(month),)
        # "may" and "march" are also verbs
        return Quantity(
            match[0],
            in_year or (f"month {month}", *bare),
            (*years, f"month {month}"),
            sure=bool(in_year) or name is None,
        )
    either = () if year is None else (f"{day}/{month}/{year}", f"{month}/{day}/{year}")
    in_year = () if year is None else (f"{year}-{month:02}",)
    bare = () if name else (f"{month}.{day}",)
    return Quantity(match[0], (f"{month:02}-{day:02}", *either), (*years, *in_year, f"month {month}", str(day), *bare))


def _slashed(match: re.Match[str]) -> Quantity | None:
    """05/06/2026 is the fifth of June or the sixth of May."""
    first, second, year = (int(part) for part in match.groups())
    days = [(month, day) for month, day in ((second, first), (first, second)) if month <= 12 and day <= 31]
    if not days or 0 in (first, second):
        return None
    parts = tuple(f"{month:02}-{day:02}" for month, day in days)
    return Quantity(match[0], (f"{first}/{second}/{year}",), (*parts, str(year)))


def _weekday(match: re.Match[str]) -> Quantity:
    name = match["day"]
    number = _DAYS.index(name) + 1 if name.isascii() else "一二三四五六日天".index(name) + 1
    return Quantity(match[0], (f"weekday {min(number, 7)}",), sure=not name.isascii())


def _whole(number: str | None) -> int | None:
    if not number:
        return None
    values = read_numeral(number)
    return int(values[0]) if values and values[0] == int(values[0]) else None


# Times of day and durations

_HALVES = r"(?P<half>凌晨|清晨|早上|早晨|上午|中午|下午|傍晚|晚上|夜里|早|晚)"  # before the hour, as Chinese has it
_MERIDIEM = r"(?P<meridiem>a\.?m\b\.?|p\.?m\b\.?)"
_SECONDS = {
    "second": 1, "秒": 1, "minute": 60, "min": 60, "分钟": 60, "hour": 3_600, "小时": 3_600, "钟头": 3_600,
    "day": 86_400, "天": 86_400, "week": 604_800, "周": 604_800, "星期": 604_800, "礼拜": 604_800,
    "month": 2_592_000, "月": 2_592_000, "year": 31_104_000, "年": 31_104_000,
}  # fmt: skip
_UNIT = rf"(?P<unit>{'|'.join(unit + ('s?(?![a-z])' if unit.isascii() else '') for unit in _SECONDS if unit != '月')})"


def _time(match: re.Match[str]) -> Quantity | None:
    parts = match.groupdict()
    hour = _whole(parts["hour"])
    minute = 30 if parts.get("past") == "半" else _whole(parts.get("minute")) or 0
    if hour is None or minute > 59:
        return None
    if hour > 24:  # a duration such as 36:00
        return Quantity(match[0], (f"{hour}:{minute:02}", str(hour))) if ":" in match[0] else None
    half, meridiem = parts.get("half") or "", (parts.get("meridiem") or "")[:1]
    late = meridiem == "p" or half in ("中午", "下午", "傍晚", "晚上", "夜里", "晚")
    early = meridiem == "a" or half in ("凌晨", "清晨", "早上", "早晨", "上午", "早")
    hours = [hour]
    if late and hour < 12:
        hours = [hour + 12]
    elif early and hour == 12:
        hours = [0]
    elif not late and not early and hour <= 12:
        hours = [hour, (hour + 12) % 24]
    equals = [f"{hour % 24}:{minute:02}" for hour in hours]
    if minute == 0:  # a table may have the hour alone
        equals += [str(hour), *(str(other) for other in hours), *(str(other - 12) for other in hours if other > 12)]
    # 一点 is also "a little"
    return Quantity(match[0].strip(), tuple(dict.fromkeys(equals)), sure=match[0].strip() != "一点")


def _noon(match: re.Match[str]) -> Quantity:
    return Quantity(match[0], ("0:00", "24:00", "24") if match[0] in ("midnight", "午夜") else ("12:00", "12"))


def _duration(match: re.Match[str]) -> Quantity | None:
    parts = match.groupdict()
    number, unit = parts.get("number"), parts.get("unit") or "月"
    values = read_numeral(number) if number else [Decimal(0)]
    if not values:
        return None
    value = values[0] + (Decimal("0.5") if parts.get("half") else 0)
    if unit == "年" and value >= 1_000:  # the year 2026
        return None
    seconds = _SECONDS[unit if unit in _SECONDS else unit.rstrip("s")]
    return Quantity(match[0].strip(), (f"{plain(value * seconds)} s", plain(value)))


def _patterns() -> Iterator[tuple[str, Callable[[re.Match[str]], Quantity | None]]]:
    """In this order: what is read by one is no longer there for the next."""
    year = r"(?P<year>\d{4}|[〇零一二三四五六七八九]{4})"
    month, day = (rf"(?P<{part}>\d{{1,2}}|[一二三四五六七八九十]{{1,3}})" for part in ("month", "day"))
    yield rf"(?<!\d){year}\s*年\s*{month}\s*月\s*{day}\s*[日号]", _date
    yield r"(?<![\d.-])(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})(?!\d|[.-]\d)", _date
    yield rf"(?<!\d){year}\s*年\s*{month}\s*月", _date
    yield rf"(?<![\d零〇一二三四五六七八九十]){month}\s*月\s*{day}\s*[日号]", _date
    yield rf"(?<!\d)(?P<day>\d{{1,2}}){_TH}(?: of)? {_MONTH}(?:,? (?P<year>\d{{4}}))?(?!\w)", _date
    yield rf"\b{_MONTH} (?P<day>\d{{1,2}}){_TH}(?:,? (?P<year>\d{{4}}))?(?![\w:])", _date
    yield rf"\b{_MONTH},? (?P<year>\d{{4}})(?!\w)", _date
    yield r"(?<![\d/.])(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?!\d|[/.]\d)", _slashed
    yield rf"{_HALVES}?\s*(?<!\d)(?P<hour>\d{{1,2}}):(?P<minute>\d{{2}})(?::\d{{2}})?(?:\s*{_MERIDIEM})?(?!\d)", _time
    yield rf"(?P<hour>{DIGITS}|\b{WORD})\s*{_MERIDIEM}", _time
    yield rf"(?P<hour>{DIGITS}|\b{WORD}) o['’]clock(?: {_MERIDIEM})?", _time
    hour = r"(?P<hour>\d{1,2}|[零一二两三四五六七八九十]{1,3})"
    minute = r"(?P<minute>\d{1,2}(?=分)|\d{2}|[二三四五]?十[一二三四五六七八九]?|[一二三四五六七八九](?=分))"
    yield rf"{_HALVES}?\s*(?<![\d.]){hour}\s*点(?:(?P<past>半)|{minute}分?|钟|整)?(?![\d零一二两三四五六七八九])", _time
    yield rf"{_HALVES}\s*{hour}\s*时(?:(?P<past>半)|{minute}分?)?", _time
    yield r"\b(?:noon|midnight)\b|正午|午夜", _noon
    yield rf"\b(?P<day>{'|'.join(_DAYS)})\b", _weekday
    yield r"(?<![一二两三四五六七八九十每半个\d])(?:星期|礼拜|周)(?P<day>[一二三四五六日天])", _weekday
    yield rf"(?P<number>{NUMERAL})\s*个(?P<half>半)(?:{_UNIT}|月)", _duration
    yield rf"(?P<number>{NUMERAL})(?P<half> and a half )(?:{_UNIT})", _duration
    yield rf"(?P<number>{NUMERAL})\s*{_UNIT}(?P<half>半)", _duration
    yield rf"(?P<number>{NUMERAL})(?:\s*个\s*|[ -]?)(?:{_UNIT})", _duration
    yield rf"(?P<number>{NUMERAL})\s*个月", _duration
    yield rf"(?P<half>\bhalf an? |\bhalf-|半\s*个?\s*)(?:{_UNIT}|(?<=个)月)", _duration
    yield rf"(?<![\d零〇一二三四五六七八九十]){month}\s*月份?", _date
    yield rf"\b{_MONTH}(?!\w)", _date
    yield r"(?:百分之)?(?P<whole>[零一二两三四五六七八九十百千]+)点(?P<tenths>[零〇一二三四五六七八九]+)", _decimal
    yield rf"百分之(?P<number>{DIGITS}|{CHINESE})", _number
    yield rf"(?P<number>{DIGITS})\s?(?P<scale>万|亿|thousand\b|million\b|billion\b|k\b)", _number
    yield rf"(?P<number>{DIGITS})(?:st|nd|rd|th)?", _number
    yield rf"(?P<number>{CHINESE})", _number
    yield rf"(?P<number>{ENGLISH})", _number
    yield r"\b(?:once|twice|thrice)\b", _times
    yield rf"\b(?:{'|'.join(_ORDINALS)})\b", _ordinal
    yield r"\bhalf\b|一半", _half


_PATTERNS = [(re.compile(pattern), read) for pattern, read in _patterns()]
