"""``errata corrections …``: the curators' queue on the command line, with the same actions as the page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.commands.context import actor, open_parts, say, say_json
from bot.commands.progress import Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from knowledge.correcting.curation import Curation

app = typer.Typer(
    no_args_is_help=True,
    help="The queue of corrections: list, show, unanswered, new, draft, prove, approve, check again, reject, reopen, "
    "roll back, merge, split.",
)

Id = Annotated[int, typer.Argument(help="Number of the correction.", metavar="ID")]
Reason = Annotated[str | None, typer.Option(help="The reason, shown in the history.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def show_list(
    state: Annotated[str | None, typer.Option(help="Only these states, comma-separated; e.g. queued,drafted.")] = None,
    priority: Annotated[str | None, typer.Option(help="Only this priority: urgent, important or normal.")] = None,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Only where this occurs.")] = None,
    collection: Annotated[str | None, typer.Option(help="Only this collection.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List corrections, the most urgent first."""
    with open_parts() as parts:
        from knowledge.correcting import items
        from retrieval.scope import EVERYTHING

        with parts.database.read() as session:
            queue = items.listing(
                session, EVERYTHING.only(collection), state=state, priority=priority, q=q, limit=limit
            )
    if as_json:
        say_json(queue)
        return
    for item in queue["items"]:
        live = " live" if item["live"] else ""
        unsure = item["state"] == "approved" and item["recheck_state"] in ("partly", "failed")
        note = " (not verified)" if unsure else ""
        state = item["state"] + live
        say(f"{item['id']:>5}  {state:<16} {item['priority']:<9} {item['complaints']}×  {item['question']}{note}")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(queue["counts"].items()))
    say(f"{len(queue['items'])} of {queue['total']} shown" + (f"; in all: {counts}" if counts else ""))


@app.command()
def show(correction_id: Id, as_json: AsJson = False) -> None:
    """Show one correction: complaints, the answer as it was given, draft, proof, history."""
    with open_parts() as parts:
        from knowledge.correcting import corrections, items
        from retrieval.scope import EVERYTHING

        with parts.database.read() as session:
            item = items.item(session, corrections.get(session, correction_id, EVERYTHING), EVERYTHING)
    if as_json:
        say_json(item)
    else:
        _show(item)


@app.command("new")
def start(
    question: Annotated[str, typer.Argument(help="The question, as readers ask it.")],
    answer: Annotated[str | None, typer.Option(help="The corrected answer.")] = None,
    collection: Annotated[str | None, typer.Option(help="Where it belongs; by default the main collection.")] = None,
    as_json: AsJson = False,
) -> None:
    """Start a correction that nobody complained about."""
    with open_parts() as parts:
        from bot import unanswered
        from knowledge.correcting import corrections
        from retrieval.scope import EVERYTHING

        desk = parts.curation(EVERYTHING)
        item, new = desk.start(question, actor=actor(), answer=answer, collection=collection)
        with parts.database.write() as session:
            if new:
                unanswered.adopt(session, corrections.get(session, item["id"], EVERYTHING), question)
        item = desk.item(item["id"])
    if as_json:
        say_json(item)
    elif new:
        say(f"Correction {item['id']} is {item['state']}.")
    else:
        say(f"Correction {item['id']} about this question is open already ({item['state']}). Nothing was changed.")


