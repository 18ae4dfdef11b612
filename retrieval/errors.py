"""What can go wrong in retrieval, and the root of what can go wrong anywhere.

    ErrataError
    └── RetrievalError
        ├── ChangeError         a log row does not fit the index it is applied to
        ├── VectorError         a vector that the index cannot hold
        ├── EmbedderError       the embedding model cannot be loaded or gives unusable vectors
        └── SnapshotError       a snapshot on disk is damaged (then an older one, or the log, takes its place), or
                                there is no folder to save one in

Each message says what happened and what to do about it.
"""

from __future__ import annotations


class ErrataError(Exception):
    """Root of the errors of all packages: an English template, the values of its placeholders, a stable code.

    ``Invalid("Document {document_id!r} has no text.", code="document_empty", document_id=id_)`` reads in English as it
    stands; other languages have a template under ``error.<code>`` with the same placeholders (bot.texts). Without
    ``code`` the message is one text, in English only, and the code is that of the class.
    """

    code = "error"

    def __init__(self, template: str = "", *, code: str | None = None, **values: object) -> None:
        self.values = values
        if code is not None:
            self.code = code
        super().__init__(template.format(**values) if code is not None else template)

    def stored_values(self) -> dict[str, str | int | float]:
        """The values as JSON has them: numbers stay numbers, because templates format them; all others become text."""
        return {name: value if isinstance(value, int | float) else str(value) for name, value in self.values.items()}


class RetrievalError(ErrataError):
    """Anything that retrieval refuses to do."""

    code = "retrieval_failed"


class ChangeError(RetrievalError):
    """A change hides what is not there, adds what is already there, or is older than the index."""


class VectorError(RetrievalError):
    """A vector of another shape than the index holds, or not of length 1: made by another embedding model."""


class EmbedderError(RetrievalError):
    """The embedding model cannot be loaded, or what it gives cannot be used."""


class SnapshotError(RetrievalError):
    """A snapshot cannot be trusted: it is set aside, and an older one, or the log, takes its place. Or none can be
    saved."""

    code = "snapshot_failed"
