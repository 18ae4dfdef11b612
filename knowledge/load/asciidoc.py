"""Reads AsciiDoc: its titles become headings and its blocks of code become fences; the rest stays as it was written.

No well-kept Python library reads AsciiDoc, and its text is made to be read without one.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import places, structure
from knowledge.load.text import decode
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

_TITLE = re.compile(r"(={1,6})[ \t]+(\S.*)$")
_CODE = re.compile(r"(?:-{4,}|\.{4,})[ \t]*$")
_COMMENT_BLOCK = re.compile(r"/{4,}[ \t]*$")
_UNSEEN = re.compile(r"//(?!/)|:!?[\w-]+!?:(?:\s|$)|\[[^\]]*\][ \t]*$")  # a comment, an attribute, a block's attributes


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document; its title is the first heading, or the file's name without the suffix."""
    title, closing = "", ""
    written: list[str] = []
    for line in places.numbered(decode(data).replace("\r\n", "\n").replace("\r", "\n").split("\n")):
        bare = line.rstrip()
        if closing:
            if bare == closing:
                written += [] if bare.startswith("/") else [places.like(line, "```")]
                closing = ""
            elif not closing.startswith("/"):
                written.append(line)
        elif _CODE.match(bare) or _COMMENT_BLOCK.match(bare):
            closing = bare
            written += [] if bare.startswith("/") else [places.like(line, "```")]
        elif heading := _TITLE.match(bare):
            title = title or heading[2]
            written.append(places.like(line, f"{'#' * len(heading[1])} {heading[2]}"))
        elif not _UNSEEN.match(bare):
            written.append(line)
    if closing and not closing.startswith("/"):
        written.append("```")
    lines = structure.joined(written)
    known = places.of_lines(lines)
    yield LoadedDocument("", title or PurePosixPath(name).stem, "\n".join(lines), places=known)
