"""Writers of one process go in the order in which they came; other processes are waited for as SQLite does."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from knowledge.db import Database, open_database
from knowledge.errors import DatabaseBusy
from knowledge.fair import FairLock

if TYPE_CHECKING:
    from pathlib import Path

WRITERS = 8
SECONDS = 2.0


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "errata.db")


def test_whoever_came_first_gets_the_lock_first() -> None:
    lock, order = FairLock(), list[int]()
    assert lock.acquire(1)

    def take(number: int) -> None:
        assert lock.acquire(10)
        order.append(number)
        lock.release()

    threads = []
    for number in range(20):
        threads.append(threading.Thread(target=take, args=(number,)))
        threads[-1].start()
        while lock.waiting <= number:
            time.sleep(0.001)
    lock.release()
    for thread in threads:
        thread.join()
    assert order == list(range(20))


def test_whoever_gives_up_is_not_waited_for() -> None:
    lock = FairLock()
    assert lock.acquire(1)
    gave_up: list[bool] = []
    thread = threading.Thread(target=lambda: gave_up.append(lock.acquire(0.01)))
    thread.start()
    thread.join()
    assert (gave_up, lock.waiting) == ([False], 0)
    lock.release()
    assert lock.acquire(0.01)


def test_no_writer_waits_while_others_write_many_times(database: Database) -> None:
    """Each writer begins again at once. Between two of its turns every other writer has at most two."""
    turns: list[int] = []
    over = threading.Event()

    def write(number: int) -> None:
        while not over.is_set():
            with database.write() as session:
                session.execute(sa.text("update log set at = at"))
                turns.append(number)
                time.sleep(0.001)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    over.set()
    for thread in threads:
        thread.join()
    database.close()
    counted = Counter(turns)
    gaps = [
        after - before
        for number in range(WRITERS)
        for places in [[place for place, who in enumerate(turns) if who == number]]
        for before, after in pairwise(places)
    ]
    print(f"{len(turns)} turns, {min(counted.values())} to {max(counted.values())} each, longest gap {max(gaps)}")
    assert len(turns) > 10 * WRITERS
    assert max(gaps) <= 2 * WRITERS
    assert max(counted.values()) - min(counted.values()) <= 3


def test_a_writer_of_another_process_is_waited_for(database: Database, tmp_path: Path) -> None:
    script = (
        "import pysqlite3.dbapi2 as sqlite, time\n"
        f"connection = sqlite.connect({str(tmp_path / 'errata.db')!r}, isolation_level=None)\n"
        "connection.execute('BEGIN IMMEDIATE')\n"
        "print('writing', flush=True)\n"
        "time.sleep(0.5)\n"
        "connection.execute('COMMIT')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "writing\n"
        with database.write() as session:
            session.execute(sa.text("update log set at = at"))
        assert other.wait() == 0
    database.close()


def test_who_waits_too_long_gets_the_error_that_the_database_is_busy(database: Database) -> None:
    patient = Database(str(database.url), writing_seconds=0.05)
    errors: list[Exception] = []

    def write() -> None:
        try:
            with patient.write():
                pass
        except DatabaseBusy as error:
            errors.append(error)

    with patient.write():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert [error.code for error in errors if isinstance(error, DatabaseBusy)] == ["database_busy"]
    with patient.write():
        pass
    patient.close()
    database.close()


def test_writing_inside_writing_is_an_error_and_no_standstill(database: Database) -> None:
    with database.write(), pytest.raises(RuntimeError, match="writes already"), database.write():
        pass
    with database.write():
        pass
    database.close()
