"""Checks the places that the sheets of an XLSX workbook name, before its reader makes room for all cells between them.

One cell in row 1,048,576 of the last column needs a few bytes in the file and 17,000,000,000 cells in memory.
"""

from __future__ import annotations

import io
import re
import zipfile
from functools import partial
from typing import TYPE_CHECKING

from knowledge.load.errors import Damaged, TooLarge

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_ROWS = 1_048_576  # Excel's own limits
MOST_COLUMNS = 16_384
FREE_AREA = 2_500_000  # cells that any sheet may span: two columns down to the last row
AREA_PER_CELL = 20  # above it, for each cell that the file contains

MOST_MERGED = 1_000_000  # cells that the merged cells of a sheet cover

_READ_BYTES = 16_000_000
_TAG = re.compile(rb"<(?:[\w.-]+:)?(row|c|mergeCell)(?=[\s/>])([^<>]*)")
_PLACE = re.compile(rb"\sr\s*=\s*[\"']\s*([^\"']*)")
_AREA = re.compile(rb"\sref\s*=\s*[\"']\s*([^\"':]*):([^\"']*)")
_REFERENCE = re.compile(rb"\$?([A-Za-z]*)\$?0*([0-9]*)")


def check(data: bytes) -> None:
    """Raises Damaged for a place outside a sheet, TooLarge for cells that are very far from each other."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        for member in package.infolist():
            if member.filename.lower().endswith(".xml"):
                with package.open(member) as part:
                    _check_part(iter(partial(part.read, _READ_BYTES), b""))


def _check_part(pieces: Iterator[bytes]) -> None:
    cells = row = column = 0  # row and column: of the present cell, counted where the file does not state them
    top = left = MOST_COLUMNS + MOST_ROWS
    bottom = right = merged = 0
    for match in (match for text in _whole_tags(pieces) for match in _TAG.finditer(text)):
        if match[1] == b"mergeCell":
            merged += _merged_cells(match[2])
            continue
        stated = _PLACE.search(match[2])
        stated_row, stated_column = _place(stated[1]) if stated else (0, 0)
        if match[1] == b"row":
            row, column = stated_row or row + 1, 0
            continue
        cells += 1
        row, column = stated_row or row, stated_column or column + 1
        top, bottom, left, right = min(top, row), max(bottom, row), min(left, column), max(right, column)
    if merged > MOST_MERGED:
        raise TooLarge(
            "Merged cells of a sheet cover more than {limit:,} cells. Save the table without them.",
            code="sheet_merged",
            limit=MOST_MERGED,
        )
    height, width = max(0, bottom - top + 1), max(0, right - left + 1)
    if height * width > max(FREE_AREA, AREA_PER_CELL * cells):
        raise TooLarge(
            "A sheet has only {cells:,} cells, but they span {rows:,} rows and {columns:,} columns. Delete the cells "
            "that are far from the table.",
            code="sheet_area",
            cells=cells,
            rows=height,
            columns=width,
        )


def _merged_cells(attributes: bytes) -> int:
    """The number of cells that a merged cell covers."""
    area = _AREA.search(attributes)
    if area is None:
        return 0
    (top, left), (bottom, right) = _place(area[1]), _place(area[2])
    return (abs(bottom - top) + 1) * (abs(right - left) + 1)


def _whole_tags(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The text in pieces that end before the start of a tag."""
    rest = b""
    for piece in pieces:
        rest += piece
        cut = rest.rfind(b"<")
        if cut > 0:
            yield rest[:cut]
            rest = rest[cut:]
    yield rest


def _place(reference: bytes) -> tuple[int, int]:
    """(row, column) from 1; 0 for what the reference does not say."""
    match = _REFERENCE.fullmatch(reference.strip())
    if match is None:
        return 0, 0  # not a reference: the reader of the workbook rejects it
    row = int(match[2] or 0) if len(match[2]) <= 7 else MOST_ROWS + 1
    column = 0
    for letter in match[1].upper()[:4]:
        column = 26 * column + letter - 64
    if row > MOST_ROWS or column > MOST_COLUMNS:
        raise Damaged(
            "A sheet names the place {place}, but Excel has only {rows:,} rows and {columns:,} columns. Save it again "
            "from the program that made it.",
            code="sheet_place",
            place=reference[:30].decode("ascii", "replace"),
            rows=MOST_ROWS,
            columns=MOST_COLUMNS,
        )
    return row, column
