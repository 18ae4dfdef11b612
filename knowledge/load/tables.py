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
    header, rows = _without_blanks(header, rows)
    if not rows:
        return " | ".join(cell for cell in header if cell)
    head = f"{_row(header)}\n{_row(['---'] * len(header))}\n"
    written = [_row(row) for row in rows]
    if max(_bytes(row) for row in written) + _bytes(head) > PIECE_BYTES:
        return "\n\n".join(_listed(header, row) for row in rows)
    pieces: list[str] = []
    piece, size = "", 0
    for row in written:
        if piece and size + _bytes(row) + 1 > PIECE_BYTES:
            pieces.append(piece)
            piece = ""
        if not piece:
            piece, size = head + row, _bytes(head) + _bytes(row)
        else:
            piece, size = f"{piece}\n{row}", size + _bytes(row) + 1
    return "\n\n".join([*pieces, piece])


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


def _without_blanks(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    width = max([len(header), *(len(row) for row in rows)], default=0)
    cells = [[row[at].strip() if at < len(row) else "" for at in range(width)] for row in (header, *rows)]
    used = [at for at in range(width) if any(row[at] for row in cells)]
    trimmed = [[row[at] for at in used] for row in cells]
    return trimmed[0] if trimmed else [], [row for row in trimmed[1:] if any(row)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "\\|").split()) for cell in cells) + " |"


def _listed(header: Sequence[str], row: Sequence[str]) -> str:
    pairs = zip(header, row, strict=True)
    return "\n".join(f"- {name}: {value}" if name else f"- {value}" for name, value in pairs if value)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
