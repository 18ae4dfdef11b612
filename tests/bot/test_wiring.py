"""Which parts are put together, and what they are given of the machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from bot.settings import Settings
from bot.wiring import Parts, _usable_cores
from retrieval.reading import weights
from tests.fakes import HashingEmbedder, ScriptedChat

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("quota", "cores"),
    [
        ("max 100000", 8),
        ("100000 100000", 1),
        ("250000 100000", 3),
        ("1600000 100000", 8),
        ("10000 100000", 1),
        ("", 8),
    ],
)
def test_models_get_the_cores_that_a_container_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, cores: int
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: set(range(8)))
    limit = tmp_path / "cpu.max"
    limit.write_text(f"{quota}\n", "ascii")
    assert _usable_cores(limit) == cores


def test_models_get_all_cores_where_nothing_says_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _process: {0, 1, 2})
    assert _usable_cores(tmp_path / "none") == 3


@pytest.mark.parametrize(("chat", "reads"), [(None, False), (ScriptedChat(), True)], ids=["extractive", "a model"])
def test_the_span_reader_reads_for_chat_models_only(tmp_path: Path, chat: ScriptedChat | None, reads: bool) -> None:
    embedder: Any = HashingEmbedder()
    embedder.fingerprint = weights.fingerprint_of(weights.SHIPPED)
    embedder.trunk = lambda: pytest.fail("it is loaded at the first question")
    parts = Parts(Settings(data=tmp_path, chat_model="extractive"), embedder=embedder, chat=chat)
    assert (parts.span_reader is not None) == reads
    assert (parts.profile.limits.quoting < math.inf) == reads
    parts.close()
