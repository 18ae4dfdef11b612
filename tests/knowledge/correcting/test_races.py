"""Several at once, in threads and in processes: one succeeds, the others get an error, nothing is stored twice."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from knowledge.db import Database
from knowledge.errors import NotAllowed, ProofRunning, Stale
from retrieval.scope import EVERYTHING
from tests.knowledge.racing import PROCESSES, approve
from tests.knowledge.world import RETURNS, World, assert_index_follows

ROOT = Path(__file__).parents[3]
REFUSALS = {NotAllowed.__name__, Stale.__name__, ProofRunning.__name__}


def together(*command: object) -> list[str]:
    """The results that processes printed for what they did at the same moment."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.knowledge.racing", *map(str, command)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.split()


def assert_published_once(world: World, correction_id: int) -> None:
    item = world.curation.item(correction_id)
    assert [event["action"] for event in item["history"]] == ["report", "draft", "approve"]
    assert (item["state"], item["revision"], item["live"]) == ("approved", 3, True)
    rows = world.rows("entries", "golden", "jobs", "log", "edits")
    assert {name: len(stored) for name, stored in rows.items()} == {
        "entries": 1, "golden": 1, "jobs": 1, "log": 2, "edits": 1
    }  # fmt: skip
    assert world.live()["returns"][0] == "Goods may be returned within 30 days."
    assert_index_follows(world)


@pytest.mark.parametrize("proved", [True, False])
def test_twenty_approvals_in_threads_give_one_success(world: World, proved: bool) -> None:
    world.put("returns", RETURNS)
    correction_id = world.draft("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    if proved:
        world.curation.prove(correction_id)
    results = Counter(approve(world, correction_id, [f"curator-{number}" for number in range(20)]))
    assert results.pop("approved") == 1
    assert (results.total(), results.keys() <= REFUSALS) == (19, True)
    assert_published_once(world, correction_id)


def test_twenty_approvals_in_four_processes_give_one_success(world: World) -> None:
    world.put("returns", RETURNS)
    correction_id = world.draft("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    world.curation.prove(correction_id)
    results = Counter(together("approve", world.path, correction_id, 5))
    assert results.pop("approved") == 1
    assert (results.total(), results.keys() <= REFUSALS) == (19, True)
    assert_published_once(world, correction_id)


def test_approvals_of_different_corrections_at_once_all_succeed(world: World) -> None:
    world.put("returns", RETURNS)
    ids = [world.draft(f"How long {number}?", f"{number} days.") for number in range(6)]
    for correction_id in ids:
        world.curation.prove(correction_id)
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda number=number: results.extend(approve(world, number, ["ann"]))) for number in ids
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["approved"] * 6
    assert_index_follows(world)


def test_an_approval_and_a_rollback_at_once_leave_one_of_two_states(world: World) -> None:
    world.put("returns", RETURNS)
    first = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    second = world.draft("When money?", "7 days.", edits=[world.edit("returns", "5 days", "7 days")])
    results: dict[str, str] = {}

    def work(name: str, correction_id: int) -> None:
        try:
            getattr(world.curation, name)(correction_id, actor="ann")
            results[name] = "done"
        except Stale:
            results[name] = "stale"

    threads = [
        threading.Thread(target=work, args=arguments) for arguments in (("rollback", first), ("approve", second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "done" in results.values()
    expected = ["14" if results["rollback"] == "done" else "30", "7" if results["approve"] == "done" else "5"]
    assert world.live()["returns"] == [
        f"Goods may be returned within {expected[0]} days.",
        f"Money comes back within {expected[1]} days.",
    ]
    assert_index_follows(world)


def test_readers_meet_no_half_written_state(world: World) -> None:
    world.put("returns", RETURNS)
    allowed = {
        ("Goods may be returned within 14 days.", "Money comes back within 5 days."),
        ("Goods may be returned within 30 days.", "Money comes back at once."),
    }
    stop = threading.Event()
    seen: set[tuple[str, ...]] = set()

    def read() -> None:
        while not stop.is_set():
            hits = world.searcher.search("goods returned money back", 10, scope=EVERYTHING).hits
            ordered = sorted((hit.passage for hit in hits), key=lambda one: one.position)
            seen.add(tuple(passage.text for passage in ordered if passage.document_id == "returns"))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    edits = [world.edit("returns", "14 days", "30 days"), world.edit("returns", "within 5 days", "at once")]
    correction_id = world.draft("How long?", "30 days.", edits=edits)
    world.curation.approve(correction_id, actor="ann")
    world.curation.rollback(correction_id, actor="ann")
    stop.set()
    for reader in readers:
        reader.join()
    assert seen <= allowed


def test_processes_that_migrate_at_once_all_find_a_whole_schema(tmp_path: Path, empty_database: Path) -> None:
    path = tmp_path / "new" / "errata.db"
    assert together("migrate", path) == ["ok"] * PROCESSES
    migrated, template = Database(f"sqlite:///{path}"), Database(f"sqlite:///{empty_database}")
    schema = "select type, name, sql from sqlite_master order by type, name"
    with migrated.engine.connect() as connection, template.engine.connect() as other:
        assert connection.exec_driver_sql(schema).all() == other.exec_driver_sql(schema).all()
    migrated.close()
    template.close()
