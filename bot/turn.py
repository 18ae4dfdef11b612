"""One turn of a conversation, run to its end whoever is listening.

The turn runs in a thread of its own and is stored when it ends, also when the person left. Listeners get its
events through ``emit``; stopping is an event that anyone may set. Joins bot.answer with bot.conversations.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from bot import conversations
from bot.answer import Answerer, Ask, Event, Found, Outcome
from bot.feedback import report_unanswered

if TYPE_CHECKING:
    from knowledge.db import Database

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Begun:
    """The turn has ids and is stored."""

    conversation_id: str
    answer_id: str
    ask: Ask


@dataclass(frozen=True, slots=True)
class Finished:
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Failed:
    error: Exception


TurnEvent = Event | Finished | Failed


class Turns:
    """Begins turns, runs them, stops them."""

    def __init__(self, database: Database, answerer: Answerer, *, model: str) -> None:
        self._database = database
        self._answerer = answerer
        self._model = model
        self._running: dict[str, threading.Event] = {}
        self._idle = threading.Condition()

    def begin(
        self,
        *,
        owner: str,
        question: str,
        conversation_id: str | None = None,
        language: str | None = None,
        filters: dict[str, str] | None = None,
        fresh: bool = False,
    ) -> Begun:
        """Stores the question; everything that can be refused is refused here. Raises Invalid, NotFound."""
        with self._database.write() as session:
            answer = conversations.begin(
                session, owner=owner, question=question, conversation_id=conversation_id, model=self._model
            )
            ask = conversations.ask_for(session, answer, language=language, filters=filters, fresh=fresh)
            begun = Begun(answer.conversation_id, answer.id, ask)
        with self._idle:
            self._running[begun.answer_id] = threading.Event()
        return begun

    def run(self, begun: Begun, emit: Callable[[TurnEvent], None]) -> None:
        """Answers, stores, and tells: the last event is Finished or Failed. Raises nothing."""
        stop = self._running[begun.answer_id]

        def pass_on(event: Event) -> None:
            if isinstance(event, Found):
                with self._database.write() as session:
                    conversations.found(session, begun.answer_id, event)
            emit(event)

        try:
            outcome = self._answerer.answer(begun.ask, pass_on, stop=stop)
            with self._database.write() as session:
                conversations.finish(session, begun.answer_id, outcome)
                if outcome.status == "refused":
                    report_unanswered(session, begun.answer_id)
        except Exception as error:  # noqa: BLE001 - whatever it was, the turn must be stored and the listener told
            log.warning("turn_failed", answer_id=begun.answer_id, error=type(error).__name__, detail=str(error)[:500])
            with self._database.write() as session:
                conversations.fail(session, begun.answer_id)
            emit(Failed(error))
        else:
            emit(Finished(outcome))
        finally:
            with self._idle:
                self._running.pop(begun.answer_id, None)
                self._idle.notify_all()

    @property
    def running(self) -> int:
        """How many turns are under way."""
        return len(self._running)

    def stop(self, answer_id: str) -> bool:
        """Asks a running turn to stop. False when it is not running (any more)."""
        event = self._running.get(answer_id)
        if event is not None:
            event.set()
        return event is not None

    def stop_all(self, timeout: float) -> bool:
        """Stops everything and waits for it to be stored; False when some turn did not end in time."""
        for event in list(self._running.values()):
            event.set()
        with self._idle:
            return self._idle.wait_for(lambda: not self._running, timeout)
