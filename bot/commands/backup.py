"""``errata backup`` and ``errata restore``: verified copies of the database."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.commands.context import say, settings

if TYPE_CHECKING:
    from knowledge.backup import Manifest

File = Annotated[Path, typer.Argument(help="The file of the copy.")]


def backup(file: File) -> None:
    """Write a verified copy of the database, with a manifest (FILE.manifest.json) beside it.

    Safe while the server runs. No existing file is replaced.

    Exit code 0: done and verified; 1: not done, with the reason.
    """
    from bot import marker
    from knowledge.backup import write

    configuration = settings()
    marker.check_file(configuration)
    manifest = write(configuration.database, file)
    say(f"Copied and verified: {_summary(manifest)}.")
    say(f"{file} ({manifest.bytes / 1e6:,.1f} MB), SHA-256 {manifest.sha256}")


def restore(
    file: File,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the database that is there; it is kept beside the new one.")
    ] = False,
) -> None:
    """Put a copy in the place of the database, after it was verified. The server must be stopped.

    The former database is kept with its -wal as errata.db.replaced-TIME. The next start rebuilds the index.

    Exit code 0: done; 1: not done, with the reason, and the database is as it was.
    """
    from bot import folders, marker
    from bot.commands.serve import only_server
    from knowledge.backup import put_back
    from knowledge.reindex import one_at_a_time

    configuration = settings()
    folders.require(configuration.data, "ERRATA_DATA")
    folders.require_file(configuration.database, "ERRATA_DATA")
    with only_server(configuration.data), one_at_a_time(configuration.snapshots):
        restored = put_back(file, configuration.database, replace=force)
        # of the former database; the next start makes a new one
        for snapshot in configuration.snapshots.glob("snapshot-*"):
            shutil.rmtree(snapshot, ignore_errors=True)
        if restored.manifest.rows.get("documents") or restored.manifest.rows.get("users"):
            marker.write(configuration)
    if not restored.verified:
        say("There is no manifest beside the copy: its structure was checked, but not that it is complete.", error=True)
    say(f"Restored: {_summary(restored.manifest)}.")
    if restored.aside is not None:
        say(f"The former database is kept: {restored.aside}")
    say("Start the server: errata serve")


def _summary(manifest: Manifest) -> str:
    named = ("documents", "passages", "corrections", "users", "conversations")
    counts = [f"{manifest.rows[name]:,} {name}" for name in named if name in manifest.rows]
    return f"step {manifest.head:,} of the log, {', '.join(counts)}"
