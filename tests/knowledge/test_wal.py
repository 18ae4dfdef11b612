"""A -wal that belongs to another state of the database is noticed before SQLite mixes the two; one that belongs to it,
left by a killed process, never is refused."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pysqlite3.dbapi2 as sqlite
import pytest

from knowledge import wal
from knowledge.errors import KnowledgeError

if TYPE_CHECKING:
    from pathlib import Path


def rows(path: Path) -> list[Any]:
    with closing(sqlite.connect(path)) as connection:
        return list(connection.execute("select * from t order by id"))


def refused(path: Path) -> str | None:
    """The code of the refusal at a start."""
    try:
        wal.check(path)
        wal.check_integrity(path)
    except KnowledgeError as error:
        return error.code
    return None


def write_and_kill(folder: Path, seed: int) -> Path:
    """Writes at random with several connections and checkpoints; ``copy.db`` is a backup made meanwhile, ``killed`` the
    files as a kill leaves them. Returns the folder ``killed``."""
    dice = random.Random(seed)
    path = folder / "errata.db"
    connections = []
    for _ in range(dice.choice([1, 1, 2, 3])):
        connection = sqlite.connect(path, isolation_level=None)
        for pragma in ("journal_mode=wal", "synchronous=off", f"wal_autocheckpoint={dice.choice([0, 20, 60, 1000])}"):
            connection.execute(f"pragma {pragma}")
        connections.append(connection)
    connections[0].execute("create table t(id integer primary key, x text, y int)")
    connections[0].execute("create index i on t(y)")
    steps = dice.randint(10, 150)
    copy_after = dice.randrange(steps)
    for step in range(steps):
        connection, what = dice.choice(connections), dice.random()
        if what < 0.5:
            connection.execute("insert into t(x, y) values (?, ?)", ("x" * dice.randint(1, 5000), dice.randint(0, 99)))
        elif what < 0.8:
            connection.execute("update t set y = y + 1, x = x || 'y' where id = ?", (dice.randint(1, steps),))
        elif what < 0.9:
            connection.execute("delete from t where id = ?", (dice.randint(1, steps),))
        else:
            connection.execute(f"pragma wal_checkpoint({dice.choice(['passive', 'truncate', 'restart'])})")
        if step == copy_after:
            with closing(sqlite.connect(folder / "copy.db")) as target:
                connections[0].backup(target)
                target.execute("pragma journal_mode=delete")
    killed = folder / "killed"
    killed.mkdir()
    for name in ("errata.db", "errata.db-wal"):
        shutil.copyfile(folder / name, killed / name)
    for connection in connections:
        connection.close()
    return killed


@pytest.mark.parametrize("seeds", [range(start, start + 20) for start in range(0, 100, 20)], ids=str)
def test_random_copies_beside_a_log_are_refused_and_killed_databases_are_not(tmp_path: Path, seeds: range) -> None:
    results: Counter[str] = Counter()
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        killed = write_and_kill(folder, seed)
        if not wal.has_content(killed / "errata.db"):
            continue
        mixed = folder / "mixed"
        mixed.mkdir()
        shutil.copyfile(folder / "copy.db", mixed / "errata.db")
        shutil.copyfile(killed / "errata.db-wal", mixed / "errata.db-wal")
        assert refused(killed / "errata.db") is None
        newest = rows(killed / "errata.db")
        code = refused(mixed / "errata.db")
        if code is None:  # the copy was of a state that the log goes on from: the two give the newest state
            assert rows(mixed / "errata.db") == newest
        else:
            assert wal.has_content(mixed / "errata.db")  # nothing was changed
        results[str(code)] += 1
    assert results["wal_of_another_database"] >= 3
    assert results.keys() <= {"wal_of_another_database", "database_damaged", "None"}


def test_a_database_that_others_write_to_is_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "errata.db"
    with closing(sqlite.connect(path, isolation_level=None)) as first, closing(sqlite.connect(path)) as other:
        first.execute("pragma journal_mode=wal")
        first.execute("create table t(id integer primary key, x text)")
        for number in range(200):
            first.execute("insert into t(x) values (?)", ("x" * 3000,))
            if number % 10 == 0:
                other.execute("pragma wal_checkpoint(restart)")
            wal.check(path)


def test_without_a_log_there_is_nothing_to_compare(tmp_path: Path) -> None:
    wal.check(tmp_path / "errata.db")
    (tmp_path / "errata.db").write_bytes(b"")
    wal.check(tmp_path / "errata.db")
    (tmp_path / "errata.db-wal").write_bytes(b"")
    wal.check(tmp_path / "errata.db")
