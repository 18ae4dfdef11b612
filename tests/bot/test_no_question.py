"""Greetings, thanks and mere marks get a fixed reply: no model, no search, nothing in the queue, no part of a talk."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from knowledge.tables import Correction
from tests.bot.shop import ANSWER, TEXT, Listener, correct, shop, until
from tests.fakes import ScriptedChat
from tests.loop.world import World, ask, events, put, serving, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CASES = [  # what is asked, a part of the reply in its language
    ("你好", "你好！"),
    ("hi", "Hello!"),
    ("在吗", "你好！"),
    ("你是谁？", "我是 Errata"),
    ("who are you?", "I am Errata"),
    ("谢谢！", "不客气"),
    ("Thanks, that helped!", "You are welcome"),
    ("好的", "好的。"),
    ("👍", "All right"),
    ("？？？", "请用文字写出问题"),
    ("...", "Write your question in words"),
]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        put(made.client("carla"), "hours", "Hours", TEXT)
        yield made


def queued(made: World) -> list[str]:
    with made.parts.database.read() as session:
        return list(session.scalars(sa.select(Correction.question)))


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(("question", "reply"), CASES)
def test_it_gets_a_short_reply_in_its_language(made: World, question: str, reply: str, later: bool) -> None:
    visitor = made.client()
    talk = {"conversation_id": ask(visitor, "When does the shop open?")["conversation_id"]} if later else {}
    asked = len(made.parts.chat.prompts)  # type: ignore[attr-defined]
    answer = ask(visitor, question, **talk)
    assert (answer["status"], answer["reason"], answer["sources"], answer["citations"]) == (
        "answered", "no_question", [], [],
    )  # fmt: skip
    assert reply in answer["answer"]
    assert (len(made.parts.chat.prompts), queued(made)) == (asked, [])  # type: ignore[attr-defined]
    assert [name for name, _ in events(visitor, question)] == ["meta", "sources", "token", "done"]


def test_marks_are_answered_in_the_language_of_the_conversation(made: World) -> None:
    visitor = made.client()
    talk = {"conversation_id": ask(visitor, "你好")["conversation_id"]}
    assert "请用文字写出问题" in ask(visitor, "???", **talk)["answer"]
    assert "Write your question" in ask(visitor, "???", language="en", **talk)["answer"]


def test_it_is_no_part_of_the_conversation(made: World) -> None:
    """A question after a greeting is not a follow-up, and one after thanks follows what was talked about before."""
    correct(made, "Who manages?", "Ann does.")
    visitor = made.client()
    talk = {"conversation_id": ask(visitor, "hi")["conversation_id"]}
    assert ask(visitor, "Who manages?", **talk)["status"] == "curated"
    talk = {"conversation_id": ask(visitor, "When does the shop open?")["conversation_id"]}
    for words in ("thanks", "ok", "👍", "great"):
        ask(visitor, words, **talk)
    follow_up = ask(visitor, "Who manages?", **talk)
    assert (follow_up["status"], follow_up["condensed_question"]) == (
        "answered", "When does the shop open? Who manages?",
    )  # fmt: skip
    thanked = [("user", "thanks"), ("assistant", "Welcome."), ("user", "Who manages?")]
    messages = [{"role": role, "content": text} for role, text in thanked]
    completion = made.program().post("/v1/chat/completions", json={"model": "errata", "messages": messages}).json()
    assert completion["errata"]["status"] == "curated"


def test_a_curator_s_words_come_first(made: World) -> None:
    correct(made, "Hello", "Welcome to the shop!")
    visitor = made.client()
    first = ask(visitor, "hello!")
    assert (first["status"], first["answer"]) == ("curated", "Welcome to the shop!")
    talk = {"conversation_id": ask(visitor, "When does the shop open?")["conversation_id"]}
    assert ask(visitor, "hello", **talk)["answer"] == "Welcome to the shop!"
    visitor.post(f"/api/answers/{first['answer_id']}/signals", json={"kind": "not_my_question"})
    again = ask(visitor, "hello!", conversation_id=first["conversation_id"])
    assert again["reason"] != "no_question"  # it is searched for: to a curator it was a question


def test_a_reaction_within_a_conversation_is_about_what_was_said_before(made: World) -> None:
    correct(made, "OK", "OK is our label for tested goods.")
    visitor = made.client()
    first = ask(visitor, "ok")
    assert (first["status"], first["answer"]) == ("curated", "OK is our label for tested goods.")
    talk = {"conversation_id": ask(visitor, "When does the shop open?")["conversation_id"]}
    assert [ask(visitor, words, **talk)["reason"] for words in ("ok", "OK!")] == ["no_question"] * 2


def test_it_needs_no_place_in_the_line(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate), queue=0) as made, serving(made.app) as at:
        busy = Listener(at)
        until(lambda: made.parts.gate.running)
        assert "You are welcome" in ask(made.client(), "Thanks!")["answer"]
        assert made.client().post("/api/chat", json={"question": "When?", "stream": False}).status_code == 503
        gate.release(100)
        busy.wait()
