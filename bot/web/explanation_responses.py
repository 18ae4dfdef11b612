"""The forms of explanations, as ``/docs`` shows them (bot.web.responses)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from bot.answering.prompt import Use
from bot.answering.values import Reason, Status
from bot.web.responses import Form, Place


class Explanation(Form):
    """How an answer was made, in the language of ``Accept-Language``."""

    sentences: list[str]


class Candidate(Form):
    """A passage that the search found. ``n``: its number in the answer, if it was read."""

    passage_id: int
    document_id: str
    version: int
    title: str
    headings: list[str]
    passage: str
    curated: bool
    place: Place | None
    score: float | None
    stages: dict[str, float]
    use: Use = Field(description="read, or why not: far (others fit far better) or full (no room)")
    n: int | None
    cited: bool
    span: list[float] | None = Field(description="what the reader found in it: start, end (characters), score")


class Signs(Form):
    """The signs that there is something to answer from, each with the value from which it is enough."""

    nearest: float
    floor: float
    coverage: float
    covering: float
    foreign: bool


class ServedMatch(Form):
    how: str
    probability: float


class FullExplanation(Explanation):
    """Everything that is stored about how an answer was made. null: not known, or it did not come to that."""

    status: Status | None
    reason: Reason | None
    condensed_question: str | None
    condensed_how: str | None
    model: str | None
    profile: str | None
    knowledge_version: int | None
    timings_ms: dict[str, Any]
    signs: Signs | None
    doubt: float | None = Field(description="probability that the passages lack the answer, as the model judged it")
    limit: float | None = Field(description="the doubt above which there is no answer")
    tries: int | None = Field(description="how often the model wrote")
    quoted: bool = Field(description="the answer is a correction's own text")
    match: ServedMatch | None
    candidates: list[Candidate]
