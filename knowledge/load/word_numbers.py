"""Computes the numbers that Word shows before headings and list items: "第五条", "2.2", "(c)", "iv.".

They are not in the text of a document: paragraphs refer to levels of lists in ``numbering.xml``, whose counters run
through the document (ECMA-376, part 1, 17.9). Neither mammoth nor python-docx computes them, and docx2python writes its
own marks in place of the list's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Element: TypeAlias = Any  # lxml has no types

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
LEVELS = 9
MOST = 1_000_000  # a larger number is not counted by people
_DIGITS = "〇一二三四五六七八九"
_LEGAL = "零壹贰叁肆伍陆柒捌玖"
_STEMS, _BRANCHES = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
          (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip
_COUNTING = frozenset({
    "chineseCounting", "chineseCountingThousand", "japaneseCounting", "taiwaneseCounting", "taiwaneseCountingThousand",
    "koreanCounting",
})  # fmt: skip
_LEGAL_FORMATS = frozenset({"chineseLegalSimplified", "ideographLegalTraditional", "japaneseLegal"})


@dataclass(frozen=True, slots=True)
class Level:
    """A level of a list. ``text``: its pattern, "%1.%2"; ``restart``: the level (from 1) after which it begins again,
    0: never, None: after any higher one."""

    format: str = "decimal"
    text: str = ""
    start: int = 1
    legal: bool = False
    restart: int | None = None
    style: str = ""


@dataclass(slots=True)
class _List:
    """The levels of a ``w:num``. ``counters``: shared by all lists of the same ``w:abstractNum``."""

    levels: dict[int, Level]
    counters: dict[int, int]
    overrides: dict[int, int] = field(default_factory=dict)  # level → where this list begins to count


class Numbers:
    """Counts through the paragraphs of a document, which are given in their order."""

    def __init__(self, numbering: Element | None, styles: Element | None) -> None:
        """Takes the roots of ``numbering.xml`` and ``styles.xml``; None where the file has none."""
        self._styles = _style_numbers(styles)
        self._lists = _lists(numbering, self._styles) if numbering is not None else {}

    def of(self, paragraph: Element) -> tuple[str, bool]:
        """(the number before a ``w:p``, whether it is an item of a list that is numbered): ("", False) for none or for
        a bullet."""
        properties = paragraph.find(f"{W}pPr")
        number, level = _reference(properties)
        style = _value(properties, "pStyle") if properties is not None else ""
        if number is None and style:
            number, level = self._styles.get(style, (None, None))
        entry = self._lists.get(number or "")
        if entry is None:
            return "", False
        if level is None:
            level = next((at for at, candidate in entry.levels.items() if candidate.style == style and style), 0)
        shape = entry.levels.get(level)
        if shape is None:
            return "", False
        self._count(entry, level, shape)
        return ("", False) if shape.format == "bullet" else (_label(entry, shape), shape.format != "none")

    @staticmethod
    def _count(entry: _List, level: int, shape: Level) -> None:
        counters = entry.counters
        if level in entry.overrides:
            counters[level] = entry.overrides.pop(level)
        else:
            counters[level] = min(counters[level] + 1, MOST) if level in counters else shape.start
        for below in [at for at in counters if at > level]:
            restart = entry.levels.get(below, Level()).restart
            if restart is None or (restart and level < restart):
                del counters[below]


def _label(entry: _List, shape: Level) -> str:
    def number(match: re.Match[str]) -> str:
        at = int(match[1]) - 1
        other = entry.levels.get(at, Level())
        count = entry.counters.get(at, other.start)
        return written(count, "decimal" if shape.legal and other.format != "decimalZero" else other.format)

    return re.sub("%([1-9])", number, shape.text).strip()


def written(number: int, form: str) -> str:
    """The number in one of Word's formats; decimal for those that are not known here."""
    if form == "none":
        return ""
    if form in {"lowerLetter", "upperLetter"}:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1) if 0 < number <= 26 * 30 else str(number)
        return letters.upper() if form == "upperLetter" else letters
    if form in {"lowerRoman", "upperRoman"}:
        roman = _roman(number)
        return roman.upper() if form == "upperRoman" else roman
    if form == "decimalZero":
        return f"{number:02}"
    if form == "ordinal":
        return f"{number}{'th' if 10 < number % 100 < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
    if form in _COUNTING:
        return _chinese(number, _DIGITS, "十百千万")
    if form in _LEGAL_FORMATS:
        return _chinese(number, _LEGAL, "拾佰仟万", legal=True)
    if form in {"ideographDigital", "japaneseDigitalTenThousand", "taiwaneseDigital"}:
        return "".join(_DIGITS[int(digit)] for digit in str(number))
    if form == "ideographTraditional" and 0 < number <= len(_STEMS):
        return _STEMS[number - 1]
    if form == "ideographZodiac" and 0 < number <= len(_BRANCHES):
        return _BRANCHES[number - 1]
    if form.startswith("decimalEnclosedCircle") and 0 < number <= 20:
        return chr(0x2460 + number - 1)
    return str(number)


