"""Why a file could not be read, as one tree. The messages speak of "the file" and never name it: the reader of a
list of rejected files sees the name beside the reason.

    LoadError
    ├── Unsupported   not a kind of file that can be read, or not a file
    ├── Protected     a password or an encryption keeps us out
    ├── TooLarge      beyond one of the limits (bytes, pages, documents, characters, memory)
    ├── Damaged       the file is broken, or built to break its reader
    ├── Changed       somebody wrote to it while it was being read
    ├── Empty         it was read and there is no text in it
    ├── TimedOut      reading took longer than the limit
    └── CannotStart   the reader itself does not run; no file's fault, and every file will fail
"""

from __future__ import annotations

from typing import ClassVar

from knowledge.errors import KnowledgeError


class LoadError(KnowledgeError):
    """Root of this package's errors. ``kind`` names the class for programs: it is stable and untranslated."""

    kind: ClassVar[str] = "load_error"


class Unsupported(LoadError):
    """Not a kind of file that can be read."""

    kind = "unsupported"


class Protected(LoadError):
    """Encrypted."""

    kind = "protected"


class TooLarge(LoadError):
    """Beyond a limit."""

    kind = "too_large"


class Damaged(LoadError):
    """Broken, or built to break."""

    kind = "damaged"


class Changed(LoadError):
    """Written to while it was read."""

    kind = "changed"


class Empty(LoadError):
    """No text."""

    kind = "empty"


class TimedOut(LoadError):
    """Took too long."""

    kind = "timed_out"


class CannotStart(LoadError):
    """The reader does not run."""

    kind = "cannot_start"


BY_KIND: dict[str, type[LoadError]] = {
    one.kind: one for one in (Unsupported, Protected, TooLarge, Damaged, Changed, Empty, TimedOut, CannotStart)
}
