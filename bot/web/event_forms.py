"""The forms of the server-sent events of ``POST /api/chat``, as ``/docs`` shows them (see bot.web.responses)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from bot.web.responses import Done, Form, Problem, Source


class MetaEvent(Form):
    """The first event. It comes again where the knowledge changed while the question waited."""

    conversation_id: str
    answer_id: str
    knowledge_version: int = Field(ge=0)


class SourcesEvent(Form):
    """The passages from which the answer is written, before its first word."""

    sources: list[Source]


class QueueEvent(Form):
    """The place in the line before the model: 1 is next, 0 means that the waiting is over."""

    position: int = Field(ge=0)


class SilentEvent(Form):
    """The model has sent nothing for ``seconds``; the turn fails at ``limit``."""

    seconds: int = Field(ge=0)
    limit: float = Field(gt=0)


class TokenEvent(Form):
    """The next piece of the text. ``done`` has the text that counts."""

    text: str


# by name, in the order in which they come; ``error`` takes the place of ``done``
EVENTS: Mapping[str, type[Form]] = {
    "meta": MetaEvent,
    "queue": QueueEvent,
    "sources": SourcesEvent,
    "silent": SilentEvent,
    "token": TokenEvent,
    "done": Done,
    "error": Problem,
}


def event(data: Mapping[str, Any], *, name: str | None = None) -> dict[str, Any]:
    """The schema of one event: its name, if it has one, and what its ``data`` is."""
    named = {"event": {"const": name}} if name else {}
    properties = {**named, "data": {"type": "string", **data}}
    return {"type": "object", "properties": properties, "required": list(properties)}


def json_of(form: str) -> dict[str, Any]:
    """``data`` that is JSON of a form."""
    return {"contentMediaType": "application/json", "contentSchema": {"$ref": f"#/components/schemas/{form}"}}


def stream(description: str, *events: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a response that is a stream of such events. The schema is that of each event, as generators of
    clients read it in OpenAPI 3.1."""
    return {"text/event-stream": {"schema": {"description": description, "oneOf": list(events)}}}


CHAT = stream(
    "Server-sent events: meta, perhaps queue and silent, sources, token …, and at the end done or error. Lines that "
    "begin with a colon only keep the connection open.",
    *(event(json_of(form.__name__), name=name) for name, form in EVENTS.items()),
)
