"""One way to have a question answered, for every interface: stored, answered in its own thread, listened to or not."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from bot.answering.values import SourcesFound, Token
from bot.errors import Busy
from bot.turn_events import Begun, Failed, Finished, TurnEvent
from knowledge.errors import Invalid, NotFound
from retrieval.scope import Scope
from tests.bot.shop import ANSWER, QUESTION, WAIT, shop, stored, until
from tests.fakes import ScriptedChat

if TYPE_CHECKING:
    from pathlib import Path

SCOPE = Scope.of("main")


def test_the_events_begin_with_the_ids_and_end_with_the_stored_answer(tmp_path: Path) -> None:
    turn_events: list[TurnEvent] = []
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        asked = made.parts.turns.ask(owner="user:ann", scope=SCOPE, question=QUESTION, listen=turn_events.append)
        outcome = asked.outcome.result(WAIT)
        assert turn_events[0] == Begun(asked.conversation_id, asked.answer_id)
        assert isinstance(turn_events[1], SourcesFound)
        assert {type(event) for event in turn_events[2:-1]} == {Token}
        assert turn_events[-1] == Finished(outcome)
        assert (stored(made), made.parts.turns.running) == ([("answered", ANSWER)], 0)


def test_an_error_reaches_the_listener_the_database_and_the_caller(tmp_path: Path) -> None:
    turn_events: list[TurnEvent] = []

    def broken(_prompt: str) -> str:
        raise RuntimeError("broken")

    with shop(tmp_path, ScriptedChat(script=broken)) as made:
        asked = made.parts.turns.ask(owner="user:ann", scope=SCOPE, question=QUESTION, listen=turn_events.append)
        error = asked.outcome.exception(WAIT)
        assert error is not None
        assert turn_events[-1] == Failed(error)  # type: ignore[arg-type]
        assert [status for status, _ in stored(made)] == ["failed"]


def test_a_bad_request_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        ask = made.parts.turns.ask
        with pytest.raises(Invalid):
            ask(owner="user:ann", scope=SCOPE, question="  ")
        with pytest.raises(NotFound):
            ask(owner="user:ann", scope=SCOPE, question=QUESTION, conversation_id="another's")
        assert (stored(made), made.parts.turns.running, made.parts.gate.waiting) == ([], 0, 0)


def test_only_so_many_turns_are_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.turn.MOST", 1)
    gate = threading.Semaphore(0)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made:
        first = made.parts.turns.ask(owner="user:ann", scope=SCOPE, question=QUESTION)
        with pytest.raises(Busy):
            made.parts.turns.ask(owner="user:bob", scope=SCOPE, question=QUESTION)
        gate.release(100)
        assert first.outcome.result(WAIT).answer == ANSWER


def test_a_listener_that_breaks_and_one_that_gives_up_waiting_do_no_harm(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)

    def listen(_event: TurnEvent) -> None:
        raise ValueError("not interested")

    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made:
        asked = made.parts.turns.ask(owner="user:ann", scope=SCOPE, question=QUESTION, listen=listen)
        until(asked.outcome.running)
        assert not asked.outcome.cancel()
        gate.release(100)
        try:
            assert asked.outcome.result(WAIT).answer == ANSWER
        except CancelledError:
            pytest.fail("the answer was given up")
        assert stored(made) == [("answered", ANSWER)]
