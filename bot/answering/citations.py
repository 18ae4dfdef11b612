"""Finds the passages that support an answer: reads its markers, drops invented ones, adds a missing one.

The module markers defines what a marker is. Where an answer cites nothing, the passage that shares most search tokens
with it is cited. This is crude, but a passage that shares nothing with the answer is never cited. Knows nothing of
models or people.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.answering.markers import Marker, bare, markers, replace
from retrieval.text import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENOUGH = 0.3  # share of an answer's tokens that a passage must have to be cited for it
_BETTER = 2.0  # a lone marker is moved to another passage that supports the answer so many times as well


def verify(answer: str, passages: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """The answer with only markers that exist (as ``[n]``), and the cited numbers in order of appearance.

    An answer without any valid marker gets one at its end if a passage supports it. If its only marker names a passage
    that contains far less of it than another passage, it gets the marker of that other passage.
    """

    def valid(marker: Marker) -> list[int]:
        return [number for number in marker.numbers if 1 <= number <= len(passages)]

    cleaned = _trimmed(replace(answer, lambda marker: "".join(f"[{number}]" for number in valid(marker))))
    valid_markers = markers(cleaned)
    cited = tuple(dict.fromkeys(number for marker in valid_markers for number in valid(marker)))
    if not cleaned or len(cited) > 1:
        return cleaned, cited
    best = best_passage(bare(cleaned), passages)
    if best is None or cited == (best,):
        return cleaned, cited
    if not cited:
        return f"{cleaned} [{best}]", (best,)
    if not _supports_far_better(cleaned, passages, best, cited[0]):
        return cleaned, cited
    if all(marker.attached for marker in valid_markers):  # it may be an index, which must stay
        return f"{cleaned} [{best}]", (best,)
    return replace(cleaned, lambda _marker: f"[{best}]"), (best,)


def _trimmed(answer: str) -> str:
    """The answer without empty lines and spaces around it. Spaces that indent code at its beginning are kept."""
    lines = answer.rstrip().split("\n")
    while lines and not lines[0].strip():
        lines.pop(0)
    if lines and not lines[0].expandtabs(4).startswith("    "):
        lines[0] = lines[0].lstrip()
    return "\n".join(lines)


def _supports_far_better(answer: str, passages: Sequence[str], better: int, worse: int) -> bool:
    return support(answer, passages, (better,)) >= _BETTER * max(support(answer, passages, (worse,)), 0.01)


def best_passage(answer: str, passages: Sequence[str]) -> int | None:
    """The number of the passage that shares most search tokens with the answer; None where it shares too few."""
    words = set(tokens(answer))
    if not words:
        return None
    shares = [len(words & set(tokens(passage))) / len(words) for passage in passages]
    best = max(range(len(shares)), key=lambda i: shares[i], default=None)
    return best + 1 if best is not None and shares[best] >= _ENOUGH else None


def support(answer: str, passages: Sequence[str], cited: Sequence[int]) -> float:
    """Share of the answer's tokens that its cited passages contain, 0 to 1: the answer's confidence."""
    words = set(tokens(bare(answer)))
    supported = {token for number in cited for token in tokens(passages[number - 1])}
    return round(len(words & supported) / len(words), 3) if words else 0.0
