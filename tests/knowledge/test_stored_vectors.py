"""A damaged stored vector is recognised, computed again, and never reused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import sqlalchemy as sa

from knowledge.log import KnowledgeLog
from knowledge.reindex import reindex
from knowledge.tables import Embedding
from retrieval.errors import VectorError
from retrieval.search import Searcher
from retrieval.snapshot import Snapshots

if TYPE_CHECKING:
    from pathlib import Path

    from tests.knowledge.world import World

DAMAGE = {
    "one byte less": lambda blob: blob[:-1],
    "one number less": lambda blob: blob[:-4],
    "nothing": lambda _blob: b"",
    "zeros": lambda blob: bytes(len(blob)),
    "not a number": lambda blob: np.full(len(blob) // 4, np.nan, dtype="<f4").tobytes(),
    "too long": lambda blob: (np.frombuffer(blob, dtype="<f4") * 2).tobytes(),
    "infinite": lambda blob: np.full(len(blob) // 4, np.inf, dtype="<f4").tobytes(),
}


def damage(world: World, passage_id: int, how: str) -> bytes:
    with world.database.write() as session:
        row = session.get_one(Embedding, (passage_id, world.embedder.fingerprint))
        before = row.vector
        row.vector = DAMAGE[how](before)
    return before


@pytest.mark.parametrize("how", DAMAGE)
def test_reindex_embeds_a_damaged_vector_again(world: World, tmp_path: Path, how: str) -> None:
    for number in range(5):
        world.put(f"d{number}", f"Text number {number}.")
    before = damage(world, 3, how)
    with pytest.raises(VectorError, match="Passage 3 "):
        Searcher(KnowledgeLog(world.database, world.embedder.fingerprint), world.embedder).check()
    done = reindex(world.database, world.embedder, tmp_path / "index")
    assert (done.damaged, done.embedded, done.passages) == (1, 1, 5)
    with world.database.read() as session:
        assert session.get_one(Embedding, (3, world.embedder.fingerprint)).vector == before
    snapshots = Snapshots(tmp_path / "index")
    check = Searcher(world.source, world.embedder, snapshots=snapshots).check()
    assert (check.ok, check.passages) == (True, 5)


def test_a_damaged_vector_is_not_reused_for_the_same_text(world: World) -> None:
    world.put("first", "The same text.", title="same")
    before = damage(world, 1, "zeros")
    world.put("second", "The same text.", title="same")
    with world.database.read() as session:
        vectors = list(session.scalars(sa.select(Embedding.vector).order_by(Embedding.passage_id)))
    assert vectors == [bytes(len(before)), before]
