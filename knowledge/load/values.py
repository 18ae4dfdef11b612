"""The reader's input and output: limits, suffixes, documents. Knows nothing about formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from retrieval.place import Places

# Raised with every change because of which some file is read as another text. Stored with each document.
READER = 2

SUFFIXES = frozenset({
    ".md", ".markdown", ".txt", ".text", ".rst", ".html", ".htm", ".pdf", ".docx",
    ".csv", ".tsv", ".xlsx", ".jsonl", ".ndjson", ".json", ".epub", ".eml", ".pptx", ".odt", ".rtf", ".adoc",
    ".asciidoc",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoadedDocument:
    """One document of a file, as plain text in the style of Markdown: ``#`` headings, ``-`` lists, ``|`` tables.

    ``key`` is stable within the file: "" if the file is one document, else the row's or object's id (or a
    replacement for it). ``language`` is the language that the file states ("zh", "en", …), or None. ``url`` is http
    or https. All strings are clean: valid Unicode, no control characters but newline and tab. ``left_out``: what the
    file has and the text has not, by kind (``left_out.KINDS``). ``places``: where the parts of the text stand in the
    file; None where nobody knows.
    """

    key: str
    title: str
    text: str
    language: str | None = None
    url: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    places: Places | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for a file. The defaults accept a thick handbook and stop files that only an attack or a mistake
    would send. A larger file is rejected with TooLarge or TimedOut and a message that names the limit."""

    file_bytes: int = 100_000_000  # read whole into memory; a 1,000-page PDF with pictures has 20 to 50 MB
    unpacked_bytes: int = 300_000_000  # the unpacked size of a DOCX, XLSX, EPUB …, all members together
    unpacked_ratio: int = (
        200  # a member's unpacked size divided by its packed size; spreadsheets reach 50, a bomb 1,000
    )
    members: int = 10_000  # files inside such a package
    pages: int = 2_000  # of a PDF: 40 s of processor time, at 50 dense pages a second
    documents: int = 100_000  # rows of a table, lines of a JSONL file
    document_characters: int = 5_000_000  # of one document: about 2,000 pages
    text_characters: int = 20_000_000  # of all documents of one file, because they are in memory together
    seconds: float = 120.0  # of processor time, so that a busy machine reads the same files as an idle one
    memory_bytes: int = 1_500_000_000  # address space of the reading process, including the interpreter's 200 MB


Parse: TypeAlias = Callable[[bytes, str, Limits], Iterable[LoadedDocument]]
"""The one signature of all formats: (content, file name, limits) → documents; raises LoadError."""
