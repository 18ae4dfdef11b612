"""One turn of a conversation, run to its end whoever is listening.

The turn runs in a thread of its own and is stored when it ends, also when the person left. Listeners get its
events through ``emit``; stopping is an event that anyone may set. Joins the answer with bot.conversations, and
counts what happened (bot.events).
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from bot import conversations
from bot.answering.exchange import Ask, Event, Outcome, SourcesFound, Token, Waiting
from bot.errors import BotError, Busy, TooManyWaiting
from bot.events import metrics
from bot.feedback import report_unanswered
from bot.tables import Answer
from knowledge.errors import Invalid, KnowledgeError, NotFound
from retrieval.errors import RetrievalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from bot.answering.answer import Answerer
    from bot.answering.condense import Turn
    from bot.answering.exchange import Ticket
    from knowledge.db import Database
    from retrieval.scope import Scope

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Begun:
    """The turn has ids and is stored."""

    conversation_id: str
    answer_id: str
    ask: Ask
    ticket: Ticket | None  # the place in the line; None while the line is full and no model is needed


@dataclass(frozen=True, slots=True)
class Finished:
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Failed:
    error: Exception


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running turn is. ``text``: what was written so far; ``position``: its place in the line, 1 is next,
    None when it does not wait."""

    text: str
    position: int | None


TurnEvent = Event | Finished | Failed


@dataclass(frozen=True, slots=True)
class _Running:
    conversation_id: str
    stop: threading.Event
    pieces: list[str] = field(default_factory=list)  # the text so far
    place: list[int] = field(default_factory=lambda: [0])  # in the line; 0: not waiting


