"""Connections without a request are closed, and those that work are left alone."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
import uvicorn

from bot.web.connections import PunctualProtocol, allow_open_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import Receive, Scope, Send

SECONDS = 0.5  # instead of the 20 of the server
IDLE = 300


class Quick(PunctualProtocol):
    request_seconds = SECONDS


async def slow_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes three times as long as a request may take to come."""
    import asyncio

    assert scope["type"] == "http"
    if scope["path"] == "/slow":
        await asyncio.sleep(3 * SECONDS)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def serving() -> Iterator[tuple[str, int]]:
    server = uvicorn.Server(uvicorn.Config(slow_app, http=Quick, log_config=None, lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join()


def closed_after(connection: socket.socket) -> float:
    """Seconds until the other side closes."""
    connection.settimeout(10)
    began = time.monotonic()
    assert connection.recv(100) == b""
    return time.monotonic() - began


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost:"])
def test_a_connection_without_a_whole_request_is_closed(sent: bytes) -> None:
    with serving() as address, socket.create_connection(address) as connection:
        connection.sendall(sent)
        assert closed_after(connection) < 4 * SECONDS


def test_bytes_that_trickle_in_do_not_keep_it_open() -> None:
    with serving() as address, socket.create_connection(address) as connection:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"[Bb]roken|reset"):
            while time.monotonic() - began < 10:
                connection.sendall(b"G")
                time.sleep(SECONDS / 5)
        assert time.monotonic() - began < 6 * SECONDS


def test_a_long_answer_and_the_next_request_are_not_disturbed() -> None:
    with serving() as (host, port), httpx.Client(base_url=f"http://{host}:{port}") as client:
        assert client.get("/slow").text == "ok"
        assert client.get("/slow").text == "ok"


def test_many_idle_connections_go_and_others_are_served() -> None:
    with serving() as (host, port):
        idle = [socket.create_connection((host, port)) for _ in range(IDLE)]
        assert httpx.get(f"http://{host}:{port}/").text == "ok"
        assert max(closed_after(connection) for connection in idle) < 6 * SECONDS
        for connection in idle:
            connection.close()


def test_the_process_may_open_as_many_files_as_the_system_allows() -> None:
    script = (
        "import resource; from bot.web.connections import allow_open_files\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))\n"
        "print(allow_open_files(1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1000", "1000"]
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert allow_open_files(1) == soft
