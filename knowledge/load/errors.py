"""The reasons why a file cannot be read, as a tree of errors. The messages say "the file" and never name it: a list of
rejected files shows the name beside the reason.

    LoadError
    ├── Unsupported   not a kind of file that can be read, or not a file
    ├── Protected     a password or an encryption prevents reading
    ├── TooLarge      larger than one of the limits (bytes, pages, documents, characters, memory)
    ├── Damaged       the file is broken, or built to break its reader
    ├── Changed       somebody wrote to it while it was being read
    ├── Empty         it was read and there is no text in it
    ├── TimedOut      reading took longer than the limit
    └── CannotStart   the reader itself does not run; the cause is no file, and every file will fail
"""

from __future__ import annotations

from typing import ClassVar

from knowledge.errors import KnowledgeError


class LoadError(KnowledgeError):
    """Root of this package's errors. ``kind`` names the class for programs: it is stable and untranslated."""

    kind: ClassVar[str] = "load_error"


class Unsupported(LoadError):
    """The file is of a kind that cannot be read, or is not a regular file."""

    kind = "unsupported"


class Protected(LoadError):
    """The file is encrypted."""

    kind = "protected"


class TooLarge(LoadError):
    """The file is larger than one of the limits."""

    kind = "too_large"


class Damaged(LoadError):
    """The file is broken, or built to break its reader."""

    kind = "damaged"


class Changed(LoadError):
    """Somebody wrote to the file while it was being read."""

    kind = "changed"


class Empty(LoadError):
    """The file has no text."""

    kind = "empty"


class TimedOut(LoadError):
    """Reading the file took longer than the limit."""

    kind = "timed_out"


class CannotStart(LoadError):
    """The reader itself does not run, so every file will fail."""

    kind = "cannot_start"


BY_KIND: dict[str, type[LoadError]] = {
    error.kind: error for error in (Unsupported, Protected, TooLarge, Damaged, Changed, Empty, TimedOut, CannotStart)
}
