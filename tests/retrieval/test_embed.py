from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from retrieval.embed import SentenceTransformerEmbedder
from retrieval.errors import EmbedderError
from tests.retrieval.tiny import save_model

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["query", "passage", "bread", "oven", "data", "import", "数", "据", ":"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny"), WORDS, layers=1, dimension=8, most_tokens=16)


def embedder(folder: Path, **options: object) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(folder, fingerprint="tiny", **options)  # type: ignore[arg-type]


def test_dimension_is_read_without_loading_the_model(folder: Path) -> None:
    subject = embedder(folder)
    assert subject.dimension == 8
    assert subject._model is None


def test_passages_are_unit_rows_in_the_order_of_the_texts(folder: Path) -> None:
    texts = ["bread oven bread oven bread", "data", "", "数据", "bread " * 100, "oven"]
    subject = embedder(folder, batch_size=2)
    rows = subject.passages(texts)
    assert (rows.shape, rows.dtype) == ((6, 8), np.float32)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert np.allclose(rows, [subject.passages([text])[0] for text in texts], atol=1e-5)


def test_no_texts_give_no_rows(folder: Path) -> None:
    assert embedder(folder).passages([]).shape == (0, 8)


def test_questions_and_passages_get_different_prompts(folder: Path) -> None:
    subject = embedder(folder)
    plain = embedder(folder, query_prompt="", passage_prompt="")
    assert subject.query("bread").shape == (8,)
    assert np.array_equal(subject.query("bread"), plain.query("query: bread"))
    assert np.allclose(subject.passages(["bread"])[0], plain.query("passage: bread"), atol=1e-6)
    assert not np.allclose(subject.query("bread"), subject.passages(["bread"])[0], atol=1e-3)


@pytest.mark.parametrize("text", ["\ud800", "\x00", "", " " * 1000, "🚀" * 5000])
def test_any_text_can_be_embedded(text: str, folder: Path) -> None:
    assert np.isfinite(embedder(folder).query(text)).all()


def test_many_threads_get_the_same_vectors_as_one_thread(folder: Path) -> None:
    subject = embedder(folder, batch_size=3)
    texts = [" ".join(WORDS[: 1 + number % 7]) for number in range(30)]
    expected = embedder(folder).passages(texts)
    results: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: results.append(subject.passages(texts))) for _ in range(4)]
    threads += [threading.Thread(target=lambda: results.append(np.stack([subject.query("data")]))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(result) for result in results) == [1] * 4 + [30] * 4
    assert [np.allclose(result, expected, atol=1e-5) for result in results if len(result) == 30] == [True] * 4


def test_error_for_a_missing_folder_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="errata models pull"):
        embedder(tmp_path / "none").query("bread")


def test_error_for_a_folder_without_a_model_names_the_command_to_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": 8}))
    with pytest.raises(EmbedderError, match="errata models verify"):
        embedder(tmp_path).load()


def test_error_for_a_folder_without_a_dimension_names_the_command_to_run(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(EmbedderError, match="does not state a vector length"):
        _ = embedder(tmp_path).dimension
