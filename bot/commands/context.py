"""Functions that commands share: reading settings, opening and closing parts, the actor of a change, and output.

Heavy packages are imported inside the functions, so that ``errata --help`` answers at once. Tests pass their own parts
(``using``); nothing else replaces anything here.
"""

from __future__ import annotations

import getpass
import os
import shutil
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from bot.settings import Settings
    from bot.wiring import Parts

    MakeParts = Callable[[Settings], Parts]

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_make_parts: ContextVar[MakeParts | None] = ContextVar("make_parts", default=None)

# Set unless the user did: libraries must not send usage data, draw their own progress bars or trace prompts.
QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "LANGSMITH_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
}


@contextmanager
def using(make_parts: MakeParts | None) -> Iterator[None]:
    """Within the block, commands get their parts from ``make_parts`` (None: the real ones)."""
    token = _make_parts.set(make_parts)
    try:
        yield
    finally:
        _make_parts.reset(token)


def settings(*, verbose: bool = False) -> Settings:
    """The settings, with logging configured: warnings and errors only, or the level of the settings if ``verbose``.

    Raises SettingsError.
    """
    from bot import logs
    from bot.settings import read_settings

    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    values = read_settings()
    quiet = not verbose and values.log_level == "info"
    logs.configure(form=values.log_format, level="warning" if quiet else values.log_level, text=values.log_text)
    return values


@contextmanager
def open_parts(*, verbose: bool = False, offline: bool = True) -> Iterator[Parts]:
    """The parts for one command, closed at its end. ``offline``: the model libraries may not use the network."""
    if offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    values = settings(verbose=verbose)
    make = _make_parts.get()
    if make is None:
        from bot.wiring import Parts

        make = Parts
    parts = make(values)
    try:
        yield parts
    finally:
        parts.close()


def actor() -> str:
    """The recorded name of a person who changes something on the command line: ``cli:<login name>``."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # no login name, as in some containers
        return "cli"


def program() -> str:
    """The name to call this program by, for messages that contain a command to type."""
    called = sys.argv[0]
    installed = shutil.which("errata")
    same = installed is not None and Path(installed).resolve() == Path(called).resolve()
    return "errata" if same or Path(called).name != "errata" else called


def say(text: str = "", *, error: bool = False) -> None:
    """A plain line for people: no markup, no wrapping. ``error`` lines go to standard error. Characters that nobody
    sees, and those that move the cursor or colour the screen, are shown as marks."""
    from retrieval.invisible import marked

    text = marked(text)
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)


def say_json(value: Any) -> None:
    """A JSON document on standard output; dates become ISO texts. Characters that nobody sees are escaped."""
    import json

    from retrieval.invisible import find

    text = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    pieces: list[str] = []
    end = 0
    for hidden in find(text):
        pieces += (text[end : hidden.position], json.dumps(hidden.character)[1:-1])
        end = hidden.position + 1
    say("".join((*pieces, text[end:])))


def console(*, error: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=error, highlight=False, soft_wrap=True)
