"""A calibration belongs to one pair of models, and a damaged one is an error that says what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from bot.calibration.fit import Calibration, Figures, Share
from bot.calibration.store import CalibrationDamaged, load, path_of, save

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
MEASURED = Calibration(-1.2, {"en": 0.8}, 4.1, {"all": Figures(Share(1, 40), Share(3, 20), 0.9)})


def test_a_saved_calibration_is_loaded_only_for_its_pair(tmp_path: Path) -> None:
    save(tmp_path, "chat", "embedding", MEASURED, now=NOW)
    assert load(tmp_path, "chat", "embedding") == (MEASURED, "2026-11-26T12:00:00+00:00")
    assert load(tmp_path, "chat", "other") is None
    assert load(tmp_path, "other", "embedding") is None


def test_names_with_slashes_stay_inside_the_folder(tmp_path: Path) -> None:
    path = save(tmp_path, "http://localhost:11434/v1#qwen/../..", "a/b", MEASURED, now=NOW)
    assert path.parent == tmp_path / "profiles"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"intercept": NaN, "floors": {}, "bytes_per_token": 4, "figures": {}}']
)
def test_a_damaged_calibration_is_an_error_that_names_the_file(tmp_path: Path, content: str) -> None:
    path = path_of(tmp_path, "chat", "embedding")
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    with pytest.raises(CalibrationDamaged, match=path.name):
        load(tmp_path, "chat", "embedding")
