"""A chat model with its queue and its memory: what the answer path sees of it (bot.answering.exchange.Writer).

The same prompt for the same model gets the same text, byte for byte, because engines do not repeat themselves
exactly from one slot to another: this is what makes a rolled-back answer the old answer. ``fresh`` asks anew.
A turn has one place in the queue, however often it writes; what is remembered needs none.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.answering import doubt
from bot.answering.exchange import Written
from bot.llm.errors import WaitCancelled
from bot.tables import Generation
from knowledge.db import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from langchain_core.language_models import BaseChatModel

    from bot.answering.exchange import Ticket
    from bot.answering.prompt import Message
    from bot.llm.gate import Gate
    from knowledge.db import Database

MOST_GENERATIONS = 20_000  # the memory's size in texts, about 20 MB; the oldest go first
FRESH_TEMPERATURE = 0.7  # "regenerate" wants another wording; everything else is greedy


def _ignore(_value: object) -> None:
    return None


class ChatWriter:
    """Writes with ``chat``; ``model`` stands for it in the memory's key: another model, another key."""

    def __init__(self, chat: BaseChatModel, gate: Gate, database: Database, *, model: str, max_tokens: int) -> None:
        self.chat = chat
        self.gate = gate
        self.memory = _Memory(database, model)
        self.max_tokens = max_tokens

    def join(self, asker: str) -> Ticket:
        """A place in the line for a turn of ``asker`` that begins later. Raises Busy past the line's limit,
        TooManyWaiting past the asker's own."""
        return self.gate.join(asker)

    @contextmanager
    def place(
        self,
        ticket: Ticket | None = None,
        *,
        on_position: Callable[[int], None] = _ignore,
        stop: threading.Event | None = None,
        background: bool = False,
    ) -> Iterator[ModelAccess]:
        """The place of one turn: that of ``ticket``, or one taken when the model is first needed; given back at the
        end of the ``with`` block.

        ``on_position`` hears the place in the line while there is one, and 0 when the waiting is over; ``stop`` ends
        the waiting and the writing.
        """
        stop = stop or threading.Event()
        with ExitStack() as held:
            if ticket is not None:
                held.callback(ticket.leave)

            def enter() -> None:
                mine = ticket or self.gate.join(background=background)
                held.callback(mine.leave)
                waited = False

                def tell(position: int) -> None:
                    nonlocal waited
                    waited = True
                    on_position(position)

                mine.wait(on_position=tell, cancelled=stop)
                if waited:
                    on_position(0)

            place = ModelAccess(self, enter, stop)
            yield place
        place.keep()  # the next one need not wait for the disk

    def warm_up(self, beginnings: Iterable[Sequence[Message]], stop: threading.Event) -> None:
        """Has a model that keeps the beginnings of prompts read these, so that the first person to ask does not wait
        for it. Whoever comes meanwhile goes first; where nobody may wait, there is no warming up. Raises EngineError;
        ends soon after ``stop`` is set."""
        if not getattr(self.chat, "keeps_beginnings", False) or not self.gate.limit:
            return
        for messages in beginnings:
            read = False
            while not read and not stop.is_set():
                with suppress(WaitCancelled), self.gate.enter(cancelled=stop, background=True):
                    halt = _Halt(lambda: stop.is_set() or self.gate.waiting > 0)
                    for _ in self.chat.stream(_plain(messages), stop_event=halt, max_tokens=1):
                        pass
                    read = not halt.is_set()


