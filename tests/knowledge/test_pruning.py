"""Pruning retires what is gone from a folder, and nothing when the folder itself seems to be gone."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from knowledge import ingest

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from knowledge.ingest import IngestReport
    from tests.knowledge.world import World

TWENTY = [f"page-{number:02}" for number in range(20)]


@pytest.fixture
def share(world: World, tmp_path: Path) -> Path:
    """A folder of twenty files, taken in."""
    share = tmp_path / "share"
    share.mkdir()
    for name in TWENTY:
        (share / f"{name}.md").write_text(f"This is {name}.", encoding="utf-8")
    run(world, share)
    return share


def run(world: World, *paths: Path, **how: Any) -> IngestReport:
    return ingest.ingest(world.database, world.embedder, paths, actor="test", **how)


def lose(share: Path, count: int) -> None:
    for name in TWENTY[:count]:
        (share / f"{name}.md").unlink()


def codes(report: IngestReport) -> list[str]:
    return [refusal.code for refusal in report.refusals]


def left(world: World) -> int:
    return len(world.live())


@pytest.mark.parametrize(("lost", "retired"), [(1, 1), (5, 5), (6, 0), (19, 0)])
def test_pruning_retires_few_documents_and_refuses_many(world: World, share: Path, lost: int, retired: int) -> None:
    lose(share, lost)
    report = run(world, share, prune=True)
    assert (report.count("retired"), left(world)) == (retired, 20 - retired)
    assert codes(report) == ([] if retired else ["prune_too_many"])


def test_pruning_says_what_to_do_and_does_it(world: World, share: Path) -> None:
    lose(share, 7)
    (refusal,) = run(world, share, prune=True).refusals
    assert "7 of the 20 documents of share" in str(refusal)
    assert "--prune-limit 35 or --prune-all" in str(refusal)
    assert run(world, share, prune=True, prune_limit=34).count("retired") == 0
    assert run(world, share, prune=True, prune_limit=35).count("retired") == 7
    assert left(world) == 13


def test_pruning_counts_the_documents_that_were_there_before(world: World, share: Path) -> None:
    """A hundred new files must not hide that all the old ones are gone."""
    lose(share, 20)
    for number in range(100):
        (share / f"new-{number}.md").write_text(f"New text {number}.", encoding="utf-8")
    assert codes(run(world, share, prune=True)) == ["prune_too_many"]
    assert left(world) == 120


def test_pruning_an_empty_folder_retires_nothing(world: World, share: Path) -> None:
    lose(share, 20)
    (share / ".snapshot").mkdir()
    (share / "lost.bin").write_bytes(b"not for us")
    for options in ({}, {"prune_limit": 100}):
        report = run(world, share, prune=True, **options)
        assert (codes(report), left(world)) == (["prune_empty"], 20)
    assert run(world, share, prune=True, prune_all=True).count("retired") == 20
    assert left(world) == 0


def test_pruning_an_empty_folder_that_was_never_known_is_refused_too(world: World, tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    assert codes(run(world, tmp_path / "mount", prune=True)) == ["prune_empty"]
    assert run(world, tmp_path / "mount").refusals == []


def test_pruning_refuses_for_all_folders_when_it_refuses_for_one(world: World, share: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("a", "b"):
        (other / f"{name}.md").write_text(f"{name} is here.", encoding="utf-8")
    run(world, other)
    (other / "a.md").unlink()
    lose(share, 20)
    report = run(world, other, share, prune=True)
    assert (codes(report), report.count("retired"), left(world)) == (["prune_empty"], 0, 22)


@pytest.mark.parametrize("problem", [errno.EACCES, errno.ESTALE, errno.EIO])
def test_pruning_a_folder_that_cannot_be_listed_retires_nothing(
    world: World, share: Path, monkeypatch: pytest.MonkeyPatch, problem: int
) -> None:
    def scandir(path: str) -> None:
        raise OSError(problem, os.strerror(problem), path)

    with monkeypatch.context() as patch:
        patch.setattr("os.scandir", scandir)
        report = run(world, share, prune=True)
    assert (codes(report), left(world)) == (["prune_unreadable"], 20)
    assert os.strerror(problem) in str(report.refusals[0])


def test_pruning_keeps_documents_below_a_folder_that_cannot_be_entered(world: World, tmp_path: Path) -> None:
    """As a link to a share that is not mounted: here the link leads nowhere."""
    docs, inside = tmp_path / "docs", tmp_path / "docs" / "inside"
    inside.mkdir(parents=True)
    (docs / "a.md").write_text("Here.", encoding="utf-8")
    (inside / "b.md").write_text("Inside.", encoding="utf-8")
    run(world, docs)
    (inside / "b.md").unlink()
    inside.rmdir()
    inside.symlink_to(tmp_path / "nowhere")
    assert run(world, docs, prune=True).count("retired") == 0
    assert set(world.live()) == {"docs/a.md", "docs/inside/b.md"}


def test_pruning_retires_only_documents_that_an_ingest_brings_back(world: World, share: Path) -> None:
    text = (share / "page-00.md").read_text(encoding="utf-8")
    lose(share, 1)
    assert run(world, share, prune=True).count("retired") == 1
    (share / "page-00.md").write_text(text, encoding="utf-8")
    assert run(world, share).count("indexed") == 1
    assert left(world) == 20
