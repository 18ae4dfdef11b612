"""Composes a text of its source and the edits of corrections, each where it belongs.

A composition knows for every stretch whether it comes from the source or was written by an edit. Words alone do not
show where an edit belongs, so an edit keeps an *anchor*: the surroundings of its words in the source text
(surroundings), and the stretches that these words consist of. The edit applies only where the source has the same
surroundings and these stretches are present, one after the other. So two edits of one passage are independent of each
other, unless one changes words that the other wrote. An edit of words that another edit wrote ends with that edit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from knowledge import surroundings
from knowledge.surroundings import Outline, Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retrieval.place import Places

SOURCE = 0  # the writer of the source text; edits have their ids


@dataclass(frozen=True, slots=True)
class Replacement:
    """An edit of a document: ``find`` occurs exactly once and becomes ``replace``."""

    find: str
    replace: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """Characters ``start`` to ``end`` of the text of ``writer``: the source, or the edit with this id."""

    writer: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where an edit belongs. ``words``: the stretches that it replaces; those of the source count from the beginning of
    the passage. Words that an edit wrote have the surroundings of the words that this edit replaced."""

    surroundings: Surroundings
    words: tuple[Stretch, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            **self.surroundings.to_json(),
            "words": [[stretch.writer, stretch.start, stretch.end] for stretch in self.words],
        }


def from_json(stored: Mapping[str, Any]) -> Anchor:
    """Reads back what ``to_json`` wrote."""
    around = {name: value for name, value in stored.items() if name != "words"}
    return Anchor(surroundings.from_json(around), tuple(Stretch(*words) for words in stored["words"]))


@dataclass(frozen=True, slots=True)
class StoredEdit:
    """An edit of a published correction. ``anchor`` None: it was stored by a version that kept none, so its place is
    unknown. It applies to the source that it was made on, and ends when that source changes."""

    id: int
    replacement: Replacement
    anchor: Anchor | None


class Composition:
    """A source text with edits. ``kept``: the ids of the edits that applied; ``broken``: those that did not."""

    def __init__(self, title: str, source: str, places: Places | None = None) -> None:
        """``places``: where the source stands in its file."""
        self._title = title
        self.places = places  # of the present text
        self._written = {SOURCE: source}
        self._stretches = [Stretch(SOURCE, 0, len(source))]
        self._replaced: dict[int, tuple[int, int]] = {}  # edit → the stretch of the source that it is about
        self.kept: tuple[int, ...] = ()
        self.broken: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        return self._read(self._stretches)

    @cached_property
    def _outline(self) -> Outline:
        return Outline(self._title, self._written[SOURCE])

    def apply(self, edits: Iterable[StoredEdit], *, same_source: bool) -> Composition:
        """Applies edits in order. ``same_source``: the source text did not change, so edits without an anchor apply
        again."""
        for edit in edits:
            at = self._locate(edit, same_source=same_source)
            if at is None:
                self.broken += (edit.id,)
            else:
                self._put(at, at + len(edit.replacement.find), edit.id, edit.replacement.replace)
                self.kept += (edit.id,)
        return self

    def anchor(self, start: int, end: int) -> Anchor | None:
        """Where the words at ``start`` to ``end`` of the present text belong; None if nothing distinguishes that place
        from others."""
        words = self._stretches_at(start, end)
        first, last = self._source_of(words)
        around = self._outline.of(first, last)
        if self._outline.find(around) != first:
            return None
        origin = first - around.start
        return Anchor(around, tuple(_moved(stretch, -origin) for stretch in words))

    def replace(self, changes: Sequence[tuple[int, int, str]]) -> tuple[str, Places | None]:
        """The text after these changes, and its places. A change: (start, end, new words). They do not overlap."""
        text, places = self.text, self.places
        for start, end, new in sorted(changes, reverse=True):
            places = places and places.edited(text, start, end, new)
            text = text[:start] + new + text[end:]
        return text, places

    def _locate(self, edit: StoredEdit, *, same_source: bool) -> int | None:
        """Where the words of an edit begin in the present text."""
        find = edit.replacement.find
        if edit.anchor is None:
            places = occurrences(self.text, find) if same_source else []
            return places[0] if len(places) == 1 else None
        first = self._outline.find(edit.anchor.surroundings)
        if first is None:
            return None
        origin = first - edit.anchor.surroundings.start
        words = [_moved(stretch, origin) for stretch in edit.anchor.words]
        at = 0
        for stretch in self._stretches:
            if stretch.writer == words[0].writer and stretch.start <= words[0].start < stretch.end:
                at += words[0].start - stretch.start
                same = self._stretches_at(at, at + len(find)) == words
                return at if same and self._read(words) == find else None
            at += stretch.end - stretch.start
        return None

    def _read(self, stretches: Iterable[Stretch]) -> str:
        return "".join(self._written[stretch.writer][stretch.start : stretch.end] for stretch in stretches)

    def _put(self, start: int, end: int, edit: int, new: str) -> None:
        length = sum(stretch.end - stretch.start for stretch in self._stretches)
        self.places = self.places and self.places.edited(self.text, start, end, new)
        self._replaced[edit] = self._source_of(self._stretches_at(start, end))
        self._written[edit] = new
        written = [Stretch(edit, 0, len(new))] if new else []
        self._stretches = [*self._stretches_at(0, start), *written, *self._stretches_at(end, length)]

    def _stretches_at(self, start: int, end: int) -> list[Stretch]:
        """The stretches that the present text consists of from ``start`` to ``end``."""
        stretches, at = [], 0
        for stretch in self._stretches:
            first, last = max(start - at, 0), min(end - at, stretch.end - stretch.start)
            if first < last:
                stretches.append(Stretch(stretch.writer, stretch.start + first, stretch.start + last))
            at += stretch.end - stretch.start
        return stretches

    def _source_of(self, words: Sequence[Stretch]) -> tuple[int, int]:
        """The stretch of the source that words are about: their own place, or that of the words which they replaced."""
        places = [
            (stretch.start, stretch.end) if stretch.writer == SOURCE else self._replaced[stretch.writer]
            for stretch in words
        ]
        return min(start for start, _ in places), max(end for _, end in places)


def occurrences(text: str, words: str) -> list[int]:
    """Where words begin in a text, also where they overlap; at most the first two places."""
    places: list[int] = []
    at = text.find(words)
    while at != -1 and len(places) < 2:
        places.append(at)
        at = text.find(words, at + 1)
    return places


def _moved(stretch: Stretch, by: int) -> Stretch:
    if stretch.writer != SOURCE:
        return stretch
    return Stretch(SOURCE, stretch.start + by, stretch.end + by)
