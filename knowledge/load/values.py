"""What goes into the reader and what comes out: limits, suffixes, documents. Knows nothing about formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

SUFFIXES = frozenset({
    ".md", ".markdown", ".txt", ".text", ".rst", ".html", ".htm", ".pdf", ".docx",
    ".csv", ".tsv", ".xlsx", ".jsonl", ".ndjson", ".json",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """One document of a file, as plain text in Markdown's manner: ``#`` headings, ``-`` lists, ``|`` tables.

    ``key`` is stable within the file: "" where the file is one document, else the row's or object's id (or what
    stands in for it). ``language`` is what the file says ("zh", "en", …), None when it says nothing. ``url`` is http
    or https. All strings are clean: valid Unicode, no control characters but newline and tab.
    """

    key: str
    title: str
    text: str
    language: str | None = None
    url: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost. The defaults let a thick handbook through and stop what only an attack or a mistake
    would send; a file beyond them is rejected with TooLarge or TimedOut and a message that says which."""

    file_bytes: int = 100_000_000  # read whole into memory; a 1,000-page PDF with pictures has 20 to 50 MB
    unpacked_bytes: int = 300_000_000  # what a DOCX or XLSX may unpack to, all members together
    unpacked_ratio: int = 200  # one member against its packed size; spreadsheets reach 50, a bomb 1,000
    members: int = 10_000  # files inside a DOCX or XLSX
    pages: int = 2_000  # of a PDF: 40 s of processor time, at 50 dense pages a second
    documents: int = 100_000  # rows of a table, lines of a JSONL file
    document_characters: int = 5_000_000  # of one document: about 2,000 pages
    text_characters: int = 20_000_000  # of all documents of one file, since they are held in memory together
    seconds: float = 120.0  # of processor time: a busy machine rejects no file that an idle one reads
    memory_bytes: int = 1_500_000_000  # address space of the reading process, the interpreter's 200 MB included


Parse: TypeAlias = Callable[[bytes, str, Limits], Iterable[LoadedDocument]]
"""The one signature of all formats: (content, file name, limits) → documents; raises LoadError."""
