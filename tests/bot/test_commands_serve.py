"""The server as a process: starting, refusing to start, stopping in order."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from bot.settings import Settings
from bot.tables import Answer
from knowledge.db import Database
from knowledge.tables import PassageRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bot.commandline import CommandLine

START_SECONDS = 120.0
STOP_SECONDS = 30.0


class Server:
    """A running server and what it said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self.port = 0
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if ready := re.match(r"Errata is ready: http://127\.0\.0\.1:(\d+) ", line):
                self.port = int(ready[1])
                self._ready.set()
        self._ready.set()

    def wait(self) -> None:
        assert self._ready.wait(START_SECONDS), self.lines
        assert self.port, self.lines

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(STOP_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def get(self, path: str) -> int:
        connection = self.connect()
        connection.request("GET", path)
        status = connection.getresponse().status
        connection.close()
        return status

    def ask(self, question: str) -> dict[str, Any]:
        connection = self.connect()
        body = json.dumps({"question": question, "stream": False})
        connection.request("POST", "/api/chat", body, {"Content-Type": "application/json"})
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer


@contextmanager
def serving(data: Path, **more: str) -> Iterator[Server]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ERRATA_")}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "tests.bot.server"],
        env={**environment, "ERRATA_DATA": str(data), "ERRATA_PORT": "0", **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    server = Server(process)
    try:
        server.wait()
        yield server
    finally:
        server.close()


@pytest.fixture
def page(tmp_path: Path) -> str:
    path = tmp_path / "hours.md"
    path.write_text("# Hours\n\nThe shop opens at nine.", encoding="utf-8")
    return str(path)


def test_serve_works_beside_commands_and_stops_in_order(
    errata: CommandLine, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(errata.data) as server:
        assert (server.get("/healthz"), server.get("/readyz")) == (200, 200)
        assert errata("ingest", page).code == 0
        assert [source["title"] for source in server.ask("When does the shop open?")["sources"]] == ["Hours"]
        assert errata("reindex").code == 0
        refused = errata("serve")
        assert refused.code == 1
        assert refused.err.startswith(f"errata: Another Errata server uses the data folder {errata.data} already.")
        monkeypatch.setenv("ERRATA_PORT", str(server.port))
        findings = {finding["name"]: finding for finding in json.loads(errata("doctor", "--json").out)}
        assert findings["index"]["state"] == "ok"
        assert findings["port"]["what"] == f"127.0.0.1:{server.port}: Errata is running there"
        assert server.end(signal.SIGTERM) == 0
    printed = [line for line in server.lines if not line.startswith("20")]  # log lines begin with a time
    assert printed[-2:] == ["Stopping: answers that are being written are stored …", "Stopped."]
    assert "Traceback" not in "\n".join(server.lines)


def test_serve_stores_the_answer_that_a_signal_stops(errata: CommandLine, page: str) -> None:
    errata("ingest", page)
    with serving(errata.data, SLOW="0.2") as server:
        connection = server.connect()
        body = json.dumps({"question": "When does the shop open?"})
        connection.request("POST", "/api/chat", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200
        streamed = b""
        while b"event: token" not in streamed:
            more = response.read1(1000)
            assert more, streamed
            streamed += more
        started = time.monotonic()
        assert server.end(signal.SIGINT) == 0
        assert time.monotonic() - started < 15
        streamed += response.read()
        connection.close()
    assert b'"status":"stopped"' in streamed.replace(b" ", b"")
    database = Database(f"sqlite:///{errata.data / 'errata.db'}")
    with database.read() as session:
        answer = session.scalars(sa.select(Answer)).one()
        assert answer.status == "stopped"
        assert answer.answer.startswith("word [1]")
    database.close()


def test_serve_builds_a_wrong_index_anew(errata: CommandLine, page: str) -> None:
    """As after a backup was restored that went on differently: the snapshot is sound, and not this database's."""
    errata("ingest", page)
    assert errata("reindex").code == 0
    database = Database(f"sqlite:///{errata.data / 'errata.db'}")
    with database.write() as session:
        session.execute(sa.update(PassageRow).values(text="The shop opens at ten."))
    database.close()
    wrong = json.loads(errata("doctor", "--json").out)
    assert {finding["name"]: finding["state"] for finding in wrong}["index"] == "fail"
    with serving(errata.data) as server:
        assert server.end(signal.SIGTERM) == 0
    assert (
        "The index does not match the database (0 passages missing, 0 too many, 1 different). It is built anew."
        in server.lines
    )
    parts = errata.parts(Settings(data=errata.data))
    assert parts.searcher.check().ok
    parts.close()


def test_serve_refuses_a_port_that_is_taken(errata: CommandLine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = errata("serve", "--port", str(port))
    assert done.code == 1
    assert done.err == (
        f"errata: Another program listens on 127.0.0.1:{port}, maybe Errata itself. Stop it, or set ERRATA_PORT to "
        "another port.\n"
    )


def test_serve_refuses_an_address_that_is_not_ours(errata: CommandLine) -> None:
    done = errata("serve", "--host", "203.0.113.9")
    assert done.code == 1
    assert done.err.startswith("errata: The address 203.0.113.9:8000 cannot be used here (")
