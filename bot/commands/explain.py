"""``errata explain``: how a stored answer was made, for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot import texts
from bot.commands.context import open_parts, say, say_json
from retrieval.place import place_from_json

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH = 70  # characters of a passage in the table


def explain(
    answer_id: Annotated[
        str | None,
        typer.Argument(
            help="Id of the answer, as the HTTP interface and complaints name it. Default: the newest.", metavar="ID"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how a stored answer was made: the passages with their scores, what was left out, doubt, reason."""
    with open_parts() as parts:
        from bot import conversations
        from bot.explanations import explain as explain_answer
        from retrieval.scope import EVERYTHING

        with parts.database.read() as session:
            answer = conversations.any_answer(session, answer_id)
            explanation = explain_answer(session, conversations.record(answer), EVERYTHING)
            asked = {"answer_id": answer.id, "question": answer.question, "answer": answer.answer}
    sentences = [sentence.text("en") for sentence in explanation.sentences]
    if as_json:
        say_json({**asked, "sentences": sentences, **explanation.detail})
        return
    say(f"{asked['question']}\n")
    for sentence in sentences:
        say(sentence)
    _show(explanation.detail)


def _show(detail: Mapping[str, Any]) -> None:
    say(
        f"\n{detail['status']}{', ' + detail['reason'] if detail['reason'] else ''} · knowledge at step "
        f"{detail['knowledge_version']} · {detail['model']} · {detail['profile'] or 'no passages were read'}"
    )
    if signs := detail["signs"]:
        floor = signs["floor"] if signs["floor"] > -1 else "not measured"
        say(
            f"nearest {signs['nearest']} (floor {floor}), coverage {signs['coverage']} "
            f"(floor {signs['covering']}){', in another language' if signs['foreign'] else ''}"
        )
    if detail["doubt"] is not None:
        say(f"doubt {detail['doubt']} (limit {detail['limit']}), texts written: {detail['tries']}")
    for candidate in detail["candidates"]:
        number = f"[{candidate['n']}]" if candidate["n"] else "   "
        mark = "*" if candidate["cited"] else " "
        place = texts.place(place_from_json(candidate["place"]), "en")
        stages = ", ".join(f"{name} {value}" for name, value in candidate["stages"].items())
        say(
            f"\n{mark}{number} {candidate['use']:<4} {candidate['score']}  {candidate['document_id']}, version "
            f"{candidate['version']}{f', {place}' if place else ''}{' (correction)' if candidate['curated'] else ''}"
        )
        say(f"      {stages}")
        if candidate["span"]:
            start, end, score = candidate["span"]
            say(f"      read: {candidate['passage'][start:end]!r} {score}")
        say(f"      {' '.join(candidate['passage'].split())[:WIDTH]}")
