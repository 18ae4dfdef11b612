"""Listens to a chat model's stream, and trusts it in nothing: a model server may be silent, endless, cut off, or send
halves of characters.

* Silence is noticed: whoever waits hears of it after ``Patience.notice`` seconds and again after each further such
  time; after ``Patience.limit`` seconds the model is given up. An empty chunk is a sign of life: engines send one for
  each part of the prompt that they have read.
* A text has a bound in bytes that follows from the tokens that were asked for, also where a server ignores these.
* A stream that ends without saying why is not a whole text.
* What is stored and shown is valid Unicode: two halves of a character that come apart are joined, a lone half becomes
  U+FFFD.
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
# Bytes in UTF-8 of a text, per token, that no honest text reaches: prose has 3 to 5 in English and in Chinese.
BYTES_PER_TOKEN: Final = 12
SHORTEST_BOUND: Final = 256  # bytes: a few tokens may be long words
MOST_TOKENS: Final = 2**31 - 1  # counts come from the server, and go into a database
UNFINISHED: Final = frozenset({None, "", "stopped"})  # finish reasons of a stream that nobody stopped


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds without a sign of life: after how many those who wait are told, after how many the model is given up."""

    notice: float = NOTICE_SECONDS
    limit: float = 120.0

    @classmethod
    def up_to(cls, limit: float) -> Patience:
        """Notices in time before ``limit``, however short that is."""
        return cls(notice=min(NOTICE_SECONDS, limit / 3), limit=limit)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came. ``first``: the response metadata of the first piece of text; ``tokens``: of the prompt and of the
    text, as the model counts them."""

    text: str
    tokens: tuple[int, int]
    first: Mapping[str, Any]


class Halt(threading.Event):
    """Set when it is set itself, or when ``also`` says so: the model is to stop for either reason. Engines look at it
    now and then; nobody could wait for it."""

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
) -> Heard:
    """Has ``chat`` write, and passes the text on as it comes. ``options`` name ``max_tokens``. ``on_silence`` hears the
    seconds of silence so far. Ends soon after ``stop`` is set, with the text so far.

    Raises ModelSilent, GenerationFailed for a stream that ends too early, and what the engine raises.
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
                continue  # the last chunk, with the counts, comes also after a stop
            if not parts:
                first = chunk.response_metadata
            left -= len(text.encode())
            pass_on(text)
            if left < 0:
                reason = "length"
                break
    finally:
        halt.set()  # however this ends, nobody listens any more
    if not stop.is_set():
        if reason in UNFINISHED:
            raise GenerationFailed("The chat model's text broke off before its end.", code="model_broke_off")
        pass_on(characters.rest())
    return Heard("".join(parts), tokens, first)


class _Watch:
    """Hears how long nothing came, and says so; gives up in the end."""

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
    """Makes text whole characters: holds back a first half until its second half comes."""

    def __init__(self) -> None:
        self._half = ""

    def feed(self, piece: str) -> str:
        text = self._half + piece
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" else ""
        return _whole(text[: len(text) - len(self._half)])

    def rest(self) -> str:
        """At the end: a half that nothing came for."""
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
