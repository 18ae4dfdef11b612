"""Cuts a document's text into chunks that can be found, shown and cited separately.

Knows nothing about files, ids or models. Text is Markdown or plain text; ``#`` headings outside code fences make
sections, and a chunk never spans two sections, so that its heading path says what it is about. A caption or a line that
introduces what follows begins the chunk of that, and does not end the chunk before.

Every chunk is a part of the document's own text (line ends as ``\\n``), so that words to be replaced are found in
both. No chunk is blank. The chunks with their headings contain every character of the document that is not white
space, in order (with an overlap, some characters twice). A heading with nothing below it becomes a chunk itself. Time
is linear in the length of the text, even for a single line without any space.

Size is counted in UTF-8 bytes, because bytes measure English and Chinese alike. For multilingual-e5-small's tokeniser,
a token is about 4.2 bytes of English or 4.6 bytes of Chinese, and a Chinese text has a third of the characters of its
English translation. 900 bytes are about 900 English or 300 Chinese characters, or 200 tokens. That is a few
paragraphs: five chunks fit into a small model's prompt, and a chunk is well below the embedding model's 512 tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_text_splitters import RecursiveCharacterTextSplitter

SIZE = 900

_HEADING = re.compile(r" {0,3}(#{1,6})(?=[ \t]|$)")
_LONGEST_HEADING = 300  # characters; each chunk repeats its headings, so a longer line counts as text, not as a heading
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})([^\n]*)")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")

_PARAGRAPH_END = re.compile(r"\n[ \t]*\n\s*")
_LONGEST_LEAD = 150  # characters of a caption or a small heading
_NO_LEAD = re.compile(
    r"[.。!！…;；,，][\"'”’」』）)\]*]*$|^(?:[-*+•>|`~]|\d{1,3}[.)、] )"
)  # a sentence, an item, a row, code

# Where to cut, best first. Each match stays with the text before it.
_CUTS = [
    _PARAGRAPH_END.pattern,  # between paragraphs
    r"\n(?=[ \t]*(?:[-*+•|>]|\d{1,3}[.)、]))",  # before a list item, table row or quotation
    r"[。！？!?…]+[”’」』）】\"')]*\s*|\.[\"')\]]*\s+",  # after a sentence
    r"\n",
    r"[；;：]\s*|:\s+",
    r"[，、]\s*|,\s+",
    r"\s+",
    "",
]


@dataclass(frozen=True, slots=True)
class Chunk:
    """``position`` counts from 0 in the document; ``headings`` are the headings above the text, outermost first;
    ``start`` is the offset of the text in the document, whose line end is ``\\n``."""

    position: int
    headings: tuple[str, ...]
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a document, without its end. ``start``: the offset of its first character; ``level``: 1 to 6 for a
    heading, whose words are ``title``, and 0 for any other line; ``fenced``: the line belongs to a code fence."""

    start: int
    text: str
    level: int
    title: str
    fenced: bool


def chunk(text: str, *, size: int = SIZE, overlap: int = 0) -> list[Chunk]:
    """Cuts a text into chunks of at most ``size`` UTF-8 bytes each, in document order.

    Code fences and tables stay whole where they fit; other text is cut between paragraphs, list items, sentences,
    lines, clauses and words, in this order of preference. With ``overlap``, a chunk begins with up to that many
    bytes of whole sentences from the end of the chunk before it in the same section, in addition to ``size``.
    Raises ``ValueError`` for a size below 16 or an overlap that is not smaller than the size.
    """
    if size < 16:
        raise ValueError(f"a chunk size of {size} is too small for text")
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} does not fit a chunk size of {size}")
    chunks: list[Chunk] = []
    for headings, body, start in _sections(text.replace("\r\n", "\n").replace("\r", "\n")):
        for at, piece in _packed(body, size, overlap):
            chunks.append(Chunk(len(chunks), headings, piece, start + at))
    return chunks


def lines(text: str) -> Iterator[Line]:
    """Yields the lines of a text whose line end is ``\\n``, and shows which of them are headings."""
    fence, start = "", 0
    for line in text.split("\n"):
        heading = None if fence or len(line) > _LONGEST_HEADING else _HEADING.match(line)
        was_in_fence = fence
        if heading is None:
            fence = _fence_after(fence, line)
        level, title = (len(heading[1]), _title(line[heading.end() :])) if heading else (0, "")
        yield Line(start, line, level, title, bool(was_in_fence or fence))
        start += len(line) + 1


def is_table_row(line: str) -> bool:
    """Whether a line, without white space around it, is a row of a Markdown table."""
    return len(line) > 1 and line.startswith("|") and line.endswith("|")


def _sections(text: str) -> Iterator[tuple[tuple[str, ...], str, int]]:
    """Yields (heading path, body, offset of the body) of each section; a heading with nothing below it is itself the
    body of a section."""
    path: list[tuple[int, str]] = []
    body: list[Line] = []
    childless: Line | None = None  # the last heading while no text has followed it
    for line in lines(text):
        if not line.level:
            body.append(line)
            continue
        if _has_text(body):
            yield _names(path), *_joined(body)
        elif childless and line.level <= path[-1][0]:
            yield _names(path[:-1]), childless.text, childless.start
        if _has_text(body) or (path and line.level <= path[-1][0]):
            childless = None
        body = []
        while path and path[-1][0] >= line.level:
            path.pop()
        if line.title:
            path.append((line.level, line.title))
            childless = line
    if _has_text(body):
        yield _names(path), *_joined(body)
    elif childless:
        yield _names(path[:-1]), childless.text, childless.start


