"""All errors of the knowledge, as one tree. Messages are for the person who reads them.

    KnowledgeError
    ├── NotFound          no such document, correction, job
    ├── Invalid           the input cannot be used; the message says how to correct it
    ├── Conflict          the state is not the one that the caller saw
    │   ├── Stale         somebody else changed it first (``revision``, ``state``: as it is now)
    │   ├── NotAllowed    this action does not exist in this state
    │   ├── ProofRunning  a proof is running: wait for it
    │   ├── Regression    the proof found a right answer that would become wrong
    │   └── NotFixed      the proof found a question of the correction that would not be answered with it
    ├── DatabaseBusy      others use the database for longer than anybody should wait; trying again makes sense
    ├── DiskFull          there is no space left to store anything
    └── LoadError         a file cannot be read (knowledge.load.errors)

HTTP statuses for these are decided once, in bot/web/problems.py.
"""

from __future__ import annotations

from retrieval.errors import ErrataError


class KnowledgeError(ErrataError):
    """Root of all."""

    code = "knowledge_failed"


class NotFound(KnowledgeError):
    """No such thing."""

    code = "not_found"


class Invalid(KnowledgeError):
    """The input cannot be used."""

    code = "invalid"


class Conflict(KnowledgeError):
    """The state is not the one that the caller saw."""

    code = "conflict"


class Stale(Conflict):
    """Somebody else changed it first."""

    code = "stale"

    def __init__(
        self,
        template: str,
        *,
        revision: int | None = None,
        state: str | None = None,
        code: str | None = None,
        **values: object,
    ) -> None:
        if code is not None and state is not None:
            values["state"] = state
        super().__init__(template, code=code, **values)
        self.revision = revision
        self.state = state


class NotAllowed(Conflict):
    """The action does not exist in this state."""

    code = "not_allowed"


class ProofRunning(Conflict):
    """A proof is running."""

    code = "proof_running"


class Regression(Conflict):
    """The proof found a right answer that would become wrong."""

    code = "regression"


class NotFixed(Conflict):
    """The proof found a question of the correction that would not be answered with it."""

    code = "not_fixed"


class DatabaseBusy(KnowledgeError):
    """Others use the database for longer than anybody should wait. Try again after ``retry_after`` seconds."""

    code = "database_busy"
    retry_after = 5


class DiskFull(KnowledgeError):
    """There is no space left to store anything. Reading works on."""

    code = "disk_full"
