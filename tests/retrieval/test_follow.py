from __future__ import annotations

import errno
import logging
import random
import threading
from typing import TYPE_CHECKING

import pytest

from retrieval.follow import Follower
from retrieval.index import Index
from retrieval.passage import Change, Row
from retrieval.snapshot import Snapshots
from tests.fakes import HashingEmbedder, MemoryLog, passage

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

EMBEDDER = HashingEmbedder()


class CountingSource(MemoryLog):
    """Counts how often all rows were read, and can be made to fail or wait."""

    def __init__(self) -> None:
        super().__init__(EMBEDDER)
        self.full_reads = 0
        self.failure: Exception | None = None

    def rows(self) -> tuple[int, Iterable[Row]]:  # type: ignore[override]
        self.full_reads += 1
        return super().rows()

    def changes(self, after: int) -> Sequence[Change]:
        if self.failure:
            raise self.failure
        return super().changes(after)


def follower(source: MemoryLog, snapshots: Snapshots | None = None, compact_after: int = 2000) -> Follower:
    return Follower(
        source,
        fingerprint=EMBEDDER.fingerprint,
        dimension=EMBEDDER.dimension,
        snapshots=snapshots,
        compact_after=compact_after,
    )


def built(source: MemoryLog) -> Index:
    seq, rows = source.rows()
    return Index.build(rows, seq=seq, fingerprint=EMBEDDER.fingerprint, dimension=EMBEDDER.dimension)


def same(index: Index, other: Index) -> bool:
    return (index.seq, index.digests()) == (other.seq, other.digests())


def test_refresh_applies_new_steps_only() -> None:
    source = CountingSource()
    source.add(passage(1, "one"))
    following = follower(source)
    assert following.refresh().ids().tolist() == [1]
    source.add(passage(2, "two"), hide=[1])
    index = following.refresh()
    assert (index.ids().tolist(), index.seq, source.full_reads) == ([2], 2, 1)
    assert following.refresh() is index


def test_refresh_restores_a_snapshot_and_replays_the_log(tmp_path: Path) -> None:
    source = CountingSource()
    source.add(passage(1, "one"), passage(2, "two"))
    first = follower(source, Snapshots(tmp_path))
    first.refresh()
    first.close()
    source.add(passage(3, "three"), hide=[2])
    index = follower(source, Snapshots(tmp_path)).refresh()
    assert (index.ids().tolist(), source.full_reads) == ([1, 3], 1)


def test_a_snapshot_of_an_empty_index_can_be_restored(tmp_path: Path) -> None:
    source = CountingSource()
    for _ in range(2):
        following = follower(source, Snapshots(tmp_path))
        following.refresh()
        following.close()
    assert source.full_reads == 1


def test_snapshot_ahead_of_the_log_is_not_used(tmp_path: Path) -> None:
    longer, shorter = CountingSource(), CountingSource()
    for id_ in range(5):
        longer.add(passage(id_, "text"))
    shorter.add(passage(9, "nine"))
    first = follower(longer, Snapshots(tmp_path))
    first.refresh()
    first.close()
    second = follower(shorter, Snapshots(tmp_path))
    assert second.refresh().ids().tolist() == [9]
    second.close()


def test_refresh_builds_a_new_index_after_an_older_database_was_restored(caplog: pytest.LogCaptureFixture) -> None:
    source = CountingSource()
    source.add(passage(1, "one"))
    source.add(passage(2, "two"))
    following = follower(source)
    following.refresh()
    source._log.pop()
    source._live = {1}
    with caplog.at_level(logging.WARNING):
        assert following.refresh().ids().tolist() == [1]
    assert ["built again" in message for message in caplog.messages] == [True]


def test_refresh_builds_a_new_index_when_the_log_does_not_fit(caplog: pytest.LogCaptureFixture) -> None:
    source = CountingSource()
    source.add(passage(1, "one"))
    following = follower(source)
    following.refresh()
    source._log.append(Change(2, (), frozenset({77})))
    with caplog.at_level(logging.WARNING):
        assert same(following.refresh(), built(source))
    assert ["hides passage 77" in message for message in caplog.messages] == [True]


