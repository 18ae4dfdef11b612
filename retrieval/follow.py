"""Keeps an index at the newest step of a log: restores or builds it first, then applies new steps.

Reads the log only through ``PassageLog``; knows nothing about questions, ranking or SQL.

Readers take a reference to the newest index and never wait for its upkeep. A reader that finds new steps in the log
reads all of them at once and applies them, under a lock, in O(steps + overlay). When the overlay has grown, a
background thread folds it into a new sealed part, applies the steps that came meanwhile, replaces the index, and saves
a snapshot.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Protocol

from retrieval.errors import ChangeError, SnapshotError
from retrieval.index import Index

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retrieval.passage import Change, Passage, Row
    from retrieval.snapshot import Snapshots

_log = logging.getLogger(__name__)


class PassageLog(Protocol):
    """The log of the knowledge base, as retrieval reads it. Called from several threads."""

    def head(self) -> int:
        """The newest sequence number, 0 for an empty log. Each search calls this, so it must be cheap."""

    def rows(self) -> tuple[int, Iterable[Row]]:
        """All live rows at one sequence number, streamed."""

    def changes(self, after: int) -> Sequence[Change]:
        """The steps after a sequence number, oldest first."""

    def passages(self, ids: Sequence[int]) -> Mapping[int, Passage]:
        """Passages by id, hidden ones too."""

    def select(self, filters: Mapping[str, str]) -> frozenset[int]:
        """Ids of the live passages with these properties."""


class Follower:
    """The newest index of a source. ``refresh`` and ``close`` may be called from several threads."""

    def __init__(
        self,
        source: PassageLog,
        *,
        fingerprint: str,
        dimension: int,
        snapshots: Snapshots | None = None,
        compact_after: int = 2000,
    ) -> None:
        self._source = source
        self._fingerprint = fingerprint
        self._dimension = dimension
        self._snapshots = snapshots
        self._compact_after = compact_after
        self._writing = threading.Lock()  # the lock of every replacement of self._index
        self._index: Index | None = None
        self._upkeep: threading.Thread | None = None

    def refresh(self) -> Index:
        """The index at the newest step of the log. The first call restores a snapshot or builds the index."""
        index = self._index
        if index is not None and index.seq == self._source.head():
            return index
        with self._writing:
            index = self._index
            if index is None:
                restored = self._restored()
                index = self._caught_up(self._built() if restored is None else restored)
                unsaved = restored is None and self._snapshots is not None
            else:
                index = self._caught_up(index)
                unsaved = False
            self._index = index
            if unsaved or index.overlay > self._compact_after:
                self._start_upkeep()
            return index

    def close(self) -> None:
        """Waits for upkeep that is under way."""
        with self._writing:
            upkeep = self._upkeep
        if upkeep is not None:
            upkeep.join()

    def _restored(self) -> Index | None:
        index = self._snapshots.load_newest(self._fingerprint) if self._snapshots else None
        if index is None or index.dimension != self._dimension:
            return None
        if index.seq > self._source.head():
            _log.warning("the snapshot at step %d is ahead of the log; the index is built again", index.seq)
            return None
        return index

    def _built(self) -> Index:
        seq, rows = self._source.rows()
        return Index.build(rows, seq=seq, fingerprint=self._fingerprint, dimension=self._dimension)

    def _caught_up(self, index: Index) -> Index:
        """The index at the newest step. If the log does not fit the index, for example after an older database was
        restored, the index is built again from the source's rows: the source is always right."""
        try:
            caught_up = index.apply(*self._source.changes(index.seq))
            if caught_up.seq <= self._source.head():
                return caught_up
            _log.warning("the log ends before step %d of the index; the index is built again", caught_up.seq)
        except ChangeError as error:
            _log.warning("the log does not fit the index (%s); the index is built again", error)
        return self._built()

    def _start_upkeep(self) -> None:
        """Called under the lock. The thread is not a daemon: the process waits for the end of the snapshot."""
        if self._upkeep is None:
            self._upkeep = threading.Thread(target=self._keep_up, name="retrieval-upkeep")
            self._upkeep.start()

    def _keep_up(self) -> None:
        try:
            while self._one_upkeep():
                pass
        except (SnapshotError, OSError) as error:  # such as a full disk: no fault of the program
            _log.error("the snapshot of the index was not written: %s", error)
            with self._writing:
                self._upkeep = None
        except Exception:  # noqa: BLE001 (a source may raise anything, and searching must go on)
            # The index stays as it is; the next step of the log that finds it too large starts upkeep again.
            _log.exception("the index could not be compacted or its snapshot not written")
            with self._writing:
                self._upkeep = None

    def _one_upkeep(self) -> bool:
        """Compacts the index once and saves a snapshot; False when nothing more is to do and upkeep has ended."""
        folded = self._fold()
        if folded is not None and self._snapshots:
            self._snapshots.save(folded)
        with self._writing:
            if self._index is not None and self._index.overlay > self._compact_after:
                return True
            self._upkeep = None
            return False

    def _fold(self) -> Index | None:
        """Replaces the index with a compacted one and returns that without the newer steps. None if the index was
        rebuilt meanwhile, so that the result is of no use."""
        base = self._index
        if base is None:
            return None
        folded = base.compacted()
        caught_up = folded.apply(*self._source.changes(base.seq))  # before the lock, so that questions need not wait
        with self._writing:
            newest = self._index
            if newest is None or newest.sealed is not base.sealed:
                return None
            if caught_up.seq < newest.seq:
                caught_up = caught_up.apply(*self._source.changes(caught_up.seq))
            self._index = caught_up
        return folded
