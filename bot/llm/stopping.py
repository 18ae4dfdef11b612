"""Stop sequences over streamed text, for engines that do not handle them themselves.

Knows nothing about models. Text that might be the beginning of a stop sequence is held back until it is clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class StopScanner:
    """Feed it pieces, show what it returns. `stopped` is True once a stop sequence has come; it and what follows are
    dropped.
    """

    def __init__(self, sequences: Sequence[str] | None) -> None:
        self._sequences = [sequence for sequence in sequences or () if sequence]
        self._held = ""
        self.stopped = False

    def feed(self, piece: str) -> str:
        """The text that is safe to show now."""
        if self.stopped:
            return ""
        text = self._held + piece
        cuts = [at for at in (text.find(sequence) for sequence in self._sequences) if at >= 0]
        if cuts:
            self.stopped = True
            self._held = ""
            return text[: min(cuts)]
        keep = max((_overlap(text, sequence) for sequence in self._sequences), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back, at the end of the text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, sequence: str) -> int:
    """Length of the longest end of `text` that begins `sequence`."""
    for size in range(min(len(text), len(sequence) - 1), 0, -1):
        if text.endswith(sequence[:size]):
            return size
    return 0
