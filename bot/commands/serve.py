"""``errata serve``: checks everything that a server needs, then serves until it gets a signal to stop.

The order: settings, the port, one server per data folder, database, models, index against database; only then are
requests taken. On SIGTERM or SIGINT running answers are stopped and stored, and the exit code is 0.
"""

from __future__ import annotations

import errno
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.context import open_parts, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from uvicorn import Server

    from bot.errors import BotError
    from bot.settings import Settings
    from bot.wiring import Parts
    from retrieval.search import Check

LOCK = "serve.lock"
BACKLOG = 256
ANSWER_SECONDS = 20.0  # how long running answers may take to be stored after a signal
CONNECTION_SECONDS = 25  # how long open connections may take after it, in whole seconds


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of ERRATA_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port, instead of ERRATA_PORT; 0: a free one.")
    ] = None,
) -> None:
    """Serve the chat page, the curator page and the HTTP interface.

    Stays in the foreground until Ctrl-C or SIGTERM; answers that are being written are then stopped and stored.

    Exit code 0: stopped by a signal; 1: could not start, the message says why and what to do.
    """
    from bot.folders import require_all

    with open_parts(verbose=True) as parts:
        options = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
        parts.settings = parts.settings.model_copy(update=options)
        parts.serving = True
        started = time.monotonic()
        require_all(parts.settings)
        with listen(parts.settings) as listening, only_server(parts.settings.data):
            prepare(parts)
            _run(parts, listening, started)


@contextmanager
def listen(settings: Settings) -> Iterator[socket.socket]:
    """Takes the port before any slow step. Raises BotError when another program has it."""
    from bot.errors import BotError

    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
        except OSError as error:
            raise _cannot_listen(settings, error) from None
        except OverflowError:
            raise BotError(
                "{port} is no port: set ERRATA_PORT to a number up to 65535.", code="port_invalid", port=settings.port
            ) from None
        yield listening


