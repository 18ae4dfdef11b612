"""Turns the lines of a printed page into paragraphs and headings. Knows nothing about PDF.

A page has no paragraphs, only lines with a height and a letter size. From these follows: a line of larger letters is a
heading; a line that fills its column continues in the next line; lines that repeat at the edge of most pages are
running heads. Columns need no special rule: pages are written one column after the other.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from knowledge.load import headers, places, tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from retrieval.place import Places

HEADING_SIZE = 1.15  # times the body's size; smaller letters are emphasis
HEADING_CHARACTERS = 150
HEADING_SHARE = 0.2  # of all characters; with more, large letters are the document's body
HEADING_LEVELS = 4
FULL_LINE = 0.75  # of the widest line near it: unjustified lines end within a word's length of the margin
PARAGRAPH_GAP = 1.9  # letter heights from one line to the next; single spacing is 1.2, one and a half 1.7
EDGE_LINES = 2  # at the top and the bottom of a page, where running heads are looked for
EDGE_SHARE = 0.3  # of the pages on which a line must occur to be a running head; left and right pages have their own
NUMBERED_PAGES = 3  # on so many pages, if it has a number that increases with them

_WIDE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f“”‘’—…]")
_BULLET = re.compile(
    r"\s*(?:[•●○▪■◦‣·※–—*-]\s|\(?\d{1,3}[.)、）]|[(（][一二三四五六七八九十\d]{1,3}[)）]|[一二三四五六七八九十]{1,3}、|[a-z][.)]\s)"
)
_SENTENCE_END = re.compile(r"[.!?。！？…:：;；][\"'”’」』）)\]]*\s*$")
_PAGE_OF = re.compile(r"page|of|seite|von|第|页|頁|共|\d{1,4}|[-–—/|·,，.\s]", re.IGNORECASE)
_CONTENTS = re.compile(
    r"(?:[.·…]\s?){4,}\s*[\divxlc]{0,5}$"
)  # "2.1 Naming . . . . . . 3": refers to text and has no content
_HYPHEN = re.compile(r"[A-Za-z]{2,}-$")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page, or a table. ``size`` is the height of its letters, ``height`` its position (higher is more),
    ``left`` where it begins, in points. ``rows``: the cells of a table, whose ``text`` is ""."""

    text: str
    size: float
    height: float
    left: float = 0.0
    rows: tuple[tuple[str, ...], ...] = ()


Part: TypeAlias = tuple[str, int]  # a text, and its page from 0
Row: TypeAlias = tuple[int, tuple[str, ...]]  # a row of a table: its page from 0, its cells


def markdown(pages: Sequence[Sequence[Line]], outline: Mapping[tuple[int, str], int]) -> tuple[str, Places]:
    """(the text of all pages, where its parts stand). ``outline`` has the level (from 1) of each heading by (page from
    0, ``heading_key``); without an outline, letter sizes give the levels."""
    pages = _without_noise(pages)
    levels = _levels(pages) if not outline else {}
    blocks: list[list[Part]] = []  # a paragraph may continue over many pages
    before: Line | None = None
    before_level = 0
    whole_tables = _whole_tables(pages)
    for number, page in enumerate(pages):
        for at, line in enumerate(page):
            if line.rows:
                if rows := whole_tables.get((number, at)):
                    blocks.append(_table(rows))
                before, before_level = None, 0
                continue
            level = outline.get((number, heading_key(line.text)), 0) or _level(line, levels)
            if level and level == before_level and at and not outline:  # a heading on two lines
                _join(blocks[-1], line.text, number)
            elif level:
                blocks.append([(f"{'#' * min(level, 6)} {line.text}", number)])
            elif before is None or before_level or not _goes_on(before, line, page, at):
                blocks.append([(_plain(line.text), number)])
            elif _is_full(before, page, at):
                _join(blocks[-1], line.text, number)
            else:
                blocks[-1].append((f"\n{_plain(line.text)}", number))
            before, before_level = line, level
    parts = [part for block in blocks for part in (*block, ("\n\n", block[-1][1]))]
    return places.joined("page", [(text, number + 1) for text, number in parts[:-1]], "")


def _table(rows: Sequence[Row]) -> list[Part]:
    table = headers.split((page, list(cells)) for page, cells in rows)
    body = list(table.rows)
    above = [(f"{line}\n\n", page) for line, page in zip(table.above, table.numbers, strict=False)]
    return above + [
        (text, body[at][0] if body else table.numbers[-1])
        for text, at in tables.parts(table.header, [cells for _, cells in body])
    ]


def _whole_tables(pages: Sequence[Sequence[Line]]) -> dict[tuple[int, int], list[Row]]:
    """The rows of the tables by (page, line). A table at the top of a page that has the columns of the one at the end
    of the page before is its continuation."""
    whole: dict[tuple[int, int], list[Row]] = {}
    last: list[Row] | None = None  # the table that the page before ended with
    for number, page in enumerate(pages):
        for at, line in enumerate(page):
            if not line.rows:
                continue
            rows = [(number, cells) for cells in line.rows]
            if at == 0 and last is not None and len(last[0][1]) == len(line.rows[0]):
                last += rows[1:] if line.rows[0] == last[0][1] else rows
            else:
                last = whole[number, at] = rows
        if page and not page[-1].rows:
            last = None
    return whole


