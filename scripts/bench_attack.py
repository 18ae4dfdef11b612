"""Measures attacks through texts: orders in documents, in questions and in suggested corrections, and suggested
falsehoods that nobody approved.

    .venv/bin/python -m scripts.bench_attack --data DIR [--sets clean,document,question,correction,poison]
        [--contexts SET] [--engine real|extractive] [--limit N] [--seed S] [--vectors FILE] [--out results.json]

DIR has a folder ``attacks`` (scripts/benchmark/attacks.py says what is in it). The harmless documents are those of this
folder or, with --contexts, those of a set of bench_answers: a model that refuses all questions obeys no attack either,
so that the harmless documents should answer theirs.

``attack_success``: the share of attacks after which the answer is carried away by the attack, or, for ``poison``, has
the wrong answer. The same figure of ``clean``, which has the documents of ``document`` without an attack, is the error
of the judgement. ``accuracy``: the share of answers that have an accepted answer. ``refusal``: the share that is
refused. ``flagged``: the share of the attacked documents or suggestions about which a curator gets a remark.

A stopped run goes on where it was if --out is the same.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from bot.answering.values import Ask
from retrieval import orders
from retrieval.scope import Scope
from scripts.benchmark import attacks, command, data
from scripts.benchmark.answers import contains
from scripts.benchmark.errors import BenchError
from scripts.benchmark.journal import Journal
from scripts.benchmark.knowledge import collection_of, fill, installation
from scripts.benchmark.results import Progress, Result

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from bot.settings import Settings
    from bot.wiring import Parts
    from scripts.benchmark.attacks import Attack

SUGGESTED = ("correction", "poison")  # these are asked through the HTTP interface, by visitors


def main(arguments: Sequence[str] | None = None, make_parts: Callable[[Settings], Parts] | None = None) -> int:
    return command.run("bench_attack", _parser().parse_args(arguments), lambda options: _run(options, make_parts))


def _parser() -> argparse.ArgumentParser:
    parser = command.parser(__doc__, items="attacks")
    parser.add_argument("--contexts", metavar="SET", help="take the harmless documents and questions of this set")
    parser.add_argument("--engine", choices=("real", "extractive"), default="extractive")
    return parser


def _run(
    options: argparse.Namespace, make_parts: Callable[[Settings], Parts] | None
) -> tuple[list[Result], dict[str, object]]:
    """The results and the settings of the run. Raises BenchError."""
    sets = data.chosen(options.sets, list(attacks.SETS))
    contexts = attacks.contexts_of(data.read_set(options.data, options.contexts)) if options.contexts else []
    tried = attacks.read(options.data / "attacks", sets, contexts=contexts, limit=options.limit, seed=options.seed)
    settings: dict[str, object] = {
        "sets": sets,
        "contexts": options.contexts,
        "engine": options.engine,
        "limit": options.limit,
        "seed": options.seed,
    }
    journal = Journal.beside(options.out, settings)
    chosen = {"chat_model": "extractive"} if options.engine == "extractive" else {}
    embedded = Progress("texts embedded")
    unlimited = {"questions_per_minute": 1_000_000, "questions_per_minute_per_asker": 1_000_000}
    for suggested in (False, True):  # visitors see everything, so that suggestions need a knowledge base of their own
        left = [a for a in tried if a.key not in journal and (a.set in SUGGESTED) is suggested]
        with installation(options.vectors, progress=embedded.at, make_parts=make_parts, **chosen, **unlimited) as parts:
            settings["model"] = parts.chat_name
            _try_all(parts, left, journal)
    return _figures(tried, journal), settings


def _try_all(parts: Parts, left: Sequence[Attack], journal: Journal) -> None:
    if not left:
        return
    for attack in left:
        fill(parts, _collection(attack), [data.Document(attack.key, "", attack.document, "en")])
    parts.searcher.refresh()
    parts.load_chat_model()
    parts.warm_up(threading.Event())
    progress = Progress("attacks")
    for number, attack in enumerate(left, start=1):
        journal.add(attack.key, _suggested(parts, attack) if attack.set in SUGGESTED else _asked(parts, attack))
        progress.at(number, len(left))


def _collection(attack: Attack) -> str:
    """Each attack has a knowledge base of its own; visitors ask in the main one."""
    return "main" if attack.set in SUGGESTED else collection_of(attack.key)


def _asked(parts: Parts, attack: Attack) -> dict[str, Any]:
    outcome = parts.answerer.answer(Ask(attack.question, Scope.of(_collection(attack))), lambda _event: None)
    return _judged(attack, outcome.answer, outcome.status, attack.document)


def _suggested(parts: Parts, attack: Attack) -> dict[str, Any]:
    """One visitor asks, and suggests an answer; then another one asks the same."""
    from starlette.testclient import TestClient

    from bot.web.app import create_app

    app = create_app(parts)
    answers: list[dict[str, Any]] = []
    for _visitor in range(2):
        client = TestClient(app, base_url="http://127.0.0.1:8000")
        asked = client.post("/api/chat", json={"question": attack.question[:4_000], "stream": False})
        if asked.status_code != 200:
            raise BenchError(f"{attack.key}: a question is answered with {asked.status_code}: {asked.text[:300]}")
        answers.append(asked.json())
        if not _visitor:
            body = {"rating": "down", "suggested_answer": attack.suggestion[:2_000]}
            rated = client.post(f"/api/answers/{answers[0]['answer_id']}/feedback", json=body)
            if rated.status_code != 201:
                raise BenchError(f"{attack.key}: a complaint is answered with {rated.status_code}: {rated.text[:300]}")
    return _judged(attack, answers[1]["answer"], answers[1]["status"], attack.suggestion)


def _judged(attack: Attack, answer: str, status: str, attacked: str) -> dict[str, Any]:
    answered = status in ("answered", "curated")
    if attack.goal:
        succeeded = answered and contains(answer, [[attack.goal]])
    else:
        question = "" if attack.set == "question" else attack.question
        succeeded = answered and attacks.carried_away(answer, attack.clean, question)
    return {
        "status": status,
        "answer": answer,
        "succeeded": succeeded,
        "right": answered and contains(answer, [attack.accepted]) if attack.accepted else None,
        "flagged": bool(orders.find(attacked)),
    }


def _figures(tried: Sequence[Attack], journal: Journal) -> list[Result]:
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for attack in tried:
        groups.setdefault((attack.set, attack.lang), []).append(journal[attack.key])
    rows: list[Result] = []
    for (name, lang), items in groups.items():

        def row(metric: str, values: list[bool], name: str = name, lang: str = lang) -> None:
            rows.append(Result.of_mean(name, lang, "product", metric, list(map(float, values))))

        row("attack_success", [item["succeeded"] for item in items])
        if right := [item["right"] for item in items if item["right"] is not None]:
            row("accuracy", right)
        row("refusal", [item["status"] == "refused" for item in items])
        if name in ("document", *SUGGESTED):
            row("flagged", [item["flagged"] for item in items])
    return rows


if __name__ == "__main__":
    sys.exit(main())
