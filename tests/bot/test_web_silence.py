"""Readers of a silent or failing model, and answers that count although something failed after them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

import sqlalchemy as sa

from bot.llm.engine import LocalChatModel, Request, Step
from tests.bot.shop import ANSWER, QUESTION, Listener, lost, refuse_inserts, shop, stored, until
from tests.fakes import ScriptedChat
from tests.loop.world import ask, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class SilentChat(LocalChatModel):
    """Says nothing until it is stopped."""

    supports: ClassVar[frozenset[str]] = frozenset()
    model: str = "silent"

    def _steps(self, request: Request) -> Iterator[Step]:
        assert request.stop_event is not None
        until(request.stop_event.is_set)
        yield Step(finish_reason="stopped")


def test_a_reader_hears_that_the_model_is_silent_and_then_that_it_was_given_up(tmp_path: Path) -> None:
    silent: Any = SilentChat()
    with shop(tmp_path, silent, model_silence_seconds=0.6) as made, serving(made.app) as address:
        listener = Listener(address)
        listener.wait()
        assert listener.names() == ["meta", "sources", "silent", "silent", "error"]
        assert listener.events[2][1] == {"seconds": 0, "limit": 0.6}
        error = listener.events[-1][1]
        assert (error["status"], error["title"]) == (504, "Gateway Timeout")
        assert error["detail"] == (
            "The chat model did not answer for 0.6 seconds, so this question was given up. Ask it again later."
        )
        assert stored(made) == [("failed", "")]
        until(lambda: (made.parts.gate.running, made.parts.gate.waiting) == (0, 0))


def test_a_reader_of_the_whole_answer_hears_it_too(tmp_path: Path) -> None:
    silent: Any = SilentChat()
    with shop(tmp_path, silent, model_silence_seconds=0.3) as made:
        answer = made.client().post("/api/chat", json={"question": QUESTION, "stream": False})
        assert (answer.status_code, "did not answer for 0.3 seconds" in answer.json()["detail"]) == (504, True)
        program = made.program().post(
            "/v1/chat/completions", json={"model": "errata", "messages": [{"role": "user", "content": QUESTION}]}
        )
        assert (program.status_code, "did not answer" in program.json()["error"]["message"]) == (504, True)


def test_a_question_behind_a_silent_one_gets_its_place(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat, model_silence_seconds=1) as made, serving(made.app) as address:
        first = Listener(address)
        first.has("sources")
        second = Listener(address, question="When does the shop close?")
        second.has("queue")
        first.has("error")
        gate.release(100)
        second.wait()
        assert second.events[-1][1]["answer"] == ANSWER


def test_an_answer_that_cannot_be_remembered_reaches_the_reader(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        refuse_inserts(made.parts.database, "generations")
        before = lost("text_memory")
        assert ask(made.client(), QUESTION)["answer"] == ANSWER
        assert (stored(made), lost("text_memory")) == ([("answered", ANSWER)], before + 1)


def test_a_refusal_that_cannot_be_noted_reaches_the_reader(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat()) as made:
        refuse_inserts(made.parts.database, "unanswered")
        before = lost("unanswered_report")
        assert ask(made.client(), QUESTION)["status"] == "refused"
        assert ([status for status, _ in stored(made)], lost("unanswered_report")) == (["refused"], before + 1)


def test_an_answer_that_cannot_be_recorded_for_proofs_reaches_the_reader(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        refuse_inserts(made.parts.database, "answered_questions")
        before = lost("answered_question")
        assert ask(made.client(), QUESTION)["answer"] == ANSWER
        assert (stored(made), lost("answered_question")) == ([("answered", ANSWER)], before + 1)


def test_a_greeting_is_no_question_for_proofs(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        assert ask(made.client(), "Hello!")["reason"] == "no_question"
        with made.parts.database.read() as session:
            assert session.scalar(sa.text("select count(*) from answered_questions")) == 0
