"""The forms of the OpenAI-compatible responses, as far as Errata fills them (see bot.web.responses)."""

from __future__ import annotations

from typing import Literal

from bot.web.responses import Form, Status


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
    reason: str | None
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
