"""A chat model's stream is checked: silence, endless and incomplete texts, halves of characters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable  # noqa: TC003 - pydantic reads the fields' types
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.llm.engine import LocalChatModel, Request, Step
from bot.llm.errors import GenerationFailed, ModelSilent
from bot.llm.listening import Patience, Received, listen

if TYPE_CHECKING:
    from collections.abc import Iterator

END = Step(prompt_tokens=5, completion_tokens=3, finish_reason="stop")


class Playing(LocalChatModel):
    """Plays steps; a number is a silence of so many seconds, during which it notices a stop."""

    model: str = "playing"
    play: Callable[[], Iterable[Step | float]]
    ended: list[str] = []  # noqa: RUF012 - pydantic copies it

    def _steps(self, request: Request) -> Iterator[Step]:
        assert request.stop_event is not None
        for item in self.play():
            if isinstance(item, Step):
                yield item
            else:
                until = time.monotonic() + item
                while time.monotonic() < until and not request.stop_event.is_set():
                    time.sleep(0.01)
            if request.stop_event.is_set():
                break
        self.ended.append("ended")


def hear(
    *steps: Step | float, max_tokens: int = 50, stop: threading.Event | None = None, **patience: float
) -> tuple[Received, list[str], list[int]]:
    """Returns (the result, the pieces that were passed on, the reported silences)."""
    pieces: list[str] = []
    silences: list[int] = []
    reply = listen(
        Playing(play=lambda: steps),
        [("user", "hi")],
        {"max_tokens": max_tokens},
        stop=stop or threading.Event(),
        patience=Patience(**patience),
        on_text=pieces.append,
        on_silence=silences.append,
    )
    return reply, pieces, silences


def test_text_and_counts_come_through() -> None:
    reply, pieces, silences = hear(Step("One "), Step("two."), END)
    assert (reply.text, pieces, reply.tokens, silences) == ("One two.", ["One ", "two."], (5, 3), [])


def test_silence_is_reported_repeatedly_and_the_answer_still_counts() -> None:
    reply, _, silences = hear(0.5, Step("late"), END, notice=0.2, limit=30)
    assert (reply.text, silences) == ("late", [0, 0])  # whole seconds


@pytest.mark.parametrize("before", [(), (Step("Half an ans"),)], ids=["before the first word", "between words"])
def test_a_model_that_stays_silent_is_given_up_and_stopped(before: tuple[Step, ...]) -> None:
    chat = Playing(play=lambda: (*before, 60.0))
    started = time.monotonic()
    with pytest.raises(ModelSilent, match=r"did not answer for 0\.4 seconds"):
        listen(
            chat,
            [("user", "hi")],
            {"max_tokens": 9},
            stop=threading.Event(),
            patience=Patience(notice=0.1, limit=0.4),
            on_text=lambda _text: None,
            on_silence=lambda _seconds: None,
        )
    assert 0.3 < time.monotonic() - started < 5
    for _ in range(500):
        if chat.ended:
            break
        time.sleep(0.01)
    assert chat.ended == ["ended"]  # it does not go on without a reader


def test_empty_chunks_end_a_silence() -> None:
    reading = [item for _ in range(6) for item in (0.15, Step(prompt_tokens=5))]
    reply, _, silences = hear(*reading, Step("read"), END, notice=0.4, limit=0.6)
    assert (reply.text, silences) == ("read", [])


def test_a_text_that_never_ends_is_cut() -> None:
    count = 0

    def endless() -> Iterator[Step]:
        nonlocal count
        while True:
            count += 1
            yield Step("word ")

    reply = listen(
        Playing(play=endless),
        [("user", "hi")],
        {"max_tokens": 100},
        stop=threading.Event(),
        patience=Patience(),
        on_text=lambda _text: None,
        on_silence=lambda _seconds: None,
    )
    assert 100 * 5 < len(reply.text) < 2_000
    seen = count
    time.sleep(0.2)
    assert count - seen < 200  # the engine was stopped


def test_a_correct_text_that_uses_all_tokens_is_not_cut() -> None:
    long_words = "Donaudampfschifffahrt " * 100  # 22 characters for each of 100 pieces
    reply, _, _ = hear(*(Step(word) for word in long_words.split(" ")), END, max_tokens=400)
    assert reply.text == long_words.replace(" ", "")


def test_a_stream_that_ends_without_a_reason_is_incomplete() -> None:
    with pytest.raises(GenerationFailed, match="stopped before its end") as failed:
        hear(Step("The fee is 40"))
    assert failed.value.code == "model_broke_off"


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
def test_a_stream_with_a_finish_reason_is_accepted(reason: str) -> None:
    assert hear(Step("text"), Step(finish_reason=reason))[0].text == "text"


def test_the_text_before_a_stop_is_kept() -> None:
    stop = threading.Event()
    pieces: list[str] = []

    def stop_after_the_first(text: str) -> None:
        pieces.append(text)
        stop.set()

    reply = listen(
        Playing(play=lambda: (Step("One "), 30.0, Step("two."), END)),
        [("user", "hi")],
        {"max_tokens": 9},
        stop=stop,
        patience=Patience(),
        on_text=stop_after_the_first,
        on_silence=lambda _seconds: None,
    )
    assert (reply.text, pieces) == ("One ", ["One "])


def test_halves_of_a_character_are_joined_and_a_lone_half_is_replaced() -> None:
    reply, pieces, _ = hear(Step("a\ud83d"), Step("\ude00b"), Step("\udc00c"), Step("d\ud83d"), Step("e\ud83d"), END)
    assert (
        reply.text
        == "a\N{GRINNING FACE}b\N{REPLACEMENT CHARACTER}cd\N{REPLACEMENT CHARACTER}e\N{REPLACEMENT CHARACTER}"
    )
    assert "".join(pieces) == reply.text


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30), st.lists(st.integers(0, 60), max_size=6))
def test_text_is_the_same_however_its_utf_16_was_cut(text: str, cuts: list[int]) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    edges = [0, *sorted(2 * min(cut, len(units) // 2) for cut in cuts), len(units)]
    pieces = [units[a:b].decode("utf-16-le", "surrogatepass") for a, b in pairwise(edges)]
    reply, _, _ = hear(*(Step(piece) for piece in pieces), END)
    assert reply.text == text


def test_impossible_counts_of_a_server_are_limited_to_a_database_integer() -> None:
    reply, _, _ = hear(Step("text"), Step(prompt_tokens=10**30, completion_tokens=-3, finish_reason="stop"))
    assert reply.tokens == (2**31 - 1, 0)
