"""Errors as ``application/problem+json``, and under ``/v1`` in OpenAI's form. This is the only place that decides HTTP
statuses, and it writes messages in the reader's language (bot.texts has the words); those of ``/v1`` are English."""

from __future__ import annotations

from collections.abc import Mapping
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
from bot.errors import BotError, Busy, Forbidden, NotSignedIn, SettingsError, StorageFull, TooMany
from bot.llm.errors import EngineError, ModelSilent
from bot.web import openai_errors
from bot.web.methods import allowed
from knowledge.db import disk_full, lacks_space
from knowledge.errors import Conflict, DatabaseBusy, DiskFull, Invalid, KnowledgeError, NotFound, Stale
from knowledge.load.errors import LoadError, TooLarge
from retrieval.errors import ErrataError, RetrievalError
from retrieval.phrases import Phrase

log = structlog.get_logger()

MAX_DETAIL = 2_000  # characters
_reader: ContextVar[str] = ContextVar("reader", default="en")  # language of the request; a turn's thread has it too
TYPE = "urn:errata:problem:{code}"  # the ``type`` of a problem: stable, so that programs can compare it


class Refused(BotError):
    """A request that the web layer itself refuses, before it calls any other part; ``status`` is the HTTP status."""

    def __init__(self, template: str, *, status: int, code: str, **values: object) -> None:
        super().__init__(template, code=code, **values)
        self.status = status


class NotReady(Refused):
    """The server is not ready to answer."""

    def __init__(self, template: str, *, code: str, **values: object) -> None:
        super().__init__(template, status=503, code=code, **values)


# The first class that fits decides; subclasses come before their parents.
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
    (DatabaseBusy, 503),
    (DiskFull, 507),
    (StorageFull, 507),
    (KnowledgeError, 500),
    (RetrievalError, 500),
    (BotError, 500),
)


def status_of(error: Exception) -> int:
    """The HTTP status of an error of ours; 500 for any other."""
    if isinstance(error, Refused):
        return error.status
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def written_for(accepted: str) -> None:
    """Sets the language of this request's problems from its Accept-Language header."""
    _reader.set(texts.preferred(accepted))


def message(code: str | None, values: Mapping[str, Any] | None, english: str) -> str:
    """A stored message in the reader's language: its code and values, and its English text."""
    return texts.message(code, values or {}, english, _reader.get())


def phrase(phrase: Phrase) -> str:
    """A phrase in the reader's language."""
    return message(phrase.code, phrase.values, phrase.text)


def words(key: str, **values: object) -> str:
    """A text of the catalogues in the reader's language."""
    return texts.text(key, _reader.get(), **values)


def plain(value: Any) -> Any:
    """A value as JSON types: dates become text, tuples lists."""
    return jsonable_encoder(value)


def summary(error: Exception) -> dict[str, Any]:
    """The body of a problem, also used as an event of a stream."""
    error_shown = shown(error)
    detail = texts.error_text(error_shown, _reader.get())[:MAX_DETAIL]
    status = status_of(error)
    return {
        "type": TYPE.format(code=error_shown.code),
        "code": error_shown.code,
        "title": texts.text(f"server.title.{status}", _reader.get()),
        "status": status,
        # values may come from the client, and JSON can spell half a character
        "detail": detail.encode("utf-8", "replace").decode("utf-8"),
    }


def retry_after(error: Exception) -> int | None:
    """The seconds after which another try makes sense; None where the error does not say."""
    seconds = getattr(error, "retry_after", None)
    return max(1, round(seconds)) if seconds is not None else None


