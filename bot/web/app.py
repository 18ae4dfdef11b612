"""The application: routes, errors, guards and what happens at start and stop, around the parts it is given."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import structlog
from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import bot
from bot.events import metrics
from bot.hosts import Hosts
from bot.web import accounts, chat, cited, curate, documents, explanations, openai, pages, preview, problems, unanswered
from bot.web.description import describe
from bot.web.halves import refuse_halves
from bot.web.logins import Logins
from bot.web.rates import Rates
from bot.web.security import Guard
from bot.wiring import Parts

log = structlog.get_logger()

STOP_SECONDS = 20.0  # how long answers may take to be stored when the server stops
DESCRIPTION = """\
JSON in UTF-8; errors are application/problem+json with a detail for people, in English or as Accept-Language asks.
Programs send an API key: Authorization: Bearer errata_…
Browsers have a cookie: a visitor's from the first question on, a curator's after signing in.\
"""
TAGS = [
    {"name": "chat", "description": "For everybody who asks; only its owner sees a conversation."},
    {"name": "corrections", "description": "For curators."},
    {"name": "knowledge", "description": "For curators; searching also with an API key."},
    {"name": "accounts", "description": "Signing in is for everybody, accounts and keys are for administrators."},
    {
        "name": "OpenAI-compatible",
        "description": "With an API key. Errors have OpenAI's form; a stream contains verified words only.",
    },
]


def create_app(parts: Parts) -> FastAPI:
    """The whole server. It starts the worker and closes the parts at its end."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        recovered = await run_in_threadpool(parts.recover)
        log.info("recovered", **recovered)
        parts.worker.start()
        yield
        if not await run_in_threadpool(parts.turns.stop_all, STOP_SECONDS):
            log.warning("turns_unfinished")
        await run_in_threadpool(parts.close)

    settings = parts.settings
    app = FastAPI(
        title="Errata",
        version=bot.__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        lifespan=lifespan,
        dependencies=[Depends(refuse_halves)],
        docs_url=None,
        redoc_url=None,
        responses={"default": {}},  # described in bot.web.description; without it the framework adds a 422 of its own
    )
    app.state.parts = parts
    app.state.rates = Rates(settings.questions_per_minute_per_asker, settings.questions_per_minute)
    app.state.logins = Logins()
    problems.install(app)
    app.openapi = partial(_described, app)  # type: ignore[method-assign]
    for module in (chat, explanations, cited, curate, unanswered, documents, preview, accounts, openai, pages):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    app.add_middleware(problems.Unexpected)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_middleware(
        Guard,
        hosts=Hosts(listens_on=settings.host, public_url=settings.public_url, more=settings.hosts),
        public_url=settings.public_url,
        upload_bytes=settings.upload_mb * 1_000_000,
    )
    app.add_middleware(Observe)
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = describe(app)
    return app.openapi_schema


class Observe:
    """Gives every request an id, the language of its problems, a log line and its place in the metrics. Never logs
    bodies or queries."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex[:16]
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        problems.written_for(Headers(scope=scope).get("accept-language", ""))
        started = time.perf_counter()
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            route = "/static" if scope["path"].startswith("/static/") else "unmatched"
            route = getattr(scope.get("route"), "path_format", route)
            metrics.count_request(scope["method"], route, status)
            milliseconds = round((time.perf_counter() - started) * 1000, 1)
            log.info("request", method=scope["method"], route=route, status=status, ms=milliseconds)
