"""One turn of a conversation, run to its end whoever is listening.

The turn runs in a thread of its own and is stored when it ends, also when the person left. Listeners get its
events through ``emit``; stopping is an event that anyone may set. Joins the answer with bot.conversations, and
counts what happened (bot.events).
"""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from bot import conversations
from bot.answering.values import Ask, Event, Outcome, SourcesFound, Token, Waiting
from bot.errors import BotError, Busy, TooManyWaiting
from bot.events import metrics
from bot.feedback import report_unanswered
from bot.tables import Answer
from bot.turn_events import Asked, Begun, Failed, Finished, Listen, Progress, TurnEvent
from knowledge.errors import Invalid, KnowledgeError, NotFound
from retrieval.errors import RetrievalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from bot.answering.answer import Answerer
    from bot.answering.condense import EarlierTurn
    from bot.answering.values import Ticket
    from knowledge.db import Database
    from retrieval.scope import Scope

log = structlog.get_logger()

MOST = 200  # turns under way at once, each a thread; the engine's own queue is far shorter
RETRY_SECONDS = 5  # when all of these are taken


@dataclass(frozen=True, slots=True)
class _Turn:
    conversation_id: str
    answer_id: str
    ask: Ask
    ticket: Ticket | None  # the place in the line; None while the line is full and no model is needed


@dataclass(frozen=True, slots=True)
class _Running:
    conversation_id: str
    stop: threading.Event
    pieces: list[str] = field(default_factory=list)  # the text so far
    place: list[int] = field(default_factory=lambda: [0])  # in the line; 0: not waiting


