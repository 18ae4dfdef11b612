"""Reads a text as blocks: headings, paragraphs, list items, table rows, code fences. Shows which introduce others.

Knows nothing about edits. Surroundings (of an edit) and copies (of a statement) are read from blocks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from retrieval.chunk import is_table_row, lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TITLE = 80  # characters of a line that may be the title of what is below, where a text has no headings

_ITEM = re.compile(r"([ \t]*)(?:[-*+•·]|\(?\d{1,3}[.)、]|[（(]?[一二三四五六七八九十]{1,3}[)）、])(?=\s|[^\x00-\x7f])")
_GOES_ON = {("code", "code"), ("paragraph", "paragraph"), ("paragraph", "item")}  # (kind of a line, block before it)
# Words of a block that say what the text below it is about.
_POINTING_FORWARD = re.compile(
    r"\b(?:the following|as follows|below|hereafter|from here on|appl(?:y|ies) (?:only )?to|"
    r"(?:this|these) (?:section|chapter|part|page|document|policy|guide|manual|rules|terms|conditions))\b"
    r"|以下|下列|下述|下面|如下|下文|后文|适用于|本[章节部页文篇]|[只仅](?:针对|限)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.。!！;；,，…]$")


@dataclass(frozen=True, slots=True)
class Block:
    """Characters ``start`` to ``end`` of a text. ``path``: the headings above; ``group``: blocks without a blank line
    between them have the same number."""

    start: int
    end: int
    kind: str  # heading | paragraph | item | row | code
    path: tuple[str, ...]
    group: int
    indent: int


def read_blocks(text: str) -> Iterator[Block]:
    """Yields the blocks of a text whose line end is ``\n``, in their order. Blank lines are in no block."""
    path: list[tuple[int, str]] = []
    current: Block | None = None
    group = 0
    for line in lines(text):
        bare = line.text.strip()
        if not bare and not (line.fenced and current is not None and current.kind == "code"):
            group += 1
            if current is not None:
                yield current
            current = None
            continue
        kind, indent = _kind(line.text, bare, heading=bool(line.level), fenced=line.fenced)
        end = line.start + len(line.text)
        if current is not None and (kind, current.kind) in _GOES_ON:
            current = replace(current, end=end)
            continue
        if current is not None:
            yield current
        if kind == "heading":
            while path and path[-1][0] >= line.level:
                path.pop()
        current = Block(line.start, end, kind, tuple(name for _, name in path), group, indent)
        if kind == "heading" and line.title:
            path.append((line.level, line.title))
    if current is not None:
        yield current


def _kind(line: str, bare: str, *, heading: bool, fenced: bool) -> tuple[str, int]:
    indent = len(line) - len(line.lstrip())
    if heading:
        return "heading", 0
    if fenced:
        return "code", indent
    if is_table_row(bare):
        return "row", indent
    return ("item" if _ITEM.match(line) else "paragraph"), indent


def introducing(text: str, blocks: Sequence[Block], at: int) -> str | None:
    """How a block introduces blocks further below, whatever is between them: as "text" that says so (it ends with a
    colon, or has words like "the following"), or as a "title", a short line in the place of a heading; else None.

    A block directly before a table or code introduces that and nothing further below; an item with items below it
    introduces these.
    """
    block = blocks[at]
    following = blocks[at + 1] if at + 1 < len(blocks) else None
    if block.kind not in ("paragraph", "item") or following is None or following.kind in ("row", "code"):
        return None
    if block.kind == "item" and following.kind != "heading" and following.indent > block.indent:
        return None
    words = text[block.start : block.end].strip().strip("*_ ")
    if words.endswith((":", "：")) or _POINTING_FORWARD.search(words):
        return "text"
    title_like = block.kind == "paragraph" and len(words) <= TITLE and "\n" not in words
    return "title" if title_like and any(map(str.isalpha, words)) and not _SENTENCE_END.search(words) else None