def _joined(body: list[Line]) -> tuple[str, int]:
    return "\n".join(line.text for line in body), body[0].start


def _has_text(body: list[Line]) -> bool:
    return any(line.text and not line.text.isspace() for line in body)


def _names(path: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(name for _, name in path)


def _title(rest: str) -> str:
    """The words of a heading, without the closing ``#`` marks that some writers add."""
    title = rest.strip()
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1].isspace() else title


def _fence_after(fence: str, line: str) -> str:
    """The code fence that is open after this line, "" for none."""
    match = _FENCE.match(line)
    if not match:
        return fence
    marks, rest = match[1], match[2]
    if not fence:
        return "" if marks[0] == "`" and "`" in rest else marks
    closes = marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip()
    return "" if closes else fence


def _packed(body: str, size: int, overlap: int) -> Iterator[tuple[int, str]]:
    """Joins neighbouring pieces while they fit into ``size``. Yields (offset in ``body``, that part of it)."""
    current, length, start = "", 0, 0  # start: where ``current`` begins
    before = ""
    for piece in _pieces(body, size):
        weight = _bytes(piece)
        if current.strip() and length + weight > size:
            end = start + len(current)
            current, lead = _without_lead(current, size - weight)
            yield _stripped(_tail(before, overlap), current, start)
            before, current, length, start = current, lead, _bytes(lead), end - len(lead)
        current, length = current + piece, length + weight
    if current.strip():
        yield _stripped(_tail(before, overlap), current, start)


def _stripped(tail: str, current: str, start: int) -> tuple[int, str]:
    whole = tail + current
    return start - len(tail) + len(whole) - len(whole.lstrip()), whole.strip()


def _without_lead(text: str, room: int) -> tuple[str, str]:
    """(the text without its last paragraph, that paragraph) if it is a caption, a small heading or an introduction of
    what follows; it goes with that, if it has at most ``room`` bytes. Else (the text, "")."""
    breaks = [match.end() for match in _PARAGRAPH_END.finditer(text.rstrip())]
    if not breaks or not text[: breaks[-1]].strip():
        return text, ""
    lead = text[breaks[-1] :]
    words = lead.strip()
    if _bytes(lead) > room or len(words) > _LONGEST_LEAD or "\n" in words or _NO_LEAD.search(words):
        return text, ""
    return text[: breaks[-1]], lead


def _pieces(body: str, size: int) -> Iterator[str]:
    """Cuts the body into parts that fit ``size``: code fences and tables whole where they fit, other text by
    sentences."""
    for block, whole in _blocks(body):
        if whole and _bytes(block.strip()) <= size:
            yield block
        elif whole:
            yield from _by_line(block, size)
        else:
            yield from _paragraphs(block, size)


def _paragraphs(block: str, size: int) -> Iterator[str]:
    """Cuts a text between its paragraphs, and those that do not fit ``size``."""
    start = 0
    for end in (*(match.end() for match in _PARAGRAPH_END.finditer(block)), len(block)):
        paragraph = block[start:end]
        if _bytes(paragraph) <= size:
            yield paragraph
        else:
            yield from _splitter(size).split_text(paragraph)
        start = end


def _blocks(body: str) -> Iterator[tuple[str, bool]]:
    """Yields (part of the body, whether to keep it whole): true for code fences and tables, false for the text
    between."""
    start = position = 0
    kind = "text"
    fence = ""
    for line in _LINE.findall(body):
        fence_before, fence = fence, _fence_after(fence, line.rstrip("\n"))
        line_kind = "code" if fence_before or fence else "table" if is_table_row(line.strip()) else "text"
        if (line_kind != kind or (fence and not fence_before)) and position > start:
            yield body[start:position], kind != "text"
            start = position
        kind = line_kind
        position += len(line)
    if position > start:
        yield body[start:position], kind != "text"


def _by_line(block: str, size: int) -> Iterator[str]:
    for line in _LINE.findall(block):
        if _bytes(line) <= size:
            yield line
        else:
            yield from _splitter(size).split_text(line)


@lru_cache(maxsize=8)
def _splitter(size: int) -> RecursiveCharacterTextSplitter:
    """Cuts at the best place that makes pieces fit. The pieces joined together are exactly the text."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    return RecursiveCharacterTextSplitter(
        separators=_CUTS,
        is_separator_regex=True,
        keep_separator="end",
        strip_whitespace=False,
        chunk_size=size,
        chunk_overlap=0,
        length_function=_bytes,
    )


def _tail(text: str, overlap: int) -> str:
    """Whole sentences from the end of a chunk, at most ``overlap`` bytes of them."""
    if not overlap or not text:
        return ""
    start = len(text)
    for match in re.finditer(_CUTS[2] + r"|\n", text):
        if match.end() < len(text) and _bytes(text[match.end() :]) <= overlap:
            start = match.end()
            break
    return text[start:]


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
