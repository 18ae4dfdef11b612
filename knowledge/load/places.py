"""Keeps where the parts of a text stand in its file, while a reader changes its lines and ``tidy`` its characters.

Knows nothing about formats.
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from retrieval.place import Mark, Places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

COUNTED = 200  # lines after which the number is stated again: counting from there is quick
MOST = 200_000  # marks of a document; a text with more has no places
MOST_CHARACTERS = 500_000  # of all its anchors
NAME_CHARACTERS = 200  # of a sheet or an anchor
_OTHER_BREAK = re.compile("[\x0b\x0c\x85\u2028\u2029]")  # a new line of the clean text, but not of the file


class NumberedLine(str):
    """A line with its number in the file, from 1. Its parts are plain strings (``like``)."""

    number: int


def numbered(lines: Iterable[str], first: int = 1) -> list[str]:
    """The lines of a file; they know their numbers."""
    return [_line(text, number) for number, text in enumerate(lines, start=first)]


def like(line: str, text: str) -> str:
    """A text in the place of a line: it has the number of the line, if that has one."""
    return _line(text, line.number) if isinstance(line, NumberedLine) else text


def _line(text: str, number: int) -> NumberedLine:
    line = NumberedLine(text)
    line.number = number
    return line


def of_lines(lines: Sequence[str]) -> Places:
    """Where the text of these lines stands. A line without a number is not in the file."""
    marks: list[Mark] = []
    offset = 0
    expected: int | None = None
    for at, line in enumerate(lines):
        number = line.number if isinstance(line, NumberedLine) else None
        if number != expected or at % COUNTED == 0:
            marks.append((offset, number))
        expected = None if number is None else number + 1 + line.count("\n")
        offset += len(line) + 1
    return Places("line", tuple(marks), counts=True)


def joined(kind: str, parts: Iterable[tuple[str, int]], between: str) -> tuple[str, Places]:
    """(the parts as one text, where they stand): each is given with its number."""
    marks: list[Mark] = []
    texts: list[str] = []
    offset = 0
    for text, number in parts:
        if not marks or marks[-1][1] != number:
            marks.append((offset, number))
        texts.append(text)
        offset += len(text) + len(between)
    return between.join(texts), Places(kind, tuple(marks))


def cleaned(text: str, places: Places | None, clean: Callable[[str], str]) -> tuple[str, Places | None]:
    """(the clean text, where its parts stand). Without places where these cannot be followed."""
    whole = clean(text)
    if places is None or _is_too_long(places):
        return whole, None
    marks = places.marks
    if whole != text:
        marks = _with_other_breaks(text, places)
        parts = [clean(text[start:end]) for start, end in pairwise([0, *(offset for offset, _ in marks), len(text)])]
        if "".join(parts) != whole:  # characters on both sides of a mark became one
            return whole, None
        offsets = accumulate(map(len, parts))
        marks = tuple((offset, value) for offset, (_, value) in zip(offsets, marks, strict=False))
    moved = tuple((offset, _known(value)) for offset, value in marks)
    sheet = None if places.sheet is None else " ".join(clean(places.sheet).split())[:NAME_CHARACTERS] or None
    return whole, Places(places.kind, moved, sheet, places.counts)


def _is_too_long(places: Places) -> bool:
    characters = sum(len(value) for _, value in places.marks if isinstance(value, str))
    return len(places.marks) > MOST or characters > MOST_CHARACTERS


def _known(value: int | str | None) -> int | str | None:
    """The value if a page can link to it."""
    if isinstance(value, str) and (not value.isprintable() or " " in value or not 0 < len(value) <= NAME_CHARACTERS):
        return None
    return value


def _with_other_breaks(text: str, places: Places) -> tuple[Mark, ...]:
    """The marks, and one behind each break that makes a new line of the clean text and not of the file."""
    if not places.counts:
        return places.marks
    breaks = [(match.end(), places.at(text, match.start())) for match in _OTHER_BREAK.finditer(text)]
    return tuple(sorted([*breaks, *places.marks], key=lambda mark: mark[0]))
