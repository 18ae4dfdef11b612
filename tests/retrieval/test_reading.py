"""The reader on a real but very small transformer. Where the answer matters, a network of a few lines stands for a
trained one, so that the answer is known."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from retrieval.embed import SentenceTransformerEmbedder
from retrieval.errors import SpanReaderError
from retrieval.reading import span_reader, weights
from retrieval.reading.network import TRAINED_LAYERS, ReaderNetwork
from retrieval.reading.span_reader import SpanReader
from retrieval.reading.spans import NOTHING, Text, best_span, sentences_around
from tests.retrieval.tiny import SPECIAL, save_model

if TYPE_CHECKING:
    from pathlib import Path

WORDS = ["when", "does", "it", "open", "opens", "at", "nine", "Hours", "closed", "sunday", ".", "?"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny"), WORDS, layers=8, dimension=16, most_tokens=512)


@pytest.fixture(scope="module")
def embedder(folder: Path) -> SentenceTransformerEmbedder:
    return SentenceTransformerEmbedder(folder, fingerprint="tiny")


@pytest.fixture(scope="module")
def network(embedder: SentenceTransformerEmbedder) -> ReaderNetwork:
    """A trained network: its upper layers are not the embedding model's."""
    transformer, _, _ = embedder.trunk()
    trained = ReaderNetwork(copy.deepcopy(transformer))
    with torch.no_grad():
        for layer in trained.trunk.encoder.layer[-TRAINED_LAYERS:]:
            layer.output.dense.bias.fill_(0.5)
        trained.answerable.bias.fill_(2.0)
    return trained


