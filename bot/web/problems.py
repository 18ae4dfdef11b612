"""Errors as ``application/problem+json``: the one place that decides HTTP statuses."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bot.errors import BotError, Forbidden, NotSignedIn, TooMany
from bot.llm.errors import Busy, EngineError
from knowledge.errors import Conflict, Invalid, KnowledgeError, NotFound, Stale
from knowledge.load.errors import LoadError, TooLarge
from retrieval.errors import RetrievalError

log = structlog.get_logger()

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
    (EngineError, 502),
    (KnowledgeError, 500),
    (RetrievalError, 500),
    (BotError, 500),
)


def status_of(error: Exception) -> int:
    """The HTTP status of an error of ours; 500 for any other."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def problem(status: int, detail: str, *, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """A problem response. ``detail`` is for people."""
    return JSONResponse(
        {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more},
        status_code=status,
        headers=headers,
        media_type="application/problem+json",
    )


def plain(value: Any) -> Any:
    """A value as JSON types: dates become text, tuples lists."""
    return jsonable_encoder(value)


def summary(error: Exception) -> dict[str, Any]:
    """An error as an event of a stream: title and detail."""
    status = status_of(error)
    return {"title": HTTPStatus(status).phrase, "status": status, "detail": _detail(error)}


def from_error(error: Exception) -> JSONResponse:
    """The response for an error of ours; what is not ours tells no details."""
    status = status_of(error)
    headers: dict[str, str] = {}
    more: dict[str, Any] = {}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers["Retry-After"] = str(max(1, round(retry_after)))
    if isinstance(error, Stale):
        more = {"revision": error.revision, "state": error.state}
    return problem(status, _detail(error), headers=headers, **more)


def _detail(error: Exception) -> str:
    """What a person may read: our own errors are written for them, others tell no details."""
    if isinstance(error, BotError | KnowledgeError | RetrievalError):
        return str(error)
    return "Something went wrong here. The server's log has the details under the request id."


def install(app: FastAPI) -> None:
    """Makes every error of the application a problem response."""

    async def ours(_request: Request, error: Exception) -> JSONResponse:
        return from_error(error)

    async def validation(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        said = [f"{'.'.join(str(part) for part in one['loc'][1:]) or 'body'}: {one['msg']}" for one in error.errors()]
        return problem(422, "; ".join(said)[:2000])

    async def http(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        log.error("request_failed", path=request.url.path, error=type(error).__name__, exc_info=error)
        return from_error(error)

    for kind, _status in STATUSES:
        app.add_exception_handler(kind, ours)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)
