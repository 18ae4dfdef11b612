"""Server-sent events from a thread: what a turn tells, in order, until it ends or the client leaves.

A status can only be sent before the stream begins, so everything that can be refused is refused before (an exception
inside a streaming generator would give 200 and an empty body).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi.encoders import jsonable_encoder
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

KEEPALIVE_SECONDS = 15.0  # below the 30 to 60 seconds after which proxies close a silent connection

Send = Callable[[str, Any], None]


def response(
    work: Callable[[Send], None], *, on_leave: Callable[[], object], headers: dict[str, str] | None = None
) -> StreamingResponse:
    """Runs ``work`` in a thread and streams what it sends. ``on_leave`` is called if the listener goes first."""
    return StreamingResponse(
        _encoded(work, on_leave),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})},
    )


async def _encoded(work: Callable[[Send], None], on_leave: Callable[[], object]) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def put(item: bytes | None) -> None:
        # the server's loop may have ended: the turn is stored all the same
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def send(event: str, data: Any) -> None:
        text = json.dumps(jsonable_encoder(data), ensure_ascii=False, separators=(",", ":"))
        put(format_sse_event(event=event, data_str=text))

    def run() -> None:
        try:
            work(send)
        finally:
            put(None)

    threading.Thread(target=run, name="turn", daemon=True).start()
    finished = False
    try:
        while True:
            try:
                item = await asyncio.wait_for(queue.get(), KEEPALIVE_SECONDS)
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                continue
            if item is None:
                finished = True
                return
            yield item
    finally:
        if not finished:
            on_leave()
