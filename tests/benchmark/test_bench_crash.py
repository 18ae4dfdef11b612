"""Short forms of the benchmarks that kill, damage, fill and crowd; and planted faults, which must be reported."""

from __future__ import annotations

import json
import shutil
import time
from argparse import Namespace
from typing import TYPE_CHECKING

import pytest

from bot.settings import read_settings
from bot.wiring import Parts
from scripts import bench_crash
from scripts.benchmark import crowd
from scripts.benchmark.crash import disk, facts, template
from scripts.benchmark.crash.site import Site, Tools
from scripts.benchmark.errors import BenchError
from scripts.benchmark.journal import Journal
from scripts.benchmark.processes import Nursery, Programs, kill
from scripts.benchmark.sections import Run
from tests.asynchronous import in_a_thread
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tools]:
    with Nursery() as nursery:
        yield Tools(template.make(tmp_path_factory.mktemp("crash"), nursery), nursery, HashingEmbedder())


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, tools: Tools) -> Site:
    """A site whose clients have written, and whose server was killed."""
    site = Site(tmp_path_factory.mktemp("killed"), tools, "planted")
    served = site.serve()
    assert served is not None, site.faults
    process, at = served
    with site.working(at):
        until = time.monotonic() + 60
        while not {"rating", "correction"} <= {kind for kind, _ in facts.read(site.database)}:
            assert time.monotonic() < until
            time.sleep(0.05)
    site.await_uploads()
    kill(process)
    site.settle()
    assert site.faults == []
    return site


@pytest.fixture
def site(tmp_path: Path, tools: Tools, killed: Site) -> Site:
    """A copy of that site, with its promises."""
    shutil.copytree(killed.data, tmp_path / "data")
    return Site(tmp_path, tools, "copy", ledger=killed.ledger.copy())


DOUBLE = """insert into feedback (rating, reasons, comment, who, created_at)
 select rating, reasons, comment, who, created_at from feedback"""
PLANTED = {
    "a lost document": ("update documents set current_version = null where id like 'books/%'", "document books"),
    "a lost complaint": ("delete from complaints", "complaint comment"),
    "a doubled rating": (DOUBLE, "rating comment"),
    "a lost correction": ("delete from corrections", "correction What"),
    "a passage hidden outside of the log": ("update passages set live = 0 where id = 3", "passage 3 is not as the log"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_reported(site: Site, name: str) -> None:
    statement, words = PLANTED[name]
    facts.execute(site.database, "pragma foreign_keys = off", statement)
    if (served := site.serve()) is not None:
        kill(served[0])
    assert [fault for fault in site.faults if words in fault] != []


def test_a_wrong_index_is_reported(site: Site) -> None:
    """The server keeps the vectors that it has read; those in the database are changed behind its back."""
    served = site.serve()
    assert served is not None, site.faults
    assert site.faults == []
    other = "(select vector from embeddings where passage_id = 7)"
    facts.execute(site.database, f"update embeddings set vector = {other} where passage_id < 7")
    site.compare(served[1])
    kill(served[0])
    assert [fault for fault in site.faults if "a new index finds" in fault] != []


def test_kills_and_damaged_files(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    arguments = ["--only", "kills,damage", "--kills", "4", "--trials", "3", "--out", str(out)]
    assert bench_crash.main(arguments) == 0
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    figures = {(row["set"], row["metric"]): row["value"] for row in rows}
    assert figures["kills", "kills"] >= 4
    assert figures["kills", "acknowledged writes"] > 0
    assert figures["kills", "lost, doubled or wrong"] == 0
    assert figures["damage", "damaged files"] == 3


def test_a_full_disk(tmp_path: Path) -> None:
    try:
        with disk.small(tmp_path):
            pass
    except BenchError:
        pytest.skip("needs the right to mount a file system")
    assert bench_crash.main(["--only", "disk", "--fills", "1"]) == 0


@pytest.mark.real
def test_a_kill_with_the_real_embedding_model(tmp_path: Path) -> None:
    programs = Programs()
    made = template.make(tmp_path, programs, documents=0)
    embedder = Parts(read_settings()).embedder
    site = Site(tmp_path / "site", Tools(made, programs, embedder), "real")
    for _ in range(2):
        served = site.serve()
        assert served is not None, site.faults
        process, at = served
        with site.working(at):
            time.sleep(1.5)
            kill(process)
    assert site.faults == []
    assert site.ledger.acknowledged > 0


def test_many_chats_at_once(tmp_path: Path, tools: Tools) -> None:
    run = Run("chats", tmp_path, Namespace(chats=10, seconds=1.0), Journal.beside(None, {}))
    in_a_thread(crowd.chats, run, tools.starter)
    figures = {row.metric: row.value for row in run.rows}
    assert run.faults == []
    assert figures["10 chats at once: answers"] >= 10
    assert 0 < figures["/healthz p50 (s)"] <= figures["/healthz p95 (s)"]
    assert figures["open descriptors, most"] >= 10
