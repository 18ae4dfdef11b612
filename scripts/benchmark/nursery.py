"""A process that has imported Errata and forks children, each of which runs one command line of it.

Reads requests from standard input, one JSON object a line, and answers each with a line of JSON:

* ``{"run": [ARGUMENT…], "settings": {NAME: VALUE}, "log": FILE}``: the process id of the new child;
* ``{"wait": PID}``: the status of ``waitpid``, or null while the child runs.

At the end of its input it kills the children that are left.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any

HEAVY = (
    "alembic.command",
    "alembic.ddl.sqlite",
    "alembic.script",
    "anyio._backends._asyncio",
    "anyio.from_thread",
    "bot.answering.answer",
    "bot.answering.extractive",
    "bot.answering.same_words",
    "bot.calibration.store",
    "bot.doctor",
    "bot.marker",
    "bot.models.store",
    "bot.proving",
    "bot.recheck",
    "bot.settings",
    "bot.turn",
    "bot.web.app",
    "bot.worker",
    "dotenv",
    "faiss",
    "knowledge.backup",
    "knowledge.ingest",
    "knowledge.load",
    "knowledge.reindex",
    "knowledge.uploads",
    "langchain_text_splitters",
    "mako.template",
    "pwdlib.hashers.argon2",
    "pydantic_settings",
    "pysqlite3.dbapi2",
    "retrieval.langchain",
    "retrieval.search",
    "retrieval.snapshot",
    "rich.live",
    "rich.progress",
    "rjieba",
    "uvicorn",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
)


def main() -> None:
    for name in HEAVY:
        importlib.import_module(name)
    from tests.fakes import HashingEmbedder

    embedder = HashingEmbedder()
    embedder.query("Errata 勘误")  # loads the dictionaries
    children: set[int] = set()
    print(json.dumps("ready"), flush=True)
    try:
        for line in sys.stdin:
            request = json.loads(line)
            if "run" in request:
                child = os.fork()
                if not child:
                    _become(request, embedder)
                children.add(child)
                answer: int | None = child
            else:
                ended, status = os.waitpid(request["wait"], os.WNOHANG)
                answer = status if ended else None
                if ended:
                    children.discard(ended)
            print(json.dumps(answer), flush=True)
    finally:  # also when the benchmark was stopped, and nobody reads the answer
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def _become(request: dict[str, Any], embedder: Any) -> None:
    """Runs a command line in this child, with its output in the log, and ends the process."""
    try:
        os.setpgid(0, 0)
        with open(os.devnull) as nothing, open(request["log"], "ab") as log:  # noqa: PTH123
            os.dup2(nothing.fileno(), 0)
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        for name in [name for name in os.environ if name.startswith("ERRATA_")]:
            del os.environ[name]
        os.environ |= request["settings"]
        from bot.__main__ import run
        from bot.wiring import Parts

        code = run(request["run"], make_parts=lambda settings: Parts(settings, embedder=embedder))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    finally:
        os._exit(70)


if __name__ == "__main__":
    main()