@app.command("unanswered")
def show_unanswered(
    start: Annotated[int | None, typer.Option(help="Start a correction of the question with this number.")] = None,
    q: Annotated[str | None, typer.Option("--search", "-q", help="Only where this occurs.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List unanswered questions that are not in the queue yet, or start a correction of one."""
    with open_parts() as parts:
        from bot import unanswered
        from knowledge.correcting import items
        from retrieval.scope import EVERYTHING

        with parts.database.write() as session:
            if start is not None:
                correction = unanswered.start(session, start, EVERYTHING, actor=actor())
                shown = items.item(session, correction, EVERYTHING)
            else:
                shown = unanswered.listing(session, EVERYTHING, q=q, limit=limit)
    if as_json:
        say_json(shown)
    elif start is not None:
        say(f"Correction {shown['id']} is {shown['state']}.")
    else:
        for group in shown["items"]:
            say(f"{group['id']:>5}  {group['people']}×  {' / '.join(group['questions'])}")
        say(f"{len(shown['items'])} of {shown['total']} shown")


@app.command()
def draft(
    correction_id: Id,
    answer: Annotated[str | None, typer.Option(help="The corrected answer.")] = None,
    answer_file: Annotated[
        Path | None,
        typer.Option(help="A file with the corrected answer (Markdown).", path_type=Path, dir_okay=False, exists=True),
    ] = None,
    question: Annotated[str | None, typer.Option(help="The question that it answers.")] = None,
    paraphrase: Annotated[list[str] | None, typer.Option(help="Another way to ask; may be repeated.")] = None,
    negative: Annotated[list[str] | None, typer.Option(help="A question that is not it; may be repeated.")] = None,
    supersede: Annotated[list[str] | None, typer.Option(help="A document to hide as a whole; may be repeated.")] = None,
    edits: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file: a list of {document_id, version, find, replace}.",
            path_type=Path,
            dir_okay=False,
            exists=True,
        ),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="wrong, missing, outdated, retrieval, …")] = None,
    valid_until: Annotated[
        str | None,
        typer.Option(help="When it ends: 2027-01-31 (the end of that day in UTC) or 2027-01-31T18:00:00+08:00."),
    ] = None,
    revision: Annotated[int | None, typer.Option(help="Refuse if it is no longer this revision.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the text that readers shall see; options that are left out change nothing."""
    if answer is not None and answer_file is not None:
        raise typer.BadParameter("Give --answer or --answer-file, not both.")
    changes: dict[str, Any] = {
        "answer": answer_file.read_text(encoding="utf-8") if answer_file else answer,
        "question": question,
        "paraphrases": paraphrase,
        "negatives": negative,
        "supersedes": [{"document_id": id_, "passage": None} for id_ in supersede] if supersede else None,
        "edits": _json_list(edits) if edits else None,
        "kind": kind,
        "valid_until": valid_until,
    }
    options = {name: value for name, value in changes.items() if value is not None}
    if not options:
        raise typer.BadParameter("Nothing to write: give --answer or another option.")
    _act(
        lambda desk: desk.draft(correction_id, options, actor=actor(), revision=revision),
        as_json,
        f"Correction {correction_id} is drafted. `errata corrections approve {correction_id}` publishes it.",
    )


@app.command()
def prove(correction_id: Id, as_json: AsJson = False) -> None:
    """Replay the complaint and near questions on a trial state of the knowledge; nothing is published."""
    _act(lambda desk: desk.prove(correction_id), as_json, None, busy="Asking again on a trial state")


@app.command()
def approve(
    correction_id: Id,
    reason: Reason = None,
    revision: Annotated[int | None, typer.Option(help="Refuse if it is no longer this revision.")] = None,
    override: Annotated[
        bool, typer.Option("--override", help="Publish although the proof found a regression; needs --reason.")
    ] = False,
    allow_invisible: Annotated[
        bool, typer.Option("--allow-invisible", help="Publish also characters that nobody sees.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Publish the draft; it is proved first. Readers see it with the next question."""
    _act(
        lambda desk: desk.approve(
            correction_id,
            actor=actor(),
            reason=reason,
            revision=revision,
            override=override,
            allow_invisible=allow_invisible,
        ),
        as_json,
        f"Correction {correction_id} is published. The server asks its question again, now or at its next start.",
        busy="Proving and publishing",
    )


@app.command()
def recheck(correction_id: Id, as_json: AsJson = False) -> None:
    """Have the questions of a published correction asked again."""
    _act(
        lambda desk: desk.recheck(correction_id, actor=actor()),
        as_json,
        f"The server asks the questions of correction {correction_id} again, now or at its next start.",
    )


@app.command()
def reject(
    ids: Annotated[list[int], typer.Argument(help="Numbers of the corrections.", metavar="ID…")],
    reason: Annotated[str, typer.Option(help="Why nothing is to be corrected.")],
    as_json: AsJson = False,
) -> None:
    """Decide that nothing is to be corrected. Several are decided one by one; exit code 1 when one could not be."""
    if len(ids) == 1:
        _act(
            lambda desk: desk.reject(ids[0], actor=actor(), reason=reason),
            as_json,
            f"Correction {ids[0]} is rejected.",
        )
        return
    from knowledge.errors import Conflict, NotFound
    from retrieval.scope import EVERYTHING

    results: list[dict[str, Any]] = []
    with open_parts() as parts:
        desk = parts.curation(EVERYTHING)
        for correction_id in dict.fromkeys(ids):
            try:
                state = desk.reject(correction_id, actor=actor(), reason=reason)["state"]
                results.append({"id": correction_id, "state": state, "error": None})
            except (Conflict, NotFound) as error:
                results.append({"id": correction_id, "state": None, "error": str(error)})
    if as_json:
        say_json({"results": results})
    else:
        for result in results:
            say(result["error"] or f"Correction {result['id']} is rejected.", error=result["error"] is not None)
    if any(result["error"] for result in results):
        raise typer.Exit(1)


@app.command()
def reopen(correction_id: Id, reason: Reason = None, as_json: AsJson = False) -> None:
    """Put a decided correction back into the queue. What is published stays until it is rolled back."""
    _act(
        lambda desk: desk.reopen(correction_id, actor=actor(), reason=reason),
        as_json,
        f"Correction {correction_id} is in the queue again.",
    )


@app.command()
def rollback(correction_id: Id, reason: Reason = None, as_json: AsJson = False) -> None:
    """Take a publication back. Readers get the answer from before it with the next question."""
    _act(
        lambda desk: desk.rollback(correction_id, actor=actor(), reason=reason),
        as_json,
        f"The last publication of correction {correction_id} is taken back.",
        busy="Rolling back",
    )


@app.command()
def merge(
    ids: Annotated[list[int], typer.Argument(help="Numbers of the corrections; the first one stays.")],
    as_json: AsJson = False,
) -> None:
    """Merge several items that complain about the same."""
    _act(lambda desk: desk.merge(ids, actor=actor()), as_json, f"Merged into correction {ids[0]}.")


@app.command()
def split(
    correction_id: Id,
    complaints: Annotated[list[int], typer.Argument(help="Numbers of the complaints, as `show` gives them.")],
    as_json: AsJson = False,
) -> None:
    """Move complaints that ask something else into a new item, for instance to take a merge back."""
    with open_parts() as parts:
        from bot import feedback
        from knowledge.correcting import items
        from retrieval.scope import EVERYTHING

        with parts.database.write() as session:
            remaining, apart = feedback.split(session, correction_id, complaints, EVERYTHING, actor=actor())
            both = {
                "kept": items.item(session, remaining, EVERYTHING),
                "split": items.item(session, apart, EVERYTHING),
            }
    if as_json:
        say_json(both)
    else:
        say(f"The complaints belong to correction {apart.id} now.")


def _act(
    action: Callable[[Curation], dict[str, Any]], as_json: bool, done: str | None, *, busy: str | None = None
) -> None:
    with open_parts() as parts, Steps() as steps:
        if busy:
            steps.update(busy)
        from retrieval.scope import EVERYTHING

        item = action(parts.curation(EVERYTHING))
    if as_json:
        say_json(item)
    elif done is None:
        _show_proof(item["proof"])
    else:
        say(done)


def _show(item: dict[str, Any]) -> None:
    live = ", live" if item["live"] else ""
    say(f"Correction {item['id']}: {item['state']}{live}, {item['priority']}, revision {item['revision']}")
    say(f"Question   {item['question']}")
    for complaint in item["complaints"]:
        reasons = ", ".join([complaint["rating"] or "unanswered", *complaint["reasons"]])
        who = f"{complaint['created_at']} by {complaint['who']} ({reasons})"
        say(f"Complaint {complaint['id']}  {who}: {complaint['comment'] or 'no comment'}")
        if not complaint["confirmed"]:
            say(f"           asks: {complaint['question']} (not confirmed as a wording of this question)")
        if complaint["suggested_answer"]:
            say(f"           suggests: {complaint['suggested_answer']}")
    if item["snapshot"]:
        _show_snapshot(item["snapshot"])
    if item["draft"]:
        _show_draft(item["draft"])
    if item["proof"]:
        _show_proof(item["proof"])
    if item["published"]:
        say(f"\nPublished as {item['published']['document_id']} by {item['published']['approved_by']}")
    if item["observations"]["count"]:
        say(f"\n{item['observations']['readers']} reader(s) reported that it does not answer their question:")
        for asked in item["observations"]["questions"]:
            say(f"  {asked['count']}×  {asked['question']}")
    if item["recheck"]:
        _show_recheck(item["recheck"])
    say("\nHistory:")
    for event in item["history"]:
        reason = f": {event['reason']}" if event["reason"] else ""
        say(f"  {event['at']}  {event['actor']}  {event['action']} → {event['to']}{reason}")


def _show_recheck(recheck: dict[str, Any]) -> None:
    say(f"\nAsked again: {recheck['state']} {recheck.get('reason') or ''}".rstrip())
    for way, name in (("verbatim", "the very question"), ("retrieved", "without the approved text")):
        result = recheck.get(way)
        if result is None:
            continue
        say(f"  {name}: {'right' if result['right'] else 'not right'} ({result['questions']} asked)")
        for problem in result["problems"]:
            say(f"    {problem['question']}: {problem['reason']}")


def _show_snapshot(snapshot: dict[str, Any]) -> None:
    say(f"\nAnswer given (step {snapshot.get('knowledge_version')}, {snapshot.get('model')}):")
    say(f"{snapshot.get('answer')}\n")
    for source in snapshot.get("sources") or ():
        say(f"  [{source['n']}] {source['document_id']}, version {source['version']}")


def _show_draft(draft: dict[str, Any]) -> None:
    say(f"\nDraft:\n{draft['answer']}")
    for edit in draft.get("edits", ()):
        say(f"  edits {edit['document_id']}, version {edit['version']}: {edit['find']!r} → {edit['replace']!r}")
    for superseded in draft.get("supersedes", ()):
        say(f"  hides {superseded['document_id']}" + (", one passage" if superseded.get("passage") else ""))


def _show_proof(proof: dict[str, Any]) -> None:
    say(f"\nProof ({proof['state']}): {proof['verdict'] or 'no verdict'}")
    for replayed in proof["items"]:
        say(f"  {replayed['outcome']:<10} {replayed['role']:<11} {replayed['question']}")
        if replayed.get("reason"):
            say(f"             {replayed['reason']}")
    for part in proof["left_out"] or ():
        say(f"  not replayed: {part['count']} {part['role']} ({part['reason']})")


def _json_list(path: Path) -> list[Any]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise typer.BadParameter(f"{path} is no JSON: {error}") from None
    if not isinstance(rows, list):
        raise typer.BadParameter(f"{path} is no list.")
    return rows
