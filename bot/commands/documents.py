"""``errata documents …``: a curator's actions on single documents."""

from __future__ import annotations

from typing import Annotated

import typer

from bot.commands.context import actor, open_parts, say

app = typer.Typer(no_args_is_help=True, help="Single documents: bring back one that was retired.")


@app.callback()
def _group() -> None:
    """Makes typer keep the group's name although it has only one command."""


@app.command()
def restore(
    document_id: Annotated[str, typer.Argument(help="Id of the document, as `errata ingest` shows it.", metavar="ID")],
) -> None:
    """Bring a retired document back to the readers, with the text that it had."""
    from knowledge import put
    from retrieval.scope import EVERYTHING

    with open_parts() as parts:
        stored = put.restore(parts.database, parts.embedder, document_id, EVERYTHING, actor=actor())
    if stored.changed:
        say(f"{stored.id} is back, version {stored.version}.")
    else:
        say(f"{stored.id} was not retired.")
