"""Putting documents in and taking them out, with what that means for corrections.

A new text of a source keeps the edits of corrections that still fit. A correction whose words or superseded
passage the new text no longer has goes back to the queue ("source changed"); it stays published meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge import corrections, documents
from knowledge.corrections import State
from knowledge.errors import Stale
from knowledge.tables import Document, Edit, Entry, Supersession

if TYPE_CHECKING:
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

    Raises Invalid (bounds, bad characters), Stale (somebody kept changing the same documents).
    """
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
    """Retires a document. Raises NotFound. Returns the log's seq."""
    with database.write() as session:
        seq = documents.retire(session, document_id, actor=actor, reason=reason)
        _reopen_owners(session, document_id, lambda _edit: True, lambda _passage: False, "the source was removed")
        return seq


def _store(session: Session, a_plan: Plan, fingerprint: str, actor: str, reason: str | None) -> Stored:
    if a_plan.unchanged:
        now = documents.see(session, a_plan.document_id)
        if now != a_plan.seen:
            raise Stale(f"Document {a_plan.document_id!r} was changed meanwhile.")
        document = session.get_one(Document, a_plan.document_id)
        assert document.base_version is not None
        return Stored(a_plan.document_id, document.current_version or document.base_version, changed=False)
    version = documents.install(session, a_plan, fingerprint=fingerprint, actor=actor, reason=reason)
    documents.settle(
        session, [a_plan.document_id], action="put", actor=actor, document_id=a_plan.document_id, reason=reason
    )
    if a_plan.base is not None and a_plan.seen.base_version is not None:
        present = {piece.text for piece in a_plan.pieces}
        _reopen_owners(
            session,
            a_plan.document_id,
            lambda edit: edit.id in a_plan.broken,
            lambda passage: passage is None or passage not in present,
            "the source changed",
        )
    return Stored(a_plan.document_id, version, changed=True)


def _reopen_owners(session: Session, document_id: str, edit_hit, passage_hit, why: str) -> None:  # type: ignore[no-untyped-def]
    """Sends the live corrections whose edits or supersessions of this document are hit back to the queue."""
    edits = session.execute(
        sa.select(Edit, Entry.correction_id)
        .join(Entry, Entry.id == Edit.entry_id)
        .where(Edit.document_id == document_id, Entry.live)
    ).tuples()
    hidden = session.execute(
        sa.select(Supersession, Entry.correction_id)
        .join(Entry, Entry.id == Supersession.entry_id)
        .where(Supersession.document_id == document_id, Supersession.active, Entry.live)
    ).tuples()
    owners = {owner for edit, owner in edits if edit_hit(edit)} | {
        owner for one, owner in hidden if passage_hit(one.passage)
    }
    for owner in sorted(owners):
        correction = corrections.get(session, owner)
        reason = f"{why}: {document_id}"
        if correction.state in (State.APPROVED, State.VERIFIED):
            corrections.advance(session, correction, "reopen", actor="ingest", reason=reason)
        else:
            corrections.note(session, correction, "source_changed", actor="ingest", reason=reason)
