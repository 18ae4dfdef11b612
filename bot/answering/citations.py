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

# What stands in code is no marker: `argv[1]` stays as it is.
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)
_MARKER = re.compile(r"(?P<space>[ \t]*)[\[【［]\s*(?P<numbers>\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\s*[\]】］]")
_ENOUGH = 0.3  # share of an answer's tokens that a passage must have to be cited for it
_BETTER = 2.0  # how many times as much another passage must hold for a lone marker to be moved to it


def bare(text: str) -> str:
    """The text without its markers."""
    return _MARKER.sub("", text)


def verify(answer: str, passages: Sequence[str]) -> tuple[str, tuple[int, ...]]:
    """The answer with only markers that exist (as ``[n]``), and the cited numbers in order of appearance.

    An answer without any valid marker gets one at its end if a passage supports it; one whose only marker names a
    passage that holds far less of it than another gets that other.
    """
    cited: list[int] = []

    def keep(match: re.Match[str]) -> str:
        numbers = [int(number) for number in re.findall(r"\d+", match["numbers"])]
        valid = [number for number in numbers if 1 <= number <= len(passages)]
        before = match.string[: match.start("numbers")].rstrip("[【［ ")
        if not valid and not match["space"] and re.search(r"[A-Za-z0-9_)]$", before):
            return match[0]  # an index of something, not a citation
        cited.extend(valid)
        return match["space"] + "".join(f"[{number}]" for number in valid) if valid else ""

    parts = _CODE.split(answer)
    parts[::2] = [_MARKER.sub(keep, part) for part in parts[::2]]
    cleaned = "".join(parts).strip()
    only = next(iter(set(cited))) if len(set(cited)) == 1 else None
    best = supporting(bare(cleaned), passages) if cleaned and (not cited or only) else None
    if best is not None and not cited:
        return f"{cleaned} [{best}]", (best,)
    if best is not None and only is not None and best != only and _holds_far_more(cleaned, passages, best, only):
        return cleaned.replace(f"[{only}]", f"[{best}]"), (best,)
    return cleaned, tuple(dict.fromkeys(cited))


def _holds_far_more(answer: str, passages: Sequence[str], one: int, other: int) -> bool:
    return support(answer, passages, (one,)) >= _BETTER * max(support(answer, passages, (other,)), 0.01)


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
    said = set(tokens(bare(answer)))
    held = {token for number in cited for token in tokens(passages[number - 1])}
    return round(len(said & held) / len(said), 3) if said else 0.0
