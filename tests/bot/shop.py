"""A shop that answers over HTTP, and browsers that listen to it."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import sqlalchemy as sa

from bot import feedback
from bot.events import metrics
from bot.tables import Answer
from retrieval.scope import EVERYTHING
from tests.loop.world import World, put, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from knowledge.db import Database
    from tests.fakes import ScriptedChat

WAIT = 30.0  # seconds; far more than anything here takes
TEXT = "The shop opens at nine and closes at eight."
QUESTION = "When does the shop open?"
ANSWER = "At nine in the morning [1]."


def until(true: Callable[[], Any]) -> None:
    """Waits for something that another thread brings about."""
    for _ in range(int(WAIT * 100)):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


@contextmanager
def shop(folder: Path, chat: ScriptedChat, **settings: Any) -> Iterator[World]:
    with world(folder, chat, **settings) as made:
        put(made.client("carla"), "hours", "Hours", TEXT)
        yield made


def stored(made: World) -> list[tuple[str, str]]:
    """Status and text of all answers, oldest first."""
    with made.parts.database.read() as session:
        rows = session.execute(sa.select(Answer.status, Answer.answer).order_by(Answer.created_at))
        return [(status, answer) for status, answer in rows]


def correct(made: World, question: str, answer: str) -> None:
    """Complains about a question from elsewhere and approves another answer."""
    with made.parts.database.write() as session:
        rating = feedback.Rating("down")
        row = feedback.rate_elsewhere(
            session, EVERYTHING, query=question, response="?", rating=rating, user=None, who="shop front"
        )
        number = row.correction_id
    assert number is not None
    made.parts.curation(EVERYTHING).draft(number, {"answer": answer}, actor="carla")
    made.parts.curation(EVERYTHING).approve(number, actor="carla")


def refuse_inserts(database: Database, table: str) -> None:
    """From now on the database takes no new row in this table, as a full disk or a damaged page would have it."""
    with database.write() as session:
        refusal = f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'refused'); END"
        session.execute(sa.text(refusal))


def lost(what: str) -> float:
    """How often something failed so far after an answer was finished, as /metrics tells."""
    return metrics.registry.get_sample_value("errata_failures_after_answers_total", {"what": what}) or 0


class Listener:
    """A browser that asks over a real connection, in a thread of its own, and can leave."""

    def __init__(self, address: str, cookies: httpx.Cookies | None = None, **body: Any) -> None:
        self.events: list[tuple[str, Any]] = []
        self.cookies = httpx.Cookies(cookies)
        self._leave = threading.Event()
        self._address = address
        self._body = {"question": QUESTION, **body}
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with (
            suppress(httpx.RemoteProtocolError),  # the server ended in the middle
            httpx.Client(base_url=self._address, timeout=WAIT, cookies=self.cookies) as client,
            client.stream("POST", "/api/chat", json=self._body) as response,
        ):
            assert response.status_code == 200
            self.cookies = client.cookies
            name = ""
            for line in response.iter_lines():
                if self._leave.is_set():
                    return
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line.removeprefix("data: "))))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def has(self, name: str) -> None:
        until(lambda: name in self.names())

    def leave(self) -> None:
        """Closes the connection at the next line that comes."""
        self._leave.set()

    def wait(self) -> None:
        self._thread.join(WAIT)
        assert not self._thread.is_alive()
