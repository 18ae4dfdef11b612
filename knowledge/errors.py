"""What can go wrong with knowledge, as one tree. Messages are for the person who reads them.

    KnowledgeError
    ├── NotFound          no such document, correction, job
    ├── Invalid           the input cannot be used; the message says how to mend it
    ├── Conflict          the world is not as the caller saw it
    │   ├── Stale         somebody else changed it first (``revision``, ``state`` tell what it is now)
    │   ├── NotAllowed    this action does not exist in this state
    │   ├── ProofRunning  a proof is under way: wait for it
    │   └── Regression    the proof found a right answer that would become wrong
    └── LoadError         a file cannot be read (knowledge.load.errors)

HTTP statuses for these are decided once, in bot/web/problems.py.
"""

from __future__ import annotations


class KnowledgeError(Exception):
    """Root of all."""


class NotFound(KnowledgeError):
    """No such thing."""


class Invalid(KnowledgeError):
    """The input cannot be used."""


class Conflict(KnowledgeError):
    """The world is not as the caller saw it."""


class Stale(Conflict):
    """Somebody else changed it first."""

    def __init__(self, message: str, *, revision: int | None = None, state: str | None = None) -> None:
        super().__init__(message)
        self.revision = revision
        self.state = state


class NotAllowed(Conflict):
    """The action does not exist in this state."""


class ProofRunning(Conflict):
    """A proof is under way."""


class Regression(Conflict):
    """The proof found a right answer that would become wrong."""
