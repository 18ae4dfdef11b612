"""The content of a finished model's folder: names, sizes and hashes, in `errata-model.json` beside the files.

Knows nothing about the catalogue, fetching or the store's layout.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from bot.models.errors import ModelDamaged, ModelMissing
from bot.models.fetch import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from bot.models.catalogue import Kind

FILE_NAME: Final = "errata-model.json"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a finished model, by its path inside the model's folder."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The description of a finished model."""

    id: str
    kind: Kind
    licence: str
    files: tuple[StoredFile, ...]

    @property
    def size(self) -> int:
        """The size in bytes on disk."""
        return sum(file.size for file in self.files)

    @property
    def fingerprint(self) -> str:
        """Changes whenever any file changes."""
        text = "\n".join(f"{file.name} {file.sha256}" for file in self.files)
        return f"{self.id}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def write(self, folder: Path) -> Path:
        """Writes the manifest into the model's folder and returns its path."""
        path = folder / FILE_NAME
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return path


def read(folder: Path, model_id: str) -> Manifest:
    """The manifest in a model's folder. Raises ModelMissing or ModelDamaged."""
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(
            StoredFile(str(file["name"]), int(file["size"]), str(file["sha256"])) for file in content["files"]
        )
        return Manifest(str(content["id"]), content["kind"], str(content["licence"]), files)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelMissing(
            "The model {model_id} is not stored here: run `errata models pull {model_id}`.",
            code="model_missing",
            model_id=model_id,
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelDamaged(
            "{path} cannot be read ({problem}): run `errata models pull {model_id}`.",
            code="model_manifest_unreadable",
            path=path,
            problem=error,
            model_id=model_id,
        ) from None


def files_of(path: Path) -> list[Path]:
    """The files of a model (a folder, or one file) in a stable order, without the manifest and hidden files."""
    if path.is_file():
        return [path]
    files = [file for file in path.rglob("*") if file.is_file() and file.name != FILE_NAME]
    return sorted(file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts))


def describe(folder: Path, files: Iterable[Path], *, known: Mapping[str, str] | None = None) -> tuple[StoredFile, ...]:
    """The sizes and hashes of files. `known` has hashes, by name, that were just checked and are not computed again."""
    described = []
    for path in files:
        name = path.relative_to(folder).as_posix()
        digest = (known or {}).get(name) or sha256_of(path)
        described.append(StoredFile(name, path.stat().st_size, digest))
    return tuple(described)
