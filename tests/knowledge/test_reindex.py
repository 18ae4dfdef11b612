"""Rebuilding derived data: documents and corrections must not change, and nothing may be lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from knowledge import put
from knowledge.log import KnowledgeLog, NotEmbedded
from knowledge.put import NewDocument
from knowledge.reindex import BATCH, MismatchError, Running, count_missing, one_at_a_time, reindex
from knowledge.tables import PassageRow
from knowledge.versions import Content
from retrieval.scope import EVERYTHING
from retrieval.search import Searcher
from retrieval.snapshot import Snapshots
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from tests.knowledge.world import World


class Failing(HashingEmbedder):
    """An embedder that fails after so many texts."""

    def __init__(self, after: int) -> None:
        super().__init__(fingerprint="hashing-2")
        self._left = after

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self._left -= len(texts)
        if self._left < 0:
            raise OSError("the machine went down")
        return super().passages(texts)


def missing(world: World, embedder: HashingEmbedder) -> int:
    with world.database.read() as session:
        return count_missing(session, embedder.fingerprint)


def test_reindex_embeds_no_passage_that_has_a_vector(world: World, tmp_path: Path) -> None:
    world.put("shop", "# Returns\n\nSale items cannot be returned.")
    before = world.embedder.embedded
    done = reindex(world.database, world.embedder, tmp_path / "index")
    assert (done.embedded, done.reused, done.passages, done.seq) == (0, 0, 1, 1)
    assert world.embedder.embedded == before


def test_reindex_saves_the_only_snapshot_of_its_model(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    world.put("shop", "Sale items cannot be returned.")
    other = HashingEmbedder(fingerprint="other", dimension=64)
    foreign = reindex(world.database, other, folder).snapshot
    for _ in range(4):  # with an unchanged step, an older snapshot must not come first
        done = reindex(world.database, world.embedder, folder)
    assert sorted(path.name for path in folder.glob("snapshot-*")) == sorted([foreign.name, done.snapshot.name])
    restored = Snapshots(folder).load_newest(world.embedder.fingerprint)
    assert restored is not None
    assert restored.digests() == world.built().digests()


def test_reindex_for_another_model_reembeds_and_keeps_corrections(world: World, tmp_path: Path) -> None:
    world.put("shop", "Sale items can be returned within 30 days.")
    world.put("hours", "The shop opens at nine.")
    world.publish(
        "Can I return sale items?", "No, sale items cannot be returned.", supersedes=[{"document_id": "shop"}]
    )
    expected = world.live()
    new = HashingEmbedder(fingerprint="hashing-2", dimension=32)
    done = reindex(world.database, new, tmp_path / "index")
    assert (done.embedded, done.passages) == (2, 2)
    assert missing(world, new) == 0
    searcher = Searcher(
        KnowledgeLog(world.database, new.fingerprint), new, snapshots=Snapshots(tmp_path / "index"), compact_after=10
    )
    hit = searcher.search("Can I return sale items?", 1, scope=EVERYTHING).hits[0]
    assert hit.passage.erratum
    assert searcher.check().ok
    searcher.close()
    assert world.live() == expected
    assert world.searcher.check().ok  # the server that still uses the old model is not disturbed


def test_a_running_server_uses_the_result_of_reindex_at_the_next_question(world: World, tmp_path: Path) -> None:
    """A command with another embedding model added a document; the server cannot use it until it is embedded."""
    folder = tmp_path / "index"
    server = Searcher(world.source, world.embedder, snapshots=Snapshots(folder), compact_after=1)
    world.put("hours", "The shop opens at nine.")
    assert [hit.passage.document_id for hit in server.search("When does the shop open?", scope=EVERYTHING).hits] == [
        "hours"
    ]
    new = NewDocument("returns", Content("Returns", "Sale items cannot be returned."))
    put.put(world.database, HashingEmbedder(fingerprint="other", dimension=32), [new], actor="ann")
    with pytest.raises(NotEmbedded, match="errata reindex"):
        server.search("Can I return sale items?", scope=EVERYTHING)
    assert reindex(world.database, world.embedder, folder).embedded == 1
    assert server.search("Can I return sale items?", scope=EVERYTHING).hits[0].passage.document_id == "returns"
    assert server.check().ok
    world.put("hours", "The shop opens at ten.")  # the server goes on and writes its snapshots
    assert server.search("When does the shop open?", scope=EVERYTHING).hits[0].passage.text == "The shop opens at ten."
    server.close()
    restored = Snapshots(folder).load_newest(world.embedder.fingerprint)
    assert restored is not None
    restarted = Searcher(world.source, world.embedder, snapshots=Snapshots(folder))
    assert restarted.refresh().digests() == world.built().digests()
    restarted.close()


def test_reindex_reuses_the_vector_of_the_same_text(world: World, tmp_path: Path) -> None:
    world.put("one", "The shop opens at nine.", title="Hours")
    world.put("two", "The shop opens at nine.", title="Hours")
    new = HashingEmbedder(fingerprint="hashing-2")
    with world.database.write() as session:  # as if the first document had been embedded already
        first = session.scalars(sa.select(PassageRow).order_by(PassageRow.id)).first()
        assert first is not None
        session.execute(
            sa.text(
                "insert into embeddings select passage_id, 'hashing-2', vector from embeddings where passage_id = :i"
            ),
            {"i": first.id},
        )
    done = reindex(world.database, new, tmp_path / "index")
    assert (done.embedded, done.reused) == (0, 1)


def test_reindex_continues_where_it_was_interrupted(world: World, tmp_path: Path) -> None:
    total = BATCH + 10
    for number in range(total):
        world.put(f"d{number}", f"Fact number {number} stands here.")
    with pytest.raises(OSError, match="went down"):
        reindex(world.database, Failing(after=BATCH), tmp_path / "index")
    new = HashingEmbedder(fingerprint="hashing-2")
    assert missing(world, new) == total - BATCH
    done = reindex(world.database, new, tmp_path / "index")
    assert (done.embedded, done.passages) == (total - BATCH, total)


def test_reindex_refuses_a_second_one_at_the_same_time(world: World, tmp_path: Path) -> None:
    with one_at_a_time(tmp_path / "index"), pytest.raises(Running, match="Wait until it ends"):
        reindex(world.database, world.embedder, tmp_path / "index")
    assert reindex(world.database, world.embedder, tmp_path / "index").passages == 0


def test_reindex_includes_documents_that_are_added_meanwhile(world: World, tmp_path: Path) -> None:
    world.put("one", "The shop opens at nine.")
    steps: list[str] = []

    def on_progress(step: str, done: int, _total: int) -> None:
        steps.append(step)
        if step in ("build", "compare") and done == 0 and len(steps) < 12:
            world.put(f"late-{len(steps)}", f"A document that came late, {len(steps)}.")

    done = reindex(world.database, world.embedder, tmp_path / "index", on_progress=on_progress)
    restored = Snapshots(tmp_path / "index").load_newest(world.embedder.fingerprint)
    assert restored is not None
    assert restored.ids().tolist() == world.source.ids()
    assert done.seq == world.source.head() > 1


def test_reindex_refuses_a_log_that_disagrees_with_the_passages(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    world.put("one", "The shop opens at nine.")
    world.put("one", "The shop opens at ten.")
    good = reindex(world.database, world.embedder, folder).snapshot
    with world.database.write() as session:
        session.execute(sa.update(PassageRow).where(PassageRow.version == 1).values(live=True))
    with pytest.raises(MismatchError, match=r"1 passage\(s\) are live and not in the log \(1\)"):
        reindex(world.database, world.embedder, folder)
    assert [path.name for path in folder.glob("snapshot-*")] == [good.name]


def test_reindex_does_not_change_documents_and_corrections(world: World, tmp_path: Path) -> None:
    world.put("shop", "Sale items can be returned within 30 days.")
    world.publish("Can I return sale items?", "No.", supersedes=[{"document_id": "shop"}])
    before = world.rows()
    reindex(world.database, world.embedder, tmp_path / "index")
    assert world.rows() == before
