"""Turns files into documents, in a separate process.

    find_files   lists the files below some paths, and why some of them are not read
    load         reads a file: its documents, or a LoadError that states what to do
    Loader       does the same for many files and keeps the reading process between them

Context: parsers of PDF, DOCX and HTML are large and were written for honest files, but here they read any file that a
visitor uploads. Decision: they run in a child process with limits of memory, processor time and open files, no network,
a minimal environment and an empty folder. It gets each file as an open descriptor, and the parent kills it when the
time is over. There is one module per format, all with the same signature (``values.Parse``); ``child`` chooses. The
cost: 0.1 s for the first file, and a copy of the text through a socket; measured figures are in scripts/RESULTS.md.
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
from knowledge.load.values import READER, SUFFIXES, Limits, LoadedDocument

__all__ = [
    "READER",
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