class Turns:
    """Begins turns, runs them, stops them."""

    def __init__(self, database: Database, answerer: Answerer, *, model: str) -> None:
        self._database = database
        self._answerer = answerer
        self._model = model
        self._running: dict[str, _Running] = {}
        self._idle = threading.Condition()
        self._ending = False

    def begin(
        self,
        *,
        owner: str,
        scope: Scope,
        question: str,
        conversation_id: str | None = None,
        language: str | None = None,
        filters: dict[str, str] | None = None,
        regenerate: str | None = None,
        history: Sequence[Turn] | None = None,
        asker: str | None = None,
    ) -> Begun:
        """Joins the line and stores the question; everything that can be refused is refused here. Whoever begins a
        turn runs it, or abandons it. Raises Busy (the line is full), TooManyWaiting (of this asker), Invalid, NotFound.

        ``scope``: whose knowledge it may be answered from. ``regenerate``: an answer of the owner's that they want
        another wording of. ``history``: what was said before, where another program keeps the conversation. ``asker``:
        whose turn it is in the line; None: the owner's.
        """
        alone = not (conversation_id or regenerate or history)
        new = regenerate is None
        ticket = self._join(asker or owner, question, scope, filters, alone=alone, new=new)
        with ExitStack() as undo:
            if ticket is not None:
                undo.callback(ticket.leave)
            with self._database.write() as session:
                earlier = self._earlier(session, owner, conversation_id, regenerate)
                answer = conversations.begin(
                    session,
                    owner=owner,
                    question=question,
                    conversation_id=earlier.conversation_id if earlier else conversation_id,
                    model=self._model,
                )
                ask = conversations.ask_for(session, answer, scope, language=language, filters=filters, again=earlier)
                if history is not None:
                    ask = replace(ask, history=tuple(history))
                begun = Begun(answer.conversation_id, answer.id, ask, ticket)
            undo.pop_all()
        with self._idle:
            stop = threading.Event()
            self._running[begun.answer_id] = _Running(begun.conversation_id, stop)
            if self._ending:
                stop.set()
        metrics.questions.inc()
        return begun

    def run(self, begun: Begun, emit: Callable[[TurnEvent], None]) -> None:
        """Answers, stores, and tells: the last event is Finished or Failed. Raises nothing."""

        def tell(event: TurnEvent) -> None:
            try:
                emit(event)
            except Exception as error:  # noqa: BLE001 - a listener that breaks must not take the answer with it
                log.warning("listener_failed", answer_id=begun.answer_id, error=type(error).__name__)

        try:
            outcome = self._answer(begun, tell)
        except Exception as error:  # noqa: BLE001 - whatever it was, the turn must be stored and the listener told
            self._fail(begun, error)
            tell(Failed(error))
        else:
            _count(outcome, begun)
            tell(Finished(outcome))
        finally:
            self._over(begun)

    def abandon(self, begun: Begun, error: Exception) -> None:
        """Gives up a turn that cannot be run: its place goes to the next, its answer is stored as failed."""
        self._fail(begun, error)
        self._over(begun)

    @property
    def running(self) -> int:
        """How many turns are under way."""
        return len(self._running)

    def progress(self, answer_id: str) -> Progress | None:
        """How far a turn is, for those who come back to it. None when it is not running (any more)."""
        turn = self._running.get(answer_id)
        return None if turn is None else Progress("".join(turn.pieces), turn.place[0] or None)

    def stop(self, answer_id: str) -> bool:
        """Asks a running turn to stop. False when it is not running (any more)."""
        turn = self._running.get(answer_id)
        if turn is not None:
            turn.stop.set()
        return turn is not None

    def stop_conversation(self, conversation_id: str) -> None:
        """Asks all running turns of a conversation to stop."""
        with self._idle:
            for turn in self._running.values():
                if turn.conversation_id == conversation_id:
                    turn.stop.set()

    def stop_all(self, timeout: float) -> bool:
        """Stops everything, also what begins from now on, and waits (seconds) for it to be stored; False when some
        turn did not end in time."""
        with self._idle:
            self._ending = True
            for turn in self._running.values():
                turn.stop.set()
            return self._idle.wait_for(lambda: not self._running, timeout)

    def _join(
        self, asker: str, question: str, scope: Scope, filters: dict[str, str] | None, *, alone: bool, new: bool
    ) -> Ticket | None:
        """A place in the line. None where there is none and no model is needed: for what is no question, and for a
        corrected question that begins a conversation (``alone``). Raises Busy, TooManyWaiting."""
        try:
            return self._answerer.join(asker)
        except (Busy, TooManyWaiting):
            if new and self._answerer.needs_no_model(question, scope, alone=alone, filters=filters):
                return None
            raise

    def _earlier(
        self, session: Session, owner: str, conversation_id: str | None, regenerate: str | None
    ) -> Answer | None:
        """The answer that is to be written anew. Raises NotFound, Invalid."""
        if regenerate is None:
            return None
        earlier = conversations.get_answer(session, regenerate, owner)
        if conversation_id not in (None, earlier.conversation_id):
            raise Invalid("regenerate names an answer of another conversation than conversation_id.")
        return earlier

    def _answer(self, begun: Begun, tell: Callable[[TurnEvent], None]) -> Outcome:
        """The stored outcome."""

        running = self._running[begun.answer_id]

        def pass_on(event: Event) -> None:
            if isinstance(event, Token):
                running.pieces.append(event.text)
            elif isinstance(event, Waiting):
                running.place[0] = event.position
            if isinstance(event, SourcesFound):
                with self._database.write() as session:
                    _refuse_if_deleted(session, begun)
                    conversations.found(session, begun.answer_id, event)
            tell(event)

        outcome = self._answerer.answer(begun.ask, pass_on, stop=running.stop, ticket=begun.ticket)
        with self._database.write() as session:
            _refuse_if_deleted(session, begun)
            conversations.finish(session, begun.answer_id, outcome)
            if outcome.status == "refused":
                _report(session, begun)
        return outcome

    def _over(self, begun: Begun) -> None:
        if begun.ticket is not None:
            begun.ticket.leave()
        with self._idle:
            self._running.pop(begun.answer_id, None)
            self._idle.notify_all()

    def _fail(self, begun: Begun, error: Exception) -> None:
        """Stores that it went wrong, if the database lets us."""
        metrics.answers.labels("failed").inc()
        if isinstance(error, BotError | KnowledgeError | RetrievalError):
            log.warning("turn_failed", answer_id=begun.answer_id, error=type(error).__name__, detail=str(error)[:500])
        else:
            log.error("turn_failed", answer_id=begun.answer_id, error=type(error).__name__, exc_info=error)
        try:
            with self._database.write() as session:
                if session.get(Answer, begun.answer_id) is not None:
                    conversations.fail(session, begun.answer_id)
        except Exception as second:  # noqa: BLE001 - the listener must still be told of the first
            log.error("turn_not_stored", answer_id=begun.answer_id, error=type(second).__name__)


def _report(session: Session, begun: Begun) -> None:
    """Puts a refused question into the queue, in the transaction that stores the answer. An answer counts also where
    that fails."""
    try:
        with session.begin_nested():
            report_unanswered(session, begun.answer_id, begun.ask.scope)
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is finished
        log.error("unanswered_not_reported", answer_id=begun.answer_id, error=type(error).__name__)
        metrics.failed_afterwards("unanswered_report")


def _count(outcome: Outcome, begun: Begun) -> None:
    """Puts a finished answer into the metrics."""
    try:
        metrics.answered(outcome)
    except Exception as error:  # noqa: BLE001 - an answer that cannot be measured counts all the same
        log.error("answer_not_measured", answer_id=begun.answer_id, error=type(error).__name__)
        metrics.failed_afterwards("metrics")


def _refuse_if_deleted(session: Session, begun: Begun) -> None:
    """A conversation may be deleted while it is being answered: then there is nothing left to store."""
    if session.get(Answer, begun.answer_id) is None:
        raise NotFound("The conversation was deleted.")
