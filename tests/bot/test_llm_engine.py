"""The common part of the engines, tested with a scripted one; and the factory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser

from bot.llm.engine import LocalChatModel, Request, Step
from bot.llm.errors import CannotOpen
from bot.llm.factory import open_chat_model
from bot.llm.llamacpp import LlamaCppChat
from bot.llm.remote import RemoteChat
from bot.llm.transformers import TransformersChat
from bot.models.spec import ResolvedModel
from tests.asynchronous import complete

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Scripted(LocalChatModel):
    """Yields its steps and records the requests."""

    script: tuple[Step, ...] = ()
    requests: list[Any] = []  # noqa: RUF012 pydantic copies it for each model
    closed: list[Any] = []  # noqa: RUF012 pydantic copies it for each model
    supports: ClassVar[frozenset[str]] = frozenset({"logprobs", "top_logprobs"})

    def _steps(self, request: Request) -> Iterator[Step]:
        self.requests.append(request)
        try:
            yield from self.script
        finally:
            self.closed.append(True)


def test_steps_become_chunks_and_the_counts_come_last() -> None:
    chat = Scripted(
        model="scripted",
        script=(Step(prompt_tokens=7), Step("Hel"), Step("lo"), Step(completion_tokens=2, finish_reason="stop")),
    )
    chunks = list(chat.stream("hi"))
    # each step without text becomes an empty chunk, which shows that the engine is alive
    assert [chunk.text for chunk in chunks] == ["", "Hel", "lo", "", ""]
    assert chunks[-1].usage_metadata == {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}
    whole = chat.invoke("hi")
    assert whole.text == "Hello"
    assert whole.usage_metadata == chunks[-1].usage_metadata
    assert whole.response_metadata["finish_reason"] == "stop"


def test_a_generation_without_counts_is_counted_by_its_pieces() -> None:
    last = list(Scripted(model="scripted", script=(Step("a"), Step("b"))).stream("hi"))[-1]
    assert last.usage_metadata == {"input_tokens": 0, "output_tokens": 2, "total_tokens": 2}
    assert last.response_metadata["finish_reason"] == "stopped"


def test_log_probabilities_of_the_pieces_are_joined() -> None:
    steps = (Step("a", ({"token": "a", "logprob": -0.1},)), Step("b", ({"token": "b", "logprob": -0.2},)))
    whole = Scripted(model="scripted", script=steps).invoke("hi", logprobs=True)
    assert [entry["token"] for entry in whole.response_metadata["logprobs"]["content"]] == ["a", "b"]


def test_closing_the_stream_closes_the_generation() -> None:
    chat = Scripted(model="scripted", script=(Step("a"), Step("b")))
    stream = chat.stream("hi")
    assert next(stream).text == "a"
    stream.close()  # type: ignore[attr-defined]
    assert chat.closed == [True]


def test_options_of_a_call_replace_those_of_the_model() -> None:
    chat = Scripted(model="scripted", max_tokens=100, temperature=0.5, seed=3, script=(Step("a"),))
    event = threading.Event()
    chat.invoke("hi")
    chat.invoke("hi", max_tokens=5, temperature=0.0, seed=1, logprobs=True, top_logprobs=4, stop_event=event)
    fields = ("max_tokens", "temperature", "seed", "top_logprobs", "stop_event")
    seen = [tuple(getattr(request, field) for field in fields) for request in chat.requests]
    assert seen == [(100, 0.5, 3, None, None), (5, 0.0, 1, 4, event)]


@pytest.mark.parametrize(
    ("resolved", "engine"),
    [
        (ResolvedModel("m", "chat", "remote", "f", base_url="http://127.0.0.1:1/v1"), RemoteChat),
        (ResolvedModel("m", "chat", "llamacpp", "f", path="x.gguf"), LlamaCppChat),  # type: ignore[arg-type]
        (ResolvedModel("m", "chat", "transformers", "f", path="folder"), TransformersChat),  # type: ignore[arg-type]
    ],
)
def test_the_factory_chooses_the_engine_and_loads_nothing(resolved: ResolvedModel, engine: type) -> None:
    chat = open_chat_model(resolved, max_tokens=9, slots=3, threads=1, context=128, api_key="secret")
    assert type(chat) is engine
    assert (chat.model, chat.max_tokens) == (resolved.name, 9)
    assert "secret" not in repr(chat)


def test_the_factory_refuses_an_embedding_model() -> None:
    with pytest.raises(CannotOpen, match="is an embedding model"):
        open_chat_model(ResolvedModel("e5", "embedding", "sentence_transformers", "f"))


def test_a_file_that_is_no_model_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"<html>")
    with pytest.raises(CannotOpen, match="is not a GGUF file"):
        LlamaCppChat(model="m", path=tmp_path / "model.gguf").load()
    with pytest.raises(CannotOpen, match="There is no model file"):
        LlamaCppChat(model="m", path=tmp_path / "none.gguf").load()


def test_async_and_batch_calls_of_langchain_work() -> None:
    chat = Scripted(model="scripted", script=(Step("Hel"), Step("lo")))

    async def ask() -> tuple[str, list[str]]:
        whole = await chat.ainvoke("hi")
        return whole.text, [chunk.text async for chunk in chat.astream("hi")]

    assert complete(ask()) == ("Hello", ["Hel", "lo", ""])
    assert [message.text for message in chat.batch(["a", "b"])] == ["Hello", "Hello"]
    assert (chat | StrOutputParser()).invoke("hi") == "Hello"


def test_chunks_are_of_langchains_class() -> None:
    assert all(isinstance(chunk, AIMessageChunk) for chunk in Scripted(model="s", script=(Step("a"),)).stream("hi"))
