"""Copies of an index on disk with checksums, so that a start takes seconds instead of a rebuild.

Uses files and an index; knows nothing about logs or where the index came from. A snapshot only saves time: if it is
damaged, the index is rebuilt from the source's rows, and nothing is embedded again.

A snapshot is a folder ``snapshot-<model>-<seq>-<random>`` of plain numpy arrays, the terms as UTF-8 lines, and a
manifest with the size and SHA-256 of each file and of the manifest itself. The faiss index is not written: a flat one
is made from the matrix in the time that reading the matrix takes. Nothing is ever pickled or unpickled.

* It is written to another folder, each file and folder is fsynced, then the folder is renamed: a snapshot exists as a
  whole or not at all.
* It is used only if every byte is as it was written. A damaged one is renamed to ``damaged-…``, logged, and kept for a
  person to examine; the next older one is tried.
* A snapshot of another format, such as an older release's, is ignored.
* The two newest of a model are kept. Several processes may share the folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from retrieval.errors import SnapshotError
from retrieval.index import Index
from retrieval.keywords import SealedKeywords
from retrieval.text import tokens_fingerprint
from retrieval.vectors import SealedVectors
from retrieval.view import Sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)

KEPT = 2
_FORMAT = 2  # 2: rows have labels
_MANIFEST = "manifest.json"
_TERMS = "terms.txt"
_ARRAYS: Mapping[str, type[np.generic]] = {
    "ids": np.int64,
    "digests": np.uint64,
    "codes": np.int32,
    "vectors": np.float32,
    "starts": np.int64,
    "ordinals": np.int32,
    "counts": np.int32,
    "lengths": np.int32,
}
_ABANDONED = 3600.0  # seconds after which a folder that is being written or removed belongs to a process that died


class Snapshots:
    """The snapshots in a folder. Saving the first snapshot creates the folder."""

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def save(self, index: Index) -> Path:
        """Writes the index, compacted, and removes all snapshots of its model but the two newest. Returns the folder.

        Raises ``SnapshotError`` when a file exists where the folder must be, ``OSError`` when the disk fails. Then
        nothing half-written remains.
        """
        index = index.compacted()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise SnapshotError(
                "{path} is not a folder, so the index cannot be saved there. Move it away: Errata creates the "
                "folder itself.",
                code="snapshot_folder",
                path=str(error.filename or self.folder),
            ) from error
        self._remove_abandoned()
        name = f"snapshot-{_model(index.fingerprint)}-{index.seq:012d}-{time.time_ns():020d}-{secrets.token_hex(2)}"
        aside = self.folder / f"writing-{name}"
        aside.mkdir()
        try:
            _write(aside, index)
            aside.rename(self.folder / name)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        _sync_folder(self.folder)
        for old in self._of(index.fingerprint)[KEPT:]:
            _remove(old)
        return self.folder / name

    def load_newest(self, fingerprint: str) -> Index | None:
        """The newest undamaged snapshot of this embedding model; None if there is none."""
        for folder in self._of(fingerprint):
            try:
                index = _read(folder, fingerprint)
            except SnapshotError as error:
                self._set_aside(folder, error)
                continue
            if index is not None:
                return index
        return None

    def _of(self, fingerprint: str) -> list[Path]:
        """The snapshots of a model, newest first."""
        return sorted(self.folder.glob(f"snapshot-{_model(fingerprint)}-*"), reverse=True)

    def _set_aside(self, folder: Path, error: SnapshotError) -> None:
        damaged = self.folder / f"damaged-{folder.name}"
        try:
            folder.rename(damaged)
        except OSError as failure:
            _log.warning("snapshot %s is damaged (%s) and cannot be renamed (%s)", folder, error, failure)
        else:
            _log.warning("snapshot %s is damaged (%s); it was set aside as %s", folder.name, error, damaged.name)

    def _remove_abandoned(self) -> None:
        for aside in (*self.folder.glob("writing-snapshot-*"), *self.folder.glob("removing-snapshot-*")):
            try:
                abandoned = time.time() - aside.stat().st_mtime > _ABANDONED
            except OSError:
                continue  # another process has just finished with it
            if abandoned:
                shutil.rmtree(aside, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Renames the folder before removing it, so that no other process reads a partly removed snapshot."""
    going = folder.with_name(f"removing-{folder.name}")
    try:
        folder.rename(going)
    except OSError:
        return  # another process is removing it
    shutil.rmtree(going, ignore_errors=True)


