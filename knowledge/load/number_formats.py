"""Writes the number of a workbook's cell as its format shows it: 2.85%, 00742, ¥100,000, 36:00.

The format codes are those of ECMA-376, part 1, 18.8.31. No maintained library writes them in Python (``ssf`` has had no
release since 2020 and does not start with today's Babel), so the codes that people use are read here: sections for
positive, negative and zero numbers, quoted text, digits with groups and decimals, per cent, dates, times and hours
above 24. For anything else (fractions, conditions, damaged codes), and for text, the value is written as it is.

A date is written as its format shows it if nobody can take its month for its day, and as 2026-03-09 otherwise.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import TypeAlias

Value: TypeAlias = bool | int | float | datetime.datetime | datetime.date | datetime.time | datetime.timedelta | str

MOST_CHARACTERS = 255  # of a format code: Excel's own limit
MOST_DECIMALS = 30
_DAY = datetime.timedelta(days=1)
_ZERO = datetime.timedelta()
_WEEKDAYS = "一二三四五六日"

_TOKEN = re.compile(
    r"""
      "(?P<quoted>[^"]*)" | \\(?P<escaped>.) | _. | \*.
    | \[\$(?P<currency>[^\]-]*)(?:-[^\]]*)?\] | \[(?P<elapsed>h+|m+|s+)\] | \[(?P<bracket>[^\]]*)\]
    | (?P<half>AM/PM|A/P|上午/下午) | (?P<general>General) | (?P<science>E[+-]0+)
    | (?P<digits>[0#?](?:[0#?,]*[0#?])?(?P<scale>,*)(?:\.(?P<decimals>[0#?]*))?|\.(?P<bare>[0#?]+))
    | (?P<date>y+|m+|d+|h+|s+(?:\.0+)?|a{3,4}|e+|g+) | (?P<percent>%) | (?P<section>;) | (?P<text>@) | (?P<other>.)
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_COLOURS = re.compile(r"(?:black|blue|cyan|green|magenta|red|white|yellow|color ?\d+|dbnum\d)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Part:
    kind: str  # "literal", "digits", "percent", "date", "elapsed", "half", "text" or "general"
    text: str
    decimals: int = 0
    scale: int = 0


def shown(value: Value, code: str) -> str:
    """The text of a cell with this value and this format code."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    sections = _sections(code if len(code) <= MOST_CHARACTERS else "")
    if sections is None:
        return plain(value)
    if isinstance(value, int | float):
        return _number(value, sections)
    return _moment(value, sections[0])


def plain(value: Value) -> str:
    """The value without a format: 3, not 3.0; dates without midnight."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case float():
            return f"{value:.15g}"  # the digits that a workbook has: 0.3, not 0.30000000000000004
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(sep=" ", timespec="minutes" if not value.second else "seconds")
        case datetime.time():
            return value.isoformat(timespec="minutes" if not value.second else "seconds")
        case datetime.timedelta():
            return _hours(value)
        case _:
            return str(value)


@lru_cache(maxsize=1_000)
def _sections(code: str) -> tuple[tuple[_Part, ...], ...] | None:
    """The parts of each section of a format code; None for a code that is not read here."""
    sections: list[list[_Part]] = [[]]
    for token in _TOKEN.finditer(code.strip()):
        kind = token.lastgroup or ""
        if token["section"]:
            sections.append([])
        elif token["scale"] is not None or token["bare"] is not None:
            decimals = token["bare"] or token["decimals"] or ""
            part = _Part("digits", token[0], min(len(decimals), MOST_DECIMALS), len(token["scale"] or ""))
            sections[-1].append(part)
        elif kind in {"science", "bracket"}:
            if kind == "science" or not _COLOURS.fullmatch(token["bracket"]):
                return None  # a condition, or an exponent
        elif kind in {"date", "elapsed"}:
            sections[-1].append(_Part(kind, token[kind].lower()))
        elif kind in {"half", "percent", "text", "general"}:
            sections[-1].append(_Part(kind, token[0]))
        elif kind == "other" and token["other"] == "/" and sections[-1] and sections[-1][-1].kind == "digits":
            return None  # a fraction
        elif kind:
            sections[-1].append(_Part("literal", token[kind]))
    if len(sections) > 4 or sections == [[]] or code.count('"') % 2:
        return None
    return tuple(tuple(section) for section in sections)


def _number(value: float, sections: tuple[tuple[_Part, ...], ...]) -> str:
    section, sign = sections[0], "-" if value < 0 else ""
    if value < 0 and len(sections) > 1:
        section, sign = sections[1], ""  # the section itself writes the sign, or brackets
    elif value == 0 and len(sections) > 2:
        section = sections[2]
    kinds = {part.kind for part in section}
    if kinds & {"date", "elapsed"}:
        return plain(value)  # a date outside of the calendar: Excel shows no text for it
    if kinds & {"general", "text"}:
        return plain(value)
    if not section:
        return "" if len(sections) > 1 else plain(value)  # ";;;" hides the number
    try:
        amount = abs(Decimal(repr(value)))
        amount *= 100 ** sum(part.kind == "percent" for part in section)
        written = _written(amount, section)
    except (InvalidOperation, OverflowError):  # not a number, or one that no workbook shows in full
        return plain(value)
    return (sign if re.search("[1-9]", written) else "") + " ".join(written.split())


def _written(amount: Decimal, section: tuple[_Part, ...]) -> str:
    digits = [part for part in section if part.kind == "digits"]
    if len(digits) < 2:
        return "".join(_digits(amount, part) if part.kind == "digits" else part.text for part in section)
    # 000-0000-0000: the places are filled from the right, and the first part takes what is left
    rest = _digits(amount, _Part("digits", "".join(part.text for part in digits)))
    texts: list[str] = []
    for part in reversed(section):
        if part.kind != "digits":
            texts.append(part.text)
        elif part is digits[0]:
            texts.append(rest)
        else:
            texts.append(rest[-len(part.text) :])
            rest = rest[: -len(part.text)]
    return "".join(reversed(texts))


def _digits(amount: Decimal, part: _Part) -> str:
    """The amount with the least number of digits before the point, the decimals and the groups of this part."""
    places, _, decimals = part.text.rstrip(",").partition(".")
    rounded = (amount / 1000**part.scale).quantize(Decimal(1).scaleb(-part.decimals), rounding=ROUND_HALF_UP)
    whole, _, rest = f"{rounded:f}".partition(".")
    whole = whole.lstrip("0").rjust(places.count("0"), "0")
    if "," in places.rstrip(","):
        whole = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", whole)
    needed = len(decimals.rstrip("#?"))
    rest = rest[:needed] + rest[needed:].rstrip("0")
    return f"{whole}.{rest}" if rest else whole


def _moment(value: datetime.date | datetime.time | datetime.timedelta, section: tuple[_Part, ...]) -> str:
    """A date, a time or a number of hours."""
    parts = [part for part in section if part.kind in {"date", "elapsed"}]
    if not parts or not _is_certain(section):
        return plain(value)
    duration, moment = _both(value)
    is_half = any(part.kind == "half" for part in section)
    written: list[str] = []
    before = ""  # the date part before this one: "m" after hours or before seconds is minutes
    for at, part in enumerate(section):
        if part.kind not in {"date", "elapsed"}:
            written.append(("AM" if moment.hour < 12 else "PM") if part.kind == "half" else part.text)
            continue
        after = next((other.text[0] for other in section[at + 1 :] if other.kind in {"date", "elapsed"}), "")
        minutes = part.text[0] == "m" and (before == "h" or after == "s")
        written.append(_elapsed(duration, part.text) if part.kind == "elapsed" else "")
        written[-1] = written[-1] or _date_part(moment, part.text, minutes=minutes, half=is_half)
        before = part.text[0]
    return " ".join("".join(written).split())


def _is_certain(section: tuple[_Part, ...]) -> bool:
    """Whether the month and the day of a date are told apart: by a month in words, by 年月日 or points, or because the
    year is first."""
    order = [part.text for part in section if part.kind == "date"]
    letters = [text[0] for text in order]
    if not {"m", "d"} <= set(letters) or any(text in {"mmm", "mmmm", "mmmmm"} for text in order):
        return True
    signs = "".join(part.text for part in section if part.kind == "literal")
    return (letters[0] == "y" and order[0] != "yy") or "月" in signs or ("." in signs and letters.index("d") == 0)


def _both(value: datetime.date | datetime.time | datetime.timedelta) -> tuple[datetime.timedelta, datetime.datetime]:
    """The value as a duration since day 0 and as a moment."""
    if isinstance(value, datetime.timedelta):
        rest = value % _DAY
        return value, datetime.datetime(1900, 1, 1) + rest  # noqa: DTZ001 - a workbook knows no time zone
    if isinstance(value, datetime.time):
        moment = datetime.datetime.combine(datetime.date(1900, 1, 1), value)
        return moment - datetime.datetime.combine(moment.date(), datetime.time()), moment
    moment = value if isinstance(value, datetime.datetime) else datetime.datetime.combine(value, datetime.time())
    return moment - datetime.datetime(1899, 12, 30), moment  # noqa: DTZ001


def _elapsed(duration: datetime.timedelta, text: str) -> str:
    seconds = round(duration.total_seconds())
    amount = seconds // {"h": 3600, "m": 60, "s": 1}[text[0]]
    return str(amount).rjust(len(text), "0")


def _date_part(moment: datetime.datetime, text: str, *, minutes: bool, half: bool) -> str:
    letter, length = text[0], len(text)
    if letter == "y" or letter == "e":
        return f"{moment.year % 100:02}" if letter == "y" and length <= 2 else f"{moment.year:04}"
    if letter == "g":
        return ""  # the era of a calendar
    if letter == "a":
        return ("星期" if length == 4 else "周") + _WEEKDAYS[moment.weekday()]
    if letter == "m" and not minutes and length >= 3:
        return f"{moment:%b}" if length == 3 else f"{moment:%B}" if length == 4 else f"{moment:%b}"[0]
    if letter == "d" and length >= 3:
        return f"{moment:%a}" if length == 3 else f"{moment:%A}"
    if letter == "s" and "." in text:
        decimals = len(text.partition(".")[2])
        return f"{moment.second:02}." + f"{moment.microsecond:06}"[:decimals].ljust(decimals, "0")
    number = {
        "m": moment.minute if minutes else moment.month,
        "d": moment.day,
        "h": (moment.hour % 12 or 12) if half else moment.hour,
        "s": moment.second,
    }[letter]
    return str(number).rjust(min(length, 2), "0")


def _hours(duration: datetime.timedelta) -> str:
    seconds = round(abs(duration.total_seconds()))
    text = f"{seconds // 3600}:{seconds // 60 % 60:02}" + (f":{seconds % 60:02}" if seconds % 60 else "")
    return f"-{text}" if duration < _ZERO else text
