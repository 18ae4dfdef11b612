"""Writing a correction back, and taking it back: each is ONE transaction.

``prepare`` (knowledge.publication) reads what the draft asks for and embeds the new texts: slow, and no writer waits
for it. ``approve`` then writes, together or not at all: the state, the erratum document's version, the edited versions
of source documents, what is superseded, the entry with its questions, the golden question, the log entry that every
index follows, and the recheck job. ``rollback`` undoes exactly that. Knows nothing of proofs: the caller decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge import affected, corrections, documents, jobs, matching
from knowledge.db import utc_now
from knowledge.errors import NotAllowed, Stale
from knowledge.log import head
from knowledge.publication import Publication, active_edits, erratum_id, plan_sources, prepare
from knowledge.tables import Correction, Document, Edit, Entry, EntryQuestion, Golden, Supersession
from retrieval.text import language_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from knowledge.documents import Plan
    from knowledge.drafts import Draft
    from retrieval.embed import Embedder

__all__ = ["RECHECK", "Publication", "approve", "erratum_id", "prepare", "prepare_rollback", "rollback"]

RECHECK = "recheck"  # the kind of the job that asks the corrected question again


def approve(
    session: Session, publication: Publication, *, fingerprint: str, actor: str, reason: str | None = None
) -> Entry:
    """Publishes. Raises Stale / NotAllowed when somebody else was first or a document changed meanwhile."""
    correction = corrections.get(session, publication.correction_id)
    draft = publication.draft
    corrections.advance(
        session,
        correction,
        "approve",
        actor=actor,
        reason=reason,
        revision=publication.revision,
        changes={"recheck": {"state": "pending"}, "claimed_by": None, "kind": draft.kind},
    )
    if any(documents.see(session, document_id) != seen for document_id, seen in publication.seen.items()):
        raise Stale("A document that this correction supersedes was changed meanwhile. Look at it again.")
    standing = corrections.live_entry(session, correction.id)
    touched = _deactivate(session, standing) if standing else []
    version = documents.install(
        session,
        publication.erratum,
        fingerprint=fingerprint,
        actor=actor,
        reason=reason,
        correction_id=correction.id,
    )
    entry = Entry(
        correction_id=correction.id,
        revision=correction.revision,
        question=draft.question,
        answer=draft.answer,
        language=language_of(draft.answer),
        kind=draft.kind,
        document_id=publication.erratum.document_id,
        document_version=version,
        valid_until=draft.expires,
        actor=actor,
    )
    session.add(entry)
    session.flush()
    _add_questions(session, entry, draft, publication.asked)
    for plan, edits in zip(publication.edited, publication.edits, strict=True):
        rows = [
            Edit(entry_id=entry.id, document_id=e.document_id, version=e.version, find=e.find, replace=e.replace)
            for e in edits
        ]
        session.add_all(rows)
        session.flush()
        documents.install(
            session,
            plan,
            fingerprint=fingerprint,
            actor=actor,
            reason=reason,
            added_edits=[row.id for row in rows],
            correction_id=correction.id,
        )
        touched.append(plan.document_id)
    _tell_others(session, publication.edited, correction)
    for one in draft.supersedes:
        session.add(Supersession(entry_id=entry.id, document_id=one.document_id, passage=one.passage))
        touched.append(one.document_id)
    session.add(Golden(entry_id=entry.id, question=draft.question, answer=draft.answer, document_id=entry.document_id))
    session.flush()
    seq = documents.settle(
        session,
        [entry.document_id, *touched],
        action="approve",
        actor=actor,
        document_id=entry.document_id,
        correction_id=correction.id,
        reason=reason,
    )
    entry.seq = seq or head(session)
    jobs.cancel(session, RECHECK, "correction_id", correction.id)
    jobs.enqueue(session, RECHECK, {"correction_id": correction.id, "entry_id": entry.id}, actor=actor)
    session.flush()
    return entry


def prepare_rollback(session: Session, correction: Correction, embedder: Embedder) -> list[Plan]:
    """The source documents without this correction's edits.

    Raises NotAllowed (nothing published), Conflict (another correction was built upon its words).
    """
    entry = corrections.live_entry(session, correction.id)
    if entry is None:
        raise NotAllowed(f"Correction {correction.id} is {correction.state}: nothing of it is published.")
    return documents.embed(session, plan_sources(session, active_edits(session, entry), {}), embedder)


def rollback(
    session: Session,
    correction: Correction,
    plans: Sequence[Plan],
    *,
    fingerprint: str,
    actor: str,
    reason: str | None = None,
    revision: int | None = None,
) -> int:
    """Takes the publication back: the same passages stand as before it. Returns the log's seq."""
    corrections.advance(
        session, correction, "rollback", actor=actor, reason=reason, revision=revision, changes={"recheck": None}
    )
    entry = corrections.live_entry(session, correction.id)
    assert entry is not None  # advance refuses a rollback of what is not live
    edited = {edit.document_id for edit in active_edits(session, entry)}
    if {plan.document_id for plan in plans} != {one for one in edited if not documents.see(session, one).retired}:
        raise Stale("The documents of this correction changed meanwhile. Try again.")
    touched = _deactivate(session, entry)
    for plan in plans:
        documents.install(
            session, plan, fingerprint=fingerprint, actor=actor, reason=reason, correction_id=correction.id
        )
    _tell_others(session, plans, correction)
    erratum = session.get_one(Document, entry.document_id)
    erratum.retired_at = utc_now()
    session.flush()
    seq = documents.settle(
        session,
        [entry.document_id, *touched],
        action="rollback",
        actor=actor,
        document_id=entry.document_id,
        correction_id=correction.id,
        reason=reason,
    )
    jobs.cancel(session, RECHECK, "correction_id", correction.id)
    return seq or head(session)


def _deactivate(session: Session, entry: Entry) -> list[str]:
    """Ends an entry: it no longer matches, edits or hides. Returns the source documents that this touches."""
    touched = [edit.document_id for edit in active_edits(session, entry)]
    touched += session.scalars(
        sa.select(Supersession.document_id).where(Supersession.entry_id == entry.id, Supersession.active)
    )
    entry.live = False
    for table in (Edit, Supersession, Golden):
        session.execute(sa.update(table).where(table.entry_id == entry.id).values(active=False))
    session.flush()
    return touched


def _tell_others(session: Session, plans: Sequence[Plan], correction: Correction) -> None:
    """Reopens other corrections whose superseded passages these new texts no longer have."""
    for plan in plans:
        owners = affected.by_new_text(session, plan) - {correction.id}
        affected.reopen(session, owners, f"correction {correction.id} changed the source: {plan.document_id}")


def _add_questions(session: Session, entry: Entry, draft: Draft, asked: Sequence[str]) -> None:
    seen: set[str] = set()
    negatives = {matching.key(text) for text in draft.negatives}
    for role, texts in (
        ("canonical", (draft.question,)),
        ("paraphrase", (*asked, *draft.paraphrases)),
        ("negative", draft.negatives),
    ):
        for text in texts:
            form = matching.key(text)
            if form and form not in seen and (role == "negative" or form not in negatives):
                seen.add(form)
                session.add(EntryQuestion(entry_id=entry.id, role=role, text=text, normalised=form))
    session.flush()
