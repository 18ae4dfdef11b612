"""Log lines: one form for all, no secrets, no words of people unless asked for."""

from __future__ import annotations

import io
import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from bot import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("quiet_process")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    out = io.StringIO()
    yield out
    out.close()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_carry_the_request_of_their_context(stream: io.StringIO) -> None:
    logs.configure(form="json", stream=stream)
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("bot.turn").info("turn_done", answer_id="a1", ms=12)
        logging.getLogger("retrieval.search").warning("passages %s are missing", [3])
    ours, library = lines(stream)
    assert {name: ours[name] for name in ("event", "level", "logger", "request_id", "answer_id", "ms")} == {
        "event": "turn_done",
        "level": "info",
        "logger": "bot.turn",
        "request_id": "r1",
        "answer_id": "a1",
        "ms": 12,
    }
    assert {name: library[name] for name in ("event", "level", "logger", "request_id")} == {
        "event": "passages [3] are missing",
        "level": "warning",
        "logger": "retrieval.search",
        "request_id": "r1",
    }


def test_secrets_are_masked_and_words_left_out(stream: io.StringIO) -> None:
    logs.configure(form="json", stream=stream)
    structlog.get_logger().info(
        "event",
        password="p",
        api_key="k",
        session_token="t",
        Authorization="Bearer x",
        question="What is my salary?",
        suggested_answer="s",
        prompt_tokens=7,
        question_length=18,
        key_id=3,
    )
    [line] = lines(stream)
    del line["timestamp"], line["logger"]
    assert line == {
        "event": "event",
        "level": "info",
        "password": "***",
        "api_key": "***",
        "session_token": "***",
        "Authorization": "***",
        "prompt_tokens": 7,
        "question_length": 18,
        "key_id": 3,
    }


def test_words_of_people_stand_in_the_log_only_when_asked_for(stream: io.StringIO) -> None:
    logs.configure(form="json", text=True, stream=stream)
    structlog.get_logger().info("event", question="何时开门？", password="p")
    [line] = lines(stream)
    assert (line["question"], line["password"]) == ("何时开门？", "***")


def test_the_level_is_used_for_all_loggers_and_libraries_write_less(stream: io.StringIO) -> None:
    logs.configure(form="json", level="info", stream=stream)
    structlog.get_logger().debug("hidden")
    logging.getLogger("httpx").info("hidden")
    logging.getLogger("uvicorn.access").warning("hidden")
    structlog.get_logger().info("shown")
    assert [line["event"] for line in lines(stream)] == ["shown"]


def test_errors_keep_their_traceback(stream: io.StringIO) -> None:
    logs.configure(form="json", stream=stream)
    try:
        int("broken")
    except ValueError:
        structlog.get_logger().exception("failed")
    assert "ValueError: invalid literal" in lines(stream)[0]["exception"]


def test_console_lines_are_plain_where_there_is_no_terminal(stream: io.StringIO) -> None:
    logs.configure(form="console", stream=stream)
    structlog.get_logger().warning("watch_out", answer_id="a1")
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("answer_id=a1")


def test_configuring_again_writes_each_line_once(stream: io.StringIO) -> None:
    logs.configure(form="json", stream=io.StringIO())
    logs.configure(form="json", stream=stream)
    structlog.get_logger().info("once")
    assert len(lines(stream)) == 1


def test_warnings_become_log_lines(stream: io.StringIO) -> None:
    logs.configure(form="json", stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert "old way" in lines(stream)[0]["event"]
