"""The common part of the engines: a `BaseChatModel` that turns a stream of small steps into chunks.

Knows nothing about any concrete engine. A subclass runs a generation (`_steps`); this module adds streaming, whole
answers, stop events and the usage at the end.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.language_models.chat_models import BaseChatModel, generate_from_stream
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from bot.llm.control import harmless_messages
from bot.llm.errors import Unsupported

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from langchain_core.callbacks import CallbackManagerForLLMRun
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatResult

OPTIONS = frozenset({"max_tokens", "temperature", "seed"})
EXTRAS = frozenset({"logprobs", "top_logprobs"})


@dataclass(frozen=True, slots=True)
class Step:
    """Some new text, its tokens' log-probabilities if requested, and the token counts as far as they are known."""

    text: str = ""
    logprobs: tuple[dict[str, Any], ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The request for a generation."""

    messages: Sequence[BaseMessage]
    max_tokens: int
    temperature: float
    seed: int
    stop_event: threading.Event | None = None
    top_logprobs: int | None = None


class LocalChatModel(BaseChatModel):
    """A chat model in this process. `model` is the name that is recorded with answers."""

    model: str
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0

    supports: ClassVar[frozenset[str]] = frozenset()
    keeps_beginnings: ClassVar[bool] = False  # whether the beginning of a prompt is read once and kept

    @abstractmethod
    def _steps(self, request: Request) -> Iterator[Step]:
        """Runs a generation. Ends when it is finished, or soon after `request.stop_event` is set or the iterator is
        closed.
        """

    def _control_tokens(self) -> frozenset[str]:
        """The tokens of the model's chat template, which no text may contain; empty where they are not known."""
        return frozenset()

    def load(self) -> None:
        """Loads the model now, so that the first question does not wait for it. Raises CannotOpen."""

    def close(self) -> None:
        """Frees the memory. The model loads again when it is used next."""

    @property
    def _llm_type(self) -> str:
        return type(self).__name__

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "max_tokens": self.max_tokens, "temperature": self.temperature, "seed": self.seed}

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stop, kwargs)
        prompt_tokens = completion_tokens = pieces = 0
        reason: str | None = None
        for step in self._steps(request):
            prompt_tokens = step.prompt_tokens or prompt_tokens
            completion_tokens = step.completion_tokens or completion_tokens
            reason = step.finish_reason or reason
            if step.text or step.logprobs:
                pieces += 1
                information = {"logprobs": {"content": list(step.logprobs)}} if step.logprobs else {}
                yield ChatGenerationChunk(message=AIMessageChunk(content=step.text), generation_info=information)
            else:
                yield ChatGenerationChunk(message=AIMessageChunk(content=""))  # shows that the engine is alive
        completion_tokens = (
            completion_tokens or pieces
        )  # a stopped generation has no counts, and a piece is mostly one token
        usage = {
            "input_tokens": prompt_tokens,
            "output_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
        yield ChatGenerationChunk(
            message=AIMessageChunk(content="", usage_metadata=usage, chunk_position="last"),
            generation_info={"finish_reason": reason or "stopped", "model_name": self.model},
        )

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _request(self, messages: list[BaseMessage], stop: list[str] | None, options: dict[str, Any]) -> Request:
        """Makes the request from the keyword arguments. Raises Unsupported."""
        stated = {name: value for name, value in options.items() if value is not None}
        stop_event = stated.pop("stop_event", None)
        stated.pop("stream", None)
        if stated.get("logprobs") is False:
            del stated["logprobs"]
        if stop:
            raise Unsupported(
                "{model} does not accept stop sequences: leave them out.",
                code="stop_sequences_unknown",
                model=self.model,
            )
        refused = sorted(name for name in stated if name not in OPTIONS and name not in (self.supports & EXTRAS))
        if refused:
            raise Unsupported(
                "The engine of {model} does not know {keywords}: leave it out.",
                code="keyword_unknown",
                model=self.model,
                keywords=", ".join(refused),
            )
        return Request(
            messages=harmless_messages(messages, self._control_tokens()),
            max_tokens=stated.get("max_tokens", self.max_tokens),
            temperature=stated.get("temperature", self.temperature),
            seed=stated.get("seed", self.seed),
            stop_event=stop_event,
            top_logprobs=stated.get("top_logprobs", 0) if stated.get("logprobs") else None,
        )
