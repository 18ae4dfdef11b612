"""Gives the space of deleted rows back to the disk. SQLite alone keeps it in the file for later rows.

Decision: incremental vacuum. A new database is made for it (knowledge.db); it moves pages from the end of the file, a
few at a time, so that writers wait for milliseconds. A database of an earlier version is converted once, by a VACUUM,
when a quarter of it is free and there is space for the copy that this needs; until then its free pages are used again.
Costs: some pages of pointers, and the pages that are moved are written twice.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from knowledge.db import Database

STEP: Final = 2_000  # pages that are given back at once: 8 MB
WORTH: Final = 4  # a database of an earlier version is converted when one of so many pages is free
COPIES: Final = 3  # free space for a conversion, in sizes of the database: a temporary copy, the log, and some rest
_NONE = 0  # the answer of ``pragma auto_vacuum`` for a database that is not made for it


def give_back(database: Database) -> int:
    """Returns the bytes of the free pages that the database no longer has. Raises DatabaseBusy, DiskFull."""
    if database.engine.dialect.name != "sqlite" or not database.url.database:
        return 0
    path = Path(database.url.database)
    with database.alone() as connection:
        page_size = _pragma(connection, "page_size")
        before = _pragma(connection, "freelist_count")
        if _pragma(connection, "auto_vacuum") == _NONE:
            pages = _pragma(connection, "page_count")
            if before * WORTH < pages or shutil.disk_usage(path.parent).free < COPIES * pages * page_size:
                return 0
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("VACUUM")
    free = before
    while free:
        with database.alone() as connection:
            connection.execute(f"PRAGMA incremental_vacuum({STEP})").fetchall()
            left = _pragma(connection, "freelist_count")
        if left >= free:  # somebody else deletes at the same time: the next time is soon enough
            break
        free = left
    with database.alone() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # now the file itself becomes shorter
        return max(0, before - _pragma(connection, "freelist_count")) * page_size


def _pragma(connection: Any, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
