"""Reads plain text and reStructuredText. Only underlined titles of reStructuredText are changed, into headings."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load.text import decode
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADORNMENTS = frozenset("=-~^\"'`*+#:._<>")


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document; its title is the first heading, or the file's name without the suffix."""
    path = PurePosixPath(name)
    text, title = decode(data), ""
    if path.suffix.lower() == ".rst":
        text, title = _with_headings(text)
    yield LoadedDocument("", title or path.stem, text)


def _with_headings(text: str) -> tuple[str, str]:
    """The text with ``#`` headings, and the first of them. Levels follow the order in which the styles appear."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    styles: list[tuple[str, bool]] = []
    first = ""
    written: list[str] = []
    at = 0
    while at < len(lines):
        over = at + 2 < len(lines) and _is_adornment(lines[at]) and lines[at].rstrip() == lines[at + 2].rstrip()
        heading = at + 1 if over else at
        if heading + 1 < len(lines) and _is_title(lines[heading], lines[heading + 1], over=over):
            style = (lines[heading + 1][0], over)
            if style not in styles:
                styles.append(style)
            first = first or lines[heading].strip()
            written.append(f"{'#' * min(6, styles.index(style) + 1)} {lines[heading].strip()}")
            at = heading + 2
        else:
            written.append(lines[at])
            at += 1
    return "\n".join(written), first


def _is_title(line: str, below: str, *, over: bool) -> bool:
    title = line.strip()
    starts_well = bool(title) and (over or not line[0].isspace()) and not _is_adornment(line)
    # An underline is as long as its title; a Chinese character is two columns wide but many writers count one column.
    return starts_well and _is_adornment(below) and len(below.rstrip()) >= len(title)


def _is_adornment(line: str) -> bool:
    marks = line.rstrip()
    return len(marks) >= 2 and marks[0] in _ADORNMENTS and marks == marks[0] * len(marks)
