"""What a reading is, and how scores of tokens become a stretch of text and the sentences that it lies in."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 40  # tokens of an answer
MOST_ODDS = 50.0  # the highest and, negative, the lowest log-odds that a reading has
_END = re.compile(r"[。！？!?]+[”’」』）]*|\.(?=[\s\"”)]|$)|\n")


class Text(NamedTuple):
    """A passage. The title is read before it, and never answers."""

    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class SpanReading:
    """What was read in a passage. ``start`` and ``end``: characters of the most likely answer in the passage's text,
    both 0 if it has no words; ``sentence``: the same of the sentences around it. ``span_score``: by how much the answer
    is preferred to "no answer", in sums of logits. ``odds``: log-odds that the passage answers, as the network gives
    them, not calibrated."""

    text: str
    start: int
    end: int
    sentence: tuple[int, int]
    span_score: float
    odds: float


NOTHING = SpanReading("", 0, 0, (0, 0), -math.inf, -MOST_ODDS)


def best_span(
    start: NDArray[np.float32], end: NDArray[np.float32], longest: int = LONGEST
) -> tuple[int, int, float] | None:
    """The tokens (first, last) with the highest sum of ``start[first] + end[last]``, at most ``longest`` of them, and
    that sum. Both arrays: (tokens,). None without tokens."""
    size = len(start)
    if not size:
        return None
    sums = start[:, None] + end[None, :]
    allowed = np.triu(np.ones((size, size), dtype=bool)) & ~np.triu(np.ones((size, size), dtype=bool), longest)
    first, last = np.unravel_index(np.where(allowed, sums, -np.inf).argmax(), sums.shape)
    return int(first), int(last), float(sums[first, last])


def sentences_around(text: str, start: int, end: int) -> tuple[int, int]:
    """(start, end) of the whole sentences that ``text[start:end]`` lies in, without white space around them."""
    low, high = 0, len(text)
    for match in _END.finditer(text):
        if match.end() <= start:
            low = match.end()
        elif match.end() >= end:
            high = match.end()
            break
    sentence = text[low:high]
    low += len(sentence) - len(sentence.lstrip())
    return low, low + len(sentence.strip())
