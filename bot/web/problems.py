"""Errors as ``application/problem+json``: the one place that decides HTTP statuses, and that speaks the reader's
language (bot.texts has the words)."""

from __future__ import annotations

from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import texts
from bot.errors import BotError, Busy, Forbidden, NotSignedIn, SettingsError, TooMany
from bot.llm.errors import EngineError, ModelSilent
from knowledge.errors import Conflict, Invalid, KnowledgeError, NotFound, Stale
from knowledge.load.errors import LoadError, TooLarge
from retrieval.errors import RetrievalError

log = structlog.get_logger()

MAX_DETAIL = 2_000  # characters
_reader: ContextVar[str] = ContextVar("reader", default="en")  # the language of who asks; goes with a turn's thread too
_WORDS = {
    400: "The request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not take this method. The header Allow names those that it takes.",
}

# The first class that fits decides; subclasses stand before their parents.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (NotFound, 404),
    (Conflict, 409),
    (Invalid, 422),
    (TooLarge, 413),
    (LoadError, 422),
    (NotSignedIn, 401),
    (Forbidden, 403),
    (Busy, 503),
    (TooMany, 429),
    (ModelSilent, 504),
    (EngineError, 502),
    (KnowledgeError, 500),
    (RetrievalError, 500),
    (BotError, 500),
)


def status_of(error: Exception) -> int:
    """The HTTP status of an error of ours; 500 for any other."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def written_for(accepted: str) -> None:
    """From now on this request's problems are written for who sent this Accept-Language header."""
    _reader.set(texts.preferred(accepted))


def said(sentence: str, *, kind: str = "") -> str:
    """One of our English sentences in the reader's language, where the catalogues have it (``server.<kind>…``)."""
    return texts.translated(sentence, _reader.get(), kind=kind)


def said_by_code(code: str | None, values: dict[str, Any]) -> str | None:
    """The words for an error's code in the reader's language; None where the catalogues have none."""
    if code is None:
        return None
    try:
        return texts.text(f"error.{code}", _reader.get(), **values)
    except KeyError:
        return None


def problem(status: int, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """A problem response. ``detail`` is for people."""
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {"WWW-Authenticate": "Bearer", **(headers or {})}
    # names of fields come from the client, and JSON can spell half a character
    detail = detail.encode("utf-8", "replace").decode("utf-8")
    return JSONResponse(
        {"type": "about:blank", **_words(status, detail), **more},
        status_code=status,
        headers=headers,
        media_type="application/problem+json",
    )


def plain(value: Any) -> Any:
    """A value as JSON types: dates become text, tuples lists."""
    return jsonable_encoder(value)


def summary(error: Exception) -> dict[str, Any]:
    """An error as an event of a stream: title and detail."""
    return _words(status_of(error), detail_of(error))


def retry_after(error: Exception) -> int | None:
    """After how many seconds trying again makes sense, where the error knows."""
    seconds = getattr(error, "retry_after", None)
    return max(1, round(seconds)) if seconds is not None else None


def from_error(error: Exception) -> JSONResponse:
    """The response for an error of ours; what is not ours tells no details."""
    status = status_of(error)
    wait = retry_after(error)
    more = {"revision": error.revision, "state": error.state} if isinstance(error, Stale) else {}
    return problem(status, detail_of(error), headers={"Retry-After": str(wait)} if wait else None, **more)


def is_ours(error: Exception) -> bool:
    """Whether the error's words were written for people."""
    return isinstance(error, BotError | KnowledgeError | RetrievalError)


def detail_of(error: Exception) -> str:
    """What anybody may read: our own errors are written for people; those written for the operator (addresses, paths,
    what another server said) stay in the log, like everything that is not ours."""
    if isinstance(error, ModelSilent):  # says nothing of the server behind it
        return str(error)
    if isinstance(error, EngineError | RetrievalError | SettingsError):
        return "Answers cannot be given right now. Please try again; the server's log says why."
    if is_ours(error):
        return str(error)
    return "Something went wrong here. The server's log has the details under the request id."


def from_validation(error: RequestValidationError) -> tuple[int, str]:
    """The status and the detail for input that does not have the form of the contract."""
    if isinstance(error.body, bytes):
        return 415, "Send the body as JSON, with Content-Type: application/json."
    return 422, "; ".join(dict.fromkeys(said(_complaint(one)) for one in error.errors()))[:MAX_DETAIL]


def from_http(error: HTTPException) -> tuple[int, str]:
    """The status and the detail for what the web framework refuses."""
    words = HTTPStatus(error.status_code).phrase
    return error.status_code, error.detail if error.detail not in ("", words) else _WORDS.get(error.status_code, words)


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem response. What nobody expected is left to ``Unexpected``."""

    async def ours(_request: Request, error: Exception) -> JSONResponse:
        return from_error(error)

    async def validation(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return problem(*from_validation(error))

    async def http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return problem(*from_http(error), headers=dict(error.headers or {}))

    for kind, _status in STATUSES:
        app.add_exception_handler(kind, ours)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)


class Unexpected:
    """Makes an error that nobody expected a problem that tells no details, inside whatever adds headers to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            log.info("client_left")
        except Exception as error:
            log.error("request_failed", error=type(error).__name__, exc_info=error)
            if started:
                raise
            await from_error(error)(scope, receive, send)


def _words(status: int, detail: str) -> dict[str, Any]:
    return {"title": said(HTTPStatus(status).phrase), "status": status, "detail": said(detail)}


def _complaint(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"][1:])
    if error["type"] == "json_invalid":
        at = f" at character {place}" if place else ""  # the other parser says line and column itself
        return f"The body is not valid JSON: {error['ctx']['error']}{at}."
    return f"{place}: {error['msg']}" if place else f"The body does not fit: {error['msg']}."
