"""A follow-up in the light of its conversation: "and for sale items?" becomes a question that stands alone.

The model rewrites; the rewriting is checked, because a bad one sends the search astray: what is empty, far longer
than its parts, about something else, or an answer instead of a question is dropped for the plain joining of both
questions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bot.prompt import Message
from retrieval.text import tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_TURNS = 3  # what is further back rarely matters and costs prefill
MAX_QUESTION = 400  # characters of an earlier question that are shown to the model, or joined
MAX_ANSWER = 240  # … and of an earlier answer
MAX_TOKENS = 64
KEPT = 1 / 3  # share of the last question's words that its rewriting must have

_SYSTEM = {
    "en": (
        "Rewrite the last question so that it can be understood without the conversation. Replace words that point "
        "back (it, that, and for ...?) by what they mean. Keep its language and every detail. Do not answer it. "
        "If it already stands alone, repeat it unchanged. Write only the question."
    ),
    "zh": (
        "改写最后一个问题，使其脱离对话也能看懂。把指代（它、那、……呢？）换成所指的内容。保持语言和所有细节。"
        "不要回答问题。如果它本来就能单独看懂，就原样重复。只写问题本身。"
    ),
}
_LABELS = {"en": ("Question", "Answer", "Last question"), "zh": ("问题", "回答", "最后一个问题")}


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question (condensed) and its answer."""

    question: str
    answer: str


class Write(Protocol):
    """Has the model write a short text."""

    def __call__(self, messages: Sequence[Message], *, max_tokens: int) -> str: ...


def condense(question: str, history: Sequence[Turn], language: str, write: Write) -> str:
    """The question so that it stands alone; the question itself when there is no history."""
    if not history:
        return question
    asked, answered, last = _LABELS[language]
    lines = [
        line
        for turn in history[-MAX_TURNS:]
        for line in (f"{asked}: {turn.question[:MAX_QUESTION]}", f"{answered}: {turn.answer[:MAX_ANSWER]}")
    ]
    user = "\n".join((*lines, f"{last}: {question}"))
    written = write([Message("system", _SYSTEM[language]), Message("user", user)], max_tokens=MAX_TOKENS)
    rewritten = _clean(written, (asked, last))
    return rewritten if _fits(rewritten, question, history) else f"{history[-1].question[:MAX_QUESTION]} {question}"


def _clean(written: str, labels: Sequence[str]) -> str:
    line = next((line.strip() for line in written.splitlines() if line.strip()), "")
    for label in labels:
        for colon in (":", "："):
            line = line.removeprefix(label + colon).strip()
    return line.strip('"“”「」 ')


def _fits(rewritten: str, question: str, history: Sequence[Turn]) -> bool:
    """Whether a rewriting adds only words of the conversation, and not too many, and keeps what was asked last: a
    small model likes to repeat the question before."""
    if not rewritten or len(rewritten) > 3 * (len(question) + max(len(turn.question) for turn in history)):
        return False
    known = set(tokens(" ".join((question, *(part for turn in history for part in (turn.question, turn.answer))))))
    new = set(tokens(rewritten))
    asked = set(tokens(question))
    return bool(new) and len(new - known) <= len(new) / 2 and len(asked & new) >= len(asked) * KEPT
