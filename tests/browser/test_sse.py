"""The event-stream parser of the pages, against the format of the HTML standard, cut at every place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

PARSE = """async (chunks) => {
  const { EventParser } = await import("/static/sse.js");
  const parser = new EventParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}"""

STREAM = (
    ": a comment\r\n\r\n"
    'event: meta\ndata: {"answer_id": "a1"}\n\n'
    'event: token\r\ndata: {"text": "退货 \\n"}\r\n\r\n'
    'event: token\rdata: {"text":\rdata:  "x"}\r\r'
    "id: 7\nretry: 100\ndata:plain words\n\n"
    "event: nothing\n\n"
    'event: done\ndata: {"answer": ""}\n\n'
    'event: cut\ndata: {"never": "ended"}\n'
)
EVENTS = [
    {"event": "meta", "data": {"answer_id": "a1"}},
    {"event": "token", "data": {"text": "退货 \n"}},
    {"event": "token", "data": {"text": "x"}},
    {"event": "message", "data": "plain words"},
    {"event": "done", "data": {"answer": ""}},
]


@pytest.fixture
def page(chromium: Browser, static_site: str) -> Iterator[Page]:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{static_site}/blank")
    yield page
    context.close()


def parse(page: Page, chunks: list[str]) -> Any:
    return page.evaluate(PARSE, chunks)


def test_sse_reads_a_stream_in_one_piece(page: Page) -> None:
    assert parse(page, [STREAM]) == EVENTS


def test_sse_reads_a_stream_cut_at_any_place(page: Page) -> None:
    every = """async (stream) => {
      const { EventParser } = await import("/static/sse.js");
      return [...stream].map((_, cut) => {
        const parser = new EventParser();
        return [...parser.push(stream.slice(0, cut)), ...parser.push(stream.slice(cut))];
      });
    }"""
    assert page.evaluate(every, STREAM) == [EVENTS] * len(STREAM)


def test_sse_reads_a_stream_character_by_character(page: Page) -> None:
    assert parse(page, list(STREAM)) == EVENTS
