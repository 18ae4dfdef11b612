"""Reads real manuals as an ingest does, and counts faults that can be counted: nothing is stored.

    .venv/bin/python -m scripts.bench_files [--folder DIR] [--packages a,b] [--sample FILE] [--number 100] [--seed S]

Without --folder, Debian's packages of manuals are downloaded with ``apt-get download`` into a temporary folder, and
their HTML, text, PDF, EPUB and reStructuredText files are read. Prints a table by package and format: files, rejected
files, passages, seconds, and the faults by kind. --sample writes random passages beside the names of their files, for
people to look at. Memory is the most that a reading process used.
"""

from __future__ import annotations

import argparse
import gzip
import random
import re
import resource
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from knowledge.inspection import inspect
from knowledge.load import Loader, LoadError, find_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knowledge.inspection import InspectedPassage

PACKAGES = "debian-faq,debian-reference-en,debian-reference-zh-cn,developers-reference,debian-handbook"
LANGUAGES = ("en-US", "zh-CN")  # of packages that have a folder for each of many languages
KEPT = (".html", ".txt", ".pdf", ".epub", ".rst")

_NAVIGATION = re.compile(
    r"(?:prev(?:ious)?|next|up|home|(?:table of )?contents|index|上一页|下一页|起始页|目录)", re.IGNORECASE
)
_ENTRY = re.compile(r"(?:[-*] )?\d+(?:\.\d+)+\.? \S.{0,100}|.{1,100}(?:\.\s?){4,}\d+|(?:[-*] )?第 ?\S+ ?章.{0,60}")
_BROKEN = re.compile(r"[\u4e00-\u9fff]\n *[\u4e00-\u9fff]")
_SPREAD = re.compile(r"[a-z] _ [a-z]|(?:^|\s)/[a-z]+/ [a-z]+")
_GLUED = re.compile(r"[A-Za-z]{35,}")


@dataclass(slots=True)
class Row:
    """What was read of the files of one kind."""

    files: int = 0
    rejected: int = 0
    passages: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


def faults(passage: InspectedPassage) -> Iterator[str]:
    """The kinds of faults in a passage that its words show."""
    lines = [line.strip() for line in passage.text.split("\n") if line.strip()]
    leads = [line for line in lines if _NAVIGATION.fullmatch(line.strip(" -*|[]<>«»"))]
    entries = [line for line in lines if _ENTRY.fullmatch(line)]
    if leads and 2 * len(leads) >= len(lines):
        yield "navigation only"
    elif leads and lines[-1] == leads[-1]:
        yield "ends in navigation"
    elif len(entries) >= 4 and len(entries) >= 0.6 * len(lines):
        yield "contents"
    if _BROKEN.search(passage.text):
        yield "line end in Chinese"
    if _SPREAD.search(passage.text):
        yield "space in a name"
    if _GLUED.search(re.sub(r"\S*[/.@_:]\S*", "", passage.text)):
        yield "words without spaces"


def download(packages: list[str], folder: Path) -> None:
    """Puts the files of Debian packages into ``folder``/PACKAGE. Raises CalledProcessError."""
    subprocess.run(["apt-get", "download", "-qq", *packages], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        target = folder / package.name.partition("_")[0]
        subprocess.run(["dpkg", "-x", package.name, target.name], cwd=folder, check=True)
        package.unlink()
        _arrange(target)


def _arrange(folder: Path) -> None:
    """Unpacks compressed manuals, and removes what is no manual, a link, or a translation that is not read."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not path.is_file():
            path.unlink() if path.is_symlink() else None
            continue
        if path.suffix == ".gz" and Path(path.stem).suffix in KEPT:
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        elif path.name.endswith(".rst.txt"):
            path.rename(path.with_suffix(""))
            continue
        translated = re.search(r"/html/([a-z]{2}-[A-Z]{2})/", path.as_posix())
        if path.suffix not in KEPT or (translated and translated[1] not in LANGUAGES):
            path.unlink()


def read(folder: Path, sample: list[tuple[str, InspectedPassage]]) -> dict[str, Row]:
    """Reads all files; appends every passage with the name of its file to ``sample``."""
    rows: dict[str, Row] = {}
    with Loader() as loader:
        for file in find_files([folder]):
            if file.skipped:
                continue
            row = rows.setdefault(f"{file.relative.partition('/')[0]} {file.path.suffix[1:]}", Row())
            row.files += 1
            started = time.perf_counter()
            try:
                inspection = inspect(loader, file.path, file.relative)
            except LoadError as error:
                row.rejected += 1
                print(f"rejected: {file.relative}: {error}")
                continue
            row.seconds += time.perf_counter() - started
            for document in inspection.documents:
                for passage in document.passages:
                    row.passages += 1
                    row.faults.update(faults(passage))
                    sample.append((file.relative, passage))
    return rows


def show(rows: dict[str, Row]) -> None:
    kinds = sorted({kind for row in rows.values() for kind in row.faults})
    print("| package | files | rejected | passages | seconds |" + "".join(f" {kind} |" for kind in kinds))
    print("|---|" + "---|" * (4 + len(kinds)))
    total = Row()
    for name, row in [*sorted(rows.items()), ("all", total)]:
        counts = "".join(f" {row.faults[kind]} |" for kind in kinds)
        print(f"| {name} | {row.files} | {row.rejected} | {row.passages} | {row.seconds:.1f} |{counts}")
        total.files += row.files
        total.rejected += row.rejected
        total.passages += row.passages
        total.seconds += row.seconds
        total.faults.update(row.faults)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\nMost memory of a reading process: {memory:,.0f} MB.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="read the files below it and download nothing")
    parser.add_argument("--packages", default=PACKAGES)
    parser.add_argument("--sample", type=Path, help="write random passages to this file")
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    passages: list[tuple[str, InspectedPassage]] = []
    if options.folder:
        show(read(options.folder, passages))
    else:
        with tempfile.TemporaryDirectory() as folder:
            download(options.packages.split(","), Path(folder))
            show(read(Path(folder), passages))
    if options.sample:
        chosen = random.Random(options.seed).sample(  # noqa: S311 - no secret
            passages, min(options.number, len(passages))
        )
        pieces = [f"## {name}\n\n{' › '.join(passage.headings)}\n\n{passage.text}\n" for name, passage in chosen]
        options.sample.write_text("\n".join(pieces), encoding="utf-8")


if __name__ == "__main__":
    main()
