"""Chat models on any server with the OpenAI protocol (Ollama, vLLM, llama.cpp's server, a hosted service), through
LangChain's client.

Does not know which server it is. The client streams; closing the stream closes the connection, so that the server
stops.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import PrivateAttr, SecretStr

from bot.llm.engine import LocalChatModel, Request, Step
from bot.llm.errors import EngineError, GenerationFailed, PromptTooLong
from bot.llm.pump import pump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_core.messages import AIMessageChunk

OPENAI = "https://api.openai.com/"
NO_KEY = "none"  # the client requires a key; local servers need none


class RemoteChat(LocalChatModel):
    """A model behind `base_url` (which ends in the protocol's version, mostly /v1).

    `timeout` is the longest silence in seconds, including the reading of the prompt; then the connection is closed.
    """

    base_url: str
    api_key: SecretStr | None = None
    timeout: float = 120.0

    supports: ClassVar[frozenset[str]] = frozenset({"logprobs", "top_logprobs"})

    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _client: Any = PrivateAttr(default=None)

    def _steps(self, request: Request) -> Iterator[Step]:
        client = self._opened()
        options = self._options(request)

        def produce(emit: Callable[[AIMessageChunk], bool]) -> None:
            stream = client.stream(list(request.messages), **options)
            try:
                for chunk in stream:
                    if not emit(chunk):
                        return
            finally:
                stream.close()

        try:
            for chunk in pump(produce, stop=request.stop_event):
                yield _step(chunk)
        except EngineError:
            raise
        except Exception as error:
            raise self._failure(error) from error

    def _options(self, request: Request) -> dict[str, Any]:
        options: dict[str, Any] = {
            "max_tokens": request.max_tokens,  # the client sends it by its new name …
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if not self.base_url.startswith(OPENAI):  # … which some local servers do not know, while OpenAI's refuses both
            options["extra_body"] = {"max_tokens": request.max_tokens}
        if request.top_logprobs is not None:
            options["logprobs"] = True
            options["top_logprobs"] = request.top_logprobs
        return options

    def _opened(self) -> Any:
        from langchain.chat_models import init_chat_model

        with self._lock:
            if self._client is None:
                key = self.api_key.get_secret_value() if self.api_key else NO_KEY
                self._client = init_chat_model(
                    self.model,
                    model_provider="openai",
                    base_url=self.base_url,
                    api_key=key,
                    timeout=self.timeout,
                    max_retries=0,  # no retry: a second try would double the wait for a silent server
                    stream_usage=True,
                    use_responses_api=False,
                )
            return self._client

    def _failure(self, error: Exception) -> EngineError:
        """The error for a failure of the client, with a message that states what to do."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError, AuthenticationError, NotFoundError

        where = f"The model server at {self.base_url}"
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, APITimeoutError):
            return GenerationFailed(
                "{where} was silent for more than {timeout:g} s: is it overloaded?",
                code="server_silent",
                where=where,
                timeout=self.timeout,
            )
        if isinstance(error, APIConnectionError):
            return GenerationFailed(
                "{where} cannot be reached ({problem}): is it running, and is the address right?",
                code="server_unreachable",
                where=where,
                problem=problem,
            )
        if isinstance(error, AuthenticationError):
            return GenerationFailed(
                "{where} refuses the key: check the model server's key setting.", code="server_refuses_key", where=where
            )
        if isinstance(error, NotFoundError):
            return GenerationFailed(
                "{where} does not know the model {model} ({problem}): check the name after the #.",
                code="server_model_unknown",
                where=where,
                model=self.model,
                problem=problem,
            )
        if isinstance(error, APIStatusError) and error.status_code == 400 and "context" in problem.lower():
            return PromptTooLong(
                "{where} refuses the prompt as too long ({problem}).",
                code="server_prompt_too_long",
                where=where,
                problem=problem,
                tokens=0,
                limit=0,
            )
        return GenerationFailed(
            "{where} stopped before the end: {problem}", code="server_broke_off", where=where, problem=problem
        )


def _step(chunk: AIMessageChunk) -> Step:
    usage = chunk.usage_metadata
    metadata = chunk.response_metadata
    logprobs = (metadata.get("logprobs") or {}).get("content") or ()
    return Step(
        text=chunk.text if isinstance(chunk.text, str) else "",
        logprobs=tuple(logprobs),
        prompt_tokens=usage["input_tokens"] if usage else None,
        completion_tokens=usage["output_tokens"] if usage else None,
        finish_reason=metadata.get("finish_reason"),
    )
