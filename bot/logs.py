"""Configures structured log lines, for Errata's own events (structlog) and those of libraries (stdlib logging).

A line has a time, a level, an event name and values. While ``request_id`` and other values are bound to structlog's
context variables, every line has them, those of libraries too. Two rules are applied here and not at each call:

* no secrets: values under names such as password, token, cookie or key are masked;
* no words of people: values under names such as question, answer or text are left out, unless ``text`` is on.

Knows nothing of the events. Lines go to standard error, so that the output of commands contains no log lines.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from retrieval import invisible

if TYPE_CHECKING:
    from typing import TextIO

    from structlog.typing import EventDict, Processor

# Parts of names; a name is split at "_" and "-", so that "prompt_tokens" (a number) is not taken for a secret.
SECRET = frozenset({"password", "passwd", "secret", "token", "cookie", "authorization", "credential", "key"})
WORDS = frozenset(
    {
        "answer",
        "body",
        "comment",
        "passage",
        "prompt",
        "query",
        "question",
        "quote",
        "suggested",
        "text",
        "title",
    }
)
COUNTS = frozenset({"id", "ids", "count", "length", "characters", "tokens", "ms", "seconds", "kind", "state", "status"})
MASK = "***"
NOISY = (
    "uvicorn",
    "uvicorn.error",
    "faiss",
    "httpx",
    "httpcore",
    "httpx2",
    "httpcore2",
    "urllib3",
    "filelock",
    "asyncio",
    "alembic",
    "sentence_transformers",
)


def configure(*, form: str = "console", level: str = "info", text: bool = False, stream: TextIO | None = None) -> None:
    """Sends every log line of the process to ``stream`` (standard error). ``form``: console | json; ``level``: debug |
    info | warning | error; ``text``: whether lines may contain words of people. May be called again."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.stdlib.ExtraAdder(),
        _hide_private_values(text),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream) if stream else _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderer(form, coloured=(stream or sys.stderr).isatty()),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        if getattr(old, "errata", False):
            root.removeHandler(old)
    handler.errata = True  # type: ignore[attr-defined]
    root.addHandler(handler)
    root.setLevel(number)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # Paths can contain words of people; bot.web.app logs requests without them.
    logging.getLogger("uvicorn.access").disabled = True
    for name in NOISY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING) if level != "debug" else logging.INFO)
    logging.captureWarnings(capture=True)


class _StandardError(logging.StreamHandler["TextIO"]):
    """Writes to the standard error of that moment."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def _renderer(form: str, *, coloured: bool) -> list[Processor]:
    if form == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    return [_visible, structlog.dev.ConsoleRenderer(colors=coloured, exception_formatter=structlog.dev.plain_traceback)]


def _visible(_logger: object, _method: str, event: EventDict) -> EventDict:
    """On a terminal nothing of a line moves the cursor or hides."""
    return {name: invisible.marked(value) if isinstance(value, str) else value for name, value in event.items()}


def _hide_private_values(text: bool) -> Processor:
    """Masks secrets, and leaves out the words of people unless ``text`` is true."""

    def process(_logger: object, _method: str, event: EventDict) -> EventDict:
        for name in list(event):
            if name in ("event", "level", "timestamp", "logger", "exc_info", "exception") or name.startswith("_"):
                continue
            parts = set(name.lower().replace("-", "_").split("_"))
            if parts & COUNTS:
                continue
            if parts & SECRET:
                event[name] = MASK
            elif parts & WORDS and not text:
                del event[name]
        return event

    return process
