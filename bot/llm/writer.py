"""A chat model with its queue and its memory: what the answer path sees of it (bot.answering.values.Writer).

The same prompt for the same model gets the same text, byte for byte, because engines do not repeat themselves
exactly from one slot to another: this is what makes a rolled-back answer the old answer. ``fresh`` asks anew.
A turn has one place in the queue, however often it writes; what is remembered needs none. Remembering is a
convenience (memory): an answer counts also where it cannot be remembered.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from bot.answering import doubt
from bot.answering.values import Written
from bot.llm.errors import WaitCancelled
from bot.llm.listening import Halt, Patience, listen
from bot.llm.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from langchain_core.language_models import BaseChatModel

    from bot.answering.prompt import Message
    from bot.answering.values import Ticket
    from bot.llm.gate import Gate
    from knowledge.db import Database

FRESH_TEMPERATURE = 0.7  # "regenerate" wants another wording; everything else is greedy


def _ignore(_value: object) -> None:
    return None


class ChatWriter:
    """Writes with ``chat``; ``model`` stands for it in the memory's key: another model, another key. ``patience``: how
    long it may be silent."""

    def __init__(
        self,
        chat: BaseChatModel,
        gate: Gate,
        database: Database,
        *,
        model: str,
        max_tokens: int,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        self.chat = chat
        self.gate = gate
        self.memory = Memory(database, model)
        self.max_tokens = max_tokens
        self.patience = patience

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
        on_silence: Callable[[int], None] = _ignore,
        stop: threading.Event | None = None,
        background: bool = False,
    ) -> Iterator[ModelAccess]:
        """The place of one turn: that of ``ticket``, or one taken when the model is first needed; given back at the
        end of the ``with`` block.

        ``on_position`` hears the place in the line while there is one, and 0 when the waiting is over; ``on_silence``
        hears for how many seconds the model has been silent, where that is long; ``stop`` ends the waiting and the
        writing.
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

            place = ModelAccess(self, enter, stop, on_silence)
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
                    halt = Halt(lambda: stop.is_set() or self.gate.waiting > 0)
                    for _ in self.chat.stream(_plain(messages), stop_event=halt, max_tokens=1):
                        pass
                    read = not halt.is_set()


class ModelAccess:
    """A turn's place in the line (see ChatWriter.place)."""

    def __init__(
        self,
        writer: ChatWriter,
        enter: Callable[[], None],
        stop: threading.Event,
        on_silence: Callable[[int], None],
    ) -> None:
        self._writer = writer
        self._enter = enter
        self._stop = stop
        self._on_silence = on_silence
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
        """Remembers what was written. Raises nothing."""
        self._writer.memory.keep(self._written)

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
        heard = listen(
            self._writer.chat,
            _plain(messages),
            options,
            stop=self._stop,
            patience=self._writer.patience,
            on_text=on_text,
            on_silence=self._on_silence,
        )
        return Written(heard.text, *heard.tokens, stopped=self._stop.is_set(), doubt=doubt.from_metadata(heard.first))


def _plain(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]
