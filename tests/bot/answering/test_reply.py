"""The reply of a model: it judges, writes, is asked once more where it was sure, and its text is verified."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING, Any

import pytest

from bot.answering import doubt, prompt
from bot.answering.doubt import Limits
from bot.answering.prompt import NO_ANSWER, Message
from bot.answering.reply import PreparedPrompt, is_refusal, reply
from bot.answering.values import Reply, Source
from bot.llm.gate import Gate
from bot.llm.writer import ChatWriter
from knowledge.db import open_database
from tests.fakes import ScriptedChat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from knowledge.db import Database

PASSAGE = "Shoes may be returned within 14 days."
QUESTION = "Within how many days may shoes be returned?"
ANSWER = "Shoes may be returned within 14 days [1]."
LIMIT = 0.0  # log-odds: a doubt of one half
SURE, UNSURE = 0.2, 0.45  # doubts far below the limit and near it


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Iterator[Database]:
    database = open_database(shutil.copy(migrated, tmp_path / "errata.db"))
    yield database
    database.close()


def source(n: int, text: str, *, curated: bool = False) -> Source:
    return Source(n, n, f"doc{n}", 1, "Returns", (), None, text, 1.0, {}, curated)


class Model:
    """A model that writes these texts one after the other, and the pieces that were passed on."""

    messages = (Message("user", f"[1] Returns\n{PASSAGE}\n\nQuestion: {QUESTION}"),)

    def __init__(self, database: Database, *texts: str, doubts: float | None = None) -> None:
        remaining = list(texts)

        def script(prompt: str) -> str:
            return "YES" if prompt.endswith("YES or NO.") else remaining.pop(0)

        self.heard: list[str] = []
        self.stop = threading.Event()
        self.chat = ScriptedChat(script=script, doubt=None if doubts is None else lambda _prompt: doubts)
        self._writer = ChatWriter(self.chat, Gate(1, 0), database, model="scripted", max_tokens=64)

    def reply(self, on_text: Callable[[str], None] | None = None, **how: Any) -> Reply:
        values = {"question": QUESTION, "sources": (source(1, PASSAGE),), "limit": LIMIT} | how
        prepared = PreparedPrompt(self.messages, language="en", **values)  # type: ignore[arg-type]
        with self._writer.place(stop=self.stop) as place:
            return reply(prepared, place, on_text or self.heard.append)


def test_an_answer_is_passed_on_as_it_is_written(database: Database) -> None:
    model = Model(database, ANSWER, doubts=UNSURE)
    made = model.reply()
    assert (made.status, made.text, made.citations) == ("answered", ANSWER, (1,))
    assert "".join(model.heard) == ANSWER
    assert len(model.heard) > 1


def test_a_sure_model_that_refuses_in_words_is_asked_once_more(database: Database) -> None:
    model = Model(database, NO_ANSWER, ANSWER, doubts=SURE)
    made = model.reply()
    assert (made.status, made.text) == ("answered", ANSWER)
    assert "".join(model.heard) == ANSWER  # nothing of the refusal
    again = prompt.insisting(model.messages, "en")
    assert made.messages == again
    assert model.chat.prompts[1:] == [model.messages[-1].content, again[-1].content]


def test_a_second_try_is_remembered_and_made_again_only_on_request(database: Database) -> None:
    model = Model(database, NO_ANSWER, ANSWER, NO_ANSWER, "Returned within 14 days [1].", doubts=SURE)
    assert model.reply().writing is not None
    remembered = model.reply()
    assert (remembered.text, remembered.writing) == (ANSWER, None)
    assert model.reply(fresh=True).text == "Returned within 14 days [1]."


@pytest.mark.parametrize("first", [NO_ANSWER, "[1]", "[2]."])
def test_a_model_that_refuses_twice_has_refused(database: Database, first: str) -> None:
    model = Model(database, first, "[1]", doubts=SURE)
    assert model.reply().status == "refused"
    assert model.heard == []
    assert len(model.chat.prompts) == 3


@pytest.mark.parametrize("doubts", [UNSURE, None])
def test_a_model_that_is_not_sure_is_not_asked_again(database: Database, doubts: float | None) -> None:
    model = Model(database, NO_ANSWER, ANSWER, doubts=doubts)
    assert model.reply().status == "refused"
    assert model.heard == []
    assert len(model.chat.prompts) == 2


def test_a_model_that_did_not_judge_is_not_asked_again(database: Database) -> None:
    model = Model(database, NO_ANSWER, ANSWER, doubts=SURE)
    assert model.reply(limit=None).status == "refused"
    assert len(model.chat.prompts) == 1


def test_too_much_doubt_refuses_before_anything_is_written(database: Database) -> None:
    model = Model(database, ANSWER, doubts=0.6)
    made = model.reply()
    assert (made.status, made.text, model.heard, len(model.chat.prompts)) == ("refused", "", [], 1)
    assert made.prompt_tokens > 0


@pytest.mark.parametrize("doubts", [SURE, UNSURE])
def test_where_the_model_refuses_the_text_of_a_correction_of_this_question_is_given(
    database: Database, doubts: float
) -> None:
    model = Model(database, NO_ANSWER, doubts=doubts)
    made = model.reply(sources=(source(1, PASSAGE, curated=True),), quotable=frozenset({1}), corrected=True)
    assert (made.status, made.text, made.citations) == ("answered", f"{PASSAGE} [1]", (1,))
    assert model.heard == [f"{PASSAGE} [1]"]
    assert len(model.chat.prompts) == 2


@pytest.mark.parametrize(
    "how",
    [
        {"corrected": False},  # of another question
        {"quotable": frozenset()},  # more than the passage
        {"limit": None},  # the model did not judge
        {"limit": -3.0},  # the model judged that it does not
    ],
)
def test_the_text_of_another_correction_is_not_given(database: Database, how: dict[str, Any]) -> None:
    model = Model(database, NO_ANSWER, doubts=UNSURE)
    sources = (source(1, PASSAGE, curated=True),)
    made = model.reply(**{"sources": sources, "quotable": frozenset({1}), "corrected": True} | how)
    assert (made.status, model.heard) == ("refused", [])


@pytest.mark.parametrize(
    ("question", "prompts"),
    [
        ("Can shoes be returned within 14 days?", 2),
        (" is it 14 days?", 2),
        ("Island shoes: how long?", 3),
        ("14 天内可以退鞋吗？", 2),
        ("鞋子能不能退", 2),
        ("是否可以退鞋？", 2),
        ("不可以退的是什么？", 3),
    ],
)
def test_a_question_for_yes_or_no_is_not_asked_again(database: Database, question: str, prompts: int) -> None:
    model = Model(database, NO_ANSWER, ANSWER, doubts=SURE)
    model.reply(question=question)
    assert len(model.chat.prompts) == prompts


def test_the_model_is_not_asked_again_about_a_correction_of_another_question(database: Database) -> None:
    model = Model(database, NO_ANSWER, ANSWER, doubts=SURE)
    assert model.reply(sources=(source(1, PASSAGE, curated=True),)).status == "refused"
    assert len(model.chat.prompts) == 2


@pytest.mark.parametrize(("beyond", "status"), [(0.01, "answered"), (-0.01, "refused")])
def test_sure_is_a_fixed_distance_from_the_limit(database: Database, beyond: float, status: str) -> None:
    model = Model(database, NO_ANSWER, ANSWER, doubts=UNSURE)
    assert model.reply(limit=doubt.log_odds(UNSURE) + Limits().sure + beyond).status == status


def test_a_refusal_that_was_passed_on_is_not_joined_with_a_second_text(database: Database) -> None:
    model = Model(database, "(corrected) [1]", ANSWER, doubts=SURE)
    assert model.reply(sources=(source(1, PASSAGE, curated=True),)).status == "refused"
    assert "".join(model.heard) == "(corrected) [1]"


def test_a_stop_during_the_second_try_keeps_the_text_so_far(database: Database) -> None:
    model = Model(database, NO_ANSWER, ANSWER, doubts=SURE)

    def on_text(text: str) -> None:
        model.heard.append(text)
        model.stop.set()

    made = model.reply(on_text)
    assert made.status == "stopped"
    assert made.text == "Shoes [1]"
    assert model.heard == ["Shoes "]


@pytest.mark.parametrize("text", ["NO_ANSWER because", "[1] [1]"])
def test_a_stop_in_a_refusal_keeps_nothing(database: Database, text: str) -> None:
    model = Model(database, text)
    model.chat.gate = threading.Semaphore(1)
    threading.Timer(0.1, model.stop.set).start()
    made = model.reply(limit=None)
    assert (made.status, made.text, made.citations, model.heard) == ("stopped", "", (), [])


@pytest.mark.parametrize(
    ("text", "doubts", "reason"),
    [
        (ANSWER, 0.6, "doubt"),
        (NO_ANSWER, UNSURE, "said_so"),
        ("[1]", UNSURE, "said_so"),
        ("Within 99 days [1].", UNSURE, "invented"),
        ("Bananas are yellow.", UNSURE, "not_cited"),
        (ANSWER, UNSURE, None),
    ],
)
def test_a_refusal_has_its_reason(database: Database, text: str, doubts: float, reason: str | None) -> None:
    made = Model(database, text, doubts=doubts).reply()
    assert (made.reason, made.status) == (reason, "refused" if reason else "answered")
    assert bool(made.text) == (reason is None)


def test_a_stopped_reply_has_no_reason_of_refusal(database: Database) -> None:
    model = Model(database, "NO_ANSWER because")
    model.chat.gate = threading.Semaphore(1)
    threading.Timer(0.1, model.stop.set).start()
    assert model.reply(limit=None).reason is None


@pytest.mark.parametrize("text", ["14", "14 [1]", "[1] 14 days"])
def test_a_short_text_that_began_like_a_bare_number_is_passed_on_at_the_end(database: Database, text: str) -> None:
    model = Model(database, text)
    made = model.reply(limit=None)
    assert made.status == "answered"
    assert "".join(model.heard).removesuffix(" [1]") == text.removesuffix(" [1]")


def test_for_a_bare_number_the_text_of_the_correction_is_passed_on(database: Database) -> None:
    model = Model(database, "[1]")
    made = model.reply(sources=(source(1, PASSAGE, curated=True),), quotable=frozenset({1}), limit=None)
    assert (made.status, made.text) == ("answered", f"{PASSAGE} [1]")
    assert model.heard == [f"{PASSAGE} [1]"]


def test_the_time_of_writing_begins_with_the_text_that_is_kept_back(database: Database) -> None:
    model = Model(database, "14 [1]")
    model.chat.gate = threading.Semaphore(1)
    threading.Timer(0.5, model.chat.gate.release).start()
    writing = model.reply(limit=None).writing
    assert writing is not None
    assert writing >= 50  # the timer began before the model did


@pytest.mark.parametrize(
    "text",
    [
        "NO_ANSWER",
        "no answer.",
        '"NO_ANSWER" [1]',
        "[1] NO_ANSWER",
        "（NO_ANSWER）",
        "\tNO_ANSWER",
        "",
        "  \n",
        "[2]",
        "[1] [2].",
    ],
)
def test_a_refusal_is_the_sentinel_or_a_text_without_words(database: Database, text: str) -> None:
    assert is_refusal(text)
    model = Model(database, text)
    assert model.reply(limit=None).status == "refused"
    assert model.heard == []


@pytest.mark.parametrize(
    "text", ["No answers are stored longer than 14 days [1].", "Nobody returned shoes [1].", "No, within 14 days."]
)
def test_a_refusal_is_not_guessed_from_other_words(database: Database, text: str) -> None:
    assert not is_refusal(text)
    model = Model(database, text)
    assert model.reply(limit=None).status == "answered"
    assert len(model.heard) > 1  # while it is written


def test_the_word_no_alone_is_no_refusal() -> None:
    assert not is_refusal("No.")
