"""A whole Errata for tests: the application over real parts, with a small embedder and a given chat model."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
import structlog
import uvicorn
from starlette.testclient import TestClient

from bot import accounts
from bot.settings import Settings
from bot.tables import User
from bot.web.app import create_app
from bot.wiring import Parts
from knowledge.db import open_database
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI
    from langchain_core.language_models import BaseChatModel

    from retrieval.embed import Embedder

ADDRESS = "http://127.0.0.1:8000"
PASSWORD = "correct horse battery"
PEOPLE = {"carla": "curator", "ada": "admin"}
QUICK = {"questions_per_minute": 1_000_000, "questions_per_minute_per_asker": 1_000_000}  # tests ask without a pause


class World:
    """The parts, the application, and clients for people with different rights."""

    def __init__(self, parts: Parts, key: str) -> None:
        self.parts = parts
        self.app = create_app(parts)
        self.key = key

    def client(self, username: str | None = None, *, address: str = "testclient") -> TestClient:
        """A browser of its own; signed in when a name is given."""
        client = TestClient(self.app, base_url=ADDRESS, client=(address, 50000))
        if username is not None:
            with self.parts.database.write() as session:
                client.cookies.set("errata_session", accounts.sign_in(session, session.get_one(User, username)))
        return client

    def program(self) -> TestClient:
        """A client that shows an API key."""
        return TestClient(self.app, base_url=ADDRESS, headers={"Authorization": f"Bearer {self.key}"})

    def work(self) -> int:
        """Does the waiting jobs, as the worker's thread would. Returns how many."""
        count = 0
        while self.parts.worker.step():
            count += 1
        return count


@contextmanager
def world(
    folder: Path, chat: BaseChatModel | None, *, embedder: Embedder | None = None, **settings: Any
) -> Iterator[World]:
    """The application is not started (no worker thread): a test says when work is done. ``chat`` None: with the
    real models, both."""
    if not structlog.is_configured():  # its default shows every variable of a traceback, which takes seconds
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        structlog.configure(processors=[structlog.contextvars.merge_contextvars, renderer])
    database, key = _furnished()
    data = folder / "var"
    data.mkdir(parents=True, mode=0o700)
    (data / "errata.db").write_bytes(database)
    if chat is not None:
        embedder = embedder or HashingEmbedder()
    parts = Parts(Settings(data=data, **QUICK | settings), embedder=embedder, chat=chat)
    try:
        yield World(parts, key)
    finally:
        parts.close()


@cache
def _furnished() -> tuple[bytes, str]:
    """A database with its tables, PEOPLE and an API key, made once: hashing passwords is slow on purpose.
    Returns the file's bytes and the key."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "errata.db"
        database = open_database(path)
        with database.write() as session:
            _, key = accounts.add_key(session, "shop front", "program", created_by="ada")
            for name, role in PEOPLE.items():
                accounts.add_user(session, name, PASSWORD, role)
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("PRAGMA wal_checkpoint(TRUNCATE)"))
        database.close()
        return path.read_bytes(), key


@contextmanager
def serving(app: FastAPI, *, patience: float = 10) -> Iterator[str]:
    """The application behind a real server on a free port, started (worker included). Gives its address."""
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=int(patience), lifespan="on")
    server = uvicorn.Server(config)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="server")
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def put(client: TestClient, document_id: str, title: str, text: str, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/documents", json={"id": document_id, "title": title, "text": text, **more})
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = answer.json()
    return result


def ask(client: TestClient, question: str, **more: Any) -> dict[str, Any]:
    """Asks and returns meta, sources and done as one object."""
    answer = client.post("/api/chat", json={"question": question, "stream": False, **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


def events(client: TestClient, question: str, **more: Any) -> list[tuple[str, dict[str, Any]]]:
    """Asks and returns the server-sent events in order."""
    read: list[tuple[str, dict[str, Any]]] = []
    with client.stream("POST", "/api/chat", json={"question": question, **more}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                read.append((name, json.loads(line.removeprefix("data: "))))
    return read


def act(client: TestClient, correction_id: int, action: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/corrections/{correction_id}/{action}", json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result
