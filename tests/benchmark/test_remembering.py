"""The embedder that remembers: each text is embedded once for each model and kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scripts.benchmark.remembering import RememberingEmbedder
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from pathlib import Path


def test_a_text_is_embedded_once_and_gets_the_same_vector(tmp_path: Path) -> None:
    bare = HashingEmbedder()
    file = tmp_path / "deep" / "vectors.db"
    texts = ["long and longer", "short", "short"]
    first = RememberingEmbedder(bare, file)
    vectors = first.passages(texts)
    assert np.array_equal(vectors, HashingEmbedder().passages(texts))
    assert (first.asked, bare.embedded) == (2, 2)
    first.close()
    again = RememberingEmbedder(bare, file)
    assert np.array_equal(again.passages(["short"])[0], vectors[1])
    assert (again.asked, bare.embedded) == (0, 2)
    again.close()


def test_questions_and_other_models_have_vectors_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "vectors.db"
    bare = HashingEmbedder()
    embedder = RememberingEmbedder(bare, file)
    embedder.passages(["When?"])
    assert np.array_equal(embedder.query("When?"), bare.query("When?"))
    assert embedder.asked == 2
    embedder.close()
    other = RememberingEmbedder(HashingEmbedder(fingerprint="hashing-2"), file)
    other.query("When?")
    assert other.asked == 1
    other.close()


def test_progress_counts_all_texts(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    embedder = RememberingEmbedder(HashingEmbedder(), tmp_path / "v.db", progress=lambda *at: seen.append(at))
    embedder.passages([f"text {number}" for number in range(100)])
    assert seen == [(64, 100), (100, 100)]
    assert embedder.passages([]).shape == (0, 64)
    embedder.close()
