"""Counts what a reader of files leaves out on purpose, so that the report on the file can name it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from retrieval.phrases import Phrase

if TYPE_CHECKING:
    from collections.abc import Mapping

_PHRASES = {
    "attachments": lambda count: Phrase.of(
        "Attachments are not read: {count}.", code="left_out_attachments", count=count
    ),
    "comments": lambda count: Phrase.of("Comments are not read: {count}.", code="left_out_comments", count=count),
    "hidden_columns": lambda count: Phrase.of(
        "Hidden columns are not read: {count}.", code="left_out_hidden_columns", count=count
    ),
    "hidden_parts": lambda count: Phrase.of(
        "Hidden parts of the text are not read: {count}.", code="left_out_hidden_parts", count=count
    ),
    "hidden_rows": lambda count: Phrase.of(
        "Hidden rows are not read: {count}.", code="left_out_hidden_rows", count=count
    ),
    "hidden_sheets": lambda count: Phrase.of(
        "Hidden sheets are not read: {count}.", code="left_out_hidden_sheets", count=count
    ),
    "hidden_slides": lambda count: Phrase.of(
        "Hidden slides are not read: {count}.", code="left_out_hidden_slides", count=count
    ),
    "navigation": lambda count: Phrase.of(
        "Navigation and tables of contents are not read: {count}.", code="left_out_navigation", count=count
    ),
    "pdf_tables": lambda count: Phrase.of(
        "Finding tables took too long; on {count} pages their rows are read as lines of text.",
        code="left_out_pdf_tables",
        count=count,
    ),
    "pictures": lambda count: Phrase.of("Pictures are not read: {count}.", code="left_out_pictures", count=count),
    "speaker_notes": lambda count: Phrase.of(
        "Speaker notes are not read: {count}.", code="left_out_speaker_notes", count=count
    ),
    "struck_out": lambda count: Phrase.of(
        "Struck-out parts are not read: {count}.", code="left_out_struck_out", count=count
    ),
}
KINDS = frozenset(_PHRASES)


class LeftOut:
    """Counts by kind (``KINDS``)."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, count: int = 1) -> None:
        assert kind in KINDS
        self._counts[kind] += count

    def take(self) -> dict[str, int]:
        """Returns the counts since the last call; those of 0 are not in it."""
        counts = {kind: count for kind, count in self._counts.items() if count > 0}
        self._counts.clear()
        return counts


def phrases(counts: Mapping[str, int]) -> list[Phrase]:
    """The remarks on these counts, for a report."""
    return [_PHRASES[kind](count) for kind, count in sorted(counts.items()) if count and kind in KINDS]
