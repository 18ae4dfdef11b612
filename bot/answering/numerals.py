"""Reads numerals: digits with separators, English words, Chinese characters. Knows nothing of dates and units."""

from __future__ import annotations

import re
from decimal import Decimal

LONGEST = 30  # characters of a numeral; a longer run of digits is a text of digits and has no other form

_DIGITS = {character: number for number, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1_000}
SCALES = {"万": 10_000, "亿": 100_000_000, "thousand": 1_000, "million": 10**6, "billion": 10**9}
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_WORDS = {word: number for number, word in enumerate(_SMALL)} | {
    word: 10 * number
    for number, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_MULTIPLES = {"hundred": 100, "dozen": 12, "thousand": 1_000, "million": 10**6, "billion": 10**9}

DIGITS = r"(?<![\d.,])\d+(?:[.,]\d+)*"
CHINESE = r"[零〇一二两三四五六七八九十百千万亿]{1,30}"  # bounded, so that reading stays proportional to the length
WORD = rf"(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
_MULTIPLE = rf"(?:{'|'.join(_MULTIPLES)})"
ENGLISH = rf"\b(?:{WORD}|a(?: {_MULTIPLE})+)(?:[ -](?:and )?(?:{WORD}|{_MULTIPLE})){{0,12}}\b"
NUMERAL = rf"(?:{DIGITS}|{CHINESE}|{ENGLISH})"


def plain(value: Decimal) -> str:
    """A number without needless zeros: 6.00 is "6"."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def read_numeral(number: str) -> list[Decimal]:
    """What a number may mean, the usual first; empty for what is none."""
    if number[0].isdigit() and number.isascii():
        return _digits(number)
    value = _english(number) if number.isascii() else _chinese(number)
    return [] if value is None else [Decimal(value)]


def decimal(whole: str, tenths: str) -> Decimal:
    """The value of the Chinese numeral ``whole`` and the digits after its point: 二点八五 is 2.85."""
    return Decimal(f"{_chinese(whole)}.{''.join(str(_DIGITS[character]) for character in tenths)}")


def _digits(number: str) -> list[Decimal]:
    """1,234 is a thousand and more, or one and a bit; 1.234,56 and 1,234.56 have one reading; 3.40.1 has none."""
    if len(number) > LONGEST:
        return []
    thousands = re.fullmatch(r"\d{1,3}(?:([.,])\d{3})(?:\1\d{3})*(?:(?!\1)[.,]\d+)?", number)
    forms: list[str] = []
    if thousands:
        mark = thousands[1]
        forms.append(number.replace(mark, "").replace(",", "."))
    if len(re.findall(r"[.,]", number)) <= 1:
        decimal = number.replace(",", ".")
        forms = [decimal, *forms] if thousands and thousands[1] == "." else [*forms, decimal]
    return [Decimal(form) for form in forms]


def _english(words: str) -> int | None:
    total = group = 0
    for word in re.findall(r"[a-z]+", words):
        if word in _WORDS:
            group += _WORDS[word]
        elif word in ("hundred", "dozen"):
            group = (group or 1) * _MULTIPLES[word]
        elif word in _MULTIPLES:
            total, group = total + (group or 1) * _MULTIPLES[word], 0
    return total + group


def _chinese(numeral: str) -> int | None:
    """三万五 is 35,000 and 一百零五 is 105; digits in a row (二〇二六) are read one by one."""
    if len(numeral) > LONGEST:
        return None
    if not set(numeral) & {*_UNITS, "万", "亿"}:
        return int("".join(str(_DIGITS[character]) for character in numeral))
    total = section = 0
    digit: int | None = None
    last = 1  # the unit that a digit after it counts a tenth of
    for character in numeral:
        if character in _DIGITS:
            digit = _DIGITS[character]
            last = 1 if digit == 0 else last
        elif character in _UNITS:
            last = _UNITS[character]
            section, digit = section + (1 if digit is None else digit) * last, None
        else:
            last = SCALES[character]
            total = (
                (total + section + (digit or 0)) * last
                if character == "亿"
                else total + (section + (digit or 0)) * last
            )
            section, digit = 0, None
    return total + section + (digit or 0) * (last // 10 if last > 10 else 1)
