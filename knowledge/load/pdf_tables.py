"""Finds the ruled tables on pages of a PDF, with their cells apart, so that blank cells keep their place.

pypdf, which reads the text, joins the cells of a row to one line. pdfplumber finds cells by the lines around them, but
takes 0.1 to 0.5 s a page, ten times as long; so it gets only pages with lines, and no more than a share of the time.
"""

from __future__ import annotations

import io
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

SNAP = 2.0  # points between a table's edge and what belongs to it


@dataclass(frozen=True, slots=True)
class Table:
    """``rows``: the texts of all cells. The edges are in points from the page's lower left corner."""

    rows: tuple[tuple[str, ...], ...]
    left: float
    right: float
    top: float
    bottom: float


class _TimeIsUp(Exception):
    pass


def find(
    data: bytes, pages: Sequence[int], seconds: float, text: Callable[[str], str]
) -> tuple[dict[int, list[Table]], int]:
    """(tables by page, from the top; the number of pages that the time was too short for).

    ``pages``: their numbers from 0. ``text`` cleans the words of a cell. A page that pdfplumber cannot read has no
    tables.
    """
    import pdfplumber

    if seconds <= 0:
        return {}, len(pages)
    tables: dict[int, list[Table]] = {}
    done = 0
    with _clock(seconds):
        try:
            with pdfplumber.open(io.BytesIO(data)) as document:
                for number in pages:
                    tables[number] = _of_page(document.pages[number], text)
                    document.pages[number].close()
                    done += 1
        except _TimeIsUp:
            pass
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever fails in it, the text of the page is there
            done = len(pages)
    return {number: of_page for number, of_page in tables.items() if of_page}, len(pages) - done


class _clock:  # noqa: N801 - used as a statement
    """Raises _TimeIsUp in its block after so many seconds of processor time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        def stop(*_signal: object) -> None:
            raise _TimeIsUp

        self._before = signal.signal(signal.SIGPROF, stop)
        signal.setitimer(signal.ITIMER_PROF, self._seconds)

    def __exit__(self, *_error: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, self._before)


def _of_page(page: Any, text: Callable[[str], str]) -> list[Table]:
    if page.rotation:
        return []
    base = page.height + page.mediabox[1]
    tables = []
    for table in page.find_tables():
        rows = tuple(_rows(page, table, text))
        if is_table(rows):
            left, top, right, bottom = table.bbox
            tables.append(Table(rows, left - SNAP, right + SNAP, base - top + SNAP, base - bottom - SNAP))
    return sorted(tables, key=lambda table: -table.top)


def is_table(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the cells are a table and not a frame around text: two rows and two columns with text in each."""
    filled_rows = sum(1 for row in rows if any(row))
    filled_columns = sum(1 for column in zip(*rows, strict=True) if any(column))
    return filled_rows > 1 and filled_columns > 1


def _rows(page: Any, table: Any, text: Callable[[str], str]) -> Iterator[tuple[str, ...]]:
    """The texts of all cells; a cell that spans rows or columns gives its text to each of them."""
    texts = {cell: text(page.crop(cell, strict=False).extract_text() or "") for cell in table.cells}
    columns = [column.bbox for column in table.columns]
    for row in table.rows:
        height = (row.bbox[1] + row.bbox[3]) / 2
        cells: list[str] = []
        for column, own in zip(columns, row.cells, strict=True):
            cell = own or _cell_at(table.cells, (column[0] + column[2]) / 2, height)
            cells.append(texts.get(cell, "") if cell else "")
        yield tuple(cells)


def _cell_at(cells: Sequence[tuple[float, float, float, float]], x: float, y: float) -> Any:
    return next((cell for cell in cells if cell[0] <= x <= cell[2] and cell[1] <= y <= cell[3]), None)
