"""Turns rows into Markdown tables that the chunker can keep whole. Knows nothing about where the rows come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PIECE_BYTES = 800  # of UTF-8: just below the size of a passage (retrieval.chunk), so that a piece is one passage


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table in pieces of a passage's size, each with the header, so that no row is separated from its column names.

    Rows that are too wide for a piece become lists of "column: value". Blank rows and columns are left out.
    """
    return "".join(text for text, _ in parts(header, rows))


def parts(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, int]]:
    """The same, cut where another row begins: (text, index of the row). A header belongs to the row below it."""
    header, kept = _without_blanks(header, rows)
    if not kept:
        return [(" | ".join(cell for cell in header if cell), 0)]
    head = f"{_row(header)}\n{_row(['---'] * len(header))}\n"
    written = [(_row(row), at) for at, row in kept]
    if max(_bytes(row) for row, _ in written) + _bytes(head) > PIECE_BYTES:
        lists = [(_listed(header, row), at) for at, row in kept]
        return [lists[0], *((f"\n\n{listed}", at) for listed, at in lists[1:])]
    made: list[tuple[str, int]] = []
    size = 0  # of the present piece
    for row, at in written:
        if made and size + _bytes(row) + 1 <= PIECE_BYTES:
            made.append((f"\n{row}", at))
            size += _bytes(row) + 1
        else:
            made.append((f"\n\n{head}{row}" if made else f"{head}{row}", at))
            size = _bytes(head) + _bytes(row)
    return made


def columns(header: Sequence[str], width: int) -> list[str]:
    """Names for ``width`` columns: those of the header, "column 3" where it has none, and a number after a repeated
    name."""
    names: list[str] = []
    used: set[str] = set()
    for at in range(width):
        name = base = (header[at].strip() if at < len(header) else "") or f"column {at + 1}"
        count = 1
        while name in used:
            count += 1
            name = f"{base} {count}"
        used.add(name)
        names.append(name)
    return names


def _without_blanks(
    header: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """(the header, (index, cells) of each row that is not blank), all without blank columns."""
    width = max([len(header), *(len(row) for row in rows)], default=0)
    cells = [[row[at].strip() if at < len(row) else "" for at in range(width)] for row in (header, *rows)]
    used = [at for at in range(width) if any(row[at] for row in cells)]
    trimmed = [[row[at] for at in used] for row in cells]
    return trimmed[0] if trimmed else [], [(at, row) for at, row in enumerate(trimmed[1:]) if any(row)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _listed(header: Sequence[str], row: Sequence[str]) -> str:
    pairs = zip(header, row, strict=True)
    return "\n".join(f"- {name}: {value}" if name else f"- {value}" for name, value in pairs if value)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