@contextmanager
def only_server(data: Path) -> Iterator[None]:
    """Allows one server per data folder: a second one would treat the running answers of the first as interrupted."""
    from filelock import FileLock, Timeout

    from bot.errors import BotError

    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(data / LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise BotError(
            "Another Errata server uses the data folder {data} already. Stop it, or set ERRATA_DATA to another folder.",
            code="data_in_use",
            data=data,
        ) from None
    except OSError as error:
        raise BotError(
            "The data folder {data} cannot be written ({problem}). Set ERRATA_DATA to a folder that this "
            "user may write.",
            code="data_not_writable",
            data=data,
            problem=error.strerror,
        ) from error
    try:
        yield
    finally:
        lock.release()


def prepare(parts: Parts) -> None:
    """Opens database and models, and makes sure that the index matches the database. Raises their errors."""
    from bot import marker
    from knowledge import wal

    database = parts.settings.database
    marker.check_file(parts.settings)
    wal.check(database)
    if wal.has_content(database):  # the last process that wrote was killed
        with _report_time("Checking the database"):
            wal.check_integrity(database)
    _ = parts.database  # opening it brings the tables to the newest form
    _ = parts.chat_name, parts.embedder.fingerprint  # reports a missing model before the other one is loaded
    # Loading one model mostly needs the processor, the other mostly the disk.
    with _report_time("Loading the models"), ThreadPoolExecutor(1) as beside:
        chat = beside.submit(parts.load_chat_model)
        parts.embedder.query("Errata 勘误")
        chat.result()
    with _report_time("Comparing the index with the database"):
        check = _check_or_repair(parts)
    if not check.ok:
        check = _rebuild(parts, check)
    say(f"Knowledge: {check.passages} passages, step {check.seq} of the log.")


def _check_or_repair(parts: Parts) -> Check:
    """The comparison of the index with the database; damaged stored vectors are computed again first."""
    from knowledge.reindex import reindex
    from retrieval.errors import VectorError

    try:
        return parts.searcher.check()
    except VectorError as error:
        say(f"{error} That is done now.", error=True)
    parts.searcher.close()
    done = reindex(parts.database, parts.embedder, parts.settings.snapshots)
    say(f"{done.damaged} stored vectors were damaged and were computed again. Check the disk.", error=True)
    del parts.searcher
    return parts.searcher.check()


def _rebuild(parts: Parts, wrong: Check) -> Check:
    """Rebuilds the index from the database and returns the new check. Raises BotError when it still does not match.

    An undamaged snapshot is wrong when the database was restored from a backup and then changed.
    """
    from bot.errors import BotError
    from knowledge.reindex import reindex

    say(f"The index does not match the database ({_difference(wrong)}). It is built anew.", error=True)
    parts.searcher.close()
    with _report_time("Building the index"):
        reindex(parts.database, parts.embedder, parts.settings.snapshots)
    del parts.searcher  # nothing else uses it yet; the next use opens the new snapshot
    check = parts.searcher.check()
    if not check.ok:
        raise BotError(
            "The index still does not match the database ({difference}). Run: errata doctor",
            code="index_differs",
            difference=_difference(check),
        )
    return check


def _difference(check: Check) -> str:
    return f"{len(check.missing)} passages missing, {len(check.surplus)} too many, {len(check.different)} different"


def address(settings: Settings, listening: socket.socket) -> str:
    """The address of the server for a browser on this machine; the public address if one is set."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    port = listening.getsockname()[1]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{port}"


def _run(parts: Parts, listening: socket.socket, started: float) -> None:
    import asyncio

    import uvicorn

    from bot.web.app import create_app
    from bot.web.connections import KEEP_ALIVE_SECONDS, PunctualProtocol, allow_open_files

    settings = parts.settings
    allow_open_files()
    config = uvicorn.Config(
        create_app(parts),
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        proxy_headers=bool(settings.trust_proxy),
        forwarded_allow_ips=settings.trust_proxy,
        timeout_graceful_shutdown=CONNECTION_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        http=PunctualProtocol,
        lifespan="on",
    )

    stopping = threading.Event()

    def ready() -> None:
        say(f"Errata is ready: {address(settings, listening)}   (started in {time.monotonic() - started:.1f} s)")
        say(f"Curators:        {address(settings, listening)}/curate   (stop with Ctrl-C)")
        threading.Thread(target=_warm_up, args=(parts, stopping), name="warm-up", daemon=True).start()

    server = _server(config, parts, ready, stopping)
    try:
        listening.listen(BACKLOG)
    except OSError as error:  # another program took the port while we loaded
        raise _cannot_listen(settings, error) from None
    asyncio.run(server.serve(sockets=[listening]))
    if not server.started:
        raise typer.Exit(1)
    say("Stopped.")


def _warm_up(parts: Parts, stopping: threading.Event) -> None:
    """Warms up the model in the background. An error is only logged, because the next question will report it."""
    import structlog

    from bot.errors import BotError

    try:
        parts.warm_up(stopping)
    except BotError as error:
        structlog.get_logger().warning("warm_up_failed", detail=str(error))


def _server(config: Any, parts: Parts, ready: Any, stopping: threading.Event) -> Server:
    """A uvicorn server that says when it is ready, and stops answers at the first signal, so that their streams end
    and the connections can close. It does not raise the signal again: ours is the orderly end."""
    import uvicorn

    class OrderlyServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

        def handle_exit(self, sig: int, frame: Any) -> None:
            stopping.set()
            if not self.should_exit:
                say("Stopping: answers that are being written are stored …")
                threading.Thread(
                    target=parts.turns.stop_all, args=(ANSWER_SECONDS,), name="stop-answers", daemon=True
                ).start()
            super().handle_exit(sig, frame)

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    return OrderlyServer(config)


@contextmanager
def _report_time(what: str) -> Iterator[None]:
    started = time.monotonic()
    say(f"{what} …")
    yield
    if time.monotonic() - started > 1:
        say(f"{what}: {time.monotonic() - started:.1f} s")


def _cannot_listen(settings: Settings, error: OSError) -> BotError:
    from bot.errors import BotError

    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return BotError(
            "Another program listens on {where}, maybe Errata itself. Stop it, or set ERRATA_PORT to another port.",
            code="port_in_use",
            where=where,
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return BotError(
            "This user may not listen on {where}. Set ERRATA_PORT to a port above 1023.",
            code="port_forbidden",
            where=where,
        )
    return BotError(
        "The address {where} cannot be used here ({problem}). Set ERRATA_HOST to an address of this machine.",
        code="address_unusable",
        where=where,
        problem=error.strerror,
    )
