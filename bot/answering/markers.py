"""Finds the citation markers of an answer, and keeps them apart from all other numbers in square brackets.

A marker is ``[1]`` in prose, also ``【1】`` and ``[1, 2]``. These are no markers and are never changed: numbers in code
(fenced, indented, between backticks, in HTML's code and pre), the text of a link ``[1](address)``, the definition
``[1]: address``, a footnote ``[^1]``, an escaped ``\\[1]``, and an index: ``x[1]``, ``rows[1][2]``, ``f(x)[1]``.

An index and a marker without a space look alike: ``argv[1]``, ``days[1]``. Where a Latin word is directly before the
bracket, the bracket counts as a marker only if nothing suggests an index: the word is an ordinary one, and the answer
has no clear marker. Even then it is only counted, never changed: a renumbered index would put a wrong program into an
answer. Knows nothing of passages or models.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BRACKET = re.compile(r"[\[【［]\s*(?P<numbers>\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\s*[\]】］]")
_LINK = re.compile(r"\([^()\s]*(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\)")  # after the bracket: address, perhaps title
_DEFINITION = re.compile(r":[ \t]*<?(?:[a-z][a-z0-9+.-]*:|/|#|\.)\S*", re.IGNORECASE)
_HTML = re.compile(r"<(code|pre)\b[^>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)*(`{3,}|~{3,})([^\n]*)")
_ITEM = re.compile(r"([ \t]*)(?:[-*+]|\d{1,9}[.)])([ \t]+|$)")
_TICKS = re.compile(r"`+")
_PARAGRAPHS = re.compile(r"(\n[ \t]*\n)")
_PLAIN = re.compile(r"[A-Za-z]?[a-z]+")  # an ordinary word of prose: no digits, no capitals inside
_WORD_BEFORE = re.compile(r"[\w$]*\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Marker:
    """A marker: its position in the text (``start`` to ``end``, code points) and its numbers. ``attached``: a Latin
    word is directly before it, so that it might be an index and must not be changed."""

    start: int
    end: int
    numbers: tuple[int, ...]
    attached: bool = False


def markers(text: str) -> tuple[Marker, ...]:
    """The markers of a text, in order."""
    candidates = list(_candidates(text))
    clear = tuple(marker for marker in candidates if not marker.attached)
    return clear or tuple(candidates)


def replace(text: str, replacement: Callable[[Marker], str | None]) -> str:
    """The text with each marker replaced; None keeps a marker as it is. Attached markers are always kept. Where a
    marker is replaced by nothing, the white space before it is removed too."""
    parts: list[str] = []
    at = 0
    for marker in markers(text):
        words = None if marker.attached else replacement(marker)
        if words is None:
            continue
        before = text[at : marker.start]
        parts += [before if words else before.rstrip(" \t"), words]
        at = marker.end
    return "".join((*parts, text[at:]))


def bare(text: str) -> str:
    """The text without its markers, attached ones included."""
    parts: list[str] = []
    at = 0
    for marker in markers(text):
        parts.append(text[at : marker.start].rstrip(" \t"))
        at = marker.end
    return "".join((*parts, text[at:]))


def _candidates(text: str) -> Iterator[Marker]:
    """The brackets that may be markers. Whether attached ones are markers depends on the others (markers)."""
    code = code_spans(text)
    row = 0
    last: Marker | None = None
    for match in _BRACKET.finditer(text):
        start, end = match.span()
        while row < len(code) and code[row][1] <= start:
            row += 1
        in_code = row < len(code) and code[row][0] < end
        if in_code or _LINK.match(text, end) or _is_definition(text, start, end):
            continue
        if last is not None and last.end == start:
            attached = last.attached
        else:
            before = text[start - 1 : start]
            word = _word_before(text, start)
            if before in ("\\", "]", ")", "$") or (word and not _like_prose(text, word, start, end)):
                continue
            attached = bool(word)
        last = Marker(start, end, tuple(int(number) for number in re.findall(r"\d+", match["numbers"])), attached)
        yield last


def _word_before(text: str, at: int) -> str:
    """The Latin word that ends here; empty where there is no word, or one with a digit first ("30[1]", "20MB[1]")."""
    word = _WORD_BEFORE.search(text[max(0, at - 64) : at])
    return "" if word is None or word[0][:1].isdigit() else word[0]


def _like_prose(text: str, word: str, start: int, end: int) -> bool:
    """Whether a word and the bracket after it look like the end of a clause with its source: "within 14 days[1]."."""
    before = text[: start - len(word)][-1:]
    after = text[end : end + 1]
    return (
        len(word) > 1
        and _PLAIN.fullmatch(word) is not None
        and before not in tuple("./->:@#&*%")
        and after not in ("(", "=")
        and not (after.isascii() and after.isalnum())
    )


def _is_definition(text: str, start: int, end: int) -> bool:
    line = text.rfind("\n", 0, start) + 1
    return not text[line:start].strip() and _DEFINITION.match(text, end) is not None


def code_spans(text: str) -> list[tuple[int, int]]:
    """The parts of a Markdown text that are code: (start, end) in order, without overlaps. A block that is opened and
    not closed is code to the end of the text."""
    spans: list[tuple[int, int]] = []
    at = 0
    for start, end in [*_blocks(text), (len(text), len(text))]:
        spans += _inline(text, at, start)
        if end > start:
            spans.append((start, end))
        at = end
    return spans


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Fenced and indented code. Within a list, code is indented further than the text of its item."""
    fence, begun = "", 0
    item = 0  # columns to which the text of the present list item is indented
    blank = True  # whether no paragraph goes on here
    at = 0
    for line in text.splitlines(keepends=True):
        start, at = at, at + len(line)
        plain = line.strip(" \t\r\n>")
        if fence:
            if plain and set(plain) == {fence[0]} and len(plain) >= len(fence):
                yield begun, at
                fence, blank = "", True
            continue
        opening = _FENCE.match(line)
        if opening and not (opening[1][0] == "`" and "`" in opening[2]):
            fence, begun = opening[1], start
            continue
        columns = line.expandtabs(4).rstrip()
        indented = len(columns) - len(columns.lstrip(" "))
        if not columns:
            blank = True
        elif blank and indented >= item + 4:
            yield start, at
        else:
            listed = _ITEM.match(columns)
            if listed:
                item = listed.end()
            elif blank and indented < item:
                item = 0
            blank = False
    if fence:
        yield begun, len(text)


