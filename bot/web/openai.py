"""The OpenAI-compatible interface: other programs ask as if Errata were a model, by the same path as the page.

The last message of the user is the question, and the turns before it are its history. Other messages (instructions,
results of tools) are not read, because the answer comes from the knowledge. But they may say what the question is about
("The customer asks about parcels"), so the words of a question that comes with them are never compared with corrected
questions. Citations are ``url_citation`` annotations with the source's own address, or else
the address of our page of the passage (cited). The question is stored as a conversation of the key's owner. ``id``
contains the answer's id, so that ``POST /api/answers/{id}/feedback`` can rate it.

Decision: a stream opens at once, but sends no text until the answer is verified. OpenAI's clients append every text and
cannot remove any, while here the check at the end decides: an invented answer is refused as a whole, and invalid
citations are removed. The page replaces the streamed text; a program would show, or use, words that are wrong. Costs:
the first word comes together with the last; comments keep the connection open meanwhile.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from bot.answering.condense import EarlierTurn, earlier_turns
from bot.answering.markers import markers
from bot.answering.values import Outcome, Source
from bot.turn_events import Begun, Failed, Finished, Listen, StartedTurn, TurnEvent
from bot.web import cited, openai_errors, openai_responses, problems, sse
from bot.web.chat import ask, until_the_end
from bot.web.fields import WHOLE, Body, declared
from bot.web.security import PartsDep, Program, ScopeDep
from knowledge.errors import Invalid, NotFound

log = structlog.get_logger()

MODEL = "errata"
_CONVERSATION = ("user", "assistant")
PREFIX = "chatcmpl-"  # of ids; the answer's id follows


router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])


class PartBody(Body):
    type: str
    text: str = ""


class MessageBody(Body):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[PartBody] | None = None

    def is_blank(self) -> bool:
        return not (self.content.strip() if isinstance(self.content, str) else self.content)

    def text(self) -> str:
        """The text of the message. Raises Invalid for pictures and sounds."""
        if isinstance(self.content, str) or self.content is None:
            return self.content or ""
        if any(part.type not in ("text", "refusal") for part in self.content):
            raise Invalid("messages: Errata reads text only.", code="messages_text_only")
        return "\n".join(part.text for part in self.content)


class StreamOptionsBody(Body):
    include_usage: bool = False


class CompletionBody(Body):
    """Other fields (temperature, max_tokens, …) are ignored, because the operator decides about them."""

    model: Annotated[str, Field(max_length=200), declared(const=MODEL)]
    messages: list[MessageBody] = Field(min_length=1, max_length=1_000)
    stream: bool = False
    stream_options: StreamOptionsBody | None = None
    n: Annotated[int, declared(const=1), WHOLE] | None = None
    user: str | None = Field(
        None,
        max_length=200,
        description="The person for whom the program asks: people take turns, and each may have only a few questions "
        "waiting.",
    )


@router.get("/models", response_model=openai_responses.Models)
def models(_identity: Program) -> dict[str, Any]:
    """The one model: this Errata."""
    return {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}]}


@router.post(
    "/chat/completions",
    response_model=openai_responses.Completion,
    responses={
        200: {"content": openai_responses.STREAM, "description": "Chunks, or one object."},
        **{status: {} for status in (404, 429, 502, 504)},
    },
)
async def complete(
    body: CompletionBody, request: Request, identity: Program, scope: ScopeDep, parts: PartsDep
) -> Response:
    """Answers the last message of the user from the knowledge."""
    if body.model != MODEL:
        raise NotFound(
            "There is no model {model!r} here. The model is named {name!r}.",
            code="model_not_here",
            model=body.model,
            name=MODEL,
        )
    if body.n not in (None, 1):
        raise Invalid("n: there is one answer to a question.", code="one_answer_only")
    question, history = read(body.messages)
    introduced = any(message.role not in _CONVERSATION and not message.is_blank() for message in body.messages)
    asker = f"{identity.owner}:{body.user}" if body.user else None
    address = str(parts.settings.public_url or request.base_url).rstrip("/")
    usage = body.stream_options is not None and body.stream_options.include_usage
    feed = sse.Feed()
    asked = await run_in_threadpool(
        ask,
        request,
        identity,
        parts,
        scope=scope,
        question=question,
        history=history,
        introduced=introduced,
        asker=asker,
        **({"listen": _listener(feed, address, usage=usage)} if body.stream else {}),
    )

    def leave() -> None:
        parts.turns.stop(asked.answer_id)

    if body.stream:
        return sse.EventStream(feed, on_leave=leave)
    return JSONResponse(_Completion(asked, address).whole(await sse.whole(asked.outcome, request, on_leave=leave)))


def read(messages: list[MessageBody]) -> tuple[str, tuple[EarlierTurn, ...]]:
    """The question and the turns before it. Raises Invalid when the last message is not the user's."""
    conversation = [(message.role, message.text()) for message in messages if message.role in _CONVERSATION]
    if not conversation or conversation[-1][0] != "user":
        raise Invalid("messages: the last message must be the user's.", code="last_message_not_user")
    *earlier, (_, question) = conversation
    return question, earlier_turns(earlier, question)


