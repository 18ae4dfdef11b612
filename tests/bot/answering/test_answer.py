"""How the answer path uses the text of a model: its doubt, and a bare number that names a correction."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from bot.answering.answer import Answerer
from bot.answering.chat_reader import ChatReader
from bot.answering.condense import EarlierTurn
from bot.answering.doubt import Limits
from bot.answering.profile import Profile
from bot.answering.prompt import Selection
from bot.answering.same_words import SameWords
from bot.answering.values import Ask, Event, SourcesFound, Token
from bot.llm.gate import Gate
from bot.llm.writer import ChatWriter
from knowledge import put
from knowledge.correcting.complaints import NewComplaint, report
from knowledge.put import NewDocument
from knowledge.versions import Content
from retrieval.scope import EVERYTHING
from tests.bot.talk import Talk
from tests.fakes import ScriptedChat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


ANSWER = "Shoes may be returned within 14 days [1]."
NEAR = "Within how many days may shoes be returned?"  # all its words but three are in the passage
INTERCEPT = -2.0  # for passages as short as these


def profile(intercept: float | None = None) -> Profile:
    return Profile("test", Selection(most=4), limits=Limits(intercept=intercept))


APART = "Shall the boutique reimburse me for unworn sandals?"  # none of its words is


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    documents = [
        NewDocument("returns", Content("Returns", "Shoes may be returned within 14 days.")),
        NewDocument("hours", Content("Hours", "Our doors open at nine.")),
    ]
    put.put(talk.database, talk.embedder, documents, actor="ann")
    yield talk
    talk.close()


def make_answerer(talk: Talk, writer: ChatWriter, how: Profile) -> Answerer:
    return Answerer(talk.database, talk.searcher, ChatReader(writer, how), SameWords(talk.database), how)


def answerer(talk: Talk, text: str, doubt: float = 0.0, **how: Any) -> Answerer:
    chat = ScriptedChat(script=lambda _prompt: text, doubt=lambda _prompt: doubt)
    writer = ChatWriter(chat, Gate(1, 0), talk.database, model=f"scripted {doubt}", max_tokens=64)
    return make_answerer(talk, writer, profile(**how))


def status(talk: Talk, question: str, doubt: float, **how: Any) -> str:
    outcome = answerer(talk, ANSWER, doubt, **how).answer(Ask(question, EVERYTHING))
    assert outcome.prompt[-1].content.endswith(question)  # the question, also where the model only judged
    return outcome.status


@pytest.mark.parametrize(
    ("question", "doubt", "expected"),
    [(NEAR, 0.4, "answered"), (NEAR, 0.9, "refused"), (APART, 0.4, "refused"), (APART, 0.05, "answered")],
)
def test_the_fewer_words_of_a_question_the_passages_have_the_surer_the_model_must_be(
    talk: Talk, question: str, doubt: float, expected: str
) -> None:
    assert status(talk, question, doubt, intercept=INTERCEPT) == expected


def test_a_question_in_another_language_is_not_judged_by_its_words(talk: Talk) -> None:
    assert status(talk, "鞋子可以退吗？", 0.45, intercept=INTERCEPT) == "answered"
    assert status(talk, "鞋子可以退吗？", 0.9, intercept=INTERCEPT) == "refused"


def test_the_outcome_has_the_text_and_the_prompt_of_the_second_try(talk: Talk) -> None:
    chat = ScriptedChat(script=lambda prompt: "NO_ANSWER" if prompt.endswith(NEAR) else ANSWER, doubt=lambda _: 0.05)
    writer = ChatWriter(chat, Gate(1, 0), talk.database, model="scripted", max_tokens=64)
    how = make_answerer(talk, writer, profile(INTERCEPT))
    events: list[Event] = []
    outcome = how.answer(Ask(NEAR, EVERYTHING), events.append)
    assert (outcome.status, outcome.answer) == ("answered", ANSWER)
    assert [type(event) for event in events[:2]] == [SourcesFound, Token]
    assert "".join(event.text for event in events if isinstance(event, Token)) == ANSWER
    assert outcome.prompt[-1].content == chat.prompts[-1] != chat.prompts[-2]


@pytest.mark.parametrize("question", [NEAR, APART])
def test_a_model_without_a_measured_limit_refuses_in_words_only(talk: Talk, question: str) -> None:
    assert status(talk, question, 0.9) == "answered"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1]", "Worn shoes: 7 days. [1]"),
        ("[1].", "Worn shoes: 7 days. [1]"),
        ("7 days (corrected) [1].", "7 days [1]."),
        ("7 days（corrected）", "7 days [1]"),
        ("(corrected) [1]", "Worn shoes: 7 days. [1]"),
        ("[2]", None),  # a passage that nobody wrote as an answer
        ("[1][2]", None),
        ("[9]", None),
    ],
)
def test_a_bare_number_of_a_correction_becomes_the_text_of_the_correction(
    talk: Talk, text: str, expected: str | None
) -> None:
    with talk.database.write() as session:
        complaint = NewComplaint(
            "Shall worn shoes be returned too?", {"answer": "?"}, "rated_down", "visitor", rating="down"
        )
        number = report(session, complaint, EVERYTHING).id
    talk.correct(number, "Worn shoes: 7 days.")
    outcome = answerer(talk, text).answer(Ask("How about worn shoes that shall be returned?", EVERYTHING))
    assert [source.curated for source in outcome.sources][:2] == [True, False]
    assert (outcome.status, outcome.answer) == (("answered", expected) if expected else ("refused", outcome.answer))


def test_a_bare_number_of_a_correction_in_many_passages_is_refused(talk: Talk) -> None:
    with talk.database.write() as session:
        complaint = NewComplaint(
            "Shall worn shoes be returned too?", {"answer": "?"}, "rated_down", "visitor", rating="down"
        )
        number = report(session, complaint, EVERYTHING).id
    talk.correct(number, "\n\n".join(f"Step {step}. {'Worn shoes shall be returned. ' * 20}" for step in range(6)))
    outcome = answerer(talk, "[1]").answer(Ask("How about worn shoes that shall be returned?", EVERYTHING))
    assert outcome.sources[0].curated
    assert outcome.status == "refused"


def correct(talk: Talk, question: str, answer: str) -> None:
    with talk.database.write() as session:
        complaint = NewComplaint(question, {"answer": "?"}, "rated_down", "visitor", rating="down")
        number = report(session, complaint, EVERYTHING).id
    talk.correct(number, answer)


DOORS = EarlierTurn("When do the doors open?", "At nine [1].")


@pytest.mark.parametrize("written", ["Who manages?", "Who manages the doors?", "", "The doors open at nine."])
def test_a_short_question_within_a_conversation_is_searched_for_and_gets_no_curated_answer(
    talk: Talk, written: str
) -> None:
    """ "Who manages?" may ask for the manager of the doors. Until now the answer of another question was served."""
    correct(talk, "Who manages?", "Ann does.")
    outcome = answerer(talk, written).answer(Ask("Who manages?", EVERYTHING, history=(DOORS,)))
    assert outcome.status != "curated"
    assert "Ann does." in [source.passage for source in outcome.sources]  # like any document


LONG = "Which papers must new members bring for opening an account?"


@pytest.mark.parametrize(
    ("question", "written", "status"),
    [
        (LONG, LONG, "answered"),
        (f"{LONG[:-1]} there?", f"{LONG[:-1]} there?", "answered"),
        ("And new members?", "Which papers must new members bring when the doors open?", "answered"),
        ("And shoes?", "When do the shoes open?", "curated"),
        ("And shoes?", "When do shoes arrive?", "answered"),
    ],
)
def test_within_a_conversation_a_curated_answer_is_given_only_to_a_question_that_was_rewritten_with_it(
    talk: Talk, question: str, written: str, status: str
) -> None:
    correct(talk, written, "Ann brings them.")
    script = lambda prompt: written if "Last question:" in prompt else "Ann brings them [1]."  # noqa: E731
    writer = ChatWriter(ScriptedChat(script=script), Gate(1, 0), talk.database, model="scripted", max_tokens=64)
    path = make_answerer(talk, writer, profile())
    assert path.answer(Ask(question, EVERYTHING, history=(DOORS,))).status == status


def test_stopping_while_the_model_judges_stops_the_answer(talk: Talk) -> None:
    stop = threading.Event()

    def script(_prompt: str) -> str:
        stop.set()
        return "YES"

    chat = ScriptedChat(script=script, doubt=lambda _prompt: 0.1)
    writer = ChatWriter(chat, Gate(1, 0), talk.database, model="scripted", max_tokens=64)
    how = make_answerer(talk, writer, profile(INTERCEPT))
    outcome = how.answer(Ask(NEAR, EVERYTHING), stop=stop)
    assert (outcome.status, outcome.answer, len(chat.prompts)) == ("stopped", "", 1)


def test_a_refusal_by_doubt_counts_the_tokens_that_were_read(talk: Talk) -> None:
    outcome = answerer(talk, "YES", 0.9, intercept=INTERCEPT).answer(Ask(NEAR, EVERYTHING))
    assert outcome.status == "refused"
    assert outcome.prompt_tokens > 0
