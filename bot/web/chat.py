"""Routes of people who chat: asking, conversations, feedback."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from bot import conversations, feedback, forgetting, networks, transcripts
from bot.accounts import Identity
from bot.answering.values import Outcome, Silent, SourcesFound, Token, Waiting
from bot.events import metrics
from bot.feedback import Rating, Thumb
from bot.turn_events import Begun, Failed, Finished, Listen, StartedTurn, TurnEvent
from bot.web import event_forms, problems, responses, sse
from bot.web.fields import (
    SOMETHING,
    WHOLE,
    AnId,
    AnswerId,
    Body,
    ConversationId,
    Filters,
    Limit,
    Question,
    declared,
    names,
)
from bot.web.rates import Rates
from bot.web.security import Asker, MaybeIdentity, PartsDep, Program, ScopeDep, Visitor, address
from bot.wiring import Parts

router = APIRouter(prefix="/api", tags=["chat"])

Text = Annotated[str, Field(max_length=feedback.MAX_TEXT)]
Stars = Annotated[int, declared(minimum=feedback.STARS[0], maximum=feedback.STARS[1]), WHOLE]


class ChatBody(Body):
    question: Question
    conversation_id: AnId | None = None
    stream: bool = True
    language: str | None = Field(
        None,
        max_length=16,
        description="Of the answer: zh or zh-… is Chinese, everything else English. Left out: that of the question.",
    )
    regenerate: AnId | None = Field(None, description="The answer that this one replaces: its question is asked again.")
    filters: Filters | None = None


class FeedbackBody(Body):
    rating: Thumb
    reasons: list[Annotated[str, declared(maxLength=feedback.MAX_REASON)]] = Field(
        default_factory=list, max_length=feedback.MAX_REASONS, description="Any words; unknown ones are kept."
    )
    comment: Text | None = None
    suggested_answer: Text | None = None
    quote: Text | None = Field(None, description="The wrong sentence")
    stars: Stars | None = None


class SignalBody(Body):
    kind: Annotated[str, Field(max_length=32), names(feedback.SIGNALS)]
    value: float | None = Field(None, allow_inf_nan=False)


class ElsewhereBody(Body):
    query: Question
    response: str = Field(max_length=feedback.MAX_TEXT * 10)
    rating: Thumb
    user_id: str | None = Field(None, max_length=200)
    comment: Text | None = None


class SurveyBody(Body):
    stars: Stars
    comment: Text | None = None


class TitleBody(Body):
    title: Annotated[str, Field(min_length=1, max_length=1000), declared(pattern=SOMETHING)]


@router.post(
    "/chat",
    response_model=responses.WholeAnswer,
    responses={
        200: {"content": event_forms.CHAT, "description": "Events, or one object."},
        **{status: {} for status in (404, 409, 429, 502, 504)},
    },
)
async def chat(
    body: ChatBody, request: Request, response: Response, identity: Asker, scope: ScopeDep, parts: PartsDep
) -> Response:
    """Asks a question: server-sent events, or with ``stream: false`` one object.

    A streamed turn goes on when its listener leaves, because a reloaded page shows it again in its conversation; only
    ``/stop`` ends it. A client that waits for the whole answer has no id for ``/stop``; it stops the answer by closing
    the connection.
    """
    feed = sse.Feed()
    asked = await run_in_threadpool(
        ask,
        request,
        identity,
        parts,
        scope=scope,
        question=body.question,
        conversation_id=body.conversation_id,
        language=body.language,
        filters=body.filters,
        regenerate=body.regenerate,
        **({"listen": _listener(parts, feed)} if body.stream else {}),
    )
    cookies = {"set-cookie": response.headers["set-cookie"]} if "set-cookie" in response.headers else {}
    if body.stream:
        return sse.EventStream(feed, on_leave=_go_on, headers=cookies)
    outcome = await sse.whole(asked.outcome, request, on_leave=lambda: parts.turns.stop(asked.answer_id))
    meta = {**_ids(asked), "knowledge_version": outcome.knowledge_version, "sources": _sources(outcome)}
    return JSONResponse(problems.plain({**meta, **_done(asked, outcome)}), headers=cookies)


def _go_on() -> None:
    """Does nothing: the answer is stored although nobody listens any more."""


def ask(request: Request, identity: Identity, parts: Parts, **question: Any) -> StartedTurn:
    """Has a question answered for the identity of the request. Raises TooMany and the errors of ``Turns.ask``."""
    network = _network(request, identity, parts)
    if identity.role != "program":
        rates: Rates = request.app.state.rates
        rates.take(identity.owner, network)
    return parts.turns.ask(owner=identity.owner, network=network, **question)


def until_the_end(feed: sse.Feed, pass_on: Listen) -> Listen:
    """A listener that ends the stream after the last event."""

    def listen(event: TurnEvent) -> None:
        try:
            pass_on(event)
        finally:
            if isinstance(event, Finished | Failed):
                feed.end()

    return listen


def _listener(parts: Parts, feed: sse.Feed) -> Listen:
    """Sends the events of a turn under the names of the contract. ``meta`` is first, also when the question waits in
    the line before the search. If the knowledge changes meanwhile, ``meta`` is sent again with the new version."""
    versions: list[int] = []  # of the knowledge, whose sources were sent
    begun: list[Begun] = []

    def meta(knowledge_version: int) -> None:
        if knowledge_version not in versions:
            versions.append(knowledge_version)
            feed.send("meta", {**_ids(begun[0]), "knowledge_version": knowledge_version})

    def pass_on(event: TurnEvent) -> None:
        if isinstance(event, Begun):
            begun.append(event)
        elif isinstance(event, SourcesFound):
            meta(event.knowledge_version)
            feed.send("sources", {"sources": _sources(event)})
        elif isinstance(event, Waiting | Silent):
            if not versions:
                meta(parts.searcher.refresh().seq)
            feed.send(*_waiting_event(parts, event))
        elif isinstance(event, Token):
            feed.send("token", {"text": event.text})
        elif isinstance(event, Finished):
            feed.send("done", _done(begun[0], event.outcome))
        elif isinstance(event, Failed):
            if not versions:
                meta(0)
            feed.send("error", problems.summary(event.error))

    return until_the_end(feed, pass_on)


def _waiting_event(parts: Parts, event: Waiting | Silent) -> tuple[str, dict[str, Any]]:
    """The event for a person who waits: the place in the line, or that the model does not answer yet."""
    if isinstance(event, Waiting):
        return "queue", {"position": event.position}
    return "silent", {"seconds": event.seconds, "limit": parts.settings.model_silence_seconds}


@router.post("/answers/{answer_id}/stop", status_code=204)
def stop(answer_id: AnswerId, identity: Visitor, parts: PartsDep) -> None:
    """Stops an answer; the text so far is kept."""
    with parts.database.read() as session:
        conversations.get_answer(session, answer_id, identity.owner)
    parts.turns.stop(answer_id)


@router.post("/answers/{answer_id}/feedback", status_code=201, response_model=responses.Rated)
def rate(
    answer_id: AnswerId, body: FeedbackBody, request: Request, identity: Visitor, scope: ScopeDep, parts: PartsDep
) -> dict[str, Any]:
    """Rates an answer; a second rating replaces the first."""
    network = _network(request, identity, parts)
    with parts.database.write() as session:
        if network is not None:
            parts.budget.make_room(session)
        answer = conversations.get_answer(session, answer_id, identity.owner)
        row = feedback.rate(session, answer, _rating(body), scope, who=_who(identity), network=network)
        metrics.ratings.labels(body.rating).inc()
        return {"feedback_id": row.id, "correction_id": row.correction_id}


@router.post("/answers/{answer_id}/signals", status_code=204)
def signal(answer_id: AnswerId, body: SignalBody, identity: Visitor, parts: PartsDep) -> None:
    """Stores an action with an answer."""
    with parts.database.write() as session:
        answer = conversations.get_answer(session, answer_id, identity.owner)
        feedback.signal(session, answer, body.kind, body.value)


@router.post("/feedback", status_code=201, response_model=responses.Rated)
def rate_elsewhere(body: ElsewhereBody, identity: Program, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """Stores feedback from another front end."""
    with parts.database.write() as session:
        row = feedback.rate_elsewhere(
            session,
            scope,
            query=body.query,
            response=body.response,
            rating=Rating(body.rating, comment=body.comment),
            user=body.user_id,
            who=identity.name,
        )
        metrics.ratings.labels(body.rating).inc()
        return {"feedback_id": row.id, "correction_id": row.correction_id}


@router.get("/conversations", response_model=responses.Conversations)
def list_conversations(identity: MaybeIdentity, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """The owner's conversations; none for a person who never asked."""
    if identity is None:
        return {"conversations": []}
    with parts.database.read() as session:
        return {"conversations": transcripts.listing(session, identity.owner, scope)}


