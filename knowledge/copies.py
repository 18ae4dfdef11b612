"""Finds statements that a text writes more often than before.

An edit changes one place of a text. When a new version of the source has the statement in a second place too, the words
that were corrected are there uncorrected. Whether this second place is to be corrected as well is not decided here: it
may be under another heading, and about something else.

A statement is a sentence, a line, or a row of a table. Two are the same when they have the same words in the same
order; capitals, punctuation, line ends and list markers do not count. So a sentence and a row of a table can be the
same statement, and a sentence that is worded differently is another one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from knowledge.blocks import read_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

_SENTENCE = re.compile(r"(?:[^。！？!?….]|\.(?!\s))+(?:[。！？!?…]|\.(?=\s)|$)?")
_MARKER = re.compile(r"\s*(?:[-*+•·#>]+|\(?\d{1,3}[.)、])(?=\s)")
_WORD = re.compile(r"\w+")


def statements(text: str) -> Counter[str]:
    """How often a text has each of its statements. The keys are comparable forms, not texts to be shown."""
    total = Counter[str]()
    for sentences, whole_lines in _read(text):
        counts = (Counter(_form(text[start:end]) for start, end in spans) for spans in (sentences, whole_lines))
        total.update(next(counts) | next(counts))  # a line that is one sentence is one statement, not two
    del total[""]
    return total


def statements_at(text: str, start: int, end: int) -> set[str]:
    """The statements, in the form of ``statements``, that the words at ``start`` to ``end`` are in."""
    spans = (span for both in _read(text) for part in both for span in part)
    return {_form(text[first:last]) for first, last in spans if first < end and start < last} - {""}


def _read(text: str) -> Iterator[tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
    """Yields where the sentences and the lines of each block are."""
    for block in read_blocks(text):
        whole_lines, at = [], block.start
        for line in text[block.start : block.end].split("\n"):
            whole_lines.append((at, at + len(line)))
            at += len(line) + 1
        is_prose = block.kind not in ("row", "code")
        sentences = [match.span() for match in _SENTENCE.finditer(text, block.start, block.end)] if is_prose else []
        yield sentences, whole_lines


def _form(statement: str) -> str:
    marker = _MARKER.match(statement)
    words = statement[marker.end() :] if marker else statement
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", words).casefold()))
