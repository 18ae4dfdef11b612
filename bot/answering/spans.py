"""What the span reader says about the passages of one question: how surely they answer it, and in which sentence.

The span reader (retrieval.reading) is a small network on the embedding model's transformer, the same for every chat
model. An embedding model that it does not belong to has none; then there are no readings, and everything goes on
without them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from bot.answering.trace import Span
from retrieval.reading.spans import SpanReading, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.passage import Hit


class PassageReader(Protocol):
    """Reads passages for a question (``retrieval.reading.span_reader.SpanReader``)."""

    def read(self, question: str, passages: Sequence[Text]) -> list[SpanReading]: ...


def read(reader: PassageReader | None, question: str, hits: Sequence[Hit]) -> tuple[SpanReading, ...]:
    """A reading for each hit, in their order; empty without a reader."""
    if reader is None:
        return ()
    return tuple(reader.read(question, [Text(hit.passage.text, hit.passage.title) for hit in hits]))


def odds_of(readings: Sequence[SpanReading]) -> float | None:
    """The log-odds that at least the best passage answers; None without readings."""
    return max((reading.odds for reading in readings), default=None)


def best_sentence(
    readings: Sequence[SpanReading], hits: Sequence[Hit], enough: float = math.inf
) -> tuple[int, str] | None:
    """The number of the passage that most likely answers, and the sentence of it that does; None without readings, or
    where no passage has words. A correction that has ``enough`` log-odds goes before other passages: it is newer."""
    if not readings:
        return None

    def rank(at: int) -> tuple[bool, float]:
        return hits[at].passage.erratum and readings[at].odds >= enough, readings[at].odds

    best = max(range(len(readings)), key=rank)
    sentence = hits[best].passage.text[slice(*readings[best].sentence)]
    return (best + 1, sentence) if sentence else None


def sure_sentence(readings: Sequence[SpanReading], hits: Sequence[Hit], enough: float) -> tuple[int, str] | None:
    """``best_sentence``, where a passage has at least ``enough`` log-odds; else None."""
    odds = odds_of(readings)
    return best_sentence(readings, hits, enough) if odds is not None and odds >= enough else None


def traced(readings: Sequence[SpanReading]) -> tuple[Span, ...]:
    """The readings as they are stored with an answer."""
    return tuple(Span(n, reading.start, reading.end, reading.odds) for n, reading in enumerate(readings, start=1))