def test_refresh_raises_the_error_of_its_source_and_works_again_later() -> None:
    source = CountingSource()
    following = follower(source)
    following.refresh()
    source.add(passage(1, "one"))
    source.failure = RuntimeError("database is locked")
    with pytest.raises(RuntimeError, match="locked"):
        following.refresh()
    source.failure = None
    assert following.refresh().ids().tolist() == [1]


def test_overlay_is_compacted_and_saved_in_the_background(tmp_path: Path) -> None:
    source = CountingSource()
    following = follower(source, Snapshots(tmp_path), compact_after=10)
    for id_ in range(40):
        source.add(passage(id_, f"text {id_}"), hide=[id_ - 1] if id_ % 3 == 1 else [])
        following.refresh()
    following.close()
    index = following.refresh()
    assert index.overlay <= 10
    assert same(index, built(source))
    assert len(index.sealed.ids) > 0
    restored = Snapshots(tmp_path).load_newest(EMBEDDER.fingerprint)
    assert restored is not None
    assert restored.seq > 10


def test_failed_upkeep_is_logged_and_search_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "snapshots"
    blocked.write_text("a file where the folder should be")
    source = CountingSource()
    following = follower(source, Snapshots(blocked), compact_after=2)
    with caplog.at_level(logging.ERROR):
        for id_ in range(5):
            source.add(passage(id_, "text"))
            following.refresh()
        following.close()
    assert {f"{blocked} is not a folder" in message for message in caplog.messages} == {True}
    assert same(following.refresh(), built(source))


def test_a_full_disk_is_logged_in_a_line_and_search_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("retrieval.snapshot.os.fsync", full)
    source = CountingSource()
    following = follower(source, Snapshots(tmp_path), compact_after=2)
    with caplog.at_level(logging.ERROR):
        for id_ in range(5):
            source.add(passage(id_, "text"))
            following.refresh()
        following.close()
    assert {(record.exc_info, "No space left" in record.message) for record in caplog.records} == {(None, True)}
    assert same(following.refresh(), built(source))


def test_readers_never_see_half_a_step_of_a_writer(tmp_path: Path) -> None:
    """Each step adds one passage and hides its predecessor: at every moment exactly one is live."""
    source = CountingSource()
    source.add(passage(0, "text 0"))
    following = follower(source, Snapshots(tmp_path), compact_after=5)
    done = threading.Event()
    seen: list[tuple[int, list[int]]] = []

    def read() -> None:
        while not done.is_set():
            index = following.refresh()
            seen.append((index.seq, index.ids().tolist()))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for id_ in range(1, 60):
        source.add(passage(id_, f"text {id_}"), hide=[id_ - 1])
    done.set()
    for reader in readers:
        reader.join()
    assert [(seq, ids) for seq, ids in seen if ids != [seq - 1]] == []
    assert same(following.refresh(), built(source))
    following.close()


def test_steps_during_a_compaction_are_not_lost(tmp_path: Path) -> None:
    source = CountingSource()
    following = follower(source, Snapshots(tmp_path), compact_after=3)
    dice = random.Random(1)
    live: set[int] = set()
    for _ in range(150):
        hidden = {id_ for id_ in live if dice.random() < 0.2}
        added = {id_ for id_ in range(30) if id_ not in live and dice.random() < 0.1}
        source.add(*(passage(id_, f"text {id_}") for id_ in sorted(added)), hide=hidden)
        live = (live - hidden) | added
        assert following.refresh().ids().tolist() == sorted(live)
    following.close()
    assert same(following.refresh(), built(source))


def test_a_compaction_reads_the_log_without_the_lock() -> None:
    """Questions go on while upkeep reads the steps that came meanwhile."""
    reading, go_on = threading.Event(), threading.Event()

    class SlowSource(CountingSource):
        def changes(self, after: int) -> Sequence[Change]:
            if threading.current_thread().name == "retrieval-upkeep":
                reading.set()
                assert go_on.wait(10)
            return super().changes(after)

    source = SlowSource()
    source.add(passage(1, "bread"))
    followed = follower(source, compact_after=0)
    followed.refresh()
    source.add(passage(2, "oven"))
    followed.refresh()
    assert reading.wait(10)
    source.add(passage(3, "butter"))
    answered = threading.Thread(target=followed.refresh)
    answered.start()
    answered.join(10)
    assert not answered.is_alive()
    go_on.set()
    followed.close()
    assert same(followed.refresh(), built(source))
