"""Runs hub models and local model folders with transformers, on a GPU if there is one.

Knows nothing about where the folder came from. Only one generation runs at a time: transformers would compute them
separately anyway, and a queue is fairer. Weights are read as safetensors only and no code of a model repository is run.
"""

from __future__ import annotations

import threading
from pathlib import Path  # noqa: TC003 pydantic reads the annotation at run time
from typing import TYPE_CHECKING, Any

from langchain_core.messages import convert_to_openai_messages
from pydantic import PrivateAttr

from bot.llm.engine import LocalChatModel, Request, Step
from bot.llm.errors import CannotOpen, GenerationFailed, PromptTooLong
from bot.llm.pump import pump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class TransformersChat(LocalChatModel):
    """A chat model in a folder of transformers' format, on a GPU if torch finds one.

    `context` limits the prompt and the answer together, in tokens; None = the model's own limit.
    """

    path: Path
    context: int | None = None

    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _busy: Any = PrivateAttr(default_factory=threading.Lock)
    _loaded: Any = PrivateAttr(default=None)

    def load(self) -> None:
        self._opened()

    def close(self) -> None:
        with self._lock:
            self._loaded = None

    def _control_tokens(self) -> frozenset[str]:
        tokenizer = self._opened()[0]
        added = (str(token) for token in tokenizer.added_tokens_decoder.values() if token.special)
        return frozenset((*tokenizer.all_special_tokens, *added))

    def _steps(self, request: Request) -> Iterator[Step]:
        tokenizer, model = self._opened()
        inputs = self._encode(tokenizer, request)
        prompt_tokens = int(inputs["input_ids"].shape[1])
        limit = self.context or getattr(model.config, "max_position_embeddings", None) or 2**31
        if prompt_tokens + 1 > limit:
            raise PromptTooLong(
                "The prompt has {tokens} tokens and {model} accepts {limit}: give it fewer or shorter passages.",
                code="prompt_too_long",
                model=self.model,
                tokens=prompt_tokens,
                limit=limit,
            )
        budget = min(request.max_tokens, limit - prompt_tokens)
        counted = [0]

        def produce(emit: Callable[[str], bool]) -> None:
            with self._busy:
                _generate(tokenizer, model, inputs, request, budget, emit, counted)

        pieces = pump(produce, stop=request.stop_event)
        yield Step(prompt_tokens=prompt_tokens)
        for piece in pieces:
            yield Step(text=piece)
        if request.stop_event is not None and request.stop_event.is_set():
            reason = "stopped"
        else:
            reason = "length" if counted[0] >= budget else "stop"
        yield Step(completion_tokens=counted[0], finish_reason=reason)

    def _encode(self, tokenizer: Any, request: Request) -> Any:
        """The prompt's tokens, on the model's device. Raises GenerationFailed if the model has no chat template."""
        messages = convert_to_openai_messages(list(request.messages))
        if tokenizer.chat_template is None:
            raise GenerationFailed(
                "{model} has no chat template: choose an instruct or chat model.",
                code="chat_template_missing",
                model=self.model,
            )
        inputs = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        return inputs.to(self._opened()[1].device)

    def _opened(self) -> tuple[Any, Any]:
        with self._lock:
            if self._loaded is None:
                self._loaded = _open(self.path)
            return self._loaded  # type: ignore[no-any-return]


def _open(path: Path) -> tuple[Any, Any]:
    """Returns (tokenizer, model). Raises CannotOpen."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    dtype = torch.float32 if device == "cpu" else "auto"
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(
            path, local_files_only=True, use_safetensors=True, dtype=dtype
        )
        model.eval()
        model.to(device)
    except Exception as error:  # for a folder that it cannot read, transformers raises OSError, ValueError, KeyError …
        problem = str(error).splitlines()[0] if str(error) else repr(error)
        raise CannotOpen(
            "transformers cannot open {path} as a chat model ({problem}): it needs config.json, a tokenizer "
            "with a chat template, and weights as safetensors.",
            code="model_folder_not_opened",
            path=path,
            problem=problem,
        ) from error
    return tokenizer, model


def _generate(
    tokenizer: Any,
    model: Any,
    inputs: Any,
    request: Request,
    budget: int,
    emit: Callable[[str], bool],
    counted: list[int],
) -> None:
    """Runs a generation and emits text as it becomes printable. `counted` gets the number of new tokens."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList, TextStreamer

    class Streamer(TextStreamer):
        reading = True

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text and self.reading:
                self.reading = emit(text)

    class StopWhenNotRead(StoppingCriteria):
        def __call__(self, input_ids: Any, _scores: Any, **_more: Any) -> Any:
            counted[0] = int(input_ids.shape[1] - inputs["input_ids"].shape[1])
            stop = not streamer.reading or (request.stop_event is not None and request.stop_event.is_set())
            return torch.full((input_ids.shape[0],), stop, dtype=torch.bool, device=input_ids.device)

    streamer = Streamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    if request.temperature > 0:
        torch.manual_seed(request.seed)
        sampling = {"do_sample": True, "temperature": request.temperature}
    with torch.inference_mode():
        model.generate(
            **inputs,
            max_new_tokens=budget,
            streamer=streamer,
            stopping_criteria=StoppingCriteriaList([StopWhenNotRead()]),
            pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
            **sampling,
        )
