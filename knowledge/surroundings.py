"""The surroundings of words show what they are about: their passage, the headings above it and the blocks before it.

An edit of a correction was decided about one statement. A later version of the source may have the same words in a
statement about something else: "within 14 days" under another heading, in another row of a table, below another
sentence. So an edit keeps its surroundings, and is applied again only where a text has exactly the same ones.

A text is read as blocks: headings, paragraphs, list items, table rows, code fences. The surroundings of words are

- ``path``: the document's title and the headings above;
- ``passage``: the blocks that the words are in (of a very long block, the sentences around the words);
- ``context``: the other blocks without which the passage is not clear. For a paragraph: the ones before it in its
  section; for a row: the header of its table and the row that names its group; for a list item: the items that it is
  below, those below it, and what introduces the list; for a heading, and after a colon: what follows; for all of
  them the paragraphs below that begin by pointing back, the footnotes that are referred to, and the *introductions*
  above, however far: blocks of the section, and of the sections that it is in, that say what the text below is about
  ("The following applies to shoes:", the first block below the heading, in a text without headings the nearest title).

Neighbours that are not context may change: the fee in the next row, another item of a list. Where this is not enough to
find the passage in its text exactly once, more of what is before it is taken (``reach``).

Decision: surroundings are equal or they are not; similar ones do not count. So some edits are dropped although their
statement is the same (e.g. a heading was renamed), and a curator decides about those. Nothing in a text shows where an
introduction ends, so all of a section count for all that is below them: a change of one drops more edits than needed,
but no edit gets into a statement about something else. Stored surroundings are compared with ones that are read from a
text now. A change of the rules of this module therefore needs a migration that reads the stored ones anew, from the
versions of the documents (``introductions`` False: the rules before migration 0017).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from knowledge.blocks import introducing, read_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from knowledge.blocks import Block

REACHES = (120, 1_000, 10_000, None)  # UTF-8 bytes of blocks before, at least; None: all that is before
LONG = 900  # characters of a block that is not kept whole: the size of a passage in the index
SHORT = 40  # bytes; a shorter list item is not clear without the item before it
INTRODUCTIONS = 20  # of a passage that are kept, the nearest ones
MANY = 1_000  # places with the same words that are compared; a text with more has no place that can be distinguished

_DELIMITER = re.compile(r"\|[\s:|-]+\|")
_BOUNDARY = re.compile(r"\n|[。！？!?…]|\.\s")
# The first words of a paragraph that is about the text above it.
_POINTING_BACK = re.compile(
    r"[(（*†]|(?:this|these|that|those|it|they|however|but|except|unless|only|not|instead|"
    r"the (?:above|same|rule|period|deadline|limit|table|list))\b"
    r"|以上|上述|上面|前述|本[条项款表]|此|该|这|那|但|不过|然而|除[了非外]|仅|只[有限]",
    re.IGNORECASE,
)
_NOTE = re.compile(r"\[\^[^\]\s]+\]")
_SEARCHED = 500  # characters in which the end of a sentence is looked for


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``start`` and ``end``: where the words are in ``passage``."""

    path: tuple[str, ...]
    context: tuple[str, ...]
    passage: str
    start: int
    end: int
    reach: int | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def from_json(stored: Mapping[str, Any]) -> Surroundings:
    """Reads surroundings back that ``to_json`` wrote."""
    return Surroundings(**{**stored, "path": tuple(stored["path"]), "context": tuple(stored["context"])})


