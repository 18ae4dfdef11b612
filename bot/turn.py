"""Runs the turns of conversations. A turn runs to its end, also when nobody listens any more.

Every turn runs in its own thread and is stored when it ends, also when the person left. Listeners get its events.
Anybody may set the event that stops it. This module connects the answer with bot.conversations, and counts turns
(bot.events).

Decision: while the disk is full, a question is refused (DiskFull) and not answered without being stored. Nobody could
complain about such an answer, correct it, or find it again, and its id would name nothing. Costs: nobody gets an answer
until there is space again; conversations, documents and search can be read meanwhile. An answer that was being streamed
when the disk became full is streamed to its end, and then its reader learns that it is not stored.
"""

from __future__ import annotations

import contextvars
import threading
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from bot import conversations
from bot.answering.condense import Condensed, How
from bot.answering.values import Ask, Event, Outcome, SourcesFound, Token, Waiting
from bot.errors import BotError, Busy, TooManyFromNetwork, TooManyWaiting
from bot.events import metrics
from bot.feedback import report_unanswered
from bot.tables import Answer
from bot.turn_events import Begun, Failed, Finished, Listen, Progress, StartedTurn, TurnEvent
from knowledge.db import lacks_space
from knowledge.errors import DiskFull, Invalid, KnowledgeError, NotFound
from retrieval.errors import RetrievalError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from bot.answering.answer import Answerer
    from bot.answering.condense import EarlierTurn
    from bot.answering.values import Ticket
    from bot.retention import AnonymousBudget
    from knowledge.db import Database
    from retrieval.scope import Scope

log = structlog.get_logger()

MOST = 200  # turns that run at the same time, each in a thread; the line before the model is far shorter
RETRY_SECONDS = 5  # after which an asker may try again when all of these are running


@dataclass(frozen=True, slots=True)
class _Turn:
    conversation_id: str
    answer_id: str
    ask: Ask
    ticket: Ticket | None  # the place in the line; None where the line was full and no model is needed
    network: str | None  # of a person without an account, as a keyed hash


@dataclass(frozen=True, slots=True)
class _Running:
    conversation_id: str
    stop: threading.Event
    pieces: list[str] = field(default_factory=list)  # the text so far
    position: list[int] = field(default_factory=lambda: [0])  # in the line; 0: not waiting