@router.get(
    "/conversations/{conversation_id}",
    response_model=responses.Conversation,
    response_model_exclude_unset=True,
)
def get_conversation(
    conversation_id: ConversationId,
    identity: Visitor,
    scope: ScopeDep,
    parts: PartsDep,
    before: Annotated[AnId | None, Query(description="An answer: the turns before it. Left out: the newest.")] = None,
    limit: Limit = transcripts.PAGE,
) -> dict[str, Any]:
    """The conversation with a page of its turns and the corrections of their answers. A turn with the status
    ``running`` has the text so far, and its place in the line (``position``) while it waits."""
    with parts.database.read() as session:
        conversation = conversations.get(session, conversation_id, identity.owner)
        transcript = transcripts.transcript(session, conversation, scope, before=before, limit=limit)
    return {**transcript, "turns": [_with_progress(parts, turn) for turn in transcript["turns"]]}


@router.patch("/conversations/{conversation_id}", response_model=responses.Renamed)
def rename_conversation(
    conversation_id: ConversationId, body: TitleBody, identity: Visitor, parts: PartsDep
) -> dict[str, Any]:
    """Gives the conversation another title."""
    with parts.database.write() as session:
        conversation = conversations.get(session, conversation_id, identity.owner)
        conversations.rename(session, conversation, body.title)
        return {"id": conversation.id, "title": conversation.title}


