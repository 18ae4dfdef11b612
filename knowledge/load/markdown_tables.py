"""Gives each piece of a long Markdown table its header, so that a passage of it says what its columns are.

A table that fits into one passage stays as it is, unless its rows have no bars at their ends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from knowledge.load import tables
from knowledge.load.places import like
from retrieval.chunk import Line, is_table_row, lines

if TYPE_CHECKING:
    from collections.abc import Sequence

_RULE = re.compile(r"\s*\|?(?:\s*:?-+:?\s*\|)+\s*(?::?-+:?\s*)?$|\s*\|\s*:?-+:?\s*$")
_CELL = re.compile(r"(?:\\.|[^|\\])*")


def in_pieces(texts: Sequence[str]) -> list[str]:
    """The lines with long tables in pieces of a passage's size, each with the header. The texts of some of them have
    several lines."""
    rows = list(lines("\n".join(texts)))
    written: list[str] = []
    at = 0
    while at < len(rows):
        end = _end_of_table(rows, at)
        if end == at:
            written.append(texts[at])
            at += 1
            continue
        written += _written(texts[at:end])
        at = end
    return written


def _end_of_table(rows: list[Line], at: int) -> int:
    """The line after the table that begins here; the same line if none does."""
    if at + 2 >= len(rows) or not _is_row(rows[at]) or rows[at + 1].fenced or not _RULE.match(rows[at + 1].text):
        return at
    if len(_cells(rows[at].text)) != len(_cells(rows[at + 1].text)):
        return at
    end = at + 2
    while end < len(rows) and _is_row(rows[end]):
        end += 1
    return end


def _is_row(row: Line) -> bool:
    return not row.fenced and not row.level and "|" in row.text and bool(row.text.strip(" |\t"))


def _written(block: Sequence[str]) -> Sequence[str]:
    whole = "\n".join(block)
    if len(whole.encode("utf-8", "replace")) <= tables.PIECE_BYTES and all(is_table_row(row.strip()) for row in block):
        return block
    header, _, *body = map(_cells, block)
    written = [
        like(block[min(at + 2, len(block) - 1)], line)
        for text, at in tables.parts(header, body)
        for line in text.removeprefix("\n").split("\n")  # the caller joins them
    ]
    return [like(block[0], written[0]), *written[1:]]


def _cells(row: str) -> list[str]:
    """The texts of a row's cells, without the bars at its ends."""
    row = row.strip()
    row = row.removeprefix("|")
    cells: list[str] = []
    at = 0
    while at <= len(row):
        match = _CELL.match(row, at)
        assert match is not None  # it matches the empty text
        cells.append(match[0].strip().replace("\\|", "|"))
        at = match.end() + 1
    return cells[:-1] if len(cells) > 1 and not cells[-1] else cells
