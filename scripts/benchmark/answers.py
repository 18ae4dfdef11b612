"""Decides whether a text contains an accepted answer, whatever the form of its numbers, dates and marks.

Both texts are brought to one form: NFKC, lower case, simplified Chinese, no punctuation, no English articles; numbers
as digits (``六千`` and ``six thousand`` become 6000), shares with ``%``, dates as ``2020 m1 d30``, times as ``20:00``.
Then the answer's words must follow each other in the text. A number never matches a part of a longer number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrieval.text import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

_MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sept sep|"
        "october oct|november nov|december dec".split("|"),
        start=1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_FULL_MONTH = "|".join(name for name in _MONTHS if len(name) > 4 or name in ("may", "june", "july"))
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(\d{4})"
_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUES = {word: number for number, word in enumerate(_UNITS)} | {w: 10 * n for n, w in enumerate(_TENS, start=2)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9}
_NUMBER_WORD = "|".join(sorted((*_VALUES, *_SCALES), key=len, reverse=True))
_ENGLISH = re.compile(rf"\b(?:{_NUMBER_WORD})(?:(?:[\s-]+|\s+and\s+)(?:{_NUMBER_WORD}))*\b")
_SCALED = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*(hundred|thousand|million|billion)\b")
_CHINESE_DIGITS = {character: number for number, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1_000, "万": 10**4, "亿": 10**8}
_CHINESE = re.compile(r"[零〇一二三四五六七八九两十百千万亿]+")
_CHINESE_SCALED = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([万亿]+)")
_CHINESE_TIME = re.compile(
    r"(凌晨|早上|上午|中午|下午|傍晚|晚上)?\s*(?<!\d)(\d{1,2})(?:点钟?|时(?!间))(?:(半)|(\d{1,2})分)?"
)
_ARTICLES = frozenset(("a", "an", "the"))
_PIECE = re.compile(r"\d+(?:\.\d+)?|m\d+\b|d\d+\b|[^\W\d_]+|%|:")
_HAN = re.compile(r"[\u3400-\u9fff]")


def contains(text: str, groups: Sequence[Sequence[str]]) -> bool:
    """Whether ``text`` has at least one answer of every group. Without groups: False."""
    pieces = comparable(text)
    return bool(groups) and all(any(_within(comparable(answer), pieces) for answer in group) for group in groups)


def comparable(text: str) -> tuple[str, ...]:
    """The words, numbers and single Chinese characters of a text, in the form in which answers are compared."""
    plain = normalise(text)
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", plain)
    plain = _shares(_dates(_times(_english_numbers(_chinese_numbers(plain)))))
    pieces: list[str] = []
    for piece in _PIECE.findall(plain):
        if piece[0].isdigit():
            pieces.append(_number(piece))
        elif _HAN.search(piece):
            pieces += re.findall(r"[\u3400-\u9fff]|[^\u3400-\u9fff]+", piece)
        elif piece not in _ARTICLES:
            pieces.append(piece)
    return tuple(pieces)


def _within(answer: tuple[str, ...], pieces: tuple[str, ...]) -> bool:
    size = len(answer)
    return size > 0 and any(pieces[at : at + size] == answer for at in range(len(pieces) - size + 1))


def _number(digits: str) -> str:
    whole, point, rest = digits.partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{rest}" if point and rest else "")


def _chinese_numbers(text: str) -> str:
    """Chinese numerals as digits, where they are numbers: several characters, or one with a unit or a counted thing
    behind it. A lone 一 is mostly no number, and stays."""
    text = re.sub(r"百分之([零〇一二三四五六七八九两十百点\d.]+)", lambda m: f"{_chinese_decimal(m[1])}%", text)
    text = _CHINESE_SCALED.sub(lambda m: _scaled(m[1], [_CHINESE_UNITS[unit] for unit in m[2]]), text)
    return _CHINESE.sub(lambda m: _chinese(m[0]), text)


def _chinese_decimal(numeral: str) -> str:
    whole, point, rest = numeral.partition("点")
    return _chinese(whole) + (f".{_chinese(rest)}" if point else "")


def _chinese(numeral: str) -> str:
    if numeral.isascii() or set(numeral) <= {"百", "千", "万", "亿"}:  # no number alone: 万里, 百姓
        return numeral
    if not set(numeral) & _CHINESE_UNITS.keys():
        return "".join(str(_CHINESE_DIGITS[character]) for character in numeral)
    total = section = digit = last = 0
    for character in numeral:
        if character in _CHINESE_DIGITS:
            digit = _CHINESE_DIGITS[character]
        elif (unit := _CHINESE_UNITS[character]) >= 10**4:
            total = (total + section + digit) * unit if unit > last else total + (section + digit) * unit
            section, digit, last = 0, 0, unit
        else:
            section += (digit or 1) * unit
            digit = 0
    return str(total + section + digit)


def _scaled(number: str, scales: Sequence[int]) -> str:
    value = float(number)
    for scale in scales:
        value *= scale
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _english_numbers(text: str) -> str:
    text = _SCALED.sub(lambda m: _scaled(m[1], [_SCALES[m[2]]]), text)
    return _ENGLISH.sub(lambda m: _english(m[0]), text)


def _english(words: str) -> str:
    total = current = 0
    for word in re.split(r"[\s-]+", words):
        if word in _VALUES:
            current += _VALUES[word]
        elif word == "hundred":
            current = max(1, current) * 100
        elif word in _SCALES:
            total += max(1, current) * _SCALES[word]
            current = 0
    return str(total + current)


def _shares(text: str) -> str:
    return re.sub(r"(?<=\d)\s*(?:per\s?cent|percent|个百分点)\b", "%", text)


def _times(text: str) -> str:
    """``8 pm``, ``8:00 p.m.``, ``20点`` and ``晚上8点`` as ``20:00``; ``半`` as half an hour."""

    def english(match: re.Match[str]) -> str:
        hour = int(match[1]) % 12 + (12 if match[3] == "p" else 0)
        return f"{hour}:{match[2] or '00'}"

    def chinese(match: re.Match[str]) -> str:
        hour = int(match[2])
        if match[1] in ("下午", "晚上", "傍晚") and hour < 12:
            hour += 12
        minutes = "30" if match[3] == "半" else f"{int(match[4] or 0):02}"
        return f" {hour}:{minutes} "

    text = re.sub(r"\b(\d{1,2})(?::(\d\d))?\s*([ap])\.?m\b\.?", english, text)
    return re.sub(
        r"(凌晨|早上|上午|中午|下午|傍晚|晚上)?\s*(?<!\d)(\d{1,2})(?:点钟?|时(?!间))(?:(半)|(\d{1,2})分)?",
        chinese,
        text,
    )


def _dates(text: str) -> str:
    """Dates as year, ``m`` month, ``d`` day, as far as they are given."""

    def form(year: str | None, month: int, day: str | None) -> str:
        parts = (year, f"m{month}", None if day is None else f"d{int(day)}")
        return f" {' '.join(part for part in parts if part)} "

    text = re.sub(rf"{_YEAR}-(\d\d)-(\d\d)(?!\d)", lambda m: form(m[1], int(m[2]), m[3]), text)
    text = re.sub(
        r"(?:(\d{4})年)?\s*(?<!\d)(\d{1,2})月(?:(\d{1,2})[日号])?", lambda m: form(m[1], int(m[2]), m[3]), text
    )
    text = re.sub(rf"\b({_MONTH})\.?\s+{_DAY}(?:,?\s+{_YEAR})?\b(?!:)", lambda m: form(m[3], _MONTHS[m[1]], m[2]), text)
    text = re.sub(
        rf"\b{_DAY}(?:\s+of)?\s+({_MONTH})\b(?:,?\s+{_YEAR})?", lambda m: form(m[3], _MONTHS[m[2]], m[1]), text
    )
    text = re.sub(rf"\b({_MONTH}),?\s+{_YEAR}\b", lambda m: form(m[2], _MONTHS[m[1]], None), text)
    text = re.sub(rf"\b({_FULL_MONTH})\b", lambda m: f"m{_MONTHS[m[1]]}", text)
    return re.sub(r"(?<=\d{4})年", " ", text)
