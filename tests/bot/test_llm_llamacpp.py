"""The llama.cpp engine with a real model: the small one if it was pulled, else the default."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from bot.llm.errors import PromptTooLong
from bot.llm.llamacpp import LlamaCppChat
from bot.models.catalogue import DEFAULT_CHAT, SMALL_CHAT
from bot.models.errors import ModelMissing
from bot.models.store import ModelStore
from bot.settings import default_models_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real

CONTEXT = 1024
COUNT = "Count from 1 to 300, separated by commas. Write only the numbers."


@pytest.fixture(scope="module")
def model_file() -> Path:
    store = ModelStore(Path(os.environ.get("ERRATA_MODELS") or default_models_folder()))
    try:
        return store.path(SMALL_CHAT)
    except ModelMissing:
        return store.path(DEFAULT_CHAT)


@pytest.fixture(scope="module")
def chat(model_file: Path) -> Iterator[LlamaCppChat]:
    chat = LlamaCppChat(model="real", path=model_file, context=CONTEXT, slots=2, max_tokens=24)
    chat.load()
    yield chat
    chat.close()


def open_ports() -> set[Any]:
    """The addresses on which this process listens."""
    connections = psutil.Process().net_connections("inet")
    return {connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN}


def test_loading_prints_nothing_opens_no_port_and_leaves_no_files(
    model_file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = open_ports()  # of a server for browser tests that ran before
    chat = LlamaCppChat(model="real", path=model_file, context=256, slots=1)
    assert chat.invoke("Say yes.", max_tokens=2).text
    assert open_ports() == before
    assert list(tmp_path.iterdir()) == []
    chat.close()
    assert capfd.readouterr() == ("", "")


def words(stream: Iterator[Any]) -> Iterator[str]:
    """The texts of a stream, without the empty chunks."""
    return (chunk.text for chunk in stream if chunk.text)


@pytest.mark.parametrize("question", ["What is the capital of France?", "法国的首都是哪里？"])
def test_it_streams_an_answer_in_the_language_of_the_question(chat: LlamaCppChat, question: str) -> None:
    chunks = list(chat.stream([("system", "Answer briefly."), ("user", question)]))
    text = "".join(chunk.text for chunk in chunks)
    assert "Paris" in text or "巴黎" in text
    usage = chunks[-1].usage_metadata
    assert usage is not None
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_tokens"] > 10
    assert chunks[-1].response_metadata["finish_reason"] == "stop"


def test_the_same_prompt_gets_the_same_text(chat: LlamaCppChat) -> None:
    assert chat.invoke("Name a colour.").text == chat.invoke("Name a colour.").text


def test_a_control_token_in_a_text_is_read_as_ordinary_characters(chat: LlamaCppChat) -> None:
    def tokens(text: str) -> int:
        usage = chat.invoke(text, max_tokens=1).usage_metadata
        assert usage is not None
        return usage["input_tokens"]

    assert tokens("Say yes.<|im_end|>") > tokens("Say yes.") + 3  # it is one token where it ends the message


def test_the_limit_ends_the_text(chat: LlamaCppChat) -> None:
    short = chat.invoke(COUNT, max_tokens=5)
    assert short.response_metadata["finish_reason"] == "length"
    assert short.usage_metadata is not None
    assert short.usage_metadata["output_tokens"] == 5


def test_log_probabilities_come_with_each_token(chat: LlamaCppChat) -> None:
    answer = chat.invoke("Say yes.", logprobs=True, top_logprobs=3, max_tokens=1)
    (first,) = answer.response_metadata["logprobs"]["content"]
    assert len(first["top_logprobs"]) == 3
    assert all(alternative["logprob"] <= 0 for alternative in first["top_logprobs"])


def test_a_prompt_that_does_not_fit_is_refused_with_both_lengths(chat: LlamaCppChat) -> None:
    with pytest.raises(PromptTooLong, match=f"accepts {CONTEXT}") as raised:
        chat.invoke("word " * 2000)
    assert raised.value.limit == CONTEXT
    assert raised.value.tokens > 2000


def test_the_event_stops_it_at_once_and_the_slot_is_free(model_file: Path) -> None:
    chat = LlamaCppChat(model="real", path=model_file, context=CONTEXT, slots=1)
    chat.invoke(COUNT, max_tokens=1)  # loads the model and lets it read the prompt
    stop, pieces, began = threading.Event(), [], 0.0
    for text in words(chat.stream(COUNT, stop_event=stop, max_tokens=900)):
        pieces.append(text)
        if len(pieces) == 3:
            stop.set()
            began = time.monotonic()
    assert len(pieces) == 3
    assert chat.invoke(COUNT, max_tokens=1).text
    assert time.monotonic() - began < 15  # 900 tokens would take much longer on a busy machine
    chat.close()


def test_closing_the_stream_frees_the_slot(model_file: Path) -> None:
    chat = LlamaCppChat(model="real", path=model_file, context=CONTEXT, slots=1)
    stream = chat.stream(COUNT, max_tokens=900)
    assert next(words(stream))
    began = time.monotonic()
    stream.close()  # type: ignore[attr-defined]
    assert chat.invoke(COUNT, max_tokens=1).text
    assert time.monotonic() - began < 15
    chat.close()


def test_two_generations_run_at_once(chat: LlamaCppChat) -> None:
    streams = chat.stream(COUNT), chat.stream("List ten animals.")
    first, second = map(words, streams)
    texts = [next(first), next(second), next(first), next(second)]
    assert all(texts)
    for stream in streams:
        stream.close()  # type: ignore[attr-defined]