class Outline:
    """A text, read as blocks."""

    def __init__(self, title: str, text: str, *, introductions: bool = True) -> None:
        self.text = text
        self._with_introductions = introductions
        self._title = title
        self._blocks = list(read_blocks(text))
        self._starts = [block.start for block in self._blocks]
        self._ends = [block.end for block in self._blocks]

    def of(self, start: int, end: int) -> Surroundings:
        """The surroundings of the words at ``start`` to ``end`` that only this place of the text has, if there are any.

        The words must not be blank.
        """
        for reach in REACHES:
            around = self._around(start, end, reach)
            if self.find(around) == start:
                break
        return around

    def introductions(self, start: int) -> tuple[str, ...]:
        """The introductions of the block at ``start``, in their order in the text."""
        at = min(bisect_right(self._ends, start), len(self._blocks) - 1)
        return tuple(self._words(above) for above in sorted(self._introductions(at)))

    def find(self, around: Surroundings) -> int | None:
        """Where the words with these surroundings begin; None when no place has them, or more than one."""
        places: list[int] = []
        at = self.text.find(around.passage)
        for _ in range(MANY):
            if at == -1:
                return places[0] if len(places) == 1 else None
            start = at + around.start
            if self._around(start, at + around.end, around.reach) == around:
                places.append(start)
            at = self.text.find(around.passage, at + 1)
        return None

    def _around(self, start: int, end: int, reach: int | None) -> Surroundings:
        blocks = self._blocks
        first = min(bisect_right(self._ends, start), len(blocks) - 1)
        last = max(bisect_left(self._starts, end) - 1, first)
        context = self._context(first, last, reach) - set(range(first, last + 1))
        begin = min(start, self._begin(blocks[first], start, reach))
        finish = max(end, self._finish(blocks[last], end, reach))
        return Surroundings(
            path=(self._title, *blocks[first].path),
            context=tuple(self._words(at) for at in sorted(context)),
            passage=self.text[begin:finish],
            start=start - begin,
            end=end - begin,
            reach=reach,
        )

    def _context(self, first: int, last: int, reach: int | None) -> set[int]:
        kind = self._blocks[first].kind
        introduced, context = first, set[int]()
        if kind == "row":
            introduced, context = self._of_row(first)
        elif kind == "item":
            introduced, context = self._of_item(first)
        if kind != "heading" or reach is None:
            context |= self._before(introduced, reach)
        if reach is None:
            context |= set(range(first))
        context |= self._introductions(first)
        return context | self._after(last)

    def _before(self, at: int, reach: int | None) -> set[int]:
        """Blocks before this one in its section, until they have ``reach`` bytes together."""
        before: set[int] = set()
        size = 0
        while at > 0 and self._blocks[at - 1].kind != "heading" and (reach is None or size < reach):
            at -= 1
            before.add(at)
            size += _bytes(self._words(at))
        return before

    @cached_property
    def _announcing(self) -> list[tuple[int, str]]:
        """(block, how it introduces what is below) of the headings and introductions of the text."""
        announcing: list[tuple[int, str]] = []
        for at, block in enumerate(self._blocks):
            below_heading = at > 0 and self._blocks[at - 1].kind == "heading"
            how = "heading" if block.kind == "heading" else introducing(self.text, self._blocks, at)
            if how is not None or below_heading:
                announcing.append((at, "first" if below_heading and how in (None, "title") else str(how)))
        return announcing

    def _introductions(self, at: int) -> set[int]:
        """The blocks above that say what this one is about, in its section and in the sections that this is in."""
        introductions: set[int] = set()
        if not self._with_introductions:
            return introductions
        own = depth = len(self._blocks[at].path)
        titled = False
        for number in range(bisect_left(self._announcing, (at, "")) - 1, -1, -1):
            above, how = self._announcing[number]
            path = self._blocks[above].path
            if how == "heading":
                depth = min(depth, len(path))  # what is deeper from here on is in other sections
            elif len(path) == depth and len(introductions) < INTRODUCTIONS:
                nearest_title = how == "title" and not titled and depth == own
                if (
                    how == "text"
                    or (how == "first" and depth == own)
                    or nearest_title
                    or (how == "title" and not above)
                ):
                    introductions.add(above)
                titled = titled or how == "title"
        return introductions

    def _after(self, at: int) -> set[int]:
        """The blocks below a list item; the blocks that a heading, or a block that ends with a colon, introduces."""
        blocks, block, end = self._blocks, self._blocks[at], at + 1
        if block.kind == "item":
            while end < len(blocks) and blocks[end].kind != "heading" and blocks[end].indent > block.indent:
                end += 1
        announces = block.kind == "heading" or self._words(at).endswith((":", "："))
        if announces and end == at + 1 < len(blocks) and (block.kind == "heading" or blocks[end].kind != "heading"):
            end += 1
            kind = blocks[at + 1].kind
            while (
                block.kind == "paragraph" and kind in ("item", "row") and end < len(blocks) and blocks[end].kind == kind
            ):
                end += 1
        return set(range(at + 1, end)) | self._pointing_back(at) | self._footnotes(at)

    def _pointing_back(self, at: int) -> set[int]:
        """The blocks below that begin by pointing back: "(shoes only)", "This is …". Of a row or an item the ones
        below the whole table or list."""
        blocks, end = self._blocks, at + 1
        if blocks[at].kind in ("row", "item"):
            while end < len(blocks) and blocks[end].kind in ("row", "item"):
                end += 1
        first = end
        while end < len(blocks) and blocks[end].kind == "paragraph" and _POINTING_BACK.match(self._words(end)):
            end += 1
        return set(range(first, end))

    def _footnotes(self, at: int) -> set[int]:
        """The notes that a block refers to."""
        marks = tuple(f"{mark}:" for mark in _NOTE.findall(self._words(at)))
        if not marks:
            return set()
        return {n for n in range(len(self._blocks)) if n != at and self._words(n).startswith(marks)}

    def _of_row(self, at: int) -> tuple[int, set[int]]:
        """(where the tables with this header begin, the rows without which this row is not clear)"""
        top = self._top_of_table(at)
        header = self._words(top)
        context = {top}
        if at == top:  # a header is about all that is below it
            end = top + 1
            while end < len(self._blocks) and self._blocks[end].group == self._blocks[top].group:
                end += 1
            return top, set(range(top, end))
        if _DELIMITER.fullmatch(self._words(top + 1)):
            context.add(top + 1)
        first_row, row = max(context) + 1, at
        while row > first_row and not _cells(self._words(row))[0]:  # it goes on with the row above
            row -= 1
            context.add(row)
        for above in range(row - 1, first_row - 1, -1):
            if sum(map(bool, _cells(self._words(above)))) == 1:  # it names the group of rows below
                context.add(above)
                break
        while top > 0 and self._blocks[top - 1].kind == "row":  # a long table is cut into several
            earlier = self._top_of_table(top - 1)
            if self._words(earlier) != header:
                break
            top = earlier
        return top, context

    def _top_of_table(self, at: int) -> int:
        while at > 0 and self._blocks[at - 1].kind == "row" and self._blocks[at - 1].group == self._blocks[at].group:
            at -= 1
        return at

    def _of_item(self, at: int) -> tuple[int, set[int]]:
        """(where the list begins, the items without which this item is not clear)"""
        blocks = self._blocks
        context: set[int] = set()
        indent, top = blocks[at].indent, at
        while top > 0 and (blocks[top - 1].kind == "item" or self._continues_item(top - 1)):
            top -= 1
            if blocks[top].kind == "item" and blocks[top].indent < indent:
                indent = blocks[top].indent
                context.add(top)
        first, end = at, at + 1
        while first > top and blocks[first - 1].group == blocks[at].group:
            first -= 1
        while end < len(blocks) and blocks[end].group == blocks[at].group:
            end += 1
        beside_others = first > top or (end < len(blocks) and blocks[end].kind == "item")
        if end - first > 1 and beside_others:  # a list of lists: each is about one thing, which one of its items names
            context |= set(range(first, end))
        elif at > top and _bytes(self._words(at)) < SHORT:
            context.add(at - 1)
        return top, context

    def _continues_item(self, at: int) -> bool:
        block = self._blocks[at]
        return block.kind in ("paragraph", "code") and block.indent > 0

    def _words(self, at: int) -> str:
        block = self._blocks[at]
        return self.text[block.start : block.end].strip()

    def _begin(self, block: Block, start: int, reach: int | None) -> int:
        """Where the passage begins: with its block, or with a sentence of a long one."""
        if reach is None or block.end - block.start <= LONG:
            return block.start
        latest = start - max(200, reach)
        earliest = max(block.start, latest - _SEARCHED)
        if latest <= block.start:
            return block.start
        ends = [match.end() for match in _BOUNDARY.finditer(self.text, earliest, latest)]
        return ends[-1] if ends else earliest

    def _finish(self, block: Block, end: int, reach: int | None) -> int:
        if reach is None or block.end - block.start <= LONG:
            return block.end
        latest = min(block.end, end + _SEARCHED)
        match = _BOUNDARY.search(self.text, end, latest)
        return match.end() if match else latest


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]
