"""A chat model with its queue and its memory: what the answer path sees of it (bot.answer.Writer).

The same prompt for the same model gets the same text, byte for byte, because engines do not repeat themselves
exactly from one slot to another: this is what makes a rolled-back answer the old answer. ``fresh`` asks anew.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.answer import Written
from bot.llm.errors import WaitCancelled
from bot.tables import Generation
from knowledge.db import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from langchain_core.language_models import BaseChatModel

    from bot.llm.gate import Gate
    from bot.prompt import Message
    from knowledge.db import Database

MOST_GENERATIONS = 20_000  # the memory's size in answers, about 20 MB; the oldest go first
FRESH_TEMPERATURE = 0.7  # "regenerate" wants another wording; everything else is greedy


def _ignore(_value: object) -> None:
    return None


class ChatWriter:
    """Writes with ``chat``; ``model`` stands for it in the memory's key: another model, another key."""

    def __init__(self, chat: BaseChatModel, gate: Gate, database: Database, *, model: str, max_tokens: int) -> None:
        self._chat = chat
        self._gate = gate
        self._database = database
        self._model = model
        self._max_tokens = max_tokens

    def write(
        self,
        messages: Sequence[Message],
        *,
        on_text: Callable[[str], None] = _ignore,
        on_position: Callable[[int], None] = _ignore,
        stop: threading.Event | None = None,
        max_tokens: int | None = None,
        fresh: bool = False,
        background: bool = False,
    ) -> Written:
        """Streams the text through ``on_text`` and returns it whole. A text that was stopped is not remembered.

        Raises Busy (queue full), EngineError (the engine failed).
        """
        stop = stop or threading.Event()
        limit = max_tokens or self._max_tokens
        key = self._key(messages, limit)
        if not fresh:
            known = self._recall(key)
            if known is not None:
                on_text(known.text)
                return known
        try:
            with self._gate.enter(on_position=on_position, cancelled=stop, background=background):
                written = self._stream(messages, limit, stop, on_text, fresh=fresh)
        except WaitCancelled:
            return Written("", 0, 0, stopped=True)
        if not written.stopped and not fresh:  # a sample is for who asked for it
            self._remember(key, written)
        return written

    def _stream(
        self,
        messages: Sequence[Message],
        limit: int,
        stop: threading.Event,
        on_text: Callable[[str], None],
        *,
        fresh: bool,
    ) -> Written:
        options: dict[str, Any] = {"max_tokens": limit}
        if fresh:
            options |= {"temperature": FRESH_TEMPERATURE, "seed": secrets.randbelow(2**31)}
        parts: list[str] = []
        tokens = (0, 0)
        stream: Iterator[Any] = self._chat.stream(
            [(message.role, message.content) for message in messages], stop_event=stop, **options
        )
        for chunk in stream:
            text = chunk.text if isinstance(chunk.text, str) else chunk.text()
            if text:
                parts.append(text)
                on_text(text)
            usage = getattr(chunk, "usage_metadata", None)
            if usage:
                tokens = (usage["input_tokens"], usage["output_tokens"])
            if stop.is_set():
                break
        close = getattr(stream, "close", None)
        if close is not None:
            close()
        return Written("".join(parts), *tokens, stopped=stop.is_set())

    def _key(self, messages: Sequence[Message], limit: int) -> str:
        whole = json.dumps([self._model, limit, [asdict(message) for message in messages]], ensure_ascii=False)
        return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()

    def _recall(self, key: str) -> Written | None:
        with self._database.read() as session:
            row = session.get(Generation, key)
            return Written(row.text, row.prompt_tokens, row.completion_tokens) if row else None

    def _remember(self, key: str, written: Written) -> None:
        with self._database.write() as session:
            session.merge(
                Generation(
                    key=key,
                    text=written.text,
                    prompt_tokens=written.prompt_tokens,
                    completion_tokens=written.completion_tokens,
                    created_at=utc_now(),
                )
            )
            count = session.scalar(sa.select(sa.func.count()).select_from(Generation)) or 0
            if count > MOST_GENERATIONS:
                oldest = sa.select(Generation.key).order_by(Generation.created_at).limit(count - MOST_GENERATIONS)
                session.execute(sa.delete(Generation).where(Generation.key.in_(oldest)))
