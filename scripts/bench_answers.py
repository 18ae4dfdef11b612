"""Measures answers and refusals over the whole path of a question.

    .venv/bin/python -m scripts.bench_answers --data DIR [--sets a,b] [--engine real|extractive] [--limit N]
        [--documents N] [--seed S] [--timed N] [--vectors FILE] [--out results.json]
    .venv/bin/python -m scripts.bench_answers --handbook [--engine real|extractive] [--limit N] [--out results.json]

DIR has a folder for each set, as for bench_retrieval, and may have intents/*.jsonl. scripts/benchmark/cases.py says
which conditions a set gets: five snippets with more and more noise ("set@0" to "set@1"), the answering documents
removed ("set@removed"), near misses, sentences outside of all intents. --handbook asks our own questions over the
bundled handbook (tests/corpus/handbook_answers.jsonl).

An answer is right when it has an accepted answer in any form of its numbers and dates (scripts/benchmark/answers.py),
or, where the data have none, when it cites a document that answers. Whether it is refused is its status, never its
words. For answerable questions: accuracy, over_refusal, false_answer (answered, and not right). For the others:
refusal, false_answer (answered, without an accepted answer). balanced_accuracy: the mean of the share of answerable
questions that are answered and the share of the others that are refused.

A stopped run goes on where it was if --out is the same: every answered question is a line of its journal. With the real
engine, --timed questions of each language are also given to the bare engine, with the same prompt: ttft_ratio.
"""

from __future__ import annotations

import re
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from bot.answering.condense import EarlierTurn
from bot.answering.values import Ask, Token
from retrieval.scope import MAIN, Scope
from scripts.benchmark import cases, command, data, handbook
from scripts.benchmark.answers import contains
from scripts.benchmark.errors import BenchError
from scripts.benchmark.journal import Journal
from scripts.benchmark.knowledge import fill, installation
from scripts.benchmark.results import Progress, Result

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from bot.answering.values import Outcome
    from bot.settings import Settings
    from bot.wiring import Parts
    from scripts.benchmark.cases import Case, Plan

_MARKER = re.compile(r"\[\d+\]")


def main(arguments: Sequence[str] | None = None, make_parts: Callable[[Settings], Parts] | None = None) -> int:
    return command.run("bench_answers", _parser().parse_args(arguments), lambda options: _run(options, make_parts))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__, data_required=False)
    command.add_documents(parser)
    parser.add_argument("--handbook", action="store_true", help="ask our own questions over the bundled handbook")
    parser.add_argument("--engine", choices=("real", "extractive"), default="extractive")
    parser.add_argument("--timed", type=int, default=5, help="questions of a language that the bare engine gets too")
    return parser


def _run(
    options: argparse.Namespace, make_parts: Callable[[Settings], Parts] | None
) -> tuple[list[Result], dict[str, object]]:
    """The results and the settings of the run. Raises BenchError."""
    plan, names = _plan(options)
    if not plan.cases:
        raise BenchError("These sets have no question that can be asked.")
    settings: dict[str, object] = {
        "sets": names,
        "engine": options.engine,
        "limit": options.limit,
        "documents": options.documents,
        "seed": options.seed,
    }
    journal = Journal.beside(options.out, settings)
    embedded, filled = Progress("texts embedded"), Progress("collections filled")
    chosen = {"chat_model": "extractive"} if options.engine == "extractive" else {}
    with installation(options.vectors, progress=embedded.at, make_parts=make_parts, **chosen) as parts:
        for number, (collection, documents) in enumerate(plan.collections.items()):
            if collection == MAIN:
                handbook.fill(parts)
            else:
                fill(parts, collection, documents)
            filled.at(number + 1, len(plan.collections))
        _answer_all(parts, plan.cases, journal, timed=options.timed if parts.has_chat_model else 0)
        settings["model"] = parts.chat_name
    return _figures(plan.cases, journal), settings


def _plan(options: argparse.Namespace) -> tuple[Plan, list[str]]:
    """The cases that the options ask for, and the names of their sets."""
    if options.handbook:
        return handbook.plan(limit=options.limit, seed=options.seed), [handbook.NAME]
    if options.data is None:
        raise BenchError("Give --data with the folder of the benchmark data, or --handbook.")
    sets, intents = data.names(options.data), data.intent_names(options.data)
    names = data.chosen(options.sets, [*sets, *intents])
    plans = []
    for name in names:
        if name in sets:
            whole = data.read_set(options.data, name)
            if options.documents is not None:
                whole = data.limited(whole, questions=options.limit, documents=options.documents, seed=options.seed)
            plans.append(cases.of_set(whole, limit=options.limit, seed=options.seed))
        else:
            plans.append(
                cases.of_intents(data.read_intents(options.data, name), limit=options.limit, seed=options.seed)
            )
    return cases.Plan.joined(plans), names


