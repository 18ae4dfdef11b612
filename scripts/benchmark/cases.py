"""Makes the cases of the benchmark of answers: questions with the knowledge that they are asked over.

Which conditions a set gets depends on its fields. Questions with documents that do not answer them (``noise_ids``) are
asked over five documents, of which a growing share is noise. Where some questions are marked ``unanswerable``, the set
is asked as it is. From any other set, the documents of half of the questions are removed. Sentences that are claims and
no questions are left out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scripts.benchmark.answers import contains
from scripts.benchmark.data import Document, sample
from scripts.benchmark.knowledge import collection_of, stored_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scripts.benchmark.data import Intents, Question, Set

SNIPPETS = 5
NOISE = {"0": 0.0, ".4": 0.4, ".8": 0.8, "1": 1.0}
UNANSWERABLE, CLAIM = "unanswerable", "claim"


@dataclass(frozen=True, slots=True)
class Case:
    """One question. ``answerable``: whether its knowledge states the answer; ``groups``: the accepted answers, as in
    ``Question``; ``documents``: the stored documents that a right answer may cite; ``collections``: the knowledge;
    ``history``: earlier (question, answer) pairs."""

    key: str
    set: str
    lang: str
    question: str
    answerable: bool
    collections: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...] = ()
    documents: frozenset[str] = frozenset()
    history: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The cases, and the documents of each collection that they need."""

    cases: tuple[Case, ...]
    collections: Mapping[str, tuple[Document, ...]]

    @classmethod
    def joined(cls, plans: Sequence[Plan]) -> Plan:
        """Several plans as one; none of them has a collection of another one, except the main one."""
        cases = tuple(case for plan in plans for case in plan.cases)
        return cls(cases, {name: documents for plan in plans for name, documents in plan.collections.items()})


def of_set(whole: Set, *, limit: int | None, seed: int) -> Plan:
    """The cases of a set under the conditions that its fields allow. ``limit``: the most questions, by chance."""
    asked = [question for question in whole.questions if question.kind != CLAIM]
    questions = sample(asked, limit, seed)
    if any(question.noise_ids for question in asked):
        return _with_noise(whole, [question for question in questions if question.groups], seed)
    if any(question.kind == UNANSWERABLE for question in asked):
        return _as_it_is(whole, questions)
    return _with_removed(whole, [question for question in questions if question.document_ids], seed)


def of_intents(intents: Intents, *, limit: int | None, seed: int) -> Plan:
    """One document for each intent, with its known sentences and its name. Other sentences of people, inside and
    outside of the intents, are asked: at most ``limit`` of each."""
    collection = collection_of(intents.name)
    documents = tuple(
        Document(intent, examples[0], "\n".join((*examples, f"Subject: {intent.replace('_', ' ')}.")), intents.lang)
        for intent, examples in intents.examples.items()
    )
    inside = [item for item in intents.inside if item[1] in intents.examples]
    cases = [
        Case(
            f"{intents.name}|inside|{text}|{intent}",
            intents.name,
            intents.lang,
            text,
            answerable=True,
            collections=(collection,),
            documents=frozenset((stored_id(collection, intent),)),
        )
        for text, intent in sample(inside, limit, seed)
    ]
    cases += [
        Case(
            f"{intents.name}|outside|{text}",
            intents.name,
            intents.lang,
            text,
            answerable=False,
            collections=(collection,),
        )
        for text in sample(intents.outside, limit, seed)
    ]
    return Plan(tuple(dict.fromkeys(cases)), {collection: documents})


def _with_noise(whole: Set, questions: Sequence[Question], seed: int) -> Plan:
    documents = {document.id: document for document in whole.documents}
    cases: list[Case] = []
    collections: dict[str, tuple[Document, ...]] = {}
    for number, question in enumerate(questions):
        for name, share in NOISE.items():
            chosen = _snippets(question, documents, share, random.Random(f"{seed} {question.id}"))  # noqa: S311
            collection = collection_of(f"{whole.name[:40]}-{number}-noise{name}")
            collections[collection] = tuple(chosen)
            cases.append(
                Case(
                    f"{whole.name}@{name}|{question.id}",
                    f"{whole.name}@{name}",
                    question.lang,
                    question.text,
                    answerable=share < 1,
                    collections=(collection,),
                    groups=question.groups,
                )
            )
    return Plan(tuple(cases), collections)


def _snippets(
    question: Question, documents: Mapping[str, Document], share: float, chance: random.Random
) -> list[Document]:
    """Five documents, ``share`` of them noise. Below 1, every part of the answer is stated in at least one of them.
    Where a question has too little noise of its own, that of other questions fills up."""
    stating = [documents[id_] for id_ in question.document_ids]
    noise = [documents[id_] for id_ in question.noise_ids]
    wanted = SNIPPETS - round(SNIPPETS * share)
    chosen: list[Document] = []
    if wanted:
        for group in question.groups:
            first = next((document for document in stating if contains(document.text, [group])), None)
            if first is not None and first not in chosen:
                chosen.append(first)
        chosen += [document for document in stating if document not in chosen][: max(0, wanted - len(chosen))]
    missing = SNIPPETS - len(chosen)
    if share:
        chosen += [document for document in noise if document not in chosen][:missing]
        missing = SNIPPETS - len(chosen)
        if missing:
            own = set(question.document_ids) | {document.id for document in chosen}
            others = [id_ for id_, document in documents.items() if document.lang == question.lang and id_ not in own]
            strangers = (documents[id_] for id_ in chance.sample(others, min(len(others), 20 * missing)))
            plain = [each for each in strangers if not any(contains(each.text, [group]) for group in question.groups)]
            chosen += plain[:missing]
    chance.shuffle(chosen)
    return chosen


def _as_it_is(whole: Set, questions: Sequence[Question]) -> Plan:
    collection = collection_of(whole.name)
    cases = [_case(whole.name, question, collection, question.kind != UNANSWERABLE) for question in questions]
    return Plan(tuple(cases), {collection: whole.documents})


def _with_removed(whole: Set, questions: Sequence[Question], seed: int) -> Plan:
    """Each language is a knowledge base of its own: the same article in another language would keep the answer."""
    cases: list[Case] = []
    collections: dict[str, tuple[Document, ...]] = {}
    for lang in sorted({question.lang for question in questions}):
        own = [question for question in questions if question.lang == lang]
        asked_about = sorted({id_ for question in own for id_ in question.document_ids})
        removed = set(sample(asked_about, len(asked_about) // 2, seed))
        kept = [document for document in whole.documents if document.lang == lang and document.id not in removed]
        collection = collection_of(f"{whole.name[:50]}-{lang}")
        collections[collection] = tuple(kept)
        left = {document.id for document in kept}
        for question in own:
            if left.isdisjoint(question.document_ids):
                cases.append(_case(f"{whole.name}@removed", question, collection, answerable=False))
            elif left.issuperset(question.document_ids):
                cases.append(_case(whole.name, question, collection, answerable=True))
    return Plan(tuple(cases), collections)


def _case(name: str, question: Question, collection: str, answerable: bool) -> Case:
    return Case(
        f"{name}|{question.id}",
        name,
        question.lang,
        question.text,
        answerable=answerable,
        collections=(collection,),
        groups=question.groups,
        documents=frozenset(stored_id(collection, id_) for id_ in question.document_ids),
    )
