"""Reads benchmark data: a folder of sets, each with ``corpus.jsonl`` and ``questions.jsonl``; or files of intents.

Every row is checked when it is read, so that a run does not fail after an hour. Raises ``BenchError`` with the file
and the line. A field that is not listed in ``Document`` or ``Question`` is kept in ``details`` when it is a text.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from retrieval.text import primary
from scripts.benchmark.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

Item = TypeVar("Item")

CORPUS, QUESTIONS, INTENTS = "corpus.jsonl", "questions.jsonl", "intents"


@dataclass(frozen=True, slots=True)
class Document:
    """A document of a set. ``lang``: the primary code of its language (``zh`` for ``zh-Hant``)."""

    id: str
    title: str
    text: str
    lang: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a set. ``groups``: an answer is right when it has one text of every group; empty where the data
    have no answers. ``document_ids``: the documents that answer it; ``parallel_ids``: the same documents in another
    language; ``noise_ids``: documents about its subject that do not answer it."""

    id: str
    text: str
    lang: str
    kind: str
    groups: tuple[tuple[str, ...], ...] = ()
    document_ids: tuple[str, ...] = ()
    parallel_ids: tuple[str, ...] = ()
    noise_ids: tuple[str, ...] = ()
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Set:
    """A set: its documents and its questions. ``shared``: fields of its questions that its documents have too, such as
    the course that a question was asked in; a search may be filtered by them."""

    name: str
    documents: tuple[Document, ...]
    questions: tuple[Question, ...]
    shared: tuple[str, ...] = ()

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(sorted({document.lang for document in self.documents}))


@dataclass(frozen=True, slots=True)
class Intents:
    """Sentences of people: ``examples`` by intent are known, ``inside`` have one of these intents, ``outside`` none."""

    name: str
    examples: Mapping[str, tuple[str, ...]]
    inside: tuple[tuple[str, str], ...]  # (sentence, intent)
    outside: tuple[str, ...]
    lang: str


def names(folder: Path) -> list[str]:
    """The sets of a folder that have documents and questions, in the order of their names. Raises BenchError."""
    if not folder.is_dir():
        raise BenchError(f"{folder} is no folder. Give the folder of the benchmark data with --data.")
    return sorted(path.parent.name for path in folder.glob(f"*/{QUESTIONS}") if (path.parent / CORPUS).is_file())


def intent_names(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / INTENTS).glob("*.jsonl"))


def chosen(asked: str | None, there: Sequence[str]) -> list[str]:
    """The names in a comma-separated text, or all. Raises BenchError for one that is not there."""
    if asked is None:
        return list(there)
    wanted = [name.strip() for name in asked.split(",") if name.strip()]
    if unknown := sorted(set(wanted) - set(there)):
        raise BenchError(f"There is no set {', '.join(map(repr, unknown))}. The sets are: {', '.join(there)}.")
    if not wanted:
        raise BenchError("--sets names no set.")
    return list(dict.fromkeys(wanted))


def read_set(folder: Path, name: str) -> Set:
    """Reads and checks one set. Raises BenchError."""
    corpus, asked = folder / name / CORPUS, folder / name / QUESTIONS
    documents = tuple(_document(row, where) for row, where in read_rows(corpus))
    questions = tuple(_question(row, where) for row, where in read_rows(asked))
    if not documents or not questions:
        raise BenchError(f"{corpus if not documents else asked} is empty.")
    _refuse_twins((document.id for document in documents), corpus)
    _refuse_twins((question.id for question in questions), asked)
    known = {document.id for document in documents}
    for question in questions:
        named = (*question.document_ids, *question.parallel_ids, *question.noise_ids)
        if lost := sorted(set(named) - known):
            raise BenchError(f"{asked}: question {question.id!r} names document {lost[0]!r}, which {corpus} lacks.")
    in_documents = {key for document in documents for key in document.details}
    in_questions = {key for question in questions for key in question.details}
    values = {key: {document.details.get(key) for document in documents} for key in in_documents & in_questions}
    # A field that gives nearly every document a value of its own names the document, and would give the answer away.
    shared = sorted(key for key, some in values.items() if len(some) * 4 <= len(documents))
    return Set(name, documents, questions, tuple(shared))


