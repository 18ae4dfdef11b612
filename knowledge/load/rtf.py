"""Reads RTF with striprtf, which gives the text without its formats.

What striprtf would read or lose is seen to before: hidden, struck-out and deleted text is taken out, and the level of a
paragraph in the outline becomes the mark of a heading. Pictures, headers and footers are not read.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import structure
from knowledge.load.errors import Damaged
from knowledge.load.left_out import LeftOut
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(r"\\([a-z]{1,32})(-?\d{1,10})?[ ]?|\\'[0-9a-f]{2}|\\[^a-z]|[{}]|[^\\{}]+", re.IGNORECASE)
_UNSEEN = {"v": "hidden_parts", "strike": "struck_out", "striked": "struck_out", "deleted": "struck_out"}
_CHARACTERS = frozenset({"u", "tab", "emdash", "endash", "lquote", "rquote", "ldblquote", "rdblquote", "bullet"})
DEEPEST = 1_000  # groups in groups


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document; its title is the file's name without the suffix. Titles with a number become headings."""
    from striprtf.striprtf import rtf_to_text

    if not data.lstrip().startswith(b"{\\rtf"):
        raise Damaged(
            "The file is not a {kind} file or is damaged ({reason}). Save it again.",
            code="file_damaged",
            kind="RTF",
            reason="it does not begin with {\\rtf",
        )
    left_out = LeftOut()
    left_out.add("pictures", data.count(b"{\\pict"))
    text: str = rtf_to_text(_seen(data.decode("latin-1"), left_out), errors="replace")
    paragraphs = "\n\n".join(paragraph.strip() for paragraph in text.split("\n") if paragraph.strip())
    lines, contents = structure.without_contents(paragraphs.split("\n"))
    left_out.add("navigation", contents)
    lines, _ = structure.with_headings(lines)
    yield LoadedDocument("", PurePosixPath(name).stem, "\n".join(lines), left_out=left_out.take())


def _seen(source: str, left_out: LeftOut) -> str:
    """The source without the text that a reader does not see as valid, with ``#`` before headings."""
    written: list[str] = []
    now: dict[str, str] = {}  # control word → what is left out while it applies
    outer: list[dict[str, str]] = []
    was_left_out = False
    for token in _TOKEN.finditer(source):
        piece, word, number = token[0], token[1], token[2]
        if piece == "{":
            if len(outer) >= DEEPEST:
                raise RecursionError
            outer.append(dict(now))
        elif piece == "}":
            now = outer.pop() if outer else {}
        elif word in _UNSEEN:
            now.pop(word, None)
            if number != "0":
                now[word] = _UNSEEN[word]
        elif word == "plain":
            now = {}
        elif word == "outlinelevel" and number is not None and 0 <= int(number) < 6:
            piece += f"{'#' * (int(number) + 1)} "
        elif now and (word is None or word in _CHARACTERS):
            if not was_left_out and piece.strip():
                left_out.add(next(iter(now.values())))
                was_left_out = True
            continue
        if not now:
            was_left_out = False
        written.append(piece)
    return "".join(written)
