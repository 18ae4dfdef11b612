"""Measures the signs that passages answer a question, and fits the confidence that is computed from them.

    .venv/bin/python -m scripts.fit_confidence --data DIR [--sets a,b] [--engine real|none] [--weights FILE]
        [--limit N] [--documents N] [--seed S] [--vectors FILE] [--out results.json]

Asks the questions of bench_answers (scripts/benchmark/cases.py) as far as the server does before it writes: searches,
chooses passages, has the reader read them and, with the real engine, the chat model judge them. Questions of squad2
that the reader learned from are left out.

For each sign, and for the signs together, the table has: area (how often an answerable question has a higher value than
an unanswerable one), and refusal (the share of unanswerable questions below the value at which 5 % of the answerable
ones are lost). The signs are joined by a logistic regression that has not seen the set it is measured on. accuracy: how
often the sentence that the reader points to has an accepted answer, where a passage has one.

A stopped run goes on where it was if --out is the same.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.answering import doubt, prompt
from bot.answering.evidence import foreign
from retrieval.errors import RetrievalError
from retrieval.reading.span_reader import SpanReader
from retrieval.reading.spans import Text
from retrieval.reading.weights import SHIPPED
from retrieval.scope import Scope
from retrieval.text import language_of
from scripts.benchmark import cases, command, data
from scripts.benchmark.answers import contains
from scripts.benchmark.errors import BenchError
from scripts.benchmark.intervals import Estimate
from scripts.benchmark.journal import Journal
from scripts.benchmark.knowledge import fill, installation
from scripts.benchmark.metrics import area_under_curve
from scripts.benchmark.results import Progress, Result
from scripts.reader.examples import squad2

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from bot.wiring import Parts
    from scripts.benchmark.cases import Case
    from scripts.benchmark.data import Set

LEARNED_FROM = "squad2"
MOST_LOST = 0.05  # of the answerable questions
RESAMPLES = 500
Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    return command.run("fit_confidence", _parser().parse_args(arguments), _run)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__)
    command.add_documents(parser)
    parser.add_argument("--engine", choices=("real", "none"), default="none")
    parser.add_argument("--weights", type=Path, help="the reader's; default: those that ship with Errata")
    return parser


def _run(options: argparse.Namespace) -> tuple[list[Result], dict[str, object]]:
    """The results and the settings of the run. Raises BenchError."""
    names = data.chosen(options.sets, data.names(options.data))
    settings: dict[str, object] = {
        "sets": names,
        "engine": options.engine,
        "limit": options.limit,
        "documents": options.documents,
        "seed": options.seed,
    }
    plans = []
    for name in names:
        whole = data.read_set(options.data, name)
        if name == LEARNED_FROM:
            whole = _not_learned(whole, options.data)
        if options.documents is not None:
            whole = data.limited(whole, questions=options.limit, documents=options.documents, seed=options.seed)
        plans.append(cases.of_set(whole, limit=options.limit, seed=options.seed))
    plan = cases.Plan.joined(plans)
    journal = Journal.beside(options.out, settings)
    embedded = Progress("texts embedded")
    with installation(options.vectors, progress=embedded.at) as parts:
        for collection, documents in plan.collections.items():
            fill(parts, collection, documents)
        parts.searcher.refresh()
        _observe_all(parts, _reader(parts, options.weights), plan.cases, journal, judged=options.engine == "real")
    rows = [journal[case.key] for case in plan.cases if journal[case.key]]
    if not any(row["answerable"] for row in rows) or all(row["answerable"] for row in rows):
        raise BenchError("Both answerable and unanswerable questions are needed.")
    return _figures(rows), settings


def _not_learned(whole: Set, folder: Path) -> Set:
    kept = {row["question"] for row in squad2(folder)["threshold"]}
    return replace(whole, questions=tuple(question for question in whole.questions if question.text in kept))


def _reader(parts: Parts, weights: Path | None) -> SpanReader:
    try:
        return SpanReader(parts.embedder, weights or SHIPPED)  # type: ignore[arg-type]
    except RetrievalError as error:
        raise BenchError(str(error)) from error


def _observe_all(parts: Parts, reader: SpanReader, asked: Sequence[Case], journal: Journal, *, judged: bool) -> None:
    left = [case for case in asked if case.key not in journal]
    if left and judged:
        parts.load_chat_model()
    progress = Progress("questions")
    for number, case in enumerate(left, start=1):
        journal.add(case.key, _observed(parts, reader, case, judged=judged))
        progress.at(number, len(left))


def _observed(parts: Parts, reader: SpanReader, case: Case, *, judged: bool) -> Row:
    """The signs of one question; empty where nothing was found."""
    profile = parts.profile
    result = parts.searcher.search(case.question, profile.selection.depth, scope=Scope.of(*case.collections))
    chosen = prompt.choose(result.hits, profile.selection)
    if not chosen:
        return {}
    language = language_of(case.question)
    readings = reader.read(case.question, [Text(hit.passage.text, hit.passage.title) for hit in chosen])
    best = max(range(len(chosen)), key=lambda n: readings[n].odds)
    sentence = chosen[best].passage.text[slice(*readings[best].sentence)]
    stated = any(contains(hit.passage.text, case.groups) for hit in chosen)
    row: Row = {
        "set": case.set,
        "lang": case.lang,
        "answerable": case.answerable and (stated or not case.groups),
        "found": stated,
        "right": contains(sentence, case.groups) if stated else None,
        "odds": round(readings[best].odds, 4),
        "span": round(readings[best].span_score, 3),
        "coverage": None if foreign(result, language) else round(result.coverage, 4),
        "cosine": round(result.best_dense, 4),
        "length": sum(len(hit.passage.text.encode()) for hit in chosen),
        "doubt": None,
    }
    if judged:
        messages = prompt.judging(prompt.build(case.question, chosen, language, profile.form), profile.form)
        with parts.writer.place(background=True) as place:
            written = place.judge(messages)
        probability = doubt.from_judgement(written.doubt, written.text)
        row["doubt"] = None if probability is None else round(doubt.log_odds(probability), 4)
    return row


# Each sign is higher where an answer is more likely.
SIGNS: Mapping[str, Callable[[Row], float]] = {
    "reader": lambda row: row["odds"],
    "doubt": lambda row: -row["doubt"],
    "coverage": lambda row: 0.75 if row["coverage"] is None else row["coverage"],
    "length": lambda row: math.log2(max(1, row["length"]) / 1_500),
    "cosine": lambda row: row["cosine"] - (0.87 if row["lang"] == "zh" else 0.84),
}
TOGETHER = {
    "reader+coverage": ("reader", "coverage"),
    "doubt+coverage+length": ("doubt", "coverage", "length"),
    "reader+doubt": ("reader", "doubt"),
    "reader+doubt+coverage": ("reader", "doubt", "coverage"),
    "reader+doubt+coverage+length+cosine": ("reader", "doubt", "coverage", "length", "cosine"),
}


def _figures(rows: Sequence[Row]) -> list[Result]:
    judged = all(row["doubt"] is not None for row in rows)
    scores: dict[str, NDArray[np.float64]] = {
        name: np.array([sign(row) for row in rows]) for name, sign in SIGNS.items() if judged or name != "doubt"
    }
    for name, signs in TOGETHER.items():
        if judged or "doubt" not in signs:
            columns = np.stack([scores[sign] for sign in signs], axis=1)
            scores[name] = _left_out(columns, rows)
            weights = zip((*signs, "bias"), _fit(columns, rows), strict=True)
            print(name, *(f"{sign} {weight:.3f}" for sign, weight in weights), file=sys.stderr)
    groups: dict[tuple[str, str], list[int]] = {}
    for at, row in enumerate(rows):
        family = row["set"].partition("@")[0]
        for key in ((family, row["lang"]), ("all", row["lang"]), ("all", "all")):
            groups.setdefault(key, []).append(at)
    results: list[Result] = []
    for (set_, lang), places in groups.items():
        right = [float(rows[at]["right"]) for at in places if rows[at]["right"] is not None]
        if right:
            results.append(Result.of_mean(set_, lang, "reader", "accuracy", right))
        good = [at for at in places if rows[at]["answerable"]]
        bad = [at for at in places if not rows[at]["answerable"]]
        if min(len(good), len(bad)) >= 10:
            for name, values in scores.items():
                results += _separation(set_, lang, name, values[good], values[bad])
    return sorted(results, key=lambda row: (row.set == "all", row.set, row.lang, row.system))


def _separation(set_: str, lang: str, name: str, good: NDArray[np.float64], bad: NDArray[np.float64]) -> list[Result]:
    random = np.random.default_rng(0)
    drawn = [(random.choice(good, len(good)), random.choice(bad, len(bad))) for _ in range(RESAMPLES)]
    measures: dict[str, Callable[[Any, Any], float]] = {
        "area": lambda high, low: area_under_curve(list(high), list(low)),
        "refusal": lambda high, low: float((low < np.quantile(high, MOST_LOST)).mean()),
    }
    rows = []
    for metric, measure in measures.items():
        low, high = np.percentile([measure(*pair) for pair in drawn], [2.5, 97.5])
        estimate = Estimate(measure(good, bad), float(low), float(high), len(good) + len(bad))
        rows.append(Result.of(set_, lang, name, metric, estimate))
    return rows


def _left_out(columns: NDArray[np.float64], rows: Sequence[Row]) -> NDArray[np.float64]:
    """The log-odds of each row from a fit to the rows of all other sets."""
    families = np.array([row["set"].partition("@")[0] for row in rows])
    values = np.zeros(len(rows))
    for family in set(families):
        mine = families == family
        if mine.all():
            mine = np.zeros(len(rows), dtype=bool)
        weights = _fit(columns[~mine], [row for row, skip in zip(rows, mine, strict=True) if not skip])
        chosen = mine if mine.any() else ~mine
        values[chosen] = columns[chosen] @ weights[:-1] + weights[-1]
    return values


def _fit(columns: NDArray[np.float64], rows: Sequence[Row]) -> NDArray[np.float64]:
    """Weights of a logistic regression, the bias last. Every set and both answers count the same."""
    from sklearn.linear_model import LogisticRegression

    labels = np.array([bool(row["answerable"]) for row in rows])
    names = [(row["set"].partition("@")[0], row["lang"], bool(row["answerable"])) for row in rows]
    shares = np.array([1 / names.count(name) for name in names])
    model = LogisticRegression(C=10.0, max_iter=1_000).fit(columns, labels, shares * len(rows) / shares.sum())
    return np.array([*model.coef_[0], model.intercept_[0]])


if __name__ == "__main__":
    sys.exit(main())
