"""Finds the header of a table among its first rows: above it there may be a title and remarks.

Knows nothing about where the rows come from.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LOOKED_AT = 50  # rows

NumberedRow = tuple[int, list[str]]  # (number of the row from 1, cells)


@dataclass(frozen=True, slots=True)
class Headed:
    """A table: the lines above its header, the header, and the rows below it. ``numbers``: those of the rows of the
    lines above, then that of the header."""

    above: tuple[str, ...]
    header: list[str]
    rows: Iterator[NumberedRow]
    numbers: tuple[int, ...]


def split(rows: Iterable[NumberedRow]) -> Headed:
    """Splits the rows. The header is the first row that fills more than half of the columns that the rows usually
    fill; rows above it, which fill fewer, are a title or a remark. Blank rows are skipped.

    A cell that was merged over several columns is in each of them, so a row of one value fills one column. A header of
    several rows, whose cells are merged, becomes one row: "Price: weekday".
    """
    remaining = ((number, row) for number, row in rows if any(cell.strip() for cell in row))
    first = list(itertools.islice(remaining, LOOKED_AT))
    usual = _usual(first)
    at = next((at for at, (_, row) in enumerate(first) if 2 * _filled(row) > usual), 0)
    above = tuple(" ".join(dict.fromkeys(cell.strip() for cell in row if cell.strip())) for _, row in first[:at])
    header = first[at][1] if first else []
    numbers = tuple(number for number, _ in first[: at + 1])
    at += 1
    while at < len(first) and _continues(header, first[at][1]):
        header = _joined(header, first[at][1])
        at += 1
    return Headed(above, header, itertools.chain(first[at:], remaining), numbers)


def _continues(header: Sequence[str], row: Sequence[str]) -> bool:
    """Whether the row is the second one of a header: below each cell that is merged over several columns it has
    different names, and elsewhere it has the header's own cells or nothing."""
    is_merged = False
    for name, columns in itertools.groupby(range(len(header)), key=lambda column: header[column].strip()):
        below = [row[column].strip() if column < len(row) else "" for column in columns]
        if name and len(below) > 1:
            is_merged = True
            if "" in below or len(set(below)) < len(below):
                return False
        elif any(text not in {"", name} for text in below):
            return False
    return is_merged


def _joined(upper: Sequence[str], lower: Sequence[str]) -> list[str]:
    pairs = itertools.zip_longest((cell.strip() for cell in upper), (cell.strip() for cell in lower), fillvalue="")
    return [above if not below or above == below else f"{above}: {below}" if above else below for above, below in pairs]


def _usual(rows: Sequence[NumberedRow]) -> int:
    """The number of columns that most rows fill; the larger one where two are as frequent."""
    counts = Counter(sum(1 for cell in row if cell.strip()) for _, row in rows)
    return max(counts, key=lambda filled: (counts[filled], filled), default=0)


def _filled(row: Sequence[str]) -> int:
    """The number of filled columns; 1 for a row of one value."""
    values = [cell.strip() for cell in row if cell.strip()]
    return 1 if len(set(values)) == 1 else len(values)