class ModelAccess:
    """A turn's place in the line (see ChatWriter.place)."""

    def __init__(self, writer: ChatWriter, enter: Callable[[], None], stop: threading.Event) -> None:
        self._writer = writer
        self._enter = enter
        self._stop = stop
        self._held = False
        self._written: list[tuple[str, Written]] = []

    def write(
        self,
        messages: Sequence[Message],
        *,
        on_text: Callable[[str], None] = _ignore,
        max_tokens: int | None = None,
        fresh: bool = False,
    ) -> Written:
        """Streams the text through ``on_text`` and returns it whole. A text that was stopped is not remembered.

        Raises Busy (queue full), EngineError (the engine failed).
        """
        options = {"temperature": FRESH_TEMPERATURE, "seed": secrets.randbelow(2**31)} if fresh else {}
        return self._ask(messages, max_tokens or self._writer.max_tokens, options, on_text, fresh=fresh)

    def judge(self, messages: Sequence[Message]) -> Written:
        """The first word of what the model would write, and its ``doubt``: for messages that ask for YES or NO. Raises
        as ``write`` does."""
        return self._ask(messages, 1, {"logprobs": True, "top_logprobs": doubt.ALTERNATIVES}, _ignore)

    def keep(self) -> None:
        """Remembers what was written."""
        for key, written in self._written:
            self._writer.memory.keep(key, written)

    def _ask(
        self,
        messages: Sequence[Message],
        limit: int,
        options: Mapping[str, Any],
        on_text: Callable[[str], None],
        *,
        fresh: bool = False,
    ) -> Written:
        judging = "logprobs" in options
        key = self._writer.memory.key(messages, limit, "judging" if judging else "writing")
        if not fresh and (known := self._writer.memory.recall(key)) is not None:
            on_text(known.text)
            return known
        try:
            if not self._held:
                self._enter()
                self._held = True
        except WaitCancelled:
            return Written("", 0, 0, stopped=True)
        written = self._stream(messages, {"max_tokens": limit, **options}, on_text)
        # A sample is for who asked for it, and a judgement without a doubt tells nothing.
        if not written.stopped and not fresh and not (judging and written.doubt is None):
            self._written.append((key, written))
        return written

    def _stream(
        self, messages: Sequence[Message], options: Mapping[str, Any], on_text: Callable[[str], None]
    ) -> Written:
        parts: list[str] = []
        tokens = (0, 0)
        doubted: float | None = None
        for chunk in self._writer.chat.stream(_plain(messages), stop_event=self._stop, **options):
            if usage := getattr(chunk, "usage_metadata", None):
                tokens = (usage["input_tokens"], usage["output_tokens"])
            text = chunk.text if isinstance(chunk.text, str) else chunk.text()
            if not text or self._stop.is_set():
                continue  # the last chunk, with the counts, comes also after a stop
            if not parts:
                doubted = doubt.of(chunk.response_metadata)
            parts.append(text)
            on_text(text)
        return Written("".join(parts), *tokens, stopped=self._stop.is_set(), doubt=doubted)


class _Halt(threading.Event):
    """Set when it is set itself, or when ``also`` says so: the model is to stop for either reason. Engines look at it
    now and then; nobody could wait for it."""

    def __init__(self, also: Callable[[], bool]) -> None:
        super().__init__()
        self._also = also

    def is_set(self) -> bool:
        return super().is_set() or self._also()


class _Memory:
    """What was written for which prompt, in the database."""

    def __init__(self, database: Database, model: str) -> None:
        self._database = database
        self._model = model

    def key(self, messages: Sequence[Message], limit: int, kind: str) -> str:
        plain = [asdict(message) for message in messages]
        whole = json.dumps([self._model, kind, limit, plain], ensure_ascii=False)
        return hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()

    def recall(self, key: str) -> Written | None:
        with self._database.read() as session:
            row = session.get(Generation, key)
            if row is None:
                return None
            return Written(row.text, row.prompt_tokens, row.completion_tokens, doubt=row.doubt, recalled=True)

    def keep(self, key: str, written: Written) -> None:
        with self._database.write() as session:
            session.merge(
                Generation(
                    key=key,
                    text=written.text,
                    doubt=written.doubt,
                    prompt_tokens=written.prompt_tokens,
                    completion_tokens=written.completion_tokens,
                    created_at=utc_now(),
                )
            )
            count = session.scalar(sa.select(sa.func.count()).select_from(Generation)) or 0
            if count > MOST_GENERATIONS:
                oldest = sa.select(Generation.key).order_by(Generation.created_at).limit(count - MOST_GENERATIONS)
                session.execute(sa.delete(Generation).where(Generation.key.in_(oldest)))


def _plain(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]
