"""Lists the files below some paths. Opens none of them; knows nothing about their content.

Every file is reported: those that will not be read too, with the reason. Symbolic links are followed only if they lead
to a place inside the named folder. A file that is reached twice is listed once for reading.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.load.values import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file to be read, or a skipped file with the reason.

    ``path`` is the real path, to be opened. ``root`` is the named folder (for a named file: its folder).
    ``relative`` is the name below it that a person sees, with "/" on every system. ``skipped`` is "" for a
    file to be read.
    """

    path: Path
    root: Path
    relative: str
    skipped: str = ""


def find_files(paths: Iterable[Path]) -> Iterator[FoundFile]:
    """The files of each path in turn, sorted by relative name. A missing path is listed as skipped."""
    seen: set[str] = set()  # real paths, over all of ``paths``
    for path in paths:
        named = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the links that we want to see
        try:
            real = named.resolve(strict=True)
            is_folder = real.is_dir()
        except (OSError, RuntimeError, ValueError):  # missing, no permission, a loop of links, a NUL in the name
            yield FoundFile(named, named.parent, _printable(named.name), "does not exist or cannot be entered")
            continue
        if is_folder:
            yield from sorted(_below(real, seen), key=lambda file: file.relative)
        else:
            reason = _unreadable(named.name, real) or _again(real, seen)
            yield FoundFile(real, named.parent, _printable(named.name), reason)


def _below(root: Path, seen: set[str]) -> Iterator[FoundFile]:
    """Lists real files and folders first and links after them, because a link to a listed file adds nothing."""
    folders: list[tuple[Path, str]] = [(root, "")]
    links: list[tuple[Path, str]] = []
    visited: set[str] = set()
    while folders or links:
        if folders:
            folder, relative = folders.pop()
            if str(folder) in visited:
                continue
            visited.add(str(folder))
            yield from _entries(root, folder, relative, folders, links, seen)
            continue
        link, relative = links.pop(0)
        try:
            real = link.resolve(strict=True)
        except (OSError, RuntimeError):
            yield FoundFile(link, root, relative, "a link to nothing")
            continue
        if not real.is_relative_to(root):
            yield FoundFile(link, root, relative, "a link out of the folder: add what it points to by its own path")
        elif real.is_dir():
            folders.append((real, relative))
        else:
            yield FoundFile(real, root, relative, _unreadable(link.name, real) or _again(real, seen))


def _entries(
    root: Path,
    folder: Path,
    prefix: str,
    folders: list[tuple[Path, str]],
    links: list[tuple[Path, str]],
    seen: set[str],
) -> Iterator[FoundFile]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        yield FoundFile(folder, root, prefix, f"cannot be listed: {error.strerror}")
        return
    for entry in entries:
        path = Path(entry.path)
        relative = _printable(f"{prefix}/{entry.name}" if prefix else entry.name)
        if reason := _hidden(entry.name):
            yield FoundFile(path, root, relative, reason)
        elif entry.is_symlink():
            links.append((path, relative))
        elif entry.is_dir(follow_symlinks=False):
            folders.append((path, relative))
        else:
            yield FoundFile(path, root, relative, _unreadable(entry.name, path) or _again(path, seen))


def _hidden(name: str) -> str:
    if name.startswith("."):
        return "hidden"
    if name.startswith("~$"):
        return "a lock of an office program that has the document open"
    return ""


def _unreadable(name: str, real: Path) -> str:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not valid UTF-8: rename it"
    try:
        mode = real.stat(follow_symlinks=False).st_mode
    except OSError as error:
        return f"cannot be examined: {error.strerror}"
    if not stat.S_ISREG(mode):
        return "not a regular file (a device, pipe or socket)"
    suffix = Path(name).suffix.lower()
    if suffix not in SUFFIXES:
        return f"files of type {suffix} are not supported" if suffix else "a file without a suffix is not supported"
    return ""


def _again(real: Path, seen: set[str]) -> str:
    if str(real) in seen:
        return "the same file was found under another name"
    seen.add(str(real))
    return ""


def _printable(name: str) -> str:
    """A name that can be stored and shown: bytes that are not UTF-8 become question marks."""
    return name.encode("utf-8", "replace").decode("utf-8")
