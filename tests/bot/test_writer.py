"""The chat model's memory: the same prompt gets the same text; a fresh one is a sample for who asked."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

from bot.llm.gate import Gate
from bot.llm.writer import ChatWriter
from bot.prompt import Message
from knowledge.db import open_database
from tests.fakes import ScriptedChat

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = [Message("system", "Answer."), Message("user", "Where?")]


def writer(folder: Path, *, model: str = "one", chat: ScriptedChat | None = None) -> ChatWriter:
    numbers = count(1)
    chat = chat or ScriptedChat(script=lambda _prompt: f"answer {next(numbers)}")
    return ChatWriter(chat, Gate(1, 1), open_database(folder / "errata.db"), model=model, max_tokens=64)


def test_the_same_prompt_gets_the_same_text(tmp_path: Path) -> None:
    one = writer(tmp_path)
    first, second = one.write(PROMPT), one.write(PROMPT)
    assert (first.text, second) == ("answer 1", first)


def test_a_fresh_text_is_not_remembered(tmp_path: Path) -> None:
    one = writer(tmp_path)
    texts = [one.write(PROMPT, fresh=fresh).text for fresh in (False, True, True, False)]
    assert texts == ["answer 1", "answer 2", "answer 3", "answer 1"]


def test_another_model_or_length_does_not_repeat_it(tmp_path: Path) -> None:
    assert writer(tmp_path, model="one").write(PROMPT).text == "answer 1"
    other = writer(tmp_path, model="two")
    assert other.write(PROMPT).text == "answer 1"
    assert other.write(PROMPT, max_tokens=5).text == "answer 2"


def test_a_stopped_text_is_not_remembered(tmp_path: Path) -> None:
    stop = threading.Event()
    one = writer(tmp_path, chat=ScriptedChat(script=lambda _prompt: "a long answer"))
    stopped = one.write(PROMPT, stop=stop, on_text=lambda _text: stop.set())
    assert (stopped.text, stopped.stopped) == ("a ", True)
    assert one.write(PROMPT).text == "a long answer"
