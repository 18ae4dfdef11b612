"""Which passages an answer stands on: reads its markers, drops invented ones, adds what is missing.

A marker is a number in square brackets. Overlap of search tokens decides which passage supports an answer that
cites none: crude, but it never cites what shares nothing with the answer. Knows nothing of models or people.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrieval.text import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

_MARKER = re.compile(r"[\[【［]\s*(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\s*[\]】］]")
_ENOUGH = 0.3  # share of an answer's tokens that a passage must have to be cited for it


def verify(answer: str, passages: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """The answer with only markers that exist (as ``[n]``), and the cited numbers in order of appearance.

    An answer without any valid marker gets one at its end if a passage supports it.
    """
    cited: list[int] = []

    def keep(match: re.Match[str]) -> str:
        numbers = [int(number) for number in re.findall(r"\d+", match[1])]
        valid = [number for number in numbers if 1 <= number <= len(passages)]
        cited.extend(valid)
        return "".join(f"[{number}]" for number in valid)

    cleaned = re.sub(r"[ \t]+([。，.,;；!?！？])", r"\1", _MARKER.sub(keep, answer)).strip()
    if not cited and cleaned:
        best = supporting(cleaned, passages)
        if best is not None:
            cited.append(best)
            cleaned = f"{cleaned} [{best}]"
    return cleaned, tuple(dict.fromkeys(cited))


def supporting(answer: str, passages: Sequence[str]) -> int | None:
    """The number of the passage that shares most with the answer, if that is enough."""
    said = set(tokens(answer))
    if not said:
        return None
    shares = [len(said & set(tokens(passage))) / len(said) for passage in passages]
    best = max(range(len(shares)), key=lambda i: shares[i], default=None)
    return best + 1 if best is not None and shares[best] >= _ENOUGH else None


def support(answer: str, passages: Sequence[str], cited: Sequence[int]) -> float:
    """Share of the answer's tokens that its cited passages contain, 0 to 1: the answer's confidence."""
    said = set(tokens(_MARKER.sub("", answer)))
    held = {token for number in cited for token in tokens(passages[number - 1])}
    return round(len(said & held) / len(said), 3) if said else 0.0
