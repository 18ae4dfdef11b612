"""The forms of the curators' JSON responses (see bot.web.responses)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import ConfigDict, Field

from bot.feedback import Thumb
from bot.web.responses import Form, Problem
from knowledge.correcting.corrections import Origin, RecheckState, State
from knowledge.correcting.drafts import Kind
from knowledge.correcting.items import Priority
from knowledge.correcting.proof import Verdict


class CorrectionLine(Form):
    """A line of the queue. ``recheck_state``: what became of asking its questions again."""

    id: int
    state: State
    live: bool
    recheck_state: RecheckState | None
    revision: int
    priority: Priority
    collection: str
    origin: Origin
    kind: Kind | None
    language: str
    question: str
    answer_excerpt: str
    complaints: int
    claimed_by: str | None
    created_at: datetime
    updated_at: datetime


class Corrections(Form):
    items: list[CorrectionLine]
    total: int
    counts: dict[str, int] = Field(description="how many there are in each state")


class Complaint(Form):
    """``confirmed``: the curator says that the draft answers this question; ``snapshot``: the frozen answer."""

    id: int
    created_at: datetime
    question: str
    confirmed: bool
    merged_from: int | None
    rating: Thumb | None
    reasons: list[str]
    comment: str | None
    suggested_answer: str | None
    quote: str | None
    stars: int | None
    who: str
    snapshot: dict[str, Any]


class CitedPassage(Form):
    """A passage that a reported answer cited and that readers still see."""

    document_id: str
    version: int | None
    title: str
    passage: str
    reason: str


class Suggestions(Form):
    edits: list[dict[str, Any]]
    paraphrases: list[str]
    conflicts: list[CitedPassage]


class Proof(Form):
    """``replayed`` and ``left_out``: the questions that were asked again,
    and those that were not; null in proofs of earlier versions, which did not store them."""

    id: int
    state: Literal["running", "done", "failed"]
    revision: int
    started_at: datetime
    finished_at: datetime | None
    verdict: Verdict | None
    items: list[dict[str, Any]]
    replayed: Any
    left_out: Any


class Published(Form):
    entry_id: int
    document_id: str
    version: int
    seq: int | None
    question: str
    answer: str
    approved_by: str
    approved_at: datetime
    proof_id: int | None


class ObservedQuestion(Form):
    question: str
    kind: str
    count: int
    last_at: datetime


class Observations(Form):
    """Observations of readers on the published answer, such as “not my question”."""

    count: int
    readers: int
    questions: list[ObservedQuestion]


class CorrectionEvent(Form):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    at: datetime
    actor: str
    action: str
    from_: State | None = Field(alias="from")
    to: State
    reason: str | None


class Correction(Form):
    """Everything about one correction. ``draft`` has the fields of the draft's body; ``recheck`` is what asking its
    questions again gave."""

    id: int
    state: State
    live: bool
    recheck_state: RecheckState | None
    revision: int
    priority: Priority
    collection: str
    origin: Origin
    kind: Kind | None
    language: str
    question: str
    answer_excerpt: str
    claimed_by: str | None
    created_at: datetime
    updated_at: datetime
    complaints: list[Complaint]
    snapshot: dict[str, Any] | None
    draft: dict[str, Any] | None
    suggestions: Suggestions
    proof: Proof | None
    published: Published | None
    recheck: dict[str, Any] | None
    observations: Observations
    merged_into: int | None
    history: list[CorrectionEvent]


class Split(Form):
    """``kept``: the correction without the moved complaints; ``split``: the new one that has them."""

    kept: Correction
    split: Correction


class UnansweredGroup(Form):
    """A group of unanswered questions with the same meaning."""

    id: int
    question: str
    questions: list[str]
    language: str
    collection: str
    people: int
    first_at: datetime
    last_at: datetime


class Unanswered(Form):
    items: list[UnansweredGroup]
    total: int


class SameQuestion(Form):
    id: int
    question: str
    state: State


class SameQuestions(Form):
    """Corrections in the queue that ask the same, the nearest first."""

    items: list[SameQuestion]


class Decision(Form):
    """What became of one item: its new ``state`` and ``revision``, or the ``error`` that says why nothing was
    decided."""

    id: int
    state: State | None
    revision: int | None
    error: Problem | None


class Decisions(Form):
    results: list[Decision]
