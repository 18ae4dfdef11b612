"""Deleted rows leave the file: the database becomes shorter, whichever version made it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pysqlite3.dbapi2 as sqlite
import pytest
import sqlalchemy as sa

from knowledge import space, wal
from knowledge.db import Database, open_database

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 100
TEXT = "x" * 20_000  # five pages


@pytest.fixture(params=["new", "of an earlier version"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / "errata.db"
    if request.param == "new":
        open_database(path).close()
    else:
        connection = sqlite.connect(path)
        connection.execute("create table early (text)")
        connection.close()
    return path


def fill(database: Database) -> None:
    with database.write() as session:
        session.execute(sa.text("create table rows (id integer primary key, text)"))
        for _ in range(ROWS):
            session.execute(sa.text("insert into rows (text) values (:text)"), {"text": TEXT})


def shrink(database: Database, path: Path, where: str) -> int:
    """How much shorter the file becomes when these rows are deleted."""
    with database.alone() as connection:  # all that was written is in the file
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    before = path.stat().st_size
    with database.write() as session:
        session.execute(sa.text(f"delete from rows where {where}"))
    space.give_back(database)
    return before - path.stat().st_size


def test_the_file_becomes_shorter_by_what_was_deleted(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    fill(database)
    assert shrink(database, path, "id % 2 = 0") >= ROWS // 2 * len(TEXT)
    assert shrink(database, path, "id % 4 = 1") >= ROWS // 4 * len(TEXT)  # a converted one needs no conversion again
    assert database.integrity() == "ok"
    with database.read() as session:
        assert session.scalar(sa.text("select count(*) from rows where text = :text"), {"text": TEXT}) == ROWS // 4
    database.close()


def test_an_earlier_version_s_database_is_not_converted_for_little(tmp_path: Path) -> None:
    path = tmp_path / "errata.db"
    connection = sqlite.connect(path)
    connection.execute("create table early (text)")
    connection.close()
    database = Database(f"sqlite:///{path}")
    fill(database)
    assert shrink(database, path, "id % 8 = 0") == 0
    database.close()


def test_a_database_whose_process_is_killed_meanwhile_is_opened_again(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied before the log goes into the file, as after a kill."""
    database = Database(f"sqlite:///{path}")
    fill(database)
    killed = tmp_path / "killed"
    killed.mkdir()

    def pragma(connection: Any, name: str) -> int:
        if name == "freelist_count":
            for file in tmp_path.glob("errata.db*"):
                shutil.copy(file, killed)
        return int(connection.execute(f"PRAGMA {name}").fetchone()[0])

    with database.write() as session:
        session.execute(sa.text("delete from rows where id > 10"))
    monkeypatch.setattr(space, "_pragma", pragma)
    monkeypatch.setattr(space, "STEP", 30)
    space.give_back(database)
    database.close()
    wal.check(killed / "errata.db")
    wal.check_integrity(killed / "errata.db")
    with Database(f"sqlite:///{killed / 'errata.db'}").read() as session:
        assert session.scalar(sa.text("select count(*) from rows")) == 10
