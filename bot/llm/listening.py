"""Reads a chat model's stream and checks everything: a model server may be silent, endless, cut off, or send halves of
characters.

* Silence is noticed: ``on_silence`` is called every ``Patience.notice`` seconds; after ``Patience.limit`` seconds the
  model is given up. An empty chunk ends the silence: engines send one for each part of the prompt that they have read.
* A text has a limit in bytes, which follows from the requested tokens, even if a server ignores these.
* A stream that ends without a reason is not a complete text.
* The text that is stored and shown is valid Unicode: two halves of a character in different chunks are joined, a single
  half becomes U+FFFD.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bot.llm.errors import GenerationFailed, ModelSilent
from bot.llm.pump import pump

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from langchain_core.language_models import BaseChatModel

NOTICE_SECONDS: Final = 8.0
# Bytes in UTF-8 per token; no correct text has so many: prose has 3 to 5 in English and in Chinese.
BYTES_PER_TOKEN: Final = 12
SHORTEST_BOUND: Final = 256  # bytes: a few tokens may be long words
MOST_TOKENS: Final = 2**31 - 1  # counts come from the server and are stored in a database
UNFINISHED: Final = frozenset({None, "", "stopped"})  # finish reasons of a stream that nobody stopped


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds of silence: ``notice`` until waiting people are informed, ``limit`` until the model is given up."""

    notice: float = NOTICE_SECONDS
    limit: float = 120.0

    @classmethod
    def up_to(cls, limit: float) -> Patience:
        """A patience that notices silence before ``limit``, however short that is."""
        return cls(notice=min(NOTICE_SECONDS, limit / 3), limit=limit)


@dataclass(frozen=True, slots=True)
class Received:
    """The received text. ``first``: the response metadata of the first piece of text; ``tokens``: of the prompt and of
    the text, as counted by the model."""

    text: str
    tokens: tuple[int, int]
    first: Mapping[str, Any]


class Halt(threading.Event):
    """An event that is also set when ``also`` returns True: the model stops for either reason. Engines check it now and
    then; ``wait`` would not notice ``also``."""

    def __init__(self, also: Callable[[], bool]) -> None:
        super().__init__()
        self._also = also

    def is_set(self) -> bool:
        return super().is_set() or self._also()


def listen(
    chat: BaseChatModel,
    messages: Sequence[tuple[str, str]],
    options: Mapping[str, Any],
    *,
    stop: threading.Event,
    patience: Patience,
    on_text: Callable[[str], None],
    on_silence: Callable[[int], None],
) -> Received:
    """Lets ``chat`` write and passes each piece of text to ``on_text``. ``options`` must have ``max_tokens``.
    ``on_silence`` gets the seconds of silence so far. Ends soon after ``stop`` is set, with the text so far.

    Raises ModelSilent, GenerationFailed for a stream that ends too early, and the errors of the engine.
    """
    halt = Halt(stop.is_set)
    characters = _Characters()
    parts: list[str] = []
    tokens = (0, 0)
    first: Mapping[str, Any] = {}
    reason: str | None = None
    left = max(SHORTEST_BOUND, options["max_tokens"] * BYTES_PER_TOKEN)

    def produce(emit: Callable[[Any], bool]) -> None:
        for chunk in chat.stream(list(messages), stop_event=halt, **options):
            if not emit(chunk):
                return

    def pass_on(text: str) -> None:
        if text:
            parts.append(text)
            on_text(text)

    try:
        for chunk in pump(produce, on_idle=_Watch(patience, on_silence)):
            tokens = _counts(chunk) or tokens
            reason = chunk.response_metadata.get("finish_reason") or reason
            text = characters.feed(chunk.text if isinstance(chunk.text, str) else chunk.text())
            if not text or stop.is_set():
                continue  # the last chunk, with the counts, comes even after a stop
            if not parts:
                first = chunk.response_metadata
            left -= len(text.encode())
            pass_on(text)
            if left < 0:
                reason = "length"
                break
    finally:
        halt.set()  # in any case, nobody reads the stream any more
    if not stop.is_set():
        if reason in UNFINISHED:
            raise GenerationFailed("The chat model's text stopped before its end.", code="model_broke_off")
        pass_on(characters.rest())
    return Received("".join(parts), tokens, first)


class _Watch:
    """Measures the silence, reports it, and gives the model up at the limit."""

    def __init__(self, patience: Patience, on_silence: Callable[[int], None]) -> None:
        self._patience = patience
        self._on_silence = on_silence
        self._next = patience.notice

    def __call__(self, seconds: float) -> None:
        if seconds >= self._patience.limit:
            raise ModelSilent(self._patience.limit)
        if seconds < self._patience.notice:
            self._next = self._patience.notice
        elif seconds >= self._next:
            self._next += self._patience.notice
            self._on_silence(int(seconds))


class _Characters:
    """Joins halves of characters: keeps a first half until its second half comes."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        text = self._half + piece
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return _whole(text[: len(text) - len(self._half)])

    def rest(self) -> str:
        """At the end of the text: a half without its second half."""
        half, self._half = self._half, ""
        return _whole(half)


def _whole(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _counts(chunk: Any) -> tuple[int, int] | None:
    usage = getattr(chunk, "usage_metadata", None)
    if not usage:
        return None
    read, written = (min(max(0, int(usage[name])), MOST_TOKENS) for name in ("input_tokens", "output_tokens"))
    return read, written
