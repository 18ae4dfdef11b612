"""``errata ask``: answers one question on the command line, by the same path as on the page."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bot import texts
from bot.commands.context import INTERRUPTED, open_parts, say, say_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from bot.answering.values import Event, Outcome


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    language: Annotated[str | None, typer.Option(help="Answer in this language: en or zh.")] = None,
    collection: Annotated[
        list[str] | None, typer.Option(help="Answer from this collection only; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")] = False,
) -> None:
    """Ask a question and get the answer with its sources. Nothing of it is stored as a conversation.

    Ctrl-C stops the answer; the text so far is shown, and the exit code is 130.
    """
    question = question.strip()
    if not question:
        raise typer.BadParameter("The question is empty.", param_hint="QUESTION")
    show = _Display(streaming=not as_json and sys.stdout.isatty())
    with open_parts() as parts, _stopped_by_ctrl_c(show) as stop:
        from bot.answering.values import Ask
        from retrieval.scope import EVERYTHING, Scope

        scope = Scope.of(*collection) if collection else EVERYTHING
        if not as_json:
            say("Loading the models …", error=True)
        outcome = parts.answerer.answer(Ask(question, scope, language=language), show.take, stop=stop)
        if as_json:
            say_json({"question": question, "model": parts.chat_name, **asdict(outcome)})
        else:
            _show(outcome, show.streamed)
        if stop.is_set():
            raise typer.Exit(INTERRUPTED)


class _Display:
    """Shows the text while it is written, and the waiting; nothing before the end where ``streaming`` is off."""

    def __init__(self, *, streaming: bool) -> None:
        self.streamed = ""
        self.begun = False
        self._streaming = streaming

    def take(self, event: Event) -> None:
        from bot.answering.values import Silent, SourcesFound, Token, Waiting
        from retrieval.invisible import marked

        self.begun = True
        if not self._streaming:
            return
        if isinstance(event, Token):
            self.streamed += event.text
            sys.stdout.write(marked(event.text))
            sys.stdout.flush()
        elif isinstance(event, SourcesFound):
            say(f"Found {len(event.sources)} passages. Reading …", error=True)
        elif isinstance(event, Waiting) and event.position:
            say(f"Waiting, number {event.position} in line …", error=True)
        elif isinstance(event, Silent):
            say(f"The chat model has not answered for {event.seconds} seconds yet …", error=True)


def _show(outcome: Outcome, streamed: str) -> None:
    """Shows the final answer (also after streamed text, if it differs), then its sources."""
    if streamed:
        say()
    if streamed.strip() != outcome.answer.strip():
        if streamed:
            say("\nAfter its citations were checked:\n")
        say(outcome.answer)
    if outcome.sources:
        say(f"\nSources (knowledge at step {outcome.knowledge_version}):")
    for source in outcome.sources:
        cited = "*" if source.n in outcome.citations else " "
        path = " › ".join(dict.fromkeys(part for part in (source.title, *source.headings) if part))
        where = "".join(f", {words}" for words in (texts.place(source.place, "en"), source.url) if words)
        say(f" {cited}[{source.n}] {path} — {source.document_id}, version {source.version}{where}")
    say(f"\n{outcome.status}, {outcome.timings_ms.get('total', 0) / 1000:.1f} s")


@contextmanager
def _stopped_by_ctrl_c(show: _Display) -> Iterator[threading.Event]:
    """The event that Ctrl-C sets. Before the first event, and when pressed again, Ctrl-C interrupts at once."""
    stop = threading.Event()

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set() or not show.begun:
            raise KeyboardInterrupt
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
