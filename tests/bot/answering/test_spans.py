"""The span reader in the path of a question: where it is sure, its sentence is quoted before the model writes, and is
the answer where the model writes none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.answering import spans
from bot.answering.answer import Answerer
from bot.answering.chat_reader import ChatReader
from bot.answering.doubt import Limits
from bot.answering.profile import Profile
from bot.answering.prompt import Selection
from bot.answering.same_words import SameWords
from bot.answering.values import Ask
from bot.llm.gate import Gate
from bot.llm.writer import ChatWriter
from knowledge import put
from knowledge.correcting.complaints import NewComplaint, report
from knowledge.put import NewDocument
from knowledge.versions import Content
from retrieval.scope import EVERYTHING
from tests.bot.talk import Talk
from tests.fakes import Pointing, ScriptedChat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot.answering.values import Outcome, Reader

RETURNS = "Worn shoes stay here. Shoes may be returned within 14 days. Ask at the desk."
SENTENCE = "Shoes may be returned within 14 days."
QUESTION = "Within how many days may shoes be returned?"
JUDGED = "Write YES or NO."


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    talk = Talk(tmp_path / "errata.db", migrated)
    documents = [
        NewDocument("returns", Content("Returns", RETURNS)),
        NewDocument("hours", Content("Hours", "Our doors open at nine. Shoes stay outside.")),
    ]
    put.put(talk.database, talk.embedder, documents, actor="ann")
    yield talk
    talk.close()


def ask(
    talk: Talk,
    pointing: Pointing | None,
    text: str = "Within 14 days, shoes may be returned [1].",
    doubt: float | None = None,
    **limits: Any,
) -> tuple[Outcome, ScriptedChat]:
    script = lambda prompt: "YES" if prompt.endswith(JUDGED) else text  # noqa: E731
    chat = ScriptedChat(script=script, doubt=None if doubt is None else lambda _prompt: doubt)
    how = Profile("test", Selection(most=4), limits=Limits(**limits))
    writer = ChatWriter(chat, Gate(1, 0), talk.database, model=f"scripted {doubt}", max_tokens=64)
    return answered(talk, ChatReader(writer, how), how, pointing), chat


def answered(talk: Talk, reader: Reader, how: Profile, pointing: Pointing | None) -> Outcome:
    path = Answerer(talk.database, talk.searcher, reader, SameWords(talk.database), how, pointing)
    return path.answer(Ask(QUESTION, EVERYTHING))


def test_each_passage_is_read_once_and_its_reading_is_stored(talk: Talk) -> None:
    reader = Pointing(**{"14_days": 3.5, "nine": -2.0})
    outcome, _ = ask(talk, reader)
    assert reader.asked == [QUESTION]
    assert outcome.trace is not None
    start = RETURNS.index("14 days")
    assert outcome.trace.to_json()["reading"]["spans"] == [[1, start, start + len("14 days"), 3.5], [2, 18, 22, -2.0]]
    assert [source.document_id for source in outcome.sources] == ["returns", "hours"]


@pytest.mark.parametrize("text", ["[1]", "YES", "Yes.", "YES [1]", ""])
def test_where_the_model_writes_no_answer_the_sentence_with_the_answer_is_given(talk: Talk, text: str) -> None:
    outcome, _ = ask(talk, Pointing(**{"14_days": 2.0}), text, quoting=1.0)
    assert (outcome.status, outcome.answer, outcome.citations) == ("answered", f"{SENTENCE} [1]", (1,))
    assert outcome.trace is not None
    assert outcome.trace.reading.sentence


def test_the_sure_sentence_comes_with_its_source_before_the_first_word(talk: Talk) -> None:
    for odds, quotes in ((2.0, [SENTENCE, ""]), (0.9, ["", ""])):
        outcome, _ = ask(talk, Pointing(**{"14_days": odds, "nine": -3.0}), quoting=1.0)
        assert [source.quote for source in outcome.sources] == quotes


def test_where_the_span_reader_is_not_sure_nothing_is_given(talk: Talk) -> None:
    assert ask(talk, Pointing(**{"14_days": 0.9}), "[1]", quoting=1.0)[0].status == "refused"


def test_a_refusal_in_words_counts_where_the_model_did_not_judge(talk: Talk) -> None:
    assert ask(talk, Pointing(**{"14_days": 2.0}), "NO_ANSWER", quoting=1.0)[0].status == "refused"


def test_a_refusal_in_words_after_a_judgement_that_there_is_an_answer_gives_the_sentence(talk: Talk) -> None:
    outcome, _ = ask(talk, Pointing(**{"14_days": 2.0}), "NO_ANSWER", doubt=0.1, intercept=0.0, quoting=1.0)
    assert (outcome.status, outcome.answer) == ("answered", f"{SENTENCE} [1]")


def test_the_model_s_own_answer_goes_before_the_sentence(talk: Talk) -> None:
    outcome, _ = ask(talk, Pointing(**{"14_days": 9.0}), quoting=1.0)
    assert outcome.answer == "Within 14 days, shoes may be returned [1]."


def test_a_correction_that_answers_goes_before_a_surer_passage(talk: Talk) -> None:
    with talk.database.write() as session:
        seen = NewComplaint("May shoes be returned?", {"answer": "?"}, "rated_down", "visitor", rating="down")
        number = report(session, seen, EVERYTHING).id
    talk.correct(number, "Shoes go back within 30 days.")
    for odds, expected in ((1.5, "Shoes go back within 30 days."), (0.5, SENTENCE)):
        outcome, _ = ask(talk, Pointing(**{"30_days": odds, "14_days": 3.0}), "YES", quoting=1.0)
        assert outcome.answer.rpartition(" ")[0] == expected


def test_without_readings_there_is_no_sentence_and_no_odds() -> None:
    assert spans.read(None, "Who?", []) == ()
    assert spans.odds_of(()) is None
    assert spans.best_sentence((), []) is None