@pytest.fixture(scope="module")
def file(network: ReaderNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "reader.safetensors"
    weights.save(network, path, "tiny")
    return path


class Nine(torch.nn.Module):
    """Answers with the word "nine"; where there is none, it prefers that the passage does not answer."""

    def __init__(self, word: int) -> None:
        super().__init__()
        self.word = word

    def forward(self, ids: torch.Tensor, _mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        scores = (ids == self.word) * 9.0
        scores[:, 0] = 4.0  # no answer
        return scores, scores, torch.where((ids == self.word).any(1), 3.0, -3.0)


@pytest.fixture
def nine(embedder: SentenceTransformerEmbedder, file: Path) -> SpanReader:
    reader = SpanReader(embedder, file)
    reader._network = Nine(len(SPECIAL) + WORDS.index("nine"))  # type: ignore[assignment]
    return reader


def test_span_sentence_and_scores_are_those_of_the_passage(nine: SpanReader) -> None:
    text = "closed sunday. it opens at nine. closed sunday."
    (reading,) = nine.read("when does it open ?", [Text(text, "Hours nine")])
    assert text[reading.start : reading.end] == reading.text == "nine"
    assert text[slice(*reading.sentence)] == "it opens at nine."
    assert reading.span_score == pytest.approx(10.0)  # 9 + 9 against 4 + 4
    assert reading.odds == 3.0


def test_readings_come_in_the_order_of_the_passages(nine: SpanReader) -> None:
    readings = nine.read("when ?", [Text("closed sunday " * 30), Text("at nine"), Text("")])
    assert [reading.odds > 0 for reading in readings] == [False, True, False]
    assert readings[2] == NOTHING


def test_answer_behind_the_first_window_is_read(nine: SpanReader) -> None:
    text = "closed sunday . " * 300 + "it opens at nine ."
    (reading,) = nine.read("when ?", [Text(text)])
    assert (reading.start, reading.text) == (text.index("nine"), "nine")


def test_text_behind_the_limit_is_not_read(nine: SpanReader) -> None:
    text = "closed " * (span_reader.MAX_CHARACTERS // 7 + 1) + "nine"
    (reading,) = nine.read("when ?", [Text(text)])
    assert reading.odds < 0


def test_long_question_leaves_room_for_the_passage(nine: SpanReader) -> None:
    (reading,) = nine.read("when does it open ? " * 500, [Text("it opens at nine")])
    assert reading.text == "nine"


def test_half_characters_do_not_move_the_span(nine: SpanReader) -> None:
    (reading,) = nine.read("when \ud800 ?", [Text("\ud800 \ud800 nine")])
    assert (reading.start, reading.end) == (4, 8)


def test_without_question_or_passages_nothing_is_read(embedder: SentenceTransformerEmbedder, file: Path) -> None:
    reader = SpanReader(embedder, file)
    assert reader.read(" ", [Text("at nine")]) == [NOTHING]
    assert reader.read("when ?", []) == []
    assert reader._network is None


def test_reader_computes_what_the_trained_network_computes(
    embedder: SentenceTransformerEmbedder, network: ReaderNetwork, file: Path
) -> None:
    (reading,) = SpanReader(embedder, file).read("when ?", [Text("it opens at nine")])
    _, tokenizer, _ = embedder.trunk()
    inputs = tokenizer("when ?", "it opens at nine", return_tensors="pt")
    with torch.inference_mode():
        _, _, answerable = network.eval()(inputs["input_ids"], inputs["attention_mask"])
    assert reading.odds == pytest.approx(float(answerable), abs=1e-2)


def test_lower_layers_are_shared_and_the_embedding_model_stays_as_it_is(
    embedder: SentenceTransformerEmbedder, file: Path
) -> None:
    before = embedder.passages(["it opens at nine"])
    reader = SpanReader(embedder, file)
    reader.read("when ?", [Text("it opens at nine")])
    transformer, _, _ = embedder.trunk()
    assert reader._network is not None
    assert reader._network.trunk.embeddings is transformer.embeddings
    layers = zip(reader._network.trunk.encoder.layer, transformer.encoder.layer, strict=True)
    shared = [mine is theirs for mine, theirs in layers]
    assert shared == [True, True, False, False, False, False, False, False]
    np.testing.assert_array_equal(embedder.passages(["it opens at nine"]), before)


def test_weights_of_another_embedding_model_are_refused(folder: Path, file: Path) -> None:
    other = SentenceTransformerEmbedder(folder, fingerprint="another")
    with pytest.raises(SpanReaderError) as caught:
        SpanReader(other, file)
    assert caught.value.code == "span_reader_other_model"
    assert other._model is None  # seen without loading it


@pytest.mark.parametrize("content", [None, b"", b"no weights"])
def test_unreadable_weights_are_refused(
    embedder: SentenceTransformerEmbedder, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "reader.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpanReaderError) as caught:
        SpanReader(embedder, path)
    assert caught.value.code == "span_reader_not_loaded"


def test_weights_of_another_shape_are_refused(embedder: SentenceTransformerEmbedder, tmp_path: Path) -> None:
    path = tmp_path / "reader.safetensors"
    save_file({"span.weight": torch.zeros(2, 3)}, path, metadata={weights.TRUNK: "tiny"})
    with pytest.raises(SpanReaderError) as caught:
        SpanReader(embedder, path).read("when ?", [Text("at nine")])
    assert caught.value.code == "span_reader_not_loaded"


def test_best_span_does_not_end_before_it_starts_and_is_not_too_long() -> None:
    start = np.array([0, 1, 5], dtype=np.float32)
    end = np.array([9, 3, 1], dtype=np.float32)
    assert best_span(start, end) == (0, 0, 9.0)
    assert best_span(np.array([5, 0, 0], dtype=np.float32), np.array([0, 0, 5], dtype=np.float32), 2) == (0, 0, 5.0)
    assert best_span(start[:0], end[:0]) is None


@pytest.mark.parametrize(
    ("text", "answer", "sentence"),
    [
        ("One costs 3.50 today. Two is free.", "3.50", "One costs 3.50 today."),
        ("第一句。第二句说九点开门！第三句。", "九点", "第二句说九点开门！"),
        ("no full stop", "full", "no full stop"),
        ("A. B says it. C.", "B says it. C", "B says it. C."),
        ("Title\n\n  nine  \nrest", "nine", "nine"),
    ],
)
def test_sentences_around_an_answer(text: str, answer: str, sentence: str) -> None:
    start = text.index(answer)
    assert text[slice(*sentences_around(text, start, start + len(answer)))] == sentence