def _write(folder: Path, index: Index) -> None:
    keywords = index.sealed.keywords
    arrays: dict[str, NDArray[Any]] = {
        "ids": index.sealed.ids,
        "digests": index.sealed.digests,
        "codes": index.sealed.codes,
        "vectors": index.sealed.vectors.matrix,
        "starts": keywords.starts,
        "ordinals": keywords.ordinals,
        "counts": keywords.counts,
        "lengths": keywords.lengths,
    }
    for name, values in arrays.items():
        with (folder / f"{name}.npy").open("wb") as file:
            np.save(file, values, allow_pickle=False)
            _sync(file)
    with (folder / _TERMS).open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{term}\n" for term in keywords.terms)
        _sync(file)
    names = [*(f"{name}.npy" for name in arrays), _TERMS]
    content = {
        "format": _format(),
        "seq": index.seq,
        "fingerprint": index.fingerprint,
        "dimension": index.dimension,
        "labels": [list(label) for label in index.sealed.labels],
        "files": {name: {"bytes": (folder / name).stat().st_size, "sha256": _sha256(folder / name)} for name in names},
    }
    with (folder / _MANIFEST).open("w", encoding="utf-8", newline="\n") as file:
        file.write(_manifest_text(content))
        _sync(file)
    _sync_folder(folder)


def _read(folder: Path, fingerprint: str) -> Index | None:
    """Reads a snapshot; None for an undamaged one of another format or model. Raises ``SnapshotError`` for a damaged
    one."""
    content = _read_manifest(folder)
    if content.get("format") != _format() or content.get("fingerprint") != fingerprint:
        return None
    files = content["files"]
    if set(files) != {*(f"{name}.npy" for name in _ARRAYS), _TERMS}:
        raise SnapshotError("its manifest does not name the files of a snapshot", code="manifest_files")
    try:
        for name, expected in files.items():
            if (folder / name).stat().st_size != expected["bytes"] or _sha256(folder / name) != expected["sha256"]:
                raise SnapshotError("{name} is not as it was written", code="snapshot_file_changed", name=name)
        arrays = {name: _array(folder / f"{name}.npy", type_) for name, type_ in _ARRAYS.items()}
        terms = (folder / _TERMS).read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, ValueError) as error:
        raise SnapshotError(
            "a file cannot be read: {problem}", code="snapshot_file_unreadable", problem=error
        ) from error
    return Index(
        seq=content["seq"],
        fingerprint=fingerprint,
        sealed=Sealed(
            ids=arrays["ids"],
            digests=arrays["digests"],
            labels=tuple((collection, language) for collection, language in content["labels"]),
            codes=arrays["codes"],
            vectors=SealedVectors(arrays["vectors"], content["dimension"]),
            keywords=SealedKeywords(terms, arrays["starts"], arrays["ordinals"], arrays["counts"], arrays["lengths"]),
        ),
    )


def _array(file: Path, type_: type[np.generic]) -> NDArray[Any]:
    """Maps the vectors, because they are copied into the vector index; reads every other array into memory."""
    values = np.load(file, mmap_mode="r" if type_ is np.float32 else None, allow_pickle=False)
    if values.dtype != type_:
        raise SnapshotError("{name} contains {type}", code="snapshot_file_type", name=file.name, type=values.dtype)
    return np.asarray(values)


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        text = (folder / _MANIFEST).read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise SnapshotError(
            "its manifest cannot be read: {problem}", code="manifest_unreadable", problem=error
        ) from error
    if not isinstance(content, dict):
        raise SnapshotError("its manifest is not an object", code="manifest_no_object")
    content.pop("sha256", None)
    if _manifest_text(content) != text:
        raise SnapshotError("its manifest is not as it was written", code="manifest_changed")
    return content


def _manifest_text(content: Mapping[str, Any]) -> str:
    """The one form of a manifest, so that a change of any byte is detected."""
    plain = json.dumps(content, indent=1, sort_keys=True)
    sealed = {**content, "sha256": hashlib.sha256(plain.encode("utf-8")).hexdigest()}
    return json.dumps(sealed, indent=1, sort_keys=True) + "\n"


def _format() -> str:
    return f"{_FORMAT}/{tokens_fingerprint()}"


def _model(fingerprint: str) -> str:
    return hashlib.sha256(fingerprint.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(file: IO[Any]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
