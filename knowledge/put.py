"""Putting documents in and taking them out, with what that means for corrections.

A new text of a source keeps the edits of corrections that still fit. A correction whose words or superseded
passage the new text no longer has goes back to the queue ("source changed"); it stays published meanwhile.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowledge import documents
from knowledge.correcting import affected
from knowledge.correcting.publication import is_erratum_id
from knowledge.errors import Invalid, Stale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from knowledge.db import Database
    from knowledge.documents import Content, Plan
    from retrieval.embed import Embedder

ATTEMPTS = 5  # how often a plan is made anew when others keep changing the same document


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as it comes from outside."""

    id: str
    content: Content
    source: str = "api"
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of it. ``changed`` False: it was there already, word for word."""

    id: str
    version: int
    changed: bool


def put(
    database: Database, embedder: Embedder, new: Sequence[NewDocument], *, actor: str, reason: str | None = None
) -> list[Stored]:
    """Stores the documents, searchable when it returns; all of them or, on an error, none.

    Raises Invalid (bounds, bad characters, an id given twice), Stale (somebody kept changing the same documents).
    """
    for one, times in Counter(one.id for one in new).items():
        refuse_erratum(one)
        if times > 1:
            raise Invalid(f"Document {one!r} is given twice: which of the two texts holds?")
    for attempt in range(ATTEMPTS):
        with database.read() as session:
            plans = [
                documents.plan(session, one.id, base=one.content, source=one.source, language=one.language)
                for one in new
            ]
            plans = documents.embed(session, plans, embedder)
        try:
            with database.write() as session:
                return [_store(session, one, embedder.fingerprint, actor, reason) for one in plans]
        except Stale:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def remove(database: Database, document_id: str, *, actor: str, reason: str | None = None) -> int | None:
    """Retires a document. Raises NotFound, Invalid (an erratum). Returns the log's seq."""
    refuse_erratum(document_id)
    with database.write() as session:
        owners = affected.by_edits(session, documents.see(session, document_id).edits)
        seq = documents.retire(session, document_id, actor=actor, reason=reason)
        affected.reopen(session, owners, f"the source was removed: {document_id}")
        return seq


def refuse_erratum(document_id: str) -> None:
    """The documents that corrections publish change with their corrections only. Raises Invalid."""
    if is_erratum_id(document_id):
        raise Invalid(f"{document_id!r} is the name of a correction's erratum: change or roll back the correction.")


def _store(session: Session, a_plan: Plan, fingerprint: str, actor: str, reason: str | None) -> Stored:
    if a_plan.unchanged:
        if documents.see(session, a_plan.document_id) != a_plan.seen:
            raise Stale(f"Document {a_plan.document_id!r} was changed meanwhile.")
        assert a_plan.seen.current_version is not None
        return Stored(a_plan.document_id, a_plan.seen.current_version, changed=False)
    version = documents.install(session, a_plan, fingerprint=fingerprint, actor=actor, reason=reason)
    documents.settle(
        session, [a_plan.document_id], action="put", actor=actor, document_id=a_plan.document_id, reason=reason
    )
    owners = affected.by_new_text(session, a_plan)
    affected.reopen(session, owners, f"the source changed: {a_plan.document_id}")
    return Stored(a_plan.document_id, version, changed=True)
