"""The chat model's memory: the same prompt gets the same text; a fresh one is a sample for who asked. And its queue:
a turn has one place in it, however often it writes."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import sqlalchemy as sa

from bot.answering.prompt import Message
from bot.llm.gate import Gate
from bot.llm.writer import ChatWriter
from knowledge.db import open_database
from tests.bot.shop import lost, refuse_inserts
from tests.fakes import ScriptedChat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.answering.values import Written

PROMPT = [Message("system", "Answer."), Message("user", "Where?")]


def until(true: Callable[[], Any]) -> None:
    """Waits for something that another thread brings about."""
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


class Desk:
    """A writer with its gate; every ``write`` is a turn of its own."""

    def __init__(self, folder: Path, *, model: str = "one", chat: ScriptedChat | None = None) -> None:
        numbers = count(1)
        chat = chat or ScriptedChat(script=lambda _prompt: f"answer {next(numbers)}")
        self.gate = Gate(1, 1)
        self.database = open_database(folder / "errata.db")
        self.writer = ChatWriter(chat, self.gate, self.database, model=model, max_tokens=64)

    def write(self, prompt: list[Message], *, stop: threading.Event | None = None, **options: Any) -> Written:
        with self.writer.place(stop=stop) as place:
            return place.write(prompt, **options)


def writer(folder: Path, *, model: str = "one", chat: ScriptedChat | None = None) -> Desk:
    return Desk(folder, model=model, chat=chat)


def test_the_same_prompt_gets_the_same_text(tmp_path: Path) -> None:
    desk = writer(tmp_path)
    first, second = desk.write(PROMPT), desk.write(PROMPT)
    assert (first.text, second) == ("answer 1", replace(first, recalled=True))


def test_a_fresh_text_is_not_remembered(tmp_path: Path) -> None:
    desk = writer(tmp_path)
    texts = [desk.write(PROMPT, fresh=fresh).text for fresh in (False, True, True, False)]
    assert texts == ["answer 1", "answer 2", "answer 3", "answer 1"]


def test_another_model_or_length_does_not_repeat_it(tmp_path: Path) -> None:
    assert writer(tmp_path, model="one").write(PROMPT).text == "answer 1"
    other = writer(tmp_path, model="two")
    assert other.write(PROMPT).text == "answer 1"
    assert other.write(PROMPT, max_tokens=5).text == "answer 2"


def test_a_stopped_text_is_not_remembered(tmp_path: Path) -> None:
    stop = threading.Event()
    desk = writer(tmp_path, chat=ScriptedChat(script=lambda _prompt: "a long answer"))
    stopped = desk.write(PROMPT, stop=stop, on_text=lambda _text: stop.set())
    assert (stopped.text, stopped.stopped) == ("a ", True)
    assert desk.write(PROMPT).text == "a long answer"


def test_a_turn_keeps_its_place_until_its_end(tmp_path: Path) -> None:
    desk = writer(tmp_path)
    with desk.writer.place() as place:
        place.write(PROMPT)
        assert desk.gate.running == 1
        place.write([*PROMPT, Message("user", "And when?")])
        assert desk.gate.running == 1
    assert desk.gate.running == 0


def test_what_is_remembered_needs_no_place(tmp_path: Path) -> None:
    desk = writer(tmp_path)
    desk.write(PROMPT)
    with desk.gate.enter(), desk.writer.place() as place:
        assert place.write(PROMPT).recalled
        assert desk.gate.running == 1


def test_stopping_ends_the_waiting(tmp_path: Path) -> None:
    desk = writer(tmp_path)
    stop = threading.Event()
    stop.set()
    with desk.gate.enter():
        assert desk.write(PROMPT, stop=stop).stopped


def test_a_judgement_is_one_word_and_its_doubt_and_is_remembered(tmp_path: Path) -> None:
    chat = ScriptedChat(script=lambda _prompt: "YES, they do", doubt=lambda _prompt: 0.4)
    desk = writer(tmp_path, chat=chat)
    with desk.writer.place() as place:
        judged = place.judge(PROMPT)
        assert desk.gate.running == 1
    assert (judged.text, judged.doubt) == ("YES, ", pytest.approx(0.4))
    with desk.writer.place() as place:
        assert place.judge(PROMPT) == replace(judged, recalled=True)
    assert len(chat.prompts) == 1
    assert not desk.write(PROMPT).recalled  # what was judged is not what is answered


def test_an_engine_without_probabilities_has_no_doubt(tmp_path: Path) -> None:
    with writer(tmp_path).writer.place() as place:
        assert place.judge(PROMPT).doubt is None


class KeepingChat(ScriptedChat):
    keeps_beginnings: ClassVar[bool] = True


def test_warming_up_has_beginnings_read_and_remembers_nothing(tmp_path: Path) -> None:
    chat = KeepingChat(script=lambda _prompt: "answer")
    desk = writer(tmp_path, chat=chat)
    desk.writer.warm_up([PROMPT], threading.Event())
    assert chat.prompts == ["Where?"]
    assert not desk.write(PROMPT).recalled


def test_whoever_comes_while_the_model_warms_up_goes_first(tmp_path: Path) -> None:
    """The reading is broken off, and taken up when they have been served."""
    reading = threading.Semaphore(0)
    chat = KeepingChat(script=lambda prompt: prompt, gate=reading)
    desk = writer(tmp_path, chat=chat)
    warming = threading.Thread(target=desk.writer.warm_up, args=([PROMPT], threading.Event()))
    warming.start()
    until(lambda: chat.prompts)
    asking = threading.Thread(target=desk.write, args=([Message("user", "When?")],))
    asking.start()
    until(lambda: len(chat.prompts) == 2)
    reading.release(10)
    asking.join(10)
    warming.join(10)
    assert chat.prompts == ["Where?", "When?", "Where?"]


def test_warming_up_ends_when_the_server_stops(tmp_path: Path) -> None:
    stop = threading.Event()
    chat = KeepingChat(script=lambda _prompt: "answer", gate=threading.Semaphore(0))
    warming = threading.Thread(target=writer(tmp_path, chat=chat).writer.warm_up, args=([PROMPT], stop))
    warming.start()
    until(lambda: chat.prompts)
    stop.set()
    warming.join(10)
    assert not warming.is_alive()


def test_an_engine_that_keeps_nothing_is_not_warmed_up(tmp_path: Path) -> None:
    chat = ScriptedChat()
    writer(tmp_path, chat=chat).writer.warm_up([PROMPT], threading.Event())
    assert chat.prompts == []


def test_an_answer_that_cannot_be_remembered_counts_and_the_failure_is_counted(tmp_path: Path) -> None:
    desk = writer(tmp_path)
    refuse_inserts(desk.database, "generations")
    before = lost("text_memory")
    assert [desk.write(PROMPT).text, desk.write(PROMPT).text] == ["answer 1", "answer 2"]
    assert lost("text_memory") == before + 2
    assert desk.gate.running == 0


def test_a_memory_that_cannot_be_read_is_as_good_as_none(tmp_path: Path) -> None:
    desk = writer(tmp_path)
    with desk.database.write() as session:
        session.execute(sa.text("DROP TABLE generations"))
    assert desk.write(PROMPT).text == "answer 1"
