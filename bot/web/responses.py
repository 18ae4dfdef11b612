"""The forms of all JSON responses, as ``/docs`` shows them. Documentation and check in one: a route that returns a
field which is not here fails its tests.

Moments are ISO 8601 in UTC. What is frozen with a complaint or stored as JSON by an earlier version is an open object.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.accounts import KeyRole, Role
from bot.answering.values import Reason, Status
from bot.feedback import STARS, Thumb
from knowledge.correcting.corrections import State


class Form(BaseModel):
    """The base of all forms. A response may contain only documented fields."""

    model_config = ConfigDict(extra="forbid")


class FieldProblem(Form):
    field: str
    code: str
    detail: str


class Problem(Form):
    """Every error (RFC 9457, ``application/problem+json``). ``type`` and ``code`` are stable; ``detail`` is for people,
    in the language of ``Accept-Language``."""

    type: str = Field(examples=["urn:errata:problem:busy"])
    code: str
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    errors: list[FieldProblem] | None = Field(None, description="422: what is wrong with which field")
    revision: int | None = Field(None, description="409: the revision of the correction now")
    state: State | None = Field(None, description="409: the state of the correction now")


# Chat


class Place(Form):
    """Where a passage stands in the file of its document. Numbers count from 1."""

    kind: Literal["page", "row", "line", "item", "slide", "anchor"]
    first: int | None = Field(None, description="where it begins; null: an anchor")
    last: int | None = Field(None, description="where it ends, if it is another one; lines have none")
    name: str | None = Field(None, description="the sheet of a row, or the anchor")


class Source(Form):
    """A passage from which an answer was written; citations use ``n``. ``url`` opens at its place if it can."""

    n: int = Field(ge=1)
    passage_id: int
    document_id: str
    version: int
    title: str
    headings: list[str]
    url: str | None
    passage: str
    score: float
    stages: dict[str, float]
    curated: bool
    quote: str = Field("", description="The sentence in which the answer is, where that is sure")
    collection: str = "main"
    place: Place | None = None


class Timings(Form):
    """Milliseconds."""

    retrieval: float | None
    first_token: float | None
    total: float | None


class Match(Form):
    """The match because of which an approved answer was given word for word."""

    probability: float
    how: str


class Done(Form):
    """The end of a turn. ``answer`` replaces what was streamed; ``reason`` says why it was refused."""

    answer_id: str
    status: Status
    reason: Reason | None
    answer: str
    condensed_question: str
    confidence: float
    citations: list[int]
    match: Match | None = None
    timings_ms: Timings
    prompt_tokens: int
    completion_tokens: int


class WholeAnswer(Done):
    """The result of ``stream: false``: ``meta``, ``sources`` and ``done`` in one object."""

    conversation_id: str
    knowledge_version: int
    sources: list[Source]


class Rated(Form):
    feedback_id: int
    correction_id: int | None


class Surveyed(Form):
    conversation_id: str
    stars: int = Field(ge=STARS[0], le=STARS[1])


class ConversationLine(Form):
    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    corrected: bool = Field(description="whether an answer in it was corrected since")


class Conversations(Form):
    conversations: list[ConversationLine]


class GivenFeedback(Form):
    rating: Thumb
    reasons: list[str]
    comment: str | None
    suggested_answer: str | None
    quote: str | None
    stars: int | None


class CorrectionOfAnswer(Form):
    """The outcome of a complaint, for the person who complained."""

    state: State
    corrected: bool
    corrected_at: datetime | None
    answer: str | None


class Turn(Form):
    """``status`` may be ``running``: then ``answer`` is the text so far and ``position`` the place in the line."""

    answer_id: str
    question: str
    condensed_question: str
    status: Status | Literal["running"]
    reason: Reason | None
    answer: str
    sources: list[dict[str, Any]]
    citations: list[int]
    confidence: float | None
    created_at: datetime
    knowledge_version: int
    feedback: GivenFeedback | None
    correction: CorrectionOfAnswer | None
    position: int | None = None


class Conversation(Form):
    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    turns: list[Turn] = Field(description="A page of them, the oldest first.")
    earlier: str | None = Field(description="The `before` of the page before this one; null: there is none.")


class Renamed(Form):
    id: str
    title: str


# Accounts


class User(Form):
    username: str
    role: Role


class SignedIn(Form):
    """A person, or a program with a key: then ``username`` is ``key`` and the name of the key."""

    username: str
    role: KeyRole


class Session(Form):
    user: SignedIn | None


class Account(User):
    disabled: bool
    created_at: datetime


class Accounts(Form):
    users: list[Account]


class Key(Form):
    id: int
    name: str
    role: KeyRole
    collection: str | None
    created_by: str
    created_at: datetime
    revoked_at: datetime | None


class Keys(Form):
    keys: list[Key]


class NewKey(Form):
    id: int
    name: str
    role: KeyRole
    collection: str | None
    key: str = Field(description="the secret, shown this once")


# Knowledge


class StoredDocument(Form):
    id: str
    version: int


class AddedDocument(StoredDocument):
    """``remarks``: what a curator should know about its text."""

    remarks: list[str]


class PreviewPassage(Form):
    headings: list[str]
    text: str
    language: str
    place: Place | None


class PreviewDocument(Form):
    """``key``: what distinguishes it from the others of its file; empty if it is the only one."""

    key: str
    title: str
    language: str
    url: str | None
    metadata: dict[str, str]
    passages: list[PreviewPassage] = Field(description="The first ones")
    passage_count: int


class Preview(Form):
    """What a file would be stored as. ``remarks``: what was left out, and what a curator should know."""

    name: str
    documents: list[PreviewDocument] = Field(description="The first ones")
    document_count: int
    passage_count: int
    remarks: list[str]


class JobId(Form):
    id: int


class StartedJob(Form):
    job: JobId


class DocumentLine(Form):
    id: str
    title: str
    source: str
    collection: str
    language: str
    version: int | None
    kind: str
    retired: bool
    retired_by: str | None
    updated_at: datetime
    passages: int


class Documents(Form):
    documents: list[DocumentLine]
    total: int


class DocumentVersionLine(Form):
    version: int
    created_at: datetime
    actor: str
    reason: str | None
    kind: str
    correction_id: int | None


class Document(DocumentLine):
    current_version: int | None
    text: str
    url: str | None
    metadata: dict[str, Any]
    remarks: list[str]
    versions: list[DocumentVersionLine]


class Job(Form):
    id: int
    kind: str
    state: Literal["queued", "running", "done", "failed"]
    error: str | None = Field(description="In the language of Accept-Language")
    error_code: str | None
    error_values: dict[str, Any] | None
    total: int
    done: int
    files: list[dict[str, Any]]


class Hit(Form):
    n: int
    passage_id: int
    document_id: str
    version: int
    title: str
    headings: list[str]
    url: str | None
    passage: str
    language: str
    score: float
    stages: dict[str, float]
    curated: bool
    place: Place | None


class SearchTimings(Form):
    embed: float
    search: float


class Hits(Form):
    knowledge_version: int
    timings_ms: SearchTimings
    hits: list[Hit]


# Operation


class Alive(Form):
    status: str


class Ready(Form):
    status: str
    knowledge_version: int
    passages: int
    model: str
