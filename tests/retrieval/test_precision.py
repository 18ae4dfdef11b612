from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bot.models.catalogue import DEFAULT_EMBEDDING
from bot.models.store import ModelStore
from bot.settings import default_models_folder
from retrieval import precision
from retrieval.embed import SentenceTransformerEmbedder

CPU, GPU = SimpleNamespace(type="cpu"), SimpleNamespace(type="cuda")


@pytest.mark.parametrize(("device", "able", "expected"), [(CPU, True, torch.bfloat16), (CPU, False, torch.float32),
                                                          (GPU, True, torch.float32)])  # fmt: skip
def test_products_have_16_bits_only_where_the_processor_has_such_products(
    monkeypatch: pytest.MonkeyPatch, device: SimpleNamespace, able: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda: able)
    layer = torch.nn.Linear(4, 4)
    with torch.inference_mode(), precision.computing(device):
        assert layer(torch.ones(1, 4)).dtype == expected
    assert layer(torch.ones(1, 4)).dtype == torch.float32


@pytest.mark.real
def test_vectors_hardly_differ_from_those_of_32_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["The library is open from nine to eight. " * 20, "退货须在三十天内办理，并出示收据。", "Error E-4711"]
    folder = ModelStore(Path(os.environ.get("ERRATA_MODELS") or default_models_folder())).path(DEFAULT_EMBEDDING)
    embedder = SentenceTransformerEmbedder(folder, fingerprint="e5")
    vectors = {}
    for able in (False, True):  # any processor computes both, one of them slowly
        monkeypatch.setattr(precision, "has_bfloat16", lambda able=able: able)
        vectors[able] = embedder.passages(texts)
    assert not np.array_equal(vectors[False], vectors[True])
    assert (vectors[False] * vectors[True]).sum(1).min() > 0.9999
