"""The command line: ``errata …``. Registers the commands and turns every expected error into one clear line.

Exit codes: 0 done · 1 failed, the last line says why and what to do · 2 the command was called wrongly · 130
interrupted with Ctrl-C. Nothing heavy is imported here or by the command modules, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands import (
    ask,
    backup,
    calibrate,
    corrections,
    doctor,
    documents,
    explain,
    ingest,
    inspect,
    keys,
    models,
    reindex,
    serve,
    users,
)
from bot.commands.context import FAILED, say, using

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.commands.context import MakeParts

DAMAGE = ("malformed", "not a database")  # SQLite's words for a file that it cannot read

app = typer.Typer(
    name="errata",
    help="A chatbot that answers from your documents, and is corrected like a good book.\n\n"
    "Settings are environment variables that begin with ERRATA_; see README.md. "
    "Exit codes: 0 done, 1 failed (the message says why), 2 called wrongly, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.serve)
app.command()(ingest.ingest)
app.command()(inspect.inspect)
app.command()(reindex.reindex)
app.command()(ask.ask)
app.command()(explain.explain)
app.command()(calibrate.calibrate)
app.command()(doctor.doctor)
app.command()(backup.backup)
app.command()(backup.restore)
app.add_typer(corrections.app, name="corrections")
app.add_typer(documents.app, name="documents")
app.add_typer(users.app, name="user")
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")


def _version(requested: bool) -> None:
    if requested:
        import bot

        say(f"errata {bot.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del version


def run(arguments: Sequence[str], *, make_parts: MakeParts | None = None) -> int:
    """Runs one command line and returns its exit code. ``make_parts`` replaces the function that opens the parts."""
    try:
        with using(make_parts):
            app(list(arguments), prog_name="errata")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else FAILED
    except Exception as error:  # noqa: BLE001 - the edge of the program: a person gets a message for every error
        if os.environ.get("ERRATA_LOG_LEVEL", "").lower() == "debug":
            import traceback

            traceback.print_exc()
        say(f"errata: {message_of(error)}", error=True)
        return FAILED
    return 0


def message_of(error: Exception) -> str:
    """The message of an error: what happened and what to do, without a traceback."""
    from bot.errors import BotError
    from knowledge.errors import KnowledgeError
    from retrieval.errors import RetrievalError

    message = str(error).strip()
    if isinstance(error, BotError | KnowledgeError | RetrievalError):
        return message or type(error).__name__
    if type(error).__module__.startswith("sqlalchemy"):
        cause = _cause(error)
        if any(damage in cause for damage in DAMAGE):
            return (
                f"The database is damaged: {cause}. Stop the server and restore a backup: errata restore FILE --force"
            )
        return f"The database refused: {cause}. Run: errata doctor"
    if isinstance(error, MemoryError):
        return "There is not enough memory. Close other programs, or choose a smaller chat model (ERRATA_CHAT_MODEL)."
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or message}{where}. Check that the place exists, may be written, and has room."
    return (
        f"Something went wrong that should not: {type(error).__name__}: {message or 'no details'}. "
        "Run it again with ERRATA_LOG_LEVEL=debug to see where, and report it."
    )


def _cause(error: Exception) -> str:
    """The database's own message, without the statement and its values."""
    original = getattr(error, "orig", None)
    return str(original) if original is not None else type(error).__name__


def main() -> None:
    """The console script."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