class Turns:
    """Runs and stops turns. ``ask`` is the only way to have a question answered and stored."""

    def __init__(
        self, database: Database, answerer: Answerer, *, model: str, budget: AnonymousBudget | None = None
    ) -> None:
        """``budget``: of what people without an account may store; None: no limit."""
        self._database = database
        self._answerer = answerer
        self._model = model
        self._budget = budget
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
        introduced: bool = False,
        asker: str | None = None,
        network: str | None = None,
        listen: Listen = lambda _event: None,
    ) -> StartedTurn:
        """Stores the question and has it answered in its own thread; returns at once. A question that cannot be taken
        is refused here. Raises Busy (the line is full, too many turns, no thread), StorageFull, TooManyWaiting (of this
        asker or network), Invalid, NotFound.

        ``scope``: the knowledge from which it may be answered. ``regenerate``: an answer of the owner that is to be
        worded differently. ``history``: the earlier turns, where another program keeps the conversation;
        ``introduced``: it also sent a text that may say what the question is about. ``asker``: the person or program
        that waits in the line; None: the owner. ``network``: of a person without an account, as a keyed hash.
        ``listen`` gets the events, in that thread: Begun first, Finished or Failed last.
        """
        if self.running >= MOST:
            raise Busy(RETRY_SECONDS)
        alone = not (conversation_id or regenerate or history or introduced)
        new = regenerate is None
        ticket = self._join(asker or owner, network, question, scope, filters, alone=alone, new=new)
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
                if self._budget is not None and network is not None:
                    self._budget.make_room(session)
                ask = conversations.make_ask(session, answer, scope, language=language, filters=filters, again=earlier)
                if history is not None:
                    ask = replace(ask, history=tuple(history))
                if introduced and not ask.history:
                    ask = replace(ask, condensed=Condensed(question, How.UNCHANGED))
                turn = _Turn(answer.conversation_id, answer.id, ask, ticket, network)
            undo.pop_all()
        with self._idle:
            stop = threading.Event()
            self._running[turn.answer_id] = _Running(turn.conversation_id, stop)
            if self._ending:
                stop.set()
        metrics.questions.inc()
        return self._start(turn, listen)

    def _start(self, turn: _Turn, listen: Listen) -> StartedTurn:
        """Runs a turn in a thread. Raises Busy where no thread can be started."""
        outcome: Future[Outcome] = Future()
        context = contextvars.copy_context()  # so that its log lines have the request's id
        try:
            threading.Thread(
                target=context.run, args=(self._run, turn, listen, outcome), name="turn", daemon=True
            ).start()
        except RuntimeError as error:  # the system gives no more threads
            self._fail(turn, error)
            self._end(turn)
            raise Busy(RETRY_SECONDS) from error
        return StartedTurn(turn.conversation_id, turn.answer_id, outcome)

    def _run(self, turn: _Turn, listen: Listen, outcome: Future[Outcome]) -> None:
        """Answers, stores and reports. An error becomes the event Failed and the exception of ``outcome``."""
        outcome.set_running_or_notify_cancel()  # a waiter may stop waiting, but cannot cancel the answer

        def notify(event: TurnEvent) -> None:
            try:
                listen(event)
            except Exception as error:  # noqa: BLE001 - a listener that fails must not stop the answer
                log.warning("listener_failed", answer_id=turn.answer_id, error=type(error).__name__)

        notify(Begun(turn.conversation_id, turn.answer_id))
        try:
            answered = self._answer(turn, notify)
        except Exception as error:  # noqa: BLE001 - after any error the turn must be stored and the listener informed
            self._fail(turn, error)
            notify(Failed(error))
            self._end(turn)
            outcome.set_exception(error)
        else:
            _count(answered, turn)
            notify(Finished(answered))
            self._end(turn)
            outcome.set_result(answered)

    @property
    def running(self) -> int:
        """How many turns are running."""
        return len(self._running)

    def progress(self, answer_id: str) -> Progress | None:
        """How far a turn is, for people who come back to it. None when it is not running (any more)."""
        turn = self._running.get(answer_id)
        return None if turn is None else Progress("".join(turn.pieces), turn.position[0] or None)

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
        """Stops all turns, also those that begin from now on, and waits (seconds) until they are stored. False when
        some turn did not end in time."""
        with self._idle:
            self._ending = True
            for turn in self._running.values():
                turn.stop.set()
            return self._idle.wait_for(lambda: not self._running, timeout)

    def _join(
        self,
        asker: str,
        network: str | None,
        question: str,
        scope: Scope,
        filters: dict[str, str] | None,
        *,
        alone: bool,
        new: bool,
    ) -> Ticket | None:
        """A place in the line. None where no place is free and no model is needed: for small talk, and for a
        corrected question that begins a conversation (``alone``). Raises Busy, TooManyWaiting."""
        try:
            return self._answerer.join(asker, network)
        except (Busy, TooManyWaiting, TooManyFromNetwork):
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

    def _answer(self, turn: _Turn, notify: Callable[[TurnEvent], None]) -> Outcome:
        """Answers the question and stores the outcome."""

        running = self._running[turn.answer_id]

        def pass_on(event: Event) -> None:
            if isinstance(event, Token):
                running.pieces.append(event.text)
            elif isinstance(event, Waiting):
                running.position[0] = event.position
            if isinstance(event, SourcesFound):
                with suppress(DiskFull), self._database.write() as session:  # the reader gets the answer all the same
                    _raise_if_deleted(session, turn)
                    conversations.store_sources(session, turn.answer_id, event)
            notify(event)

        outcome = self._answerer.answer(turn.ask, pass_on, stop=running.stop, ticket=turn.ticket)
        try:
            with self._database.write() as session:
                _raise_if_deleted(session, turn)
                conversations.finish(session, turn.answer_id, outcome)
                if outcome.status == "refused":
                    _report(session, turn)
                elif outcome.status == "answered" and outcome.sources:
                    _note_answered(session, turn)
        except DiskFull as error:
            raise DiskFull(
                "The disk of the server is full: this answer could not be stored, and will not be in the conversation "
                "later.",
                code="answer_not_stored",
            ) from error
        return outcome

    def _end(self, turn: _Turn) -> None:
        if turn.ticket is not None:
            turn.ticket.leave()
        with self._idle:
            self._running.pop(turn.answer_id, None)
            self._idle.notify_all()

    def _fail(self, turn: _Turn, error: Exception) -> None:
        """Stores the turn as failed, if the database allows it."""
        metrics.answers.labels("failed").inc()
        if isinstance(error, BotError | KnowledgeError | RetrievalError):
            log.warning("turn_failed", answer_id=turn.answer_id, error=type(error).__name__, detail=str(error)[:500])
        else:
            log.error("turn_failed", answer_id=turn.answer_id, error=type(error).__name__, exc_info=error)
        try:
            with self._database.write() as session:
                if session.get(Answer, turn.answer_id) is not None:
                    conversations.fail(session, turn.answer_id)
        except Exception as second:  # noqa: BLE001 - the listener must still be informed of the first error
            log.error("turn_not_stored", answer_id=turn.answer_id, error=type(second).__name__)


def _report(session: Session, turn: _Turn) -> None:
    """Reports a refused question, in the transaction that stores the answer. Where that fails, the answer is still
    valid."""
    try:
        with session.begin_nested():
            report_unanswered(session, turn.answer_id, turn.ask.scope, network=turn.network)
    except Exception as error:
        if lacks_space(error):  # then the answer cannot be stored either; with any other error it is finished
            raise
        log.error("unanswered_not_reported", answer_id=turn.answer_id, error=type(error).__name__)
        metrics.count_failure("unanswered_report")


def _note_answered(session: Session, turn: _Turn) -> None:
    """Notes for proofs what was answered, in the same way as ``_report``."""
    try:
        with session.begin_nested():
            conversations.note_answered(session, turn.answer_id)
    except Exception as error:
        if lacks_space(error):  # then the answer cannot be stored either; with any other error it is finished
            raise
        log.error("answer_not_noted", answer_id=turn.answer_id, error=type(error).__name__)
        metrics.count_failure("answered_question")


def _count(outcome: Outcome, turn: _Turn) -> None:
    """Counts a finished answer in the metrics."""
    try:
        metrics.count_answer(outcome)
    except Exception as error:  # noqa: BLE001 - an answer that cannot be measured is still valid
        log.error("answer_not_measured", answer_id=turn.answer_id, error=type(error).__name__)
        metrics.count_failure("metrics")


def _raise_if_deleted(session: Session, turn: _Turn) -> None:
    """Raises NotFound where the conversation was deleted during the answer: then there is nothing left to store."""
    if session.get(Answer, turn.answer_id) is None:
        raise NotFound("The conversation was deleted.", code="conversation_deleted")