class _Completion:
    """The JSON forms of one completion."""

    def __init__(self, begun: Begun | StartedTurn, address: str) -> None:
        self._begun = begun
        self._address = address
        self._created = int(time.time())

    def whole(self, outcome: Outcome) -> dict[str, Any]:
        message = {
            "role": "assistant",
            "content": outcome.answer,
            "refusal": None,
            "annotations": self.annotations(outcome),
        }
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        return {**self._head("chat.completion"), "choices": [choice], "usage": _usage(outcome), **self.more(outcome)}

    def chunk(self, delta: dict[str, Any], *, end: bool = False, **more: Any) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": "stop" if end else None, "logprobs": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice], **more}

    def usage(self, outcome: Outcome) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": _usage(outcome)}

    def more(self, outcome: Outcome) -> dict[str, Any]:
        """The fields that OpenAI's form does not have."""
        fields = {
            "answer_id": self._begun.answer_id,
            "conversation_id": self._begun.conversation_id,
            "status": outcome.status,
            "reason": outcome.reason,
            "answer": outcome.answer,
            "confidence": outcome.confidence,
            "knowledge_version": outcome.knowledge_version,
        }
        return {"errata": fields}

    def annotations(self, outcome: Outcome) -> list[dict[str, Any]]:
        """A citation for each ``[n]`` in the answer, with its position in characters (code points). A source that is
        cited without a marker gets the whole answer as its position."""
        sources = {source.n: source for source in outcome.sources if source.n in outcome.citations}
        citations = [
            (sources[number], marker.start, marker.end)
            for marker in markers(outcome.answer)
            for number in marker.numbers
            if number in sources
        ]
        marked = {source.n for source, _, _ in citations}
        citations += [(source, 0, len(outcome.answer)) for source in sources.values() if source.n not in marked]
        return [self._citation(source, start, end) for source, start, end in citations]

    def _citation(self, source: Source, start: int, end: int) -> dict[str, Any]:
        url = source.url or ""
        if not url.startswith(("http://", "https://")):  # no address, or one that a reader should not open
            url = self._address + cited.path(self._begun.answer_id, source.n)
        return {
            "type": "url_citation",
            "url_citation": {"start_index": start, "end_index": end, "title": source.title, "url": url},
        }

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": PREFIX + self._begun.answer_id, "object": kind, "created": self._created, "model": MODEL}


def _listener(feed: sse.Feed, address: str, *, usage: bool) -> Listen:
    """Sends the events of a turn in OpenAI's chunks: the role at once, the verified answer line by line when it is
    finished, its citations last."""
    completions: list[_Completion] = []

    def pass_on(event: TurnEvent) -> None:
        if isinstance(event, Begun):
            completions.append(_Completion(event, address))
            feed.send(None, completions[0].chunk({"role": "assistant", "content": ""}))
        elif isinstance(event, Finished):
            completion, outcome = completions[0], event.outcome
            for line in outcome.answer.splitlines(keepends=True):
                feed.send(None, completion.chunk({"content": line}))
            last = {"annotations": completion.annotations(outcome)}
            feed.send(None, completion.chunk(last, end=True, **completion.more(outcome)))
            if usage:
                feed.send(None, completion.usage(outcome))
            feed.send(None, "[DONE]")
        elif isinstance(event, Failed):
            feed.send(None, openai_errors.body_of(problems.status_of(event.error), problems.detail_of(event.error)))

    return until_the_end(feed, pass_on)


def _usage(outcome: Outcome) -> dict[str, int]:
    total = outcome.prompt_tokens + outcome.completion_tokens
    return {
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
        "total_tokens": total,
    }
