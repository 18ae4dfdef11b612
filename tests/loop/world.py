"""A whole Errata for tests: the application over real parts, with a small embedder and a given chat model."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from bot import accounts
from bot.settings import Settings
from bot.web.app import create_app
from bot.wiring import Parts
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_core.language_models import BaseChatModel

    from retrieval.embed import Embedder

ADDRESS = "http://127.0.0.1:8000"
PASSWORD = "correct horse battery"


class World:
    """The parts, the application, and clients for people with different rights."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.app = create_app(parts)
        with parts.database.write() as session:
            accounts.add_user(session, "carla", PASSWORD, "curator")
            accounts.add_user(session, "ada", PASSWORD, "admin")
            _, self.key = accounts.add_key(session, "shop front", "program", created_by="ada")

    def client(self, username: str | None = None) -> TestClient:
        """A browser of its own; signed in when a name is given."""
        client = TestClient(self.app, base_url=ADDRESS)
        if username is not None:
            signed = client.post("/api/session", json={"username": username, "password": PASSWORD})
            assert signed.status_code == 200, signed.text
        return client

    def work(self) -> int:
        """Does the waiting jobs, as the worker's thread would. Returns how many."""
        count = 0
        while self.parts.worker.step():
            count += 1
        return count


@contextmanager
def world(
    folder: Path, chat: BaseChatModel, *, embedder: Embedder | None = None, **settings: Any
) -> Iterator[World]:
    """The application is not started (no worker thread): a test says when work is done."""
    parts = Parts(Settings(data=folder / "var", **settings), embedder=embedder or HashingEmbedder(), chat=chat)
    try:
        yield World(parts)
    finally:
        parts.close()


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
    found: list[tuple[str, dict[str, Any]]] = []
    with client.stream("POST", "/api/chat", json={"question": question, **more}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in response.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                found.append((name, json.loads(line.removeprefix("data: "))))
    return found


def act(client: TestClient, correction_id: int, action: str, **body: Any) -> dict[str, Any]:
    answer = client.post(f"/api/corrections/{correction_id}/{action}", json=body)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result
