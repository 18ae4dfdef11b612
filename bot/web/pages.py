"""Routes of the pages and of the operation: /, /curate, /login, /docs, catalogues, health, metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
import structlog
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse, JSONResponse

from bot import texts
from bot.events import metrics
from bot.web import responses
from bot.web.problems import NotReady, from_error, is_ours, shown
from bot.web.security import PartsDep
from bot.wiring import Parts
from knowledge.correcting.corrections import State
from knowledge.errors import NotFound
from knowledge.log import head
from knowledge.tables import Correction

log = structlog.get_logger()
router = APIRouter(include_in_schema=False)
PAGES = Path(__file__).parent / "pages"
READY = "/readyz"
STATIC = Path(__file__).parent / "static"
LATER = {"Retry-After": "5"}
FRESH = {"Cache-Control": "no-cache"}  # so that pages and scripts are of the same release


def _page(name: str, parts: Parts) -> HTMLResponse:
    """A page, with the interface language in it where the operator chose one."""
    text = (PAGES / name).read_text(encoding="utf-8")
    if parts.settings.language != "auto":
        text = text.replace("<html ", f'<html data-language="{parts.settings.language}" ', 1)
    return HTMLResponse(text, headers=FRESH)


@router.get("/")
def chat_page(parts: PartsDep) -> HTMLResponse:
    return _page("chat.html", parts)


@router.get("/curate")
def curate_page(parts: PartsDep) -> HTMLResponse:
    return _page("curate.html", parts)


@router.get("/login")
def login_page(parts: PartsDep) -> HTMLResponse:
    return _page("login.html", parts)


@router.get("/docs")
def docs_page(parts: PartsDep) -> HTMLResponse:
    return _page("docs.html", parts)


@router.get("/static/locales/{locale}.json")
def locale(locale: str) -> JSONResponse:
    """The texts of the pages, without the server's own texts."""
    try:
        words = texts.catalogue(locale)
    except KeyError:
        raise NotFound("There is no catalogue {locale!r}.", code="catalogue_not_found", locale=locale[:20]) from None
    return JSONResponse({k: v for k, v in words.items() if not k.startswith("server.")}, headers=FRESH)


@router.get("/healthz", response_model=responses.Alive)
async def alive() -> dict[str, str]:
    """The process is running and answers. Needs no thread and no database, so that it answers when all are in use."""
    return {"status": "ok"}


@router.get(READY, response_model=responses.Ready, responses={503: {"model": responses.Problem}})
def ready(parts: PartsDep) -> Any:
    """Whether questions can be answered and stored; 503 has the reason why not."""
    try:
        with parts.database.read() as session:
            newest = head(session)
        index = parts.searcher.refresh()
        model = parts.chat_name
        parts.database.check_space()
    except Exception as error:
        log.warning("not_ready", error=type(error).__name__, exc_info=None if is_ours(error) else error)
        not_ready = NotReady("Not ready: {reason}", code="not_ready", reason=shown(error).phrase())
        return from_error(not_ready, path=READY, headers=LATER)
    if index.seq < newest:
        behind = NotReady(
            "Not ready: the index is at step {index} of the log, the knowledge at {newest}.",
            code="index_behind",
            index=index.seq,
            newest=newest,
        )
        return from_error(behind, path=READY, headers=LATER)
    return {"status": "ready", "knowledge_version": newest, "passages": len(index), "model": model}


@router.get("/metrics")
def prometheus(parts: PartsDep) -> Response:
    with parts.database.read() as session:
        states = session.execute(sa.select(Correction.state, sa.func.count()).group_by(Correction.state)).all()
        metrics.knowledge_version.set(head(session))
    metrics.set_corrections({**dict.fromkeys(State, 0), **{state: count for state, count in states}})  # noqa: C416
    metrics.queue.set(parts.gate.waiting)
    metrics.memory.set(psutil.Process().memory_info().rss)
    return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
