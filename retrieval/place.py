"""Where a passage stands in the file that its document was read from. Knows nothing about files and their formats.

A reader of a file notes at which offsets of the text a page, a row, a line or a section begins (``Places``). A passage
is a part of that text, so its ``Place`` follows from its offset. An edit of the text keeps what it does not touch and
forgets what it cannot know: a place is right, or there is none.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("page", "row", "line", "item", "slide", "anchor")
_IN_FRAGMENT = "!$&'()*+,;=:@/?"  # of an address; RFC 3986
Mark: TypeAlias = "tuple[int, int | str | None]"
"""From this offset of a text on, it stands on the page (in the row, …) of this number, or in the section of this
anchor; None: not known."""


@dataclass(frozen=True, slots=True)
class Place:
    """``kind``: one of KINDS. ``first``: the number, from 1, of the page, row, line, item or slide where the passage
    begins; ``last``: of that where it ends, if it is another one; lines have none. ``name``: the sheet of a row if it
    has one, or the anchor, which is the id of a heading."""

    kind: str
    first: int | None = None
    last: int | None = None
    name: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields that are not None."""
        fields = {"kind": self.kind, "first": self.first, "last": self.last, "name": self.name}
        return {name: value for name, value in fields.items() if value is not None}


def place_from_json(stored: Mapping[str, Any] | None) -> Place | None:
    """Reads back what ``Place.to_json`` wrote; None for none."""
    return Place(**stored) if stored else None


def address(url: str | None, place: Place | None) -> str | None:
    """The address of a document, so that it opens at the place: a page of a PDF or a heading of a web page. An address
    that names a part of the document already stays as it is."""
    if not url or place is None or "#" in url:
        return url
    if place.kind == "page":
        return f"{url}#page={place.first}"
    if place.kind == "anchor" and place.name:
        return f"{url}#{quote(place.name, safe=_IN_FRAGMENT)}"
    return url


@dataclass(frozen=True, slots=True)
class Places:
    """Where the parts of a text stand in its file. ``marks``: by ascending offset. ``sheet``: of the rows.

    ``counts``: the number grows by one with each line of the text, because text and file have the same lines; then
    marks are only where that is not so.
    """

    kind: str
    marks: tuple[Mark, ...]
    sheet: str | None = None
    counts: bool = False

    def at(self, text: str, offset: int) -> int | str | None:
        """The number or anchor of the character at ``offset`` of the text; None if it is not known."""
        before = bisect_right(self.marks, offset, key=_offset)
        if not before:
            return None
        start, value = self.marks[before - 1]
        return value + text.count("\n", start, offset) if self.counts and isinstance(value, int) else value

    def of(self, text: str, start: int, end: int) -> Place | None:
        """The place of the characters ``start`` to ``end`` of the text; None if it is not wholly known."""
        first = self.at(text, start)
        if first is None or isinstance(first, str):
            return Place(self.kind, name=first) if first else None
        if self.counts:
            return Place(self.kind, first)
        between = range(bisect_right(self.marks, start, key=_offset), bisect_left(self.marks, end, key=_offset))
        values = [first, *(self.marks[at][1] for at in between)]
        numbers = [value for value in values if isinstance(value, int)]
        if len(numbers) < len(values):
            return None
        low, high = min(numbers), max(numbers)
        return Place(self.kind, low, high if high > low else None, self.sheet)

    def behind(self, length: int, value: int | str | None = None) -> Places:
        """The places of a text with ``length`` more characters before it, which stand at ``value``."""
        moved = tuple((offset + length, known) for offset, known in self.marks)
        return self._with(((0, value), *moved) if length and value is not None else moved)

    def without_start(self, text: str, length: int) -> Places:
        """The places of the text without its first ``length`` characters."""
        first = self.at(text, length)
        later = tuple((offset - length, value) for offset, value in self.marks if offset > length)
        return self._with(later if first is None else ((0, first), *later))

    def edited(self, text: str, start: int, end: int, new: str) -> Places:
        """The places of the text in which ``new`` stands instead of the characters ``start`` to ``end``.

        New words stand where the words that they replace stood. If these stood in several places, or if there are other
        lines now, nobody knows it for each of the new words.
        """
        resumed, after = start + len(new), self.at(text, end)
        several = any(start < offset < end for offset, _ in self.marks)
        marks = [mark for mark in self.marks if mark[0] <= start]
        if self.counts and (several or "\n" in new or "\n" in text[start:end]):
            second = new.find("\n") + 1  # the first line of the new words is that of the old ones
            marks += [(start + second, None)] if second else []
            marks.append((resumed, after))
        elif several:
            marks += [(start, None), (resumed, after)] if new else [(resumed, after)]
        marks += [(offset + len(new) - (end - start), value) for offset, value in self.marks if offset >= end > start]
        return self._with(tuple(marks))

    def _with(self, marks: tuple[Mark, ...]) -> Places:
        return Places(self.kind, marks, self.sheet, self.counts)

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "marks": [list(mark) for mark in self.marks],
            "sheet": self.sheet,
            "counts": self.counts,
        }


def places_from_json(stored: Mapping[str, Any] | None) -> Places | None:
    """Reads back what ``Places.to_json`` wrote; None for none."""
    if not stored:
        return None
    marks = tuple((offset, value) for offset, value in stored["marks"])
    return Places(stored["kind"], marks, stored["sheet"], stored["counts"])


def _offset(mark: Mark) -> int:
    return mark[0]
