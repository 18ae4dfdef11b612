"""What can go wrong in retrieval.

    RetrievalError
    ├── ChangeError         a log row does not fit the index it is applied to
    ├── VectorError         a vector that the index cannot hold
    ├── EmbedderError       the embedding model cannot be loaded or gives unusable vectors
    └── SnapshotError       a snapshot on disk is damaged (never leaves ``retrieval.snapshot``)

Each message says what happened and what to do about it.
"""

from __future__ import annotations


class RetrievalError(Exception):
    """Anything that retrieval refuses to do."""


class ChangeError(RetrievalError):
    """A change hides what is not there, adds what is already there, or is older than the index."""


class VectorError(RetrievalError):
    """A vector of another shape than the index holds, or not of length 1: made by another embedding model."""


class EmbedderError(RetrievalError):
    """The embedding model cannot be loaded, or what it gives cannot be used."""


class SnapshotError(RetrievalError):
    """A snapshot cannot be trusted; it is set aside and an older one, or the log, takes its place."""
