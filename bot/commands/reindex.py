"""``errata reindex``: rebuilds the index from the database, also beside a running server."""

from __future__ import annotations

import time

from bot.commands.context import open_parts, say
from bot.commands.progress import Steps

LABELS = {
    "embed": "Embedding passages without a vector",
    "build": "Building the index",
    "compare": "Comparing it with the database",
    "save": "Saving a snapshot",
}
COUNTED = ("embed", "build")
QUESTIONS = 200  # questions for proofs that are embedded together


def reindex() -> None:
    """Embed what is missing, rebuild the index from the database, compare them, save a snapshot.

    Safe beside a running server and from cron: one rebuild runs at a time, an interrupted one goes on where it
    stopped, documents and corrections are only read. Needed after a change of the embedding model.

    Exit code 0: done; 1: not done, with the reason.
    """
    with open_parts() as parts:
        from bot.proving import embed_questions
        from knowledge.reindex import reindex as rebuild

        started = time.monotonic()
        with Steps(unit="passages") as steps:

            def show(step: str, at: int, total: int) -> None:
                counted = step in COUNTED
                if total or not counted:
                    steps.update(LABELS[step], at if counted else 0, total if counted else 0)

            done = rebuild(parts.database, parts.embedder, parts.settings.snapshots, on_progress=show)
            while embed_questions(parts.database, parts.embedder, most=QUESTIONS):
                pass
        say(
            f"Index rebuilt: {done.passages} passages at step {done.seq} of the log, {done.embedded} embedded, "
            f"{done.reused} vectors reused, {time.monotonic() - started:.1f} s."
        )
        if done.damaged:
            say(f"{done.damaged} stored vectors were damaged and were computed again. Check the disk.")
