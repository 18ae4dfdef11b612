"""GGUF models through llama.cpp, in this process (the wheel `xllamacpp`).

Knows nothing about where the file came from. llama.cpp's server object runs `slots` generations at once, each with
`context` tokens, and reuses the part of a prompt that a slot has computed before: an unchanged beginning costs almost
nothing.

Decisions and their costs:
- The server object must listen on some address. It gets a Unix socket in a private folder, which is removed as soon
  as it has started, so that nothing can connect, and also a random key.
- llama.cpp notices a stopped generation only between batches, so a batch is BATCH tokens: a stop while the prompt is
  read takes at most a few seconds, on a slow machine.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from langchain_core.messages import convert_to_openai_messages
from pydantic import PrivateAttr

from bot.llm.engine import LocalChatModel, Request, Step
from bot.llm.errors import CannotOpen, GenerationFailed, PromptTooLong
from bot.llm.gguf import control_tokens
from bot.llm.pump import pump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BATCH: Final = 128  # 128, 256 and 512 read a prompt equally fast (452 tokens: 16 to 18 s of processor time)
PROMPT_CACHE_MIB: Final = 256  # memory for prompts of other conversations; llama.cpp's default is 8 GiB


class LlamaCppChat(LocalChatModel):
    """A GGUF chat model. `threads` None = llama.cpp's default. Thread-safe; loads on first use, in two to five
    seconds if the file is in the disk cache.
    """

    path: Path
    context: int = 4096
    slots: int = 2
    threads: int | None = None

    supports: ClassVar[frozenset[str]] = frozenset({"logprobs", "top_logprobs"})
    keeps_beginnings: ClassVar[bool] = True

    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _server: Any = PrivateAttr(default=None)
    _control: frozenset[str] | None = PrivateAttr(default=None)

    def load(self) -> None:
        self._opened()

    def close(self) -> None:
        with self._lock:
            self._server = None

    def _control_tokens(self) -> frozenset[str]:
        with self._lock:
            if self._control is None:
                self._control = _control_tokens(self.path)
            return self._control

    def _steps(self, request: Request) -> Iterator[Step]:
        server = self._opened()
        body = self._body(request)

        def produce(emit: Callable[[dict[str, Any]], bool]) -> None:
            try:
                server.handle_chat_completions(body, lambda chunk: not emit(chunk))
            except (ValueError, RuntimeError) as error:  # errors that llama.cpp finds before it begins
                raise GenerationFailed(
                    "{model} cannot do this: {problem}", code="generation_refused", model=self.model, problem=error
                ) from error

        for chunk in pump(produce, stop=request.stop_event):
            yield self._step(chunk)

    def _body(self, request: Request) -> dict[str, Any]:
        """The request in the OpenAI form, which llama.cpp also uses."""
        body: dict[str, Any] = {
            "messages": convert_to_openai_messages(list(request.messages)),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "cache_prompt": True,
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # a chunk after each batch of the prompt: at these moments it can be stopped
        }
        if request.top_logprobs is not None:
            body["logprobs"] = True
            body["top_logprobs"] = request.top_logprobs
        return body

    def _step(self, chunk: dict[str, Any]) -> Step:
        if "error" in chunk:
            raise self._failure(chunk["error"])
        usage = chunk.get("usage") or {}
        progress = chunk.get("prompt_progress") or {}
        choices = chunk.get("choices") or [{}]
        logprobs = (choices[0].get("logprobs") or {}).get("content") or ()
        return Step(
            text=(choices[0].get("delta") or {}).get("content") or "",
            logprobs=tuple(logprobs),
            prompt_tokens=usage.get("prompt_tokens") or progress.get("total"),
            completion_tokens=usage.get("completion_tokens"),
            finish_reason=choices[0].get("finish_reason"),
        )

    def _failure(self, error: dict[str, Any]) -> Exception:
        if error.get("type") == "exceed_context_size_error":
            tokens, limit = int(error.get("n_prompt_tokens", 0)), int(error.get("n_ctx", self.context))
            return PromptTooLong(
                "The prompt has {tokens} tokens and {model} accepts {limit}: give it fewer or shorter passages, or "
                "raise the context setting.",
                code="prompt_too_long_here",
                model=self.model,
                tokens=tokens,
                limit=limit,
            )
        return GenerationFailed(
            "{model} stopped before the end: {problem}",
            code="generation_broke_off",
            model=self.model,
            problem=error.get("message", error),
        )

    def _opened(self) -> Any:
        with self._lock:
            if self._server is None:
                self._server = _open(self.path, self.context, self.slots, self.threads)
            return self._server


def _control_tokens(path: Path) -> frozenset[str]:
    """The model's control tokens. Of a file that cannot be read, none: ``_open`` says what is wrong with it."""
    try:
        return control_tokens(path)
    except (OSError, ValueError):
        return frozenset()


def _open(path: Path, context: int, slots: int, threads: int | None) -> Any:
    """Starts a llama.cpp server object. Raises CannotOpen."""
    if not path.is_file():
        raise CannotOpen(
            "There is no model file at {path}: run `errata models pull`.", code="model_file_missing", path=path
        )
    with path.open("rb") as opened:
        if opened.read(4) != b"GGUF":
            raise CannotOpen(
                "{path} is not a GGUF file: run `errata models verify`, or give another file.",
                code="model_file_no_gguf",
                path=path,
            )
    library = _library()
    parameters = library.CommonParams()
    parameters.model.path = str(path)
    parameters.n_ctx = context * slots
    parameters.n_parallel = slots
    parameters.n_batch = BATCH
    parameters.cache_ram_mib = PROMPT_CACHE_MIB
    if threads is not None:
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = -1  # llama.cpp writes to stderr itself; we get errors as values
    parameters.endpoint_slots = False
    parameters.ui = False
    parameters.api_keys = [secrets.token_urlsafe(32)]
    folder = tempfile.mkdtemp(prefix="errata-")
    parameters.hostnames = [str(Path(folder) / "llama.sock")]
    try:
        return library.Server(parameters)
    except Exception as error:
        raise CannotOpen(
            "llama.cpp cannot open {path} ({problem}). Is there enough memory? `errata models verify` checks the file.",
            code="model_file_not_opened",
            path=path,
            problem=error,
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _library() -> Any:
    """Imports the wheel's module. Raises CannotOpen if a library of the system is missing."""
    # libgomp's threads wait for each other by spinning. When another program uses one of the cores, the others spin
    # until it is free: two threads on two busy cores gave 0.3 tokens/s, with this setting 4.7. libgomp reads it at
    # load.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        import xllamacpp
    except ImportError as error:
        raise CannotOpen(
            "llama.cpp cannot be loaded here ({problem}). It needs the system's libgomp: on Debian and Ubuntu, "
            "`apt install libgomp1`.",
            code="llamacpp_not_loaded",
            problem=error,
        ) from error
    return xllamacpp
