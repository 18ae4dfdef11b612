from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.models import e5
from bot.models.catalogue import DEFAULT_EMBEDDING, KnownModel, ModelFile
from bot.models.errors import ConversionFailed
from bot.models.fetch import Origins
from bot.models.store import ModelStore
from bot.settings import default_models_folder
from tests.bot.modelfiles import HIDDEN, PIECES, packed_e5

PACKED, TENSORS = packed_e5()


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("e5")
    (folder / "packed.bin").write_bytes(PACKED)
    (folder / "out").mkdir()
    e5.convert(folder / "packed.bin", folder / "out")
    return folder / "out"


def test_unpacked_weights_are_exact_and_named_as_bert_names_them(converted: Path) -> None:
    from safetensors.numpy import load_file

    weights = load_file(converted / "model.safetensors")
    expected = {theirs: TENSORS[ours] for theirs, ours, _ in e5._names(e5.parse(PACKED).shape)}
    expected["pooler.dense.weight"] = np.zeros((HIDDEN, HIDDEN), dtype=np.float32)
    expected["pooler.dense.bias"] = np.zeros(HIDDEN, dtype=np.float32)
    assert sorted(weights) == sorted(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(weights[name], values)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("query: hello", ["<s>", "▁query", ":", "▁hello", "</s>"]),
        ("  hello   你好 ", ["<s>", "▁hello", "▁", "你好", "</s>"]),
        ("你好～", ["<s>", "▁", "你好", "～", "</s>"]),
        ("\uff41\u3000hello", ["<s>", "▁", "a", "▁hello", "</s>"]),
        ("猫", ["<s>", "▁", "<unk>", "</s>"]),
    ],
)
def test_the_tokenizer_works_as_xlm_roberta_does(converted: Path, text: str, pieces: list[str]) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(converted / "tokenizer.json"))
    assert [PIECES[index] for index in tokenizer.encode(text).ids] == pieces


def test_the_store_converts_verifies_and_lists_the_fetched_model(tmp_path: Path) -> None:
    entry = KnownModel(
        id="tiny-e5",
        kind="embedding",
        title="Tiny",
        licence="MIT",
        file=ModelFile("packed.bin", len(PACKED), hashlib.sha256(PACKED).hexdigest()),
        memory=1,
        converter="e5",
    )
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "packed.bin").write_bytes(PACKED)
    sources = Origins(hub=False, mirror=mirror, wheel_index=False)
    store = ModelStore(tmp_path / "models", sources=sources, entries=[entry], free_bytes=lambda _folder: 1 << 40)
    assert store.pull("tiny-e5") == tmp_path / "models" / "tiny-e5"
    assert [file.name for file in store.verify("tiny-e5").files] == [
        "1_Pooling/config.json",
        "config.json",
        "config_sentence_transformers.json",
        "model.safetensors",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    other = ModelStore(tmp_path / "other", sources=sources, entries=[replace(entry, converted_sha256="0" * 64)])
    with pytest.raises(ConversionFailed, match="computes differently"):
        other.pull("tiny-e5")
    assert not (tmp_path / "other" / "tiny-e5").exists()


@pytest.mark.parametrize("end", [0, 4, 40, 100, 300, len(PACKED) - 1])
def test_an_incomplete_file_is_refused(end: int) -> None:
    with pytest.raises(ConversionFailed):
        e5.bert_weights(e5.parse(PACKED[:end]), PACKED[:end])


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 900), st.integers(0, 255))
def test_a_file_with_a_changed_byte_is_refused_or_converted(at: int, value: int) -> None:
    data = bytearray(PACKED)
    data[at] = value
    try:
        e5.bert_weights(e5.parse(bytes(data)), bytes(data))
    except ConversionFailed:
        return


def test_impossible_sizes_allocate_no_memory() -> None:
    data = bytearray(PACKED)
    struct.pack_into("<i", data, 8 + 4 * 7 + 8, 2**31 - 1)  # the number of pieces
    with pytest.raises(ConversionFailed):
        e5.parse(bytes(data))


def test_reading_millions_of_claimed_layers_ends_at_the_first_missing_one() -> None:
    data = bytearray(PACKED)
    struct.pack_into("<i", data, 8 + 4, 2**31 - 1)  # the number of layers
    with pytest.raises(ConversionFailed, match="has no tensor l"):
        e5.bert_weights(e5.parse(bytes(data)), bytes(data))


def test_a_weight_that_is_not_a_number_is_refused() -> None:
    for tensor in e5.parse(PACKED).tensors.values():
        data = bytearray(PACKED)
        data[tensor.offset : tensor.offset + tensor.size] = b"\xff" * tensor.size
        with pytest.raises(ConversionFailed, match="not a number"):
            e5.bert_weights(e5.parse(bytes(data)), bytes(data))


@pytest.mark.real
def test_the_real_model_puts_a_question_near_its_answer_in_both_languages() -> None:
    from sentence_transformers import SentenceTransformer

    folder = ModelStore(Path(os.environ.get("ERRATA_MODELS") or default_models_folder())).path(DEFAULT_EMBEDDING)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    assert model.prompts == {"query": "query: ", "passage": "passage: ", "document": "passage: "}
    passages = [
        "The library is open from nine to eight.",
        "退货须在三十天内办理，并出示收据。",
        "Whales are mammals and breathe air.",
    ]
    questions = ["退货要在多少天之内？", "When does the library close?"]
    stored = model.encode(passages, prompt_name="passage")
    question_vectors = model.encode(questions, prompt_name="query")
    np.testing.assert_allclose(np.linalg.norm(stored, axis=1), 1, atol=1e-5)
    assert (question_vectors @ stored.T).argmax(axis=1).tolist() == [1, 0]
