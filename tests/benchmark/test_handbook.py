"""Our own questions over the handbook: they are sound, and the real embedding model finds what answers them."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.answering.condense import EarlierTurn
from bot.answering.values import Ask
from bot.settings import Settings, default_models_folder
from bot.wiring import Parts
from retrieval.scope import Scope
from scripts.benchmark import handbook
from scripts.benchmark.answers import contains
from scripts.benchmark.knowledge import fill

if TYPE_CHECKING:
    from scripts.benchmark.handbook import HandbookQuestion

QUESTIONS = handbook.questions()
LEAST = 0.5  # share of the answerable questions, in each language
ANSWERABLE = [question for question in QUESTIONS if question.case.answerable]


def test_there_are_as_many_questions_of_every_kind_in_both_languages() -> None:
    counts = Counter((question.kind, question.case.lang) for question in QUESTIONS)
    kinds = {"answerable", "number", "table", "follow-up", "conflict", "near-miss", "unanswerable"}
    assert {kind for kind, _ in counts} == kinds
    assert {kind: counts[kind, "en"] - counts[kind, "zh"] for kind in kinds} == dict.fromkeys(kinds, 0)
    assert len(QUESTIONS) == len({question.case.key for question in QUESTIONS}) >= 80


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question.case.key)
def test_every_answer_is_stated_where_the_question_says(question: HandbookQuestion) -> None:
    documents = handbook.added()
    texts = [documents[name].text for name in question.case.collections[1:]]
    if question.page is not None:
        texts.append(question.page.read_text(encoding="utf-8"))
    text = "\n".join(texts)
    assert question.must_contain
    assert [words for words in question.must_contain if words not in text] == []
    assert contains(text, question.case.groups)


@pytest.mark.parametrize(
    "question",
    [question for question in QUESTIONS if not question.case.answerable],
    ids=lambda question: question.case.key,
)
def test_an_unanswerable_question_has_no_answer(question: HandbookQuestion) -> None:
    assert (question.case.groups, question.page, question.must_contain) == ((), None, ())


@pytest.mark.real
@pytest.mark.slow
def test_the_passages_that_answer_are_among_the_sources(tmp_path: Path) -> None:
    models = Path(os.environ.get("ERRATA_MODELS") or default_models_folder())
    parts = Parts(Settings(data=tmp_path, models=models, models_hub=False, chat_model="extractive"))
    handbook.fill(parts)
    for name, document in handbook.added().items():
        fill(parts, name, [document])
    missed: dict[str, list[str]] = {"en": [], "zh": []}
    for question in ANSWERABLE:
        case = question.case
        history = tuple(EarlierTurn(asked, answer) for asked, answer in case.history)
        outcome = parts.answerer.answer(Ask(case.question, Scope.of(*case.collections), history=history))
        text = "\n".join(source.passage for source in outcome.sources)
        if any(words not in text for words in question.must_contain):
            missed[case.lang].append(case.key)
    parts.close()
    share = {lang: 1 - len(keys) / sum(q.case.lang == lang for q in ANSWERABLE) for lang, keys in missed.items()}
    assert {lang: value >= LEAST for lang, value in share.items()} == {"en": True, "zh": True}, (share, missed)