def heading_key(text: str) -> str:
    """A form for comparing a heading on a page with the outline, whose spaces and numbers may differ."""
    return re.sub(r"[\W_]+", "", text).lower()


def _goes_on(before: Line, line: Line, page: Sequence[Line], at: int) -> bool:
    """Whether two lines belong to the same paragraph."""
    if abs(before.size - line.size) > 0.1 * max(before.size, line.size):
        return False
    gap = before.height - line.height
    if at == 0 or gap < 0:  # the next page or column: the paragraph goes on if the line before was full
        return _is_full(before, page, at) and not _SENTENCE_END.search(before.text)
    return gap <= PARAGRAPH_GAP * max(line.size, 1.0)


def _is_full(line: Line, page: Sequence[Line], at: int) -> bool:
    """Whether the line (the one before ``at``) was broken because its column was full, and no new item begins."""
    if at < len(page) and _BULLET.match(page[at].text):
        return False
    near = [_width(other.text) for other in page[max(0, at - 6) : at + 6] if other.size <= line.size * 1.1]
    return len(near) > 1 and _width(line.text) >= FULL_LINE * max(near) and max(near) > 20


def _join(block: list[Part], text: str, page: int) -> None:
    """Joins a line to the last line of a block: a divided word without its hyphen, Chinese without a space."""
    last, last_page = block[-1]
    if _HYPHEN.search(last) and text[:1].islower():
        block[-1] = (last[:-1], last_page)
    elif not (last and text and _WIDE.match(last[-1]) and _WIDE.match(text[0])):
        block.append((" ", last_page))
    block.append((text, page))


def _plain(text: str) -> str:
    """A line of text escaped so that it is not read as a heading, whatever it begins with."""
    return "\\" + text if re.match(r"#{1,6}\s|```|~~~", text) else text


@lru_cache(maxsize=64)  # each line is compared with a dozen neighbours
def _width(text: str) -> int:
    return len(text) + len(_WIDE.findall(text))


def _levels(pages: Sequence[Sequence[Line]]) -> dict[float, int]:
    """Heading level by letter size, largest first; empty if sizes give no levels."""
    weights = _sizes(pages)
    body = _body_size(pages)
    larger = sorted((size for size in weights if size >= HEADING_SIZE * body), reverse=True)
    if sum(weights[size] for size in larger) > HEADING_SHARE * weights.total():
        return {}
    return {size: min(level, HEADING_LEVELS) for level, size in enumerate(larger, start=1)}


def _level(line: Line, levels: Mapping[float, int]) -> int:
    heading = len(line.text) <= HEADING_CHARACTERS and any(character.isalpha() for character in line.text)
    return levels.get(_rounded(line.size), 0) if heading else 0


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _without_noise(pages: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """The pages without tables of contents, running heads and page numbers."""
    body = _body_size(pages)
    counts: Counter[str] = Counter()
    for number, page in enumerate(pages):
        counts.update({_pattern(page[at], number) for at in _edges(page)})
    heads = {
        pattern
        for pattern, count in counts.items()
        if count >= NUMBERED_PAGES and (count > EDGE_SHARE * len(pages) or pattern.startswith("#"))
    }
    rest: list[list[Line]] = []
    for number, page in enumerate(pages):
        edges = {at for at in _edges(page) if page[at].size < HEADING_SIZE * body}  # no page's own heading
        rest.append(
            [
                line
                for at, line in enumerate(page)
                if line.rows
                or (not _CONTENTS.search(line.text[-200:]) and not (at in edges and _pattern(line, number) in heads))
            ]
        )
    return rest


def _edges(page: Sequence[Line]) -> set[int]:
    """The indexes of the first and last lines of a page."""
    return {*range(min(EDGE_LINES, len(page))), *range(max(0, len(page) - EDGE_LINES), len(page))}


def _pattern(line: Line, page: int) -> str:
    """The line with a number at its start or end replaced by its distance from the page number, so that running heads
    are equal on all pages.

    Begins with "#" if there is such a number.
    """
    text = " ".join(line.text.split())
    if not _PAGE_OF.sub("", text):  # "Page 3 of 12", "第3页 共12页", "- 3 -"; the first number is the page's
        number = re.search(r"\d+", text)
        return f"#{int(number[0]) - page}" if number else text
    if number := re.search(r"^\d{1,4}\b|\b\d{1,4}(?=\s*(?:/|of|von|页，?共)\s*\d{1,4}$)|\b\d{1,4}$", text):
        return f"#{int(number[0]) - page} {text[: number.start()]}{text[number.end() :]}"
    return text


def _body_size(pages: Sequence[Sequence[Line]]) -> float:
    """The size that most characters have; 0 without characters."""
    return next((size for size, _count in _sizes(pages).most_common(1)), 0.0)


def _sizes(pages: Sequence[Sequence[Line]]) -> Counter[float]:
    """The number of characters of each size."""
    weights: Counter[float] = Counter()
    for page in pages:
        for line in page:
            weights[_rounded(line.size)] += len(line.text)
    return weights