class Turns:
    """Runs turns, stops them. ``ask`` is the one way to have a question answered and stored."""

    def __init__(self, database: Database, answerer: Answerer, *, model: str) -> None:
        self._database = database
        self._answerer = answerer
        self._model = model
        self._running: dict[str, _Running] = {}
        self._idle = threading.Condition()
        self._ending = False

    def ask(
        self,
        *,
        owner: str,
        scope: Scope,
        question: str,
        conversation_id: str | None = None,
        language: str | None = None,
        filters: dict[str, str] | None = None,
        regenerate: str | None = None,
        history: Sequence[EarlierTurn] | None = None,
        asker: str | None = None,
        listen: Listen = lambda _event: None,
    ) -> Asked:
        """Stores the question and has it answered, in a thread of its own; returns at once. Everything that can be
        refused is refused here. Raises Busy (the line is full, too many turns, no thread), TooManyWaiting (of this
        asker), Invalid, NotFound.

        ``scope``: whose knowledge it may be answered from. ``regenerate``: an answer of the owner's that they want
        another wording of. ``history``: what was said before, where another program keeps the conversation. ``asker``:
        whose turn it is in the line; None: the owner's. ``listen`` hears the events, in that thread: Begun first,
        Finished or Failed last.
        """
        if self.running >= MOST:
            raise Busy(RETRY_SECONDS)
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
                turn = _Turn(answer.conversation_id, answer.id, ask, ticket)
            undo.pop_all()
        with self._idle:
            stop = threading.Event()
            self._running[turn.answer_id] = _Running(turn.conversation_id, stop)
            if self._ending:
                stop.set()
        metrics.questions.inc()
        return self._start(turn, listen)

    def _start(self, turn: _Turn, listen: Listen) -> Asked:
        """Runs a turn in a thread. Raises Busy where there is none."""
        outcome: Future[Outcome] = Future()
        context = contextvars.copy_context()  # so that its log lines have the request's id
        try:
            threading.Thread(
                target=context.run, args=(self._run, turn, listen, outcome), name="turn", daemon=True
            ).start()
        except RuntimeError as error:  # the system gives no more threads
            self._fail(turn, error)
            self._over(turn)
            raise Busy(RETRY_SECONDS) from error
        return Asked(turn.conversation_id, turn.answer_id, outcome)

    def _run(self, turn: _Turn, listen: Listen, outcome: Future[Outcome]) -> None:
        """Answers, stores, and tells. Raises nothing."""
        outcome.set_running_or_notify_cancel()  # who waits may give up waiting, not the answer

        def tell(event: TurnEvent) -> None:
            try:
                listen(event)
            except Exception as error:  # noqa: BLE001 - a listener that breaks must not take the answer with it
                log.warning("listener_failed", answer_id=turn.answer_id, error=type(error).__name__)

        tell(Begun(turn.conversation_id, turn.answer_id))
        try:
            answered = self._answer(turn, tell)
        except Exception as error:  # noqa: BLE001 - whatever it was, the turn must be stored and the listener told
            self._fail(turn, error)
            tell(Failed(error))
            self._over(turn)
            outcome.set_exception(error)
        else:
            _count(answered, turn)
            tell(Finished(answered))
            self._over(turn)
            outcome.set_result(answered)

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
            raise Invalid(
                "regenerate names an answer of another conversation than conversation_id.", code="regenerate_elsewhere"
            )
        return earlier

    def _answer(self, turn: _Turn, tell: Callable[[TurnEvent], None]) -> Outcome:
        """The stored outcome."""

        running = self._running[turn.answer_id]

        def pass_on(event: Event) -> None:
            if isinstance(event, Token):
                running.pieces.append(event.text)
            elif isinstance(event, Waiting):
                running.place[0] = event.position
            if isinstance(event, SourcesFound):
                with self._database.write() as session:
                    _refuse_if_deleted(session, turn)
                    conversations.found(session, turn.answer_id, event)
            tell(event)

        outcome = self._answerer.answer(turn.ask, pass_on, stop=running.stop, ticket=turn.ticket)
        with self._database.write() as session:
            _refuse_if_deleted(session, turn)
            conversations.finish(session, turn.answer_id, outcome)
            if outcome.status == "refused":
                _report(session, turn)
        return outcome

    def _over(self, turn: _Turn) -> None:
        if turn.ticket is not None:
            turn.ticket.leave()
        with self._idle:
            self._running.pop(turn.answer_id, None)
            self._idle.notify_all()

    def _fail(self, turn: _Turn, error: Exception) -> None:
        """Stores that it went wrong, if the database lets us."""
        metrics.answers.labels("failed").inc()
        if isinstance(error, BotError | KnowledgeError | RetrievalError):
            log.warning("turn_failed", answer_id=turn.answer_id, error=type(error).__name__, detail=str(error)[:500])
        else:
            log.error("turn_failed", answer_id=turn.answer_id, error=type(error).__name__, exc_info=error)
        try:
            with self._database.write() as session:
                if session.get(Answer, turn.answer_id) is not None:
                    conversations.fail(session, turn.answer_id)
        except Exception as second:  # noqa: BLE001 - the listener must still be told of the first
            log.error("turn_not_stored", answer_id=turn.answer_id, error=type(second).__name__)


def _report(session: Session, turn: _Turn) -> None:
    """Puts a refused question into the queue, in the transaction that stores the answer. An answer counts also where
    that fails."""
    try:
        with session.begin_nested():
            report_unanswered(session, turn.answer_id, turn.ask.scope)
    except Exception as error:  # noqa: BLE001 - whatever it is, the answer is finished
        log.error("unanswered_not_reported", answer_id=turn.answer_id, error=type(error).__name__)
        metrics.failed_afterwards("unanswered_report")


def _count(outcome: Outcome, turn: _Turn) -> None:
    """Puts a finished answer into the metrics."""
    try:
        metrics.answered(outcome)
    except Exception as error:  # noqa: BLE001 - an answer that cannot be measured counts all the same
        log.error("answer_not_measured", answer_id=turn.answer_id, error=type(error).__name__)
        metrics.failed_afterwards("metrics")


def _refuse_if_deleted(session: Session, turn: _Turn) -> None:
    """A conversation may be deleted while it is being answered: then there is nothing left to store."""
    if session.get(Answer, turn.answer_id) is None:
        raise NotFound("The conversation was deleted.", code="conversation_deleted")
