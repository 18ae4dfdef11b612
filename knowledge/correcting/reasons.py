"""Why the system itself did something with a correction: a text that other languages have too.

What a person wrote as a reason is plain text, and stays as it was written.
"""

from __future__ import annotations

from typing import Any

from retrieval.phrases import Phrase


class Reason(Phrase):
    """The history stores the text, the code and the values."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """``{reason, code, values}``: how a report keeps it."""
        stored = Phrase.to_json(self)
        return {"reason": stored.pop("text"), **stored}


def text_of(reason: str | Reason | None) -> str | None:
    """The English text of a reason, or what a person wrote."""
    return None if reason is None else str(reason)
