"""Measures how well the search finds the right documents, against BM25 alone and the embedding model alone.

    .venv/bin/python -m scripts.bench_retrieval --data DIR [--sets a,b] [--limit N] [--documents N] [--seed S]
        [--vectors FILE] [--out results.json]

DIR has a folder for each set, with corpus.jsonl and questions.jsonl (scripts/benchmark/data.py has the fields). All
documents are put into a temporary installation with the wiring of the server. Every set is asked alone, and with the
documents of all sets together (set "pooled"). If questions and documents have a field in common, such as a course, the
set is also asked with it as a filter (set "name[field]"). If a set has its documents in two languages, its questions
are also asked where only the other language has the answer (language "zh>en"): with the other language alone, and with
all documents but those that answer in the question's own language (set "name[mixed]"). There, hit@3 says whether the
answer is among the three passages that a prompt has.

Documents with the same words are one document: some sets have the same articles.

Vectors are remembered in FILE, so that a second run asks the embedding model only for what is new. A stopped run goes
on where it was if --out is the same. Times on a shared machine are upper bounds.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import sqlalchemy as sa

from knowledge.tables import PassageRow
from retrieval.fuse import fuse
from retrieval.scope import EVERYTHING, Scope
from retrieval.text import tokens
from scripts.benchmark import command, data
from scripts.benchmark.errors import BenchError
from scripts.benchmark.journal import Journal
from scripts.benchmark.knowledge import collection_of, fill, installation, stored_id
from scripts.benchmark.metrics import METRICS, ranking_metrics
from scripts.benchmark.remembering import RememberingEmbedder
from scripts.benchmark.results import Progress, Result

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bot.settings import Settings
    from bot.wiring import Parts
    from retrieval.search import Candidate
    from scripts.benchmark.data import Question, Set

DEPTH = 25  # passages of a search: enough for ten documents, and as deep as the server's own searches go
TIMED = 30  # questions whose embedding is timed
PLAIN_RANK_CONSTANT = 60  # of reciprocal rank fusion as it was published
SYSTEMS = ("product", "bm25", "dense", "rrf")
POOLED = "pooled"


@dataclass(frozen=True, slots=True)
class Task:
    """One question under one condition. ``hidden``: documents that are left out for this question."""

    key: str
    set: str
    lang: str
    question: Question
    relevant: frozenset[str]
    scope: Scope
    filters: Mapping[str, str]
    hidden: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None, make_parts: Callable[[Settings], Parts] | None = None) -> int:
    return command.run("bench_retrieval", _parser().parse_args(arguments), lambda options: _run(options, make_parts))


def _run(
    options: argparse.Namespace, make_parts: Callable[[Settings], Parts] | None
) -> tuple[list[Result], dict[str, object]]:
    """The results and the settings of the run. Raises BenchError."""
    names = data.chosen(options.sets, data.names(options.data))
    sets = [
        data.limited(data.read_set(options.data, name), questions=options.limit, documents=options.documents, seed=seed)
        for seed in (options.seed,)
        for name in names
    ]
    settings = {"sets": names, "limit": options.limit, "documents": options.documents, "seed": options.seed}
    journal = Journal.beside(options.out, settings)
    embedded = Progress("texts embedded")
    with installation(options.vectors, progress=embedded.at, make_parts=make_parts, chat_model="extractive") as parts:
        for whole in sets:
            print(f"{whole.name}: {len(whole.documents):,} documents", file=sys.stderr, flush=True)
            fill(parts, collection_of(whole.name), whole.documents)
        started = time.perf_counter()
        parts.searcher.refresh()
        built = time.perf_counter() - started
        tasks = [task for whole in sets for task in _tasks(whole, pooled=len(sets) > 1)]
        if not tasks:
            raise BenchError("No question of these sets names a document that answers it.")
        embedding = _embedding_times(parts, tasks)
        _measure(parts, tasks, journal, _same(sets))
        size = len(parts.source.ids())
    rows = _figures(tasks, journal)
    rows.append(Result("all", "all", "product", "index_build_s", round(built, 3), n=size))
    for name, times in (("search_ms", [journal[task.key]["search_ms"] for task in tasks]), ("embed_ms", embedding)):
        for percent in (50, 95):
            value = round(float(np.percentile(times, percent)), 2)
            rows.append(Result("all", "all", "product", f"{name}_p{percent}", value, n=len(times)))
    return rows, settings | {"passages": size}


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    command.add_documents(parser)
    return parser


def _tasks(whole: Set, *, pooled: bool) -> Iterator[Task]:
    """The questions of a set that have an answer in its documents, under every condition."""
    collection = collection_of(whole.name)
    scope = Scope.of(collection)
    languages = {document.id: document.lang for document in whole.documents}
    for question in whole.questions:
        if not question.document_ids:
            continue
        relevant = frozenset(stored_id(collection, id_) for id_ in question.document_ids)
        key = f"{whole.name}|{question.id}"
        yield Task(key, whole.name, question.lang, question, relevant, scope, {})
        if pooled:
            yield Task(f"{key}|pooled", POOLED, question.lang, question, relevant, EVERYTHING, {})
        for shared in whole.shared:
            if shared in question.details:
                named, filters = f"{whole.name}[{shared}]", {shared: question.details[shared]}
                yield Task(f"{key}|{shared}", named, question.lang, question, relevant, scope, filters)
        other = sorted({languages[id_] for id_ in question.parallel_ids} - {question.lang})
        if len(other) == 1:
            parallel = frozenset(stored_id(collection, id_) for id_ in question.parallel_ids)
            across = f"{question.lang}>{other[0]}"
            yield Task(f"{key}|across", whole.name, across, question, parallel, scope, {"language": other[0]})
            hidden = tuple(sorted(relevant))
            mixed = f"{whole.name}[mixed]"
            yield Task(f"{key}|mixed", mixed, across, question, parallel, scope, {}, hidden)


def _embedding_times(parts: Parts, tasks: Sequence[Task]) -> list[float]:
    """Milliseconds of the embedding model for one question, without the memory."""
    embedder = parts.embedder
    assert isinstance(embedder, RememberingEmbedder)
    embedder.bare.query("warm")
    times = []
    for task in data.sample(tasks, TIMED, 0):
        started = time.perf_counter()
        embedder.bare.query(task.question.text)
        times.append((time.perf_counter() - started) * 1000)
    return times


def _same(sets: Sequence[Set]) -> dict[str, str]:
    """For every document the first one with the same words."""
    first: dict[str, str] = {}
    same: dict[str, str] = {}
    for whole in sets:
        for document in whole.documents:
            id_ = stored_id(collection_of(whole.name), document.id)
            same[id_] = first.setdefault(" ".join(document.text.lower().split()), id_)
    return same


def _measure(parts: Parts, tasks: Sequence[Task], journal: Journal, same: Mapping[str, str]) -> None:
    """Asks every question that the journal does not have."""
    left = [task for task in tasks if task.key not in journal]
    embedder = parts.embedder
    assert isinstance(embedder, RememberingEmbedder)
    embedder.queries(sorted({task.question.text for task in left}))
    documents = {id_: same[document] for id_, document in _documents(parts).items()}
    passages = defaultdict(list)
    for id_, document in documents.items():
        passages[document].append(id_)
    progress = Progress("questions")
    for number, task in enumerate(left, start=1):
        candidate = None
        if task.hidden:
            candidate = parts.searcher.candidate(hide=[id_ for name in task.hidden for id_ in passages[same[name]]])
        relevant = frozenset(same[id_] for id_ in task.relevant)
        journal.add(task.key, _asked(parts, task, relevant, documents, candidate))
        progress.at(number, len(left))


def _asked(
    parts: Parts,
    task: Task,
    relevant: frozenset[str],
    documents: Mapping[int, str],
    candidate: Candidate | None,
) -> dict[str, object]:
    """The metrics of each system for one question, and the time of the product's search."""
    text = task.question.text
    result = parts.searcher.search(text, DEPTH, scope=task.scope, filters=task.filters or None, candidate=candidate)
    view = (candidate.index if candidate else parts.searcher.refresh()).within(task.scope)
    properties = {key: value for key, value in task.filters.items() if key != "language"}
    allowed = parts.source.select(properties) if properties else None
    part = view.part(language=task.filters.get("language"), allowed=allowed)
    dense = [id_ for id_, _ in view.dense(parts.embedder.query(text), 2 * DEPTH, part)]
    keyword = [id_ for id_, _ in view.keyword(tokens(text), 2 * DEPTH, part)]
    plain = fuse([(1.0, dense), (1.0, keyword)], constant=PLAIN_RANK_CONSTANT)
    ids = {
        "product": [hit.passage.id for hit in result.hits],
        "bm25": keyword,
        "dense": dense,
        "rrf": [id_ for id_, _ in plain],
    }
    rankings = {system: list(dict.fromkeys(documents[id_] for id_ in some)) for system, some in ids.items()}
    metrics = {system: ranking_metrics(ranking, relevant) for system, ranking in rankings.items()}
    rounded = {system: {name: round(value, 6) for name, value in own.items()} for system, own in metrics.items()}
    return {"metrics": rounded, "search_ms": round(result.search_ms, 3)}


def _documents(parts: Parts) -> dict[int, str]:
    """The document of every passage."""
    with parts.database.read() as session:
        rows = session.execute(sa.select(PassageRow.id, PassageRow.document_id).where(PassageRow.live))
        return {row.id: row.document_id for row in rows}


def _figures(tasks: Sequence[Task], journal: Journal) -> list[Result]:
    """The mean of every metric for each set, language and system."""
    groups: dict[tuple[str, str], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.set, task.lang), []).append(task)
    return [
        Result.of_mean(set_, lang, system, metric, [journal[task.key]["metrics"][system][metric] for task in group])
        for (set_, lang), group in sorted(groups.items(), key=lambda item: (item[0][0] == POOLED, item[0]))
        for system in SYSTEMS
        for metric in METRICS
    ]


if __name__ == "__main__":
    sys.exit(main())