def read_intents(folder: Path, name: str) -> Intents:
    """Reads and checks one file of intents. Raises BenchError."""
    file = folder / INTENTS / f"{name}.jsonl"
    examples: dict[str, list[str]] = {}
    inside: list[tuple[str, str]] = []
    outside: list[str] = []
    languages: set[str] = set()
    for row, where in read_rows(file):
        text, intent, kind = (text_of(row, key, where) for key in ("text", "intent", "kind"))
        languages.add(primary(text_of(row, "lang", where)))
        match kind:
            case "example":
                examples.setdefault(intent, []).append(text)
            case "in_scope":
                inside.append((text, intent))
            case "out_of_scope":
                outside.append(text)
            case _:
                raise BenchError(f"{where}: kind {kind!r} is none of example, in_scope, out_of_scope.")
    if not examples or len(languages) != 1:
        raise BenchError(f"{file} has no examples, or more than one language.")
    known = {intent: tuple(texts) for intent, texts in examples.items()}
    return Intents(name, known, tuple(inside), tuple(outside), languages.pop())


def limited(whole: Set, *, questions: int | None, documents: int | None, seed: int) -> Set:
    """A seeded sample of a set: at most so many questions; and at most so many documents, but always those that the
    questions need."""
    some = sample(whole.questions, questions, seed)
    needed = {id_ for each in some for id_ in (*each.document_ids, *each.parallel_ids, *each.noise_ids)}
    if documents is None:
        return replace(whole, questions=some)
    others = [document for document in whole.documents if document.id not in needed]
    added = {document.id for document in sample(others, max(0, documents - len(needed)), seed)}
    kept = tuple(document for document in whole.documents if document.id in needed | added)
    return replace(whole, questions=some, documents=kept)


def sample(items: Sequence[Item], most: int | None, seed: int) -> tuple[Item, ...]:
    """At most ``most`` items, chosen by chance, in their order."""
    if most is None or most >= len(items):
        return tuple(items)
    places = sorted(random.Random(seed).sample(range(len(items)), most))  # noqa: S311
    return tuple(items[place] for place in places)


def read_rows(file: Path) -> Iterator[tuple[dict[str, Any], str]]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{file} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BenchError(f"{where}: this is no JSON ({error}).") from error
        if not isinstance(row, dict):
            raise BenchError(f"{where}: this is no JSON object.")
        yield row, where


def _document(row: dict[str, Any], where: str) -> Document:
    return Document(
        id=text_of(row, "id", where),
        title=text_of(row, "title", where, empty=True),
        text=text_of(row, "text", where),
        lang=primary(text_of(row, "lang", where)),
        details=_details(row, ("id", "title", "text", "lang")),
    )


def _question(row: dict[str, Any], where: str) -> Question:
    answers = texts_of(row, "answers", where)
    groups = row.get("answer_groups") or [list(answers)]
    if not isinstance(groups, list) or not all(
        isinstance(group, list) and all(isinstance(text, str) and text.strip() for text in group) for group in groups
    ):
        raise BenchError(f"{where}: answer_groups is no list of lists of texts.")
    return Question(
        id=text_of(row, "id", where),
        text=text_of(row, "question", where),
        lang=primary(text_of(row, "lang", where)),
        kind=text_of(row, "kind", where),
        groups=tuple(tuple(group) for group in groups if group),  # an empty group asks for nothing
        document_ids=texts_of(row, "doc_ids", where),
        parallel_ids=texts_of(row, "parallel_doc_ids", where),
        noise_ids=texts_of(row, "neg_doc_ids", where),
        details=_details(row, ("id", "question", "lang", "kind")),
    )


def text_of(row: dict[str, Any], key: str, where: str, *, empty: bool = False) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not (empty or value.strip()):
        raise BenchError(f"{where}: {key!r} is {'missing' if value is None else 'no text'}.")
    return value


def texts_of(row: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    values = row.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value.strip() for value in values):
        raise BenchError(f"{where}: {key!r} is no list of texts.")
    return tuple(dict.fromkeys(values))


def _details(row: dict[str, Any], known: Sequence[str]) -> dict[str, str]:
    return {key: value for key, value in row.items() if isinstance(value, str) and key not in known}


def _refuse_twins(ids: Iterable[str], file: Path) -> None:
    seen: set[str] = set()
    for id_ in ids:
        if id_ in seen:
            raise BenchError(f"{file}: the id {id_!r} is given twice.")
        seen.add(id_)
