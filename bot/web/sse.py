"""Sends the events of a question over HTTP: as server-sent events, or as one answer at the end.

A status can only be sent before the stream begins, so a request is refused before it (an exception inside a streaming
generator would give 200 and an empty body). The work is done elsewhere (bot.turn) and goes on when the listener leaves.
Then ``on_leave`` is called, which may stop the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope
from starlette.types import Send as AsgiSend

KEEPALIVE_SECONDS = 15.0  # below the 30 to 60 seconds after which proxies close a silent connection

T = TypeVar("T")


class Feed:
    """Passes events from any thread to the stream that sends them. An event is a name (or None) and its data: a value
    for JSON, or a text that is sent as it is. Create the feed in the server's event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def send(self, event: str | None, data: Any) -> None:
        """Sends an event. Nothing happens when the server has ended."""
        self._put(format_sse_event(event=event, data_str=data if isinstance(data, str) else _json(data)))

    def end(self) -> None:
        """Ends the stream."""
        self._put(None)

    def _put(self, item: bytes | None) -> None:
        with contextlib.suppress(RuntimeError):  # the server's loop may have ended
            self._loop.call_soon_threadsafe(self.queue.put_nowait, item)


class EventStream(StreamingResponse):
    """Streams the events of ``feed`` until its end. ``on_leave`` is called if the listener leaves before."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, *, on_leave: Callable[[], object], headers: dict[str, str] | None = None) -> None:
        super().__init__(
            self._items(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})}
        )
        self._feed = feed
        self._on_leave = on_leave
        self._finished = False

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._finished:
                self._on_leave()

    async def _items(self) -> AsyncIterator[bytes]:
        while True:
            try:
                item = await asyncio.wait_for(self._feed.queue.get(), KEEPALIVE_SECONDS)
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                continue
            if item is None:
                self._finished = True
                return
            yield item


async def whole(outcome: Future[T], request: Request, *, on_leave: Callable[[], object]) -> T:
    """The outcome; raises its error. ``on_leave`` is called if the listener leaves before."""
    awaited = asyncio.wrap_future(outcome)
    leaving: asyncio.Future[Any] = asyncio.ensure_future(_wait_for_leaving(request))
    either: set[asyncio.Future[Any]] = {awaited, leaving}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not awaited.done():
            on_leave()
        return await awaited
    except asyncio.CancelledError:
        on_leave()
        raise
    finally:
        leaving.cancel()


async def _wait_for_leaving(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(data: Any) -> str:
    return json.dumps(jsonable_encoder(data), ensure_ascii=False, separators=(",", ":"))