def from_error(error: Exception, *, path: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The response for an error at an address. Errors that are not ours show no details."""
    headers = dict(headers or {})
    if (wait := retry_after(error)) is not None:
        headers["Retry-After"] = str(wait)
    if status_of(error) == HTTPStatus.UNAUTHORIZED:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if path.startswith(openai_errors.PREFIX):
        status = openai_errors.status_of(status_of(error))
        return JSONResponse(openai_errors.body_of(status, detail_of(error)), status_code=status, headers=headers)
    body = summary(error)
    if isinstance(error, Stale):
        body |= {"revision": error.revision, "state": error.state}
    if isinstance(error, _DoesNotFit):
        body["errors"] = error.errors
    return JSONResponse(body, status_code=body["status"], headers=headers, media_type="application/problem+json")


def is_ours(error: Exception) -> bool:
    """Whether the error is one of ours, whose message is written for people."""
    return isinstance(error, BotError | KnowledgeError | RetrievalError)


def detail_of(error: Exception) -> str:
    """The detail in English, as ``/v1`` gives it."""
    return str(shown(error))


def shown(error: Exception) -> ErrataError:
    """The error that anybody may read. Our own errors are written for people. Errors for the operator (addresses,
    paths, texts of another server) stay in the log, like all errors that are not ours."""
    if isinstance(error, ModelSilent):  # reveals nothing of the server behind it
        return error
    if isinstance(error, EngineError | RetrievalError | SettingsError):
        return BotError(
            "Answers cannot be given right now. Please try again; the server's log says why.", code="no_answers_now"
        )
    if isinstance(error, ErrataError):
        return error
    return BotError(
        "Something went wrong here. The server's log has the details under the request id.", code="unexpected"
    )


class _DoesNotFit(Refused):
    """Input that does not have the form of the contract; ``errors`` names every field."""

    def __init__(self, detail: str, errors: list[dict[str, Any]]) -> None:
        super().__init__("{complaints}", status=422, code="does_not_fit", complaints=detail)
        self.errors = errors


def from_validation(error: RequestValidationError) -> Refused:
    """The problem of input that does not have the form of the contract."""
    if isinstance(error.body, bytes):
        return Refused(
            "Send the body as JSON, with Content-Type: application/json.", status=415, code="body_is_not_json"
        )
    faults = [(_field(fault), fault["type"], _describe(fault)) for fault in error.errors()]
    errors = [{"field": field, "code": kind, "detail": text} for field, kind, text in faults]
    return _DoesNotFit("; ".join(dict.fromkeys(text for _, _, text in faults)), errors)


def from_http(error: HTTPException) -> Refused:
    """The problem of a request that the web framework refuses."""
    status, phrase = error.status_code, HTTPStatus(error.status_code).phrase
    if error.detail not in ("", phrase):
        return Refused("{detail}", status=status, code="refused", detail=error.detail)
    match status:
        case 400:
            return Refused("The request cannot be read.", status=status, code="unreadable_request")
        case 404:
            return Refused("There is nothing at this address.", status=status, code="no_address")
        case 405:
            return Refused(
                "This address does not take this method. The header Allow names those that it takes.",
                status=status,
                code="wrong_method",
            )
    return Refused("{detail}", status=status, code="refused", detail=phrase)


def install(app: FastAPI) -> None:
    """Turns every error of the application into a problem response. ``Unexpected`` handles all other errors."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        return from_error(error, path=request.url.path)

    async def validation(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return from_error(from_validation(error), path=request.url.path)

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        path, headers = request.url.path, dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = allowed(app, path)
        return from_error(from_http(error), path=path, headers=headers)

    kinds: list[type[Exception]] = [Refused, *(kind for kind, _status in STATUSES)]
    for kind in kinds:
        app.add_exception_handler(kind, ours)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)


class Unexpected:
    """Turns an unexpected error into a problem without details. Used inside the layers that add headers."""

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
            full = lacks_space(error)  # no fault of the program: no traceback
            log.error(
                "request_failed",
                error=type(error).__name__,
                **{"detail": str(error)[:500]} if full else {"exc_info": error},
            )
            if started:
                raise
            known = disk_full() if full else error
            await from_error(known, path=scope["path"])(scope, receive, send)


def _field(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"][1:])


def _describe(error: Any) -> str:
    """The fault of one field, in the reader's language where the catalogues have words for this kind."""
    field, kind, values = _field(error), error["type"], error.get("ctx") or {}
    if kind == "json_invalid":
        at = f" at character {field}" if field else ""  # the other parser gives line and column itself
        return words("server.body.no_json", problem=f"{values['error']}{at}")
    key, reader = f"server.field.{kind}", _reader.get()
    fault = texts.text(key, reader, **values) if reader == "zh" and texts.has(key) else error["msg"]
    if field and fault != error["msg"]:
        return f"{field}：{fault}"
    return f"{field}: {fault}" if field else words("server.body.does_not_fit", problem=fault)
