"""The engine for OpenAI-compatible servers, against a small server with this protocol."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import SecretStr

from bot.llm.errors import GenerationFailed, PromptTooLong
from bot.llm.remote import RemoteChat

if TYPE_CHECKING:
    from collections.abc import Iterator


class Server(ThreadingHTTPServer):
    """The answers for the handler, and the requests that it received."""

    daemon_threads = True
    requests: ClassVar[list[dict[str, Any]]]
    keys: ClassVar[list[str | None]]
    words: list[str]
    status: int
    hung_up: threading.Event
    go_on: threading.Event


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        self.server.keys.append(self.headers["Authorization"])
        if self.server.status != 200:
            error = {"error": {"message": f"status {self.server.status}: maximum context length", "type": "x"}}
            self.reply(self.server.status, "application/json", json.dumps(error).encode())
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for number, word in enumerate(self.server.words):
                if number == 1:
                    self.server.go_on.wait(5)
                self.event({"delta": {"role": "assistant", "content": word}, "finish_reason": None})
            self.event({"delta": {}, "finish_reason": "stop"})
            self.event(None, usage={"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14})
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            self.server.hung_up.set()

    def event(self, choice: dict[str, Any] | None, **more: Any) -> None:
        choices = [] if choice is None else [{"index": 0, **choice}]
        chunk = {
            "id": "1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "tiny",
            "choices": choices,
            **more,
        }
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def reply(self, status: int, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        return None


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server(("127.0.0.1", 0), Handler)
    running.requests, running.keys, running.words, running.status = [], [], ["Hel", "lo", " there"], 200  # type: ignore[misc]
    running.hung_up, running.go_on = threading.Event(), threading.Event()
    running.go_on.set()
    thread = threading.Thread(target=lambda: running.serve_forever(poll_interval=0.01))
    thread.start()
    yield running
    running.go_on.set()
    running.shutdown()
    running.server_close()
    thread.join()


def chat_with(server: Server, **options: Any) -> RemoteChat:
    return RemoteChat(model="tiny", base_url=f"http://127.0.0.1:{server.server_port}/v1", timeout=5, **options)


def test_it_streams_and_gives_the_servers_counts(server: Server) -> None:
    chunks = list(chat_with(server).stream("hi"))
    assert [chunk.text for chunk in chunks if chunk.text] == ["Hel", "lo", " there"]
    assert chunks[-1].usage_metadata == {"input_tokens": 11, "output_tokens": 3, "total_tokens": 14}
    assert chunks[-1].response_metadata["finish_reason"] == "stop"


def test_the_request_carries_the_options_and_the_key(server: Server) -> None:
    chat = chat_with(server, api_key=SecretStr("s3cret"), max_tokens=40)
    chat.invoke(
        [("system", "Rules."), ("user", "hi")],
        seed=4,
        logprobs=True,
        top_logprobs=2,
    )
    assert server.keys == ["Bearer s3cret"]
    assert "s3cret" not in repr(chat)
    assert server.requests == [
        {
            "messages": [{"content": "Rules.", "role": "system"}, {"content": "hi", "role": "user"}],
            "model": "tiny",
            "max_completion_tokens": 40,
            "max_tokens": 40,
            "temperature": 0.0,
            "seed": 4,
            "logprobs": True,
            "top_logprobs": 2,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


def test_the_event_stops_it_while_the_server_is_silent(server: Server) -> None:
    server.go_on.clear()
    stop = threading.Event()
    seen = []
    for chunk in chat_with(server).stream("hi", stop_event=stop):
        seen.append(chunk)
        threading.Timer(0.05, stop.set).start()
    assert [chunk.text for chunk in seen if chunk.text] == ["Hel"]
    assert seen[-1].response_metadata["finish_reason"] == "stopped"


def test_closing_the_stream_closes_the_connection(server: Server) -> None:
    server.words = ["word "] * 20_000
    stream = chat_with(server).stream("hi")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert server.hung_up.wait(5)


@pytest.mark.parametrize(
    ("status", "error", "says"),
    [
        (401, GenerationFailed, "refuses the key"),
        (404, GenerationFailed, "does not know the model tiny"),
        (400, PromptTooLong, "refuses the prompt as too long"),
        (422, GenerationFailed, "stopped before the end: .*status 422"),
    ],
)
def test_errors_of_the_server_state_what_to_do(server: Server, status: int, error: type[Exception], says: str) -> None:
    server.status = status
    with pytest.raises(error, match=says):
        chat_with(server).invoke("hi")


def test_the_error_names_a_server_that_cannot_be_reached() -> None:
    with pytest.raises(GenerationFailed, match=r"http://127\.0\.0\.1:9/v1 cannot be reached"):
        RemoteChat(model="tiny", base_url="http://127.0.0.1:9/v1").invoke("hi")


def test_a_server_that_falls_silent_is_given_up(server: Server) -> None:
    server.go_on.clear()
    chat = RemoteChat(model="tiny", base_url=f"http://127.0.0.1:{server.server_port}/v1", timeout=0.1)
    with pytest.raises(GenerationFailed, match=r"was silent for more than 0\.1 s"):
        chat.invoke("hi")
