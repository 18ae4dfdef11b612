"""A chat model with its queue and its memory, for the answer path (implements bot.answering.values.Writer).

The same prompt for the same model gets the same text, byte for byte, from the memory: engines may write another text in
another slot. So after a rollback the old answer comes back. ``fresh`` ignores the memory. A turn has one place in the
queue, however often it writes; a remembered text needs no place. Answers do not depend on the memory: an answer is
valid even if it cannot be remembered.
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

FRESH_TEMPERATURE = 0.7  # "regenerate" should give another wording; all other texts take the likeliest token


def _ignore(_value: object) -> None:
    return None


class ChatWriter:
    """Writes with ``chat``; ``model`` identifies it in the memory's keys. ``patience``: how long it may be
    silent."""

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

    def join(self, asker: str, network: str | None = None) -> Ticket:
        """Takes a place in the line for a turn of ``asker`` that begins later. Raises Busy past the line's limit,
        TooManyWaiting past the asker's or the network's."""
        return self.gate.join(asker, network=network)

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
        """The place of a turn: that of ``ticket``, or a new one, taken when the model is first needed. It is given back
        at the end of the ``with`` block.

        ``on_position`` gets the position in the line during a wait, and 0 at its end; ``on_silence`` gets the
        seconds of a long silence of the model; ``stop`` ends the waiting and the writing.
        """
        stop = stop or threading.Event()
        with ExitStack() as places:
            if ticket is not None:
                places.callback(ticket.leave)

            def enter() -> None:
                own_ticket = ticket or self.gate.join(background=background)
                places.callback(own_ticket.leave)
                waited = False

                def tell(position: int) -> None:
                    nonlocal waited
                    waited = True
                    on_position(position)

                own_ticket.wait(on_position=tell, cancelled=stop)
                if waited:
                    on_position(0)

            place = ModelAccess(self, enter, stop, on_silence)
            yield place
        place.keep()  # after the place was given back, so that the next turn need not wait for the disk

    def warm_up(self, beginnings: Iterable[Sequence[Message]], stop: threading.Event) -> None:
        """Lets a model that keeps the beginnings of prompts read these, so that the first question does not wait for
        it. Questions that come meanwhile go first. Does nothing if the gate lets nobody wait. Raises EngineError; ends
        soon after ``stop`` is set."""
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
        """Passes the text to ``on_text`` piece by piece, and returns it whole. A stopped text is not remembered.

        Raises Busy (queue full), EngineError (the engine failed).
        """
        options = {"temperature": FRESH_TEMPERATURE, "seed": secrets.randbelow(2**31)} if fresh else {}
        return self._ask(messages, max_tokens or self._writer.max_tokens, options, on_text, fresh=fresh)

    def judge(self, messages: Sequence[Message]) -> Written:
        """The first word of the model's text, and its ``doubt``, for messages that ask for YES or NO. Raises the same
        errors as ``write``."""
        return self._ask(messages, 1, {"logprobs": True, "top_logprobs": doubt.ALTERNATIVES}, _ignore)

    def keep(self) -> None:
        """Stores the written texts in the memory. Raises no error: a failure is logged."""
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
        if not fresh and (remembered := self._writer.memory.recall(key)) is not None:
            on_text(remembered.text)
            return remembered
        try:
            if not self._held:
                self._enter()
                self._held = True
        except WaitCancelled:
            return Written("", 0, 0, stopped=True)
        written = self._stream(messages, {"max_tokens": limit, **options}, on_text)
        # A fresh text is only for the person who requested it, and a judgement without a doubt is of no use.
        if not written.stopped and not fresh and not (judging and written.doubt is None):
            self._written.append((key, written))
        return written

    def _stream(
        self, messages: Sequence[Message], options: Mapping[str, Any], on_text: Callable[[str], None]
    ) -> Written:
        received = listen(
            self._writer.chat,
            _plain(messages),
            options,
            stop=self._stop,
            patience=self._writer.patience,
            on_text=on_text,
            on_silence=self._on_silence,
        )
        stopped = self._stop.is_set()
        return Written(received.text, *received.tokens, stopped=stopped, doubt=doubt.from_metadata(received.first))


def _plain(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in messages]