@router.delete("/conversations/{conversation_id}", status_code=204)
def delete_conversation(conversation_id: ConversationId, identity: Visitor, parts: PartsDep) -> None:
    """Deletes the conversation, with its refused questions that no curator has worked on. Answers that are being
    written in it are stopped; complaints keep their frozen copies."""
    with parts.database.write() as session:
        forgetting.delete_conversation(session, conversations.get(session, conversation_id, identity.owner))
    parts.turns.stop_conversation(conversation_id)


@router.post("/conversations/{conversation_id}/survey", status_code=201, response_model=responses.Surveyed)
def survey(conversation_id: ConversationId, body: SurveyBody, identity: Visitor, parts: PartsDep) -> dict[str, Any]:
    """Stores the stars for a whole conversation; a second survey replaces the first."""
    with parts.database.write() as session:
        conversations.get(session, conversation_id, identity.owner)
        feedback.survey(session, conversation_id, body.stars, body.comment)
        return {"conversation_id": conversation_id, "stars": body.stars}


def _with_progress(parts: Parts, turn: dict[str, Any]) -> dict[str, Any]:
    progress = parts.turns.progress(turn["answer_id"]) if turn["status"] == "running" else None
    return turn if progress is None else {**turn, "answer": progress.text, "position": progress.position}


def _ids(begun: Begun | StartedTurn) -> dict[str, Any]:
    return {"conversation_id": begun.conversation_id, "answer_id": begun.answer_id}


def _sources(event: SourcesFound | Outcome) -> list[dict[str, Any]]:
    return [asdict(source) for source in event.sources]


def _done(begun: Begun | StartedTurn, outcome: Outcome) -> dict[str, Any]:
    timings = dict(outcome.timings_ms)
    return {
        "answer_id": begun.answer_id,
        "status": outcome.status,
        "reason": outcome.reason,
        "answer": outcome.answer,
        "condensed_question": outcome.condensed_question,
        "confidence": outcome.confidence,
        "citations": list(outcome.citations),
        "match": {"probability": outcome.match.probability, "how": outcome.match.how} if outcome.match else None,
        "timings_ms": {
            "retrieval": timings.get("retrieval"),
            "first_token": timings.get("first_token", timings.get("total")),
            "total": timings.get("total"),
        },
        "prompt_tokens": outcome.prompt_tokens,
        "completion_tokens": outcome.completion_tokens,
    }


def _network(request: Request, identity: Identity, parts: Parts) -> str | None:
    """The network of a visitor, as a keyed hash; None for people with an account and programs."""
    return networks.hashed(address(request), parts.network_key) if identity.role == "visitor" else None


def _rating(body: FeedbackBody) -> Rating:
    return Rating(body.rating, tuple(body.reasons), body.comment, body.suggested_answer, body.quote, body.stars)


def _who(identity: Identity) -> str:
    """The name of a person in a complaint; visitors stay anonymous."""
    return "visitor" if identity.role == "visitor" else identity.name
