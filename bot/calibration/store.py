"""Stores calibrations in the data folder: one small JSON file for each pair of models.

A file that cannot be read raises an error with its name: other limits must not be used without notice.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bot.calibration.fit import Calibration, Figures, Share
from bot.errors import BotError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

FOLDER = "profiles"


class CalibrationDamaged(BotError):
    """A stored calibration cannot be read."""

    code = "calibration_damaged"


def path_of(data: Path, chat: str, embedding: str) -> Path:
    """The file of a pair's calibration. ``chat`` and ``embedding`` are fingerprints: they change with the files."""
    readable = re.sub(r"[^\w.-]+", "-", f"{chat.split(':', maxsplit=1)[0]}+{embedding.split(':', maxsplit=1)[0]}")[:80]
    digest = hashlib.sha256(f"{chat}\0{embedding}".encode()).hexdigest()[:12]
    return data / FOLDER / f"{readable}-{digest}.json"


def save(data: Path, chat: str, embedding: str, calibration: Calibration, *, now: datetime) -> Path:
    """Writes another file, then renames it, so that a reader sees the old file or the new one."""
    path = path_of(data, chat, embedding)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = {
        "chat": chat,
        "embedding": embedding,
        "measured_at": now.isoformat(timespec="seconds"),
        **asdict(calibration),
    }
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, ensure_ascii=False, indent=2), encoding="utf-8")
    temporary.replace(path)
    return path


def load(data: Path, chat: str, embedding: str) -> tuple[Calibration, str] | None:
    """The calibration of a pair and when it was measured; None where there is none. Raises CalibrationDamaged."""
    path = path_of(data, chat, embedding)
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        calibration = Calibration(
            intercept=_number(content["intercept"]),
            floors={str(language): _number(floor) for language, floor in content["floors"].items()},
            bytes_per_token=_number(content["bytes_per_token"]),
            figures={name: _figures(figures) for name, figures in content["figures"].items()},
        )
        measured_at = str(content["measured_at"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        template = "The calibration in {path} cannot be read. Remove the file, or run: errata calibrate"
        raise CalibrationDamaged(template, code="calibration_damaged", path=str(path)) from None
    return calibration, measured_at


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _figures(content: dict[str, Any]) -> Figures:
    return Figures(Share(**content["lost"]), Share(**content["passed"]), float(content["area"]))
