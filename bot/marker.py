"""A small file in the data folder that states: a database with content was here.

A data folder without ``errata.db`` looks like a new one. Where the database was lost (a volume that is not mounted, a
file that was removed or emptied), starting with an empty knowledge base would hide the loss, and the new database would
be in the way of a restore. So the marker is written once the database has its first document or account, and from then
on a missing or empty database is an error. A new, empty folder has no marker and is used without a question.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.errors import BotError
from bot.tables import User
from knowledge.tables import Document

if TYPE_CHECKING:
    from pathlib import Path

    from bot.settings import Settings
    from knowledge.db import Database

_log = logging.getLogger(__name__)

NAME = "errata.db.exists"
TEXT = """This folder has an Errata database with content: errata.db
Errata refuses to start when that file is missing or empty. To bring it back: errata restore FILE
Remove this file only to begin again with an empty knowledge base.
"""


def path(settings: Settings) -> Path:
    return settings.data / NAME


def check_file(settings: Settings) -> None:
    """Raises BotError where a database was here, and its file is now missing or has no bytes."""
    if not path(settings).exists():
        return
    try:
        size = settings.database.stat().st_size
    except FileNotFoundError:
        size = None
    if size is None:
        raise BotError(
            "The database {database} is missing, although this folder had one. If the folder is on another disk, is it "
            "mounted? Restore a backup: errata restore FILE. To begin again with an empty knowledge base, remove the "
            "file {marker}.",
            code="database_missing",
            database=settings.database,
            marker=path(settings),
        )
    if size == 0:
        raise _emptied(settings)


def check_content(settings: Settings, database: Database) -> None:
    """Raises BotError where a database with content was here, and the present one has no document and no account;
    the database is closed then."""
    if path(settings).exists() and not has_content(database):
        database.close()
        raise _emptied(settings)


def keep(settings: Settings, database: Database) -> None:
    """Writes the marker now if the database has content, otherwise after the first write that adds some."""
    if path(settings).exists() or _write_if_content(settings, database):
        return

    def after_write() -> None:
        if _write_if_content(settings, database):
            database.after_write = None

    database.after_write = after_write


def has_content(database: Database) -> bool:
    """Whether there is a document (also a retired one) or an account. Neither is ever removed from the database."""
    with database.read() as session:
        documents, users = sa.exists(sa.select(Document.id)), sa.exists(sa.select(User.username))
        return bool(session.scalar(sa.select(sa.or_(documents, users))))


def write(settings: Settings) -> None:
    """Writes the marker and waits until the disk has it."""
    with path(settings).open("w", encoding="utf-8") as file:
        file.write(TEXT)
        file.flush()
        os.fsync(file.fileno())


def _write_if_content(settings: Settings, database: Database) -> bool:
    if not has_content(database):
        return False
    try:
        write(settings)
    except OSError as error:  # a full disk, for instance: what was committed stays, and the next write tries again
        _log.warning("The file %s cannot be written: %s", path(settings), error.strerror)
        return False
    return True


def _emptied(settings: Settings) -> BotError:
    return BotError(
        "The database {database} is empty, although it had content. Restore a backup: errata restore FILE. To begin "
        "again with an empty knowledge base, remove the file {marker}.",
        code="database_emptied",
        database=settings.database,
        marker=path(settings),
    )
