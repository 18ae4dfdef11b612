"""What the parts are given of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.wiring import _usable_cores

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