def _answer_all(parts: Parts, asked: Sequence[Case], journal: Journal, *, timed: int) -> None:
    """Answers every question that the journal does not have."""
    left = [case for case in asked if case.key not in journal]
    times = {case.lang: 0 for case in asked}
    for case in asked:
        times[case.lang] += case.key in journal and journal[case.key]["bare_ms"] is not None
    if left:
        parts.searcher.refresh()
        parts.load_chat_model()
        parts.warm_up(threading.Event())
    progress = Progress("questions")
    for number, case in enumerate(left, start=1):
        values = _answered(parts, case, bare=times[case.lang] < timed)
        times[case.lang] += values["bare_ms"] is not None
        journal.add(case.key, values)
        progress.at(number, len(left))


def _answered(parts: Parts, case: Case, *, bare: bool) -> dict[str, Any]:
    """Asks one question, and judges the outcome."""
    first: list[float] = []
    started = time.perf_counter()

    def note(event: object) -> None:
        if isinstance(event, Token) and not first:
            first.append((time.perf_counter() - started) * 1000)

    history = tuple(EarlierTurn(question, answer) for question, answer in case.history)
    outcome = parts.answerer.answer(Ask(case.question, Scope.of(*case.collections), history=history), note)
    written = bool(first) and outcome.completion_tokens > 0 and outcome.status == "answered"
    return {
        "status": outcome.status,
        "reason": None if outcome.reason is None else str(outcome.reason),
        "right": _is_right(outcome, case),
        "answer": outcome.answer,
        "sources": [source.document_id for source in outcome.sources],
        "prompt_tokens": outcome.prompt_tokens,
        "first_ms": round(first[0], 1) if first else None,
        "total_ms": outcome.timings_ms.get("total"),
        "bare_ms": _bare_first_ms(parts, outcome) if bare and written else None,
    }


def _is_right(outcome: Outcome, case: Case) -> bool:
    if outcome.status not in ("answered", "curated"):
        return False
    if case.groups:
        return contains(_MARKER.sub(" ", outcome.answer), case.groups)
    cited = {source.document_id for source in outcome.sources if source.n in outcome.citations}
    return not cited.isdisjoint(case.documents)


def _bare_first_ms(parts: Parts, outcome: Outcome) -> float:
    """Milliseconds until the engine alone writes its first token for the same prompt. Words in front make the prompt
    new for the engine's memory of beginnings, which has it from the answer."""
    (role, content), *rest = [(message.role, message.content) for message in outcome.prompt]
    started = time.perf_counter()
    stop = threading.Event()
    first = 0.0
    for chunk in parts.chat.stream([(role, f"{time.monotonic_ns()}. {content}"), *rest], stop_event=stop):
        if chunk.text and not first:
            first = (time.perf_counter() - started) * 1000
            stop.set()
    return round(first, 1)


def _figures(asked: Sequence[Case], journal: Journal) -> list[Result]:
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in asked:
        groups.setdefault((case.set, case.lang), []).append(case)
        groups.setdefault(("all", case.lang), []).append(case)
    rows: list[Result] = []
    for (set_, lang), group in sorted(groups.items(), key=lambda item: (item[0][0] == "all", item[0])):
        rows += _of_group(set_, lang, group, journal)
    return rows


def _of_group(set_: str, lang: str, group: Sequence[Case], journal: Journal) -> list[Result]:
    answerable = [journal[case.key] for case in group if case.answerable]
    others = [journal[case.key] for case in group if not case.answerable]

    def row(metric: str, values: Sequence[float]) -> Result:
        return Result.of_mean(set_, lang, "product", metric, values)

    def refused(items: Sequence[dict[str, Any]]) -> list[float]:
        return [float(item["status"] == "refused") for item in items]

    rows: list[Result] = []
    if answerable:
        rows.append(row("accuracy", [float(item["right"]) for item in answerable]))
        rows.append(row("over_refusal", refused(answerable)))
    if others:
        rows.append(row("refusal", refused(others)))
    wrong = [float(item["status"] != "refused" and not item["right"]) for item in (others or answerable)]
    rows.append(row("false_answer", wrong))
    if answerable and others:
        balanced = (1 - statistics.mean(refused(answerable)) + statistics.mean(refused(others))) / 2
        rows.append(Result(set_, lang, "product", "balanced_accuracy", round(balanced, 4), n=len(group)))
    read = [item for item in (*answerable, *others) if item["prompt_tokens"]]
    if read:
        rows.append(row("prompt_tokens", [float(item["prompt_tokens"]) for item in read]))
    timed = [item for item in (*answerable, *others) if item["bare_ms"]]
    if timed:
        ratio = statistics.median(item["first_ms"] / item["bare_ms"] for item in timed)
        rows.append(Result(set_, lang, "product", "ttft_ratio", round(ratio, 3), n=len(timed)))
    return rows


if __name__ == "__main__":
    sys.exit(main())