def _inline(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Code between backticks (as many at its end as at its beginning, within one paragraph), and code in HTML tags,
    except tags that are themselves between backticks."""
    spans: list[tuple[int, int]] = []
    at = start
    for paragraph in _PARAGRAPHS.split(text[start:end]):
        spans += _between_backticks(text, at, at + len(paragraph))
        at += len(paragraph)
    at = start
    parts: list[str] = []
    for begin, stop in spans:
        parts += [text[at:begin], "`" * (stop - begin)]
        at = stop
    plain = "".join((*parts, text[at:end]))
    spans += [(start + match.start(), start + match.end()) for match in _HTML.finditer(plain)]
    reached = start
    for begin, stop in sorted(spans):
        if stop > reached:
            yield max(begin, reached), stop
            reached = stop


def _between_backticks(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    runs = [match.span() for match in _TICKS.finditer(text, start, end)]
    closing: dict[int, deque[int]] = {}
    for begin, stop in runs:
        closing.setdefault(stop - begin, deque()).append(begin)
    reached = start
    for begin, stop in runs:
        if begin < reached or text[begin - 1 : begin] == "\\":
            continue
        waiting = closing[stop - begin]
        while waiting and waiting[0] <= begin:
            waiting.popleft()
        if waiting:
            reached = waiting[0] + stop - begin
            yield begin, reached
