"""Reads plain text and reStructuredText.

Titles become headings: underlined ones, and in plain text those with a number of their own. Tables of contents are not
read, and Chinese words that a line end broke are joined (``structure``).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import places, structure
from knowledge.load.left_out import LeftOut
from knowledge.load.text import decode
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

TITLE_CHARACTERS = 80
_MARK = re.compile(r"\.\. _.{1,200}:[ \t]*")  # a line that names a place, which no reader sees
_HASH = re.compile(r" {0,3}#{1,6}(?:[ \t]|$)")
_ADORNMENTS = frozenset("=-~^\"'`*+#:._<>")
_UNDERLINES = frozenset("=-~^*#")  # in plain text, where other signs under a line are not meant for it


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document; its title is the first heading, or the file's name without the suffix."""
    path = PurePosixPath(name)
    lines = places.numbered(decode(data).replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    left_out = LeftOut()
    if path.suffix.lower() == ".rst":
        written, title = _with_headings([*(line for line in lines[:-1] if not _MARK.fullmatch(line)), lines[-1]])
    else:
        lines, contents = structure.without_contents(lines)
        left_out.add("navigation", contents)
        lines = structure.joined(lines)
        written, title = _with_headings(lines, plain=True)
        if not title:
            lines, headings = structure.with_headings([_escaped(line) for line in lines])
            if headings:
                written, title = lines, _title(lines)
    known = places.of_lines(written)
    yield LoadedDocument("", title or path.stem, "\n".join(written), left_out=left_out.take(), places=known)


def _title(lines: list[str]) -> str:
    """The first line if it stands alone and is short."""
    start = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    alone = start + 1 >= len(lines) or not lines[start + 1].strip()
    title = lines[start].strip() if start < len(lines) else ""
    return title if alone and len(title) <= TITLE_CHARACTERS and not title.startswith("#") else ""


def _with_headings(lines: list[str], *, plain: bool = False) -> tuple[list[str], str]:
    """The lines with ``#`` headings, and the first of them. Levels follow the order in which the styles appear.
    ``plain``: not reStructuredText, so an underline must be as long as its title."""
    styles: list[tuple[str, bool]] = []
    first = ""
    written: list[str] = []
    headings: set[int] = set()  # of the lines written
    at = 0
    while at < len(lines):
        over = at + 2 < len(lines) and _is_adornment(lines[at]) and lines[at].rstrip() == lines[at + 2].rstrip()
        heading = at + 1 if over else at
        if heading + 1 < len(lines) and _is_title(lines, heading, over=over, plain=plain):
            style = (lines[heading + 1][0], over)
            if style not in styles:
                styles.append(style)
            first = first or lines[heading].strip()
            headings.add(len(written))
            level = min(6, styles.index(style) + 1)
            written.append(places.like(lines[heading], f"{'#' * level} {lines[heading].strip()}"))
            at = heading + 2
        else:
            written.append(lines[at])
            at += 1
    if headings:  # then "# apt-get update" is no heading but a command
        written = [line if at in headings else _escaped(line) for at, line in enumerate(written)]
    return written, first


def _escaped(line: str) -> str:
    """The line, not to be read as a heading."""
    return places.like(line, line.replace("#", "\\#", 1)) if _HASH.match(line) else line


def _is_title(lines: list[str], at: int, *, over: bool, plain: bool) -> bool:
    """Whether a line has its underline below it (and its line above, with ``over``)."""
    line, below = lines[at], lines[at + 1]
    title, mark = line.strip(), below.rstrip()
    if not title or _is_adornment(line) or not _is_adornment(below) or not (over or not line[0].isspace()):
        return False
    if not plain:
        # An underline is as long as its title; a Chinese character is two columns wide but many writers count one.
        return len(mark) >= len(title)
    alone = over or at == 0 or not lines[at - 1].strip()
    return alone and mark[0] in _UNDERLINES and 0 <= len(mark) - len(title) <= len(title.encode()) - len(title) + 2


def _is_adornment(line: str) -> bool:
    marks = line.rstrip()
    return len(marks) >= 2 and marks[0] in _ADORNMENTS and marks == marks[0] * len(marks)
