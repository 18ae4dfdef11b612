"""Work of a thread of its own, listened to over HTTP: as server-sent events, or as one answer at its end.

A status can only be sent before the stream begins, so everything that can be refused is refused before (an exception
inside a streaming generator would give 200 and an empty body). The work goes on when the listener leaves; it is
told by ``on_leave``, and what it does about that is its own decision. Where there
is no thread for it, ``on_failure`` hears of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import StreamingResponse
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from starlette.types import Receive, Scope
from starlette.types import Send as AsgiSend

KEEPALIVE_SECONDS = 15.0  # below the 30 to 60 seconds after which proxies close a silent connection

Send = Callable[[str | None, Any], None]
T = TypeVar("T")


class EventStream(StreamingResponse):
    """Runs ``work`` in a thread and streams what it sends: pairs of an event's name (or None) and its data, which is
    JSON, or a text that goes out as it is. ``on_leave`` is called if the listener goes first.

    The thread starts with the response, not with its first byte: who leaves in between has asked all the same.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        work: Callable[[Send], None],
        *,
        on_leave: Callable[[], object],
        on_failure: Callable[[Exception], object],
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(
            self._items(), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})}
        )
        self._work = work
        self._on_leave = on_leave
        self._on_failure = on_failure
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._finished = False

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        _start(self._run, asyncio.get_running_loop(), on_failure=self._on_failure)
        try:
            await super().__call__(scope, receive, send)
        finally:
            if not self._finished:
                self._on_leave()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        def put(item: bytes | None) -> None:
            # the server's loop may have ended: the work is finished all the same
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._queue.put_nowait, item)

        def send(event: str | None, data: Any) -> None:
            put(format_sse_event(event=event, data_str=data if isinstance(data, str) else _json(data)))

        try:
            self._work(send)
        finally:
            put(None)

    async def _items(self) -> AsyncIterator[bytes]:
        while True:
            try:
                item = await asyncio.wait_for(self._queue.get(), KEEPALIVE_SECONDS)
            except TimeoutError:
                yield KEEPALIVE_COMMENT
                continue
            if item is None:
                self._finished = True
                return
            yield item


async def whole(
    work: Callable[[], T],
    request: Request,
    *,
    on_leave: Callable[[], object],
    on_failure: Callable[[Exception], object],
) -> T:
    """What ``work`` returns, or the error that it raises, from a thread of its own: minutes of waiting must not take
    one of the few threads that all other requests share. ``on_leave`` is called if the listener goes first."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def tell(set_outcome: Callable[[Any], None], value: Any) -> None:
        if not outcome.cancelled():
            set_outcome(value)

    def run() -> None:
        try:
            value = work()
        except Exception as error:  # noqa: BLE001 - raised again where it is awaited
            told: tuple[Callable[[Any], None], Any] = (outcome.set_exception, error)
        else:
            told = (outcome.set_result, value)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, *told)

    _start(run, on_failure=on_failure)
    leaving: asyncio.Future[Any] = asyncio.ensure_future(_left(request))
    either: set[asyncio.Future[Any]] = {outcome, leaving}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not outcome.done():
            on_leave()
        return await outcome
    except asyncio.CancelledError:
        on_leave()
        raise
    finally:
        leaving.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _start(target: Callable[..., None], *arguments: Any, on_failure: Callable[[Exception], object]) -> None:
    context = contextvars.copy_context()  # so that its log lines have the request's id
    try:
        threading.Thread(target=context.run, args=(target, *arguments), name="turn", daemon=True).start()
    except RuntimeError as error:  # the system gives no more threads
        on_failure(error)
        raise


def _json(data: Any) -> str:
    return json.dumps(jsonable_encoder(data), ensure_ascii=False, separators=(",", ":"))