def _roman(number: int) -> str:
    if not 0 < number < 4_000:
        return str(number)
    text = ""
    for value, letters in _ROMAN:
        while number >= value:
            text, number = text + letters, number - value
    return text


def _chinese(number: int, digits: str, units: str, *, legal: bool = False) -> str:
    """Up to 99,999; 十二, not 一十二 (but 壹拾贰)."""
    if not 0 < number < 100_000:
        return str(number) if number else digits[0].replace("〇", "零")
    text, is_gap = "", False
    for power in range(4, -1, -1):
        digit = number // 10**power % 10
        if digit:
            text += ("零" if is_gap and text else "") + digits[digit] + (units[power - 1] if power else "")
        is_gap = not digit
    return text if legal else re.sub("^一十", "十", text)


def _lists(numbering: Element, styles: Mapping[str, tuple[str | None, int | None]]) -> dict[str, _List]:
    patterns: dict[str, dict[int, Level]] = {}
    links: dict[str, str] = {}  # abstract list → the style whose list it is
    for pattern in numbering.findall(f"{W}abstractNum"):
        key = pattern.get(f"{W}abstractNumId", "")
        patterns[key] = dict(_levels(pattern))
        if link := _value(pattern, "numStyleLink"):
            links[key] = link
    numbers = {number.get(f"{W}numId", ""): number for number in numbering.findall(f"{W}num")}
    counters: dict[str, dict[int, int]] = {}
    lists: dict[str, _List] = {}
    for key, number in numbers.items():
        abstract = _value(number, "abstractNumId")
        linked = numbers.get(styles.get(links.get(abstract, ""), (None, None))[0] or "")
        if linked is not None:
            abstract = _value(linked, "abstractNumId")
        levels, overrides = dict(patterns.get(abstract, {})), {}
        for override in number.findall(f"{W}lvlOverride"):
            level = _whole(override.get(f"{W}ilvl"), 0)
            levels.update(_levels(override))
            if override.find(f"{W}startOverride") is not None:
                overrides[level] = _whole(_value(override, "startOverride"), 1)
        if key != "0":
            lists[key] = _List(levels, counters.setdefault(abstract, {}), overrides)
    return lists


def _levels(parent: Element) -> list[tuple[int, Level]]:
    levels = []
    for level in parent.findall(f"{W}lvl")[:LEVELS]:
        restart = _value(level, "lvlRestart")
        legal = level.find(f"{W}isLgl")
        shape = Level(
            format=_value(level, "numFmt") or "decimal",
            text=_value(level, "lvlText"),
            start=_whole(_value(level, "start"), 0),
            legal=legal is not None and is_on(legal),
            restart=_whole(restart, 0) if restart else None,
            style=_value(level, "pStyle"),
        )
        levels.append((_whole(level.get(f"{W}ilvl"), 0), shape))
    return levels


def _style_numbers(styles: Element | None) -> dict[str, tuple[str | None, int | None]]:
    """Style → (list, level) of the style itself, or of the nearest style that it is based on."""
    if styles is None:
        return {}
    own = {style.get(f"{W}styleId", ""): style for style in styles.findall(f"{W}style")}
    numbers: dict[str, tuple[str | None, int | None]] = {}
    for name in own:
        number, level = None, None
        for style in based_on(own, name):
            reference, depth = _reference(style.find(f"{W}pPr"))
            number, level = number or reference, depth if level is None else level
        if number is not None:
            numbers[name] = (number, level)
    return numbers


def based_on(styles: Mapping[str, Element], name: str) -> list[Element]:
    """The style and those that it is based on, nearest first. Ends where they form a circle."""
    chain: list[Element] = []
    while (style := styles.get(name)) is not None and style not in chain:
        chain.append(style)
        name = _value(style, "basedOn")
    return chain


def _reference(properties: Element | None) -> tuple[str | None, int | None]:
    reference = properties.find(f"{W}numPr") if properties is not None else None
    if reference is None:
        return None, None
    level = _value(reference, "ilvl")
    return _value(reference, "numId") or None, _whole(level, 0) if level else None


def is_on(toggle: Element) -> bool:
    """Whether a property such as ``w:strike`` is on: it is unless its value says otherwise."""
    return toggle.get(f"{W}val", "true").lower() not in {"0", "false", "off", "none"}


def _value(parent: Element, name: str) -> str:
    child = parent.find(f"{W}{name}")
    return child.get(f"{W}val", "") if child is not None else ""


def _whole(text: str | None, otherwise: int) -> int:
    return min(int(text), MOST) if text and re.fullmatch("[0-9]{1,9}", text) else otherwise
