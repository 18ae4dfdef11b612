"""The forms of the OpenAI-compatible responses, as far as Errata fills them (see bot.web.responses)."""

from __future__ import annotations

from typing import Literal

from bot.answering.values import Reason, Status
from bot.web.event_forms import event, json_of, stream
from bot.web.openai_errors import Kind
from bot.web.responses import Form


class Model(Form):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(Form):
    object: Literal["list"]
    data: list[Model]


class Citation(Form):
    """``start_index`` and ``end_index``: of the marker in the answer, in code points."""

    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(Form):
    type: Literal["url_citation"]
    url_citation: Citation


class Message(Form):
    role: Literal["assistant"]
    content: str
    refusal: None
    annotations: list[Annotation]


class Choice(Form):
    index: int
    message: Message
    finish_reason: Literal["stop"]
    logprobs: None


class Usage(Form):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class More(Form):
    """The fields that OpenAI's form does not have."""

    answer_id: str
    conversation_id: str
    status: Status
    reason: Reason | None
    answer: str
    confidence: float
    knowledge_version: int


class Completion(Form):
    """A whole answer. With ``stream: true``, chunks of OpenAI's form come as server-sent events, the last one with
    ``errata`` beside its choices."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    errata: More


class Delta(Form):
    role: Literal["assistant"] | None = None
    content: str | None = None
    annotations: list[Annotation] | None = None


class ChunkChoice(Form):
    index: int
    delta: Delta
    finish_reason: Literal["stop"] | None
    logprobs: None


class Chunk(Form):
    """A part of an answer. The last one with a choice has ``finish_reason``, the citations and ``errata``; with
    ``stream_options.include_usage`` one without a choice follows, which has ``usage``."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    errata: More | None = None


class FailureDetails(Form):
    message: str
    type: Kind
    param: None
    code: None


class Failure(Form):
    """Every error under ``/v1``. In a stream it takes the place of the last chunks."""

    error: FailureDetails


STREAM = stream(
    "Server-sent events without names: chunks, and `[DONE]` at the end, or an error. Lines that begin with a colon "
    "only keep the connection open.",
    event(json_of("Chunk")),
    event(json_of("Failure")),
    event({"const": "[DONE]"}),
)
