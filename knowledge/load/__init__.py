"""Files become documents, in a process of their own.

    find_files   which files there are below some paths, and why others are not read
    load         one file → its documents, or a LoadError that says what to do
    Loader       the same for many files: keeps the reading process between them

Context: parsers of PDF, DOCX and HTML are large, written for honest files, and run on whatever a visitor uploads.
Decision: they run in a child process with bounded memory, processor time and open files, no network, a minimal
environment, an empty folder; it gets each file as an open descriptor, and the parent kills it when the time is up.
One module per format, all with one signature (``values.Parse``); ``child`` picks. What it costs: 0.1 s for the first
file, and a copy of the text through a socket; measured figures stand in scripts/RESULTS.md.
"""

from __future__ import annotations

from knowledge.load.errors import (
    CannotStart,
    Changed,
    Damaged,
    Empty,
    LoadError,
    Protected,
    TimedOut,
    TooLarge,
    Unsupported,
)
from knowledge.load.find import FoundFile, find_files
from knowledge.load.runner import Loader, load
from knowledge.load.values import SUFFIXES, Limits, LoadedDocument

__all__ = [
    "SUFFIXES",
    "CannotStart",
    "Changed",
    "Damaged",
    "Empty",
    "FoundFile",
    "Limits",
    "LoadError",
    "LoadedDocument",
    "Loader",
    "Protected",
    "TimedOut",
    "TooLarge",
    "Unsupported",
    "find_files",
    "load",
]
