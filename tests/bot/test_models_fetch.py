"""Fetching from a hub: a small server that implements the part of the hub's protocol that its client uses."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from huggingface_hub import constants

from bot.models.catalogue import HubFile
from bot.models.errors import NoSource, SourceFailed
from bot.models.fetch import Origins, Progress, fetch, fetch_repository
from bot.models.store import ModelStore
from tests.bot.modelfiles import chat_entry, write_chat_wheels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = b"GGUF" + bytes(range(256)) * 10
ENTRY = replace(chat_entry(CONTENT), hub=HubFile("tiny/chat-GGUF", "tiny-q4.gguf"))
COMMIT = "0" * 40


class Hub(BaseHTTPRequestHandler):
    files: dict[str, bytes]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        data = self.files.get(self.path)
        self.send_response(404 if data is None else 200)
        data = data or b""
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        return None


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """A hub without files; a test adds files by their address."""
    files: dict[str, bytes] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ThisHub", (Hub,), {"files": files}))
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    yield files
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_hub_is_the_first_source(tmp_path: Path, hub: dict[str, bytes]) -> None:
    hub["/tiny/chat-GGUF/resolve/main/tiny-q4.gguf"] = CONTENT
    store = ModelStore(tmp_path / "models", sources=Origins(wheel_index=False), entries=[ENTRY])
    seen: list[Progress] = []
    path = store.pull("tiny-chat", seen.append)
    assert path.read_bytes() == CONTENT
    assert {progress.source for progress in seen if progress.stage == "verifying"} == {"hub"}
    assert max(progress.done for progress in seen if progress.stage == "downloading") >= len(CONTENT)
    assert sorted(file.name for file in path.parent.iterdir()) == ["errata-model.json", "model.gguf"]


def test_wrong_bytes_from_the_hub_are_refused(tmp_path: Path, hub: dict[str, bytes]) -> None:
    hub["/tiny/chat-GGUF/resolve/main/tiny-q4.gguf"] = CONTENT[:-1] + b"x"
    mirror = tmp_path / "mirror"
    write_chat_wheels(mirror, ENTRY, CONTENT)
    seen: list[Progress] = []
    target = tmp_path / "work" / "model.gguf"
    target.parent.mkdir()
    fetch(ENTRY, target, sources=Origins(mirror=mirror), report=seen.append)
    assert target.read_bytes() == CONTENT
    assert {progress.source for progress in seen if progress.stage == "verifying"} == {"hub", f"mirror {mirror}"}


def test_the_next_source_is_used_when_the_hub_lacks_the_file(tmp_path: Path, hub: dict[str, bytes]) -> None:
    assert hub == {}
    with pytest.raises(NoSource) as raised:
        fetch(
            ENTRY, tmp_path / "model.gguf", sources=Origins(mirror=tmp_path / "none", wheel_index=False), report=print
        )
    reasons = str(raised.value).splitlines()[1:]
    assert [reason.split(":")[0].strip() for reason in reasons] == ["hub", f"mirror {tmp_path}/none"]
    assert "not reachable" in reasons[0]
    assert "is not a folder" in reasons[1]


def test_a_single_file_of_a_hub_repository_can_be_pulled(tmp_path: Path, hub: dict[str, bytes]) -> None:
    hub["/other/chat-GGUF/resolve/main/q8/big.gguf"] = CONTENT
    store = ModelStore(tmp_path / "models", sources=Origins(), entries=[ENTRY])
    path = store.pull("other/chat-GGUF/q8/big.gguf")
    assert path.read_bytes() == CONTENT
    resolved = store.resolve("other/chat-GGUF/q8/big.gguf", "chat")
    assert (resolved.name, resolved.engine, resolved.path) == ("other/chat-GGUF/q8/big.gguf", "llamacpp", path)
    assert [line.id for line in store.list()] == ["tiny-chat", "other/chat-GGUF/q8/big.gguf"]
    assert store.verify("other/chat-GGUF/q8/big.gguf").files[0].sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_the_error_names_a_repository_that_the_hub_lacks(tmp_path: Path, hub: dict[str, bytes]) -> None:
    assert hub == {}
    with pytest.raises(SourceFailed, match="did not provide no/such"):
        fetch_repository("no/such", tmp_path)
