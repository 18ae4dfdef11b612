"""The errors of retrieval, and the root of the errors of all packages.

    ErrataError
    └── RetrievalError
        ├── ChangeError         a step of the log does not fit the index that it is applied to
        ├── VectorError         a vector that does not fit the index
        ├── EmbedderError       the embedding model cannot be loaded or returns unusable vectors
        ├── SpanReaderError     the reader's weights cannot be loaded or belong to another embedding model
        └── SnapshotError       a snapshot on disk is damaged (then an older one, or the log, is used instead), or
                                there is no folder to save a snapshot in

Each message says what happened and what to do about it.
"""

from __future__ import annotations

from typing import Any

from retrieval.phrases import Phrase, stored


class ErrataError(Exception):
    """Root of the errors of all packages: an English template, the values of its placeholders, a stable code.

    ``Invalid("Document {document_id!r} has no text.", code="document_empty", document_id=id_)`` is the English
    text; other languages have a template under the same code with the same placeholders (bot.texts). A value that
    consists of words is a Phrase. Without ``code`` the message is a fixed text, in English only, and the class gives
    the code.
    """

    code = "error"

    def __init__(self, template: str = "", *, code: str | None = None, **values: object) -> None:
        self.values = values
        if code is not None:
            self.code = code
        super().__init__(template.format(**values) if code is not None else template)

    def stored_values(self) -> dict[str, Any]:
        """The values as JSON has them (retrieval.phrases)."""
        return stored(self.values)

    def phrase(self) -> Phrase:
        """The message, as a value of another message."""
        return Phrase(str(self), self.code, self.values)


class RetrievalError(ErrataError):
    """The root of retrieval's errors."""

    code = "retrieval_failed"


class ChangeError(RetrievalError):
    """A change hides a passage that is not in the index, adds one that already is, or is older than the index."""


class VectorError(RetrievalError):
    """A vector of another shape than those of the index, or not of length 1: another embedding model made it."""


class EmbedderError(RetrievalError):
    """The embedding model cannot be loaded, or its vectors cannot be used."""


class SpanReaderError(RetrievalError):
    """The reader's weights cannot be loaded, or they belong to another embedding model."""


class SnapshotError(RetrievalError):
    """A snapshot is damaged: it is set aside, and an older one, or the log, is used instead. Or a snapshot cannot be
    saved."""

    code = "snapshot_failed"
