"""Publishes a correction, takes it back, and ends it when its time is over: each in ONE transaction.

``prepare`` (publication) reads the changes that the draft asks for and embeds the new texts. This is slow, and no
writer waits for it. ``approve`` then writes, all together or nothing: the state, the version of the erratum document,
the edited versions of source documents, the supersessions, the entry with its questions, the golden question, the log
entry that every index follows, and the jobs that ask the question again and that end the publication in time.
``rollback`` and ``expire`` undo exactly that. This module knows nothing of proofs: the caller decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge import documents, jobs, superseding
from knowledge.correcting import affected, corrections, matching
from knowledge.correcting.publication import Publication, Withdrawal, active_edits, prepare_withdrawal
from knowledge.correcting.reasons import Reason, text_of
from knowledge.db import utc_now
from knowledge.errors import NotAllowed, Stale
from knowledge.tables import Correction, Document, Edit, Entry, EntryQuestion, Golden, Job, Supersession
from knowledge.versions import see
from retrieval.scope import EVERYTHING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from retrieval.embed import Embedder

RECHECK = "recheck"  # the kind of the job that asks the corrected question again
EXPIRE = "expire"  # the kind of the job that ends a publication when its time is over


def approve(
    session: Session, publication: Publication, *, fingerprint: str, actor: str, reason: str | Reason | None = None
) -> Entry:
    """Publishes. Raises Stale or NotAllowed when the correction or one of its documents changed meanwhile."""
    correction = corrections.get(session, publication.correction_id, EVERYTHING)
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
    if any(see(session, document_id) != seen for document_id, seen in publication.seen.items()):
        raise Stale(
            "A document that this correction supersedes was changed meanwhile. Look at it again.",
            code="superseded_changed",
        )
    affected.reopen_replaced(
        session, correction.id, publication.forms, [item.document_id for item in draft.supersedes], now=utc_now()
    )
    previous = corrections.live_entry(session, correction.id)
    effect_before = _effect(session, previous) if previous else None
    touched = _set_live(session, previous, live=False) if previous else []
    version = documents.install(
        session,
        publication.erratum,
        fingerprint=fingerprint,
        actor=actor,
        reason=text_of(reason),
        correction_id=correction.id,
    )
    entry = Entry(
        correction_id=correction.id,
        revision=correction.revision,
        question=draft.question,
        answer=draft.answer,
        language=publication.erratum.language,
        kind=draft.kind,
        document_id=publication.erratum.document_id,
        document_version=version,
        valid_until=draft.expires,
        replaces=previous.id if previous else None,
        collection=correction.collection,
        actor=actor,
    )
    session.add(entry)
    session.flush()
    _add_questions(session, entry, publication)
    for plan, edits in zip(publication.edited, publication.edits, strict=True):
        rows = [
            Edit(
                entry_id=entry.id,
                document_id=edit.document_id,
                version=edit.version,
                find=edit.find,
                replace=edit.replace,
                anchor=anchor.to_json(),
            )
            for edit, anchor in zip(edits, plan.added, strict=True)
        ]
        session.add_all(rows)
        session.flush()
        documents.install(
            session,
            plan,
            fingerprint=fingerprint,
            actor=actor,
            reason=text_of(reason),
            added_edits=[row.id for row in rows],
            correction_id=correction.id,
        )
        touched.append(plan.document_id)
    affected.reopen_rewritten(session, correction.id, publication.edited)
    for item, where in zip(draft.supersedes, publication.sites, strict=True):
        session.add(
            Supersession(
                entry_id=entry.id,
                document_id=item.document_id,
                passage=item.passage,
                sites=superseding.to_json(where) if item.passage is not None else None,
            )
        )
        touched.append(item.document_id)
    session.add(Golden(entry_id=entry.id, question=draft.question, answer=draft.answer, document_id=entry.document_id))
    session.flush()
    if previous and _effect(session, entry) == effect_before:
        entry.replaces = previous.replaces  # the same once more: a rollback shall return to the state before both
    entry.seq = documents.settle(
        session,
        [entry.document_id, *touched],
        action="approve",
        actor=actor,
        document_id=entry.document_id,
        correction_id=correction.id,
        reason=text_of(reason),
    )
    jobs.cancel(session, RECHECK, "correction_id", correction.id)
    jobs.enqueue(session, RECHECK, {"correction_id": correction.id, "entry_id": entry.id}, actor=actor)
    _await_expiry(session, entry, actor)
    session.flush()
    return entry


def prepare_rollback(session: Session, correction: Correction, embedder: Embedder) -> Withdrawal:
    """Prepares the texts without this correction's publication.

    Raises NotAllowed (nothing is published), Conflict (another correction edited its words).
    """
    entry = corrections.live_entry(session, correction.id)
    if entry is None:
        raise NotAllowed(
            "Correction {number} is {state}: nothing of it is published.",
            code="correction_not_published",
            number=correction.id,
            state=correction.state,
        )
    return prepare_withdrawal(session, entry, embedder)


def rollback(
    session: Session,
    correction: Correction,
    withdrawal: Withdrawal,
    *,
    fingerprint: str,
    actor: str,
    reason: str | None = None,
    revision: int | None = None,
) -> int:
    """Takes the publication back: the same passages are live as before it. Returns the log's seq.

    If it replaced an earlier publication of the same correction, that one is live again, and the correction is in the
    queue as it was then. Raises Stale or NotAllowed when the correction or one of its documents changed meanwhile.
    """
    return _withdraw(session, correction, withdrawal, "rollback", fingerprint, actor, reason, revision)


def expire(session: Session, correction: Correction, withdrawal: Withdrawal, *, fingerprint: str) -> int:
    """Ends a publication whose time is over. Returns the log's seq. Raises Stale / NotAllowed as ``rollback`` does.

    Decision: expiring undoes all of the publication, as a rollback does, not only its erratum. The author of a
    temporary answer means its edits and hidden passages for the same time, and expects the earlier texts to return. A
    rollback is refused when another correction edited its words. An expiry cannot wait, so that other correction goes
    back to the queue instead, as it does when a source changes (the withdrawal is forced). A correction that is being
    worked on stays in the queue.
    """
    until = session.get_one(Entry, withdrawal.entry_id).valid_until
    assert until is not None
    why = Reason.of("it was valid until {date} UTC", code="valid_until_over", date=f"{until:%Y-%m-%d %H:%M}")
    return _withdraw(session, correction, withdrawal, "expire", fingerprint, affected.ACTOR, why)


def await_expiries(session: Session) -> int:
    """On start: queues the job that ends a publication in time, for every publication that has none any more. The job
    was given up, or an earlier version wrote none. Returns how many."""
    jobs_left = session.scalars(sa.select(Job.payload).where(Job.kind == EXPIRE, Job.state.in_(("queued", "running"))))
    awaited = {payload["entry_id"] for payload in jobs_left}
    ending = session.scalars(sa.select(Entry).where(Entry.live, Entry.valid_until.is_not(None)))
    forgotten = [entry for entry in ending if entry.id not in awaited]
    for entry in forgotten:
        _await_expiry(session, entry, affected.ACTOR)
    return len(forgotten)


def _withdraw(
    session: Session,
    correction: Correction,
    withdrawal: Withdrawal,
    action: str,
    fingerprint: str,
    actor: str,
    reason: str | Reason | None,
    revision: int | None = None,
) -> int:
    corrections.advance(
        session, correction, action, actor=actor, reason=reason, revision=revision, changes={"recheck": None}
    )
    entry = session.get_one(Entry, withdrawal.entry_id)
    if not entry.live:
        raise Stale(
            "Correction {number} was published anew meanwhile. Look at it again.",
            code="correction_published_anew",
            number=correction.id,
        )
    earlier = session.get_one(Entry, withdrawal.earlier_id) if withdrawal.earlier_id is not None else None
    edits = active_edits(session, entry)
    touched = _set_live(session, entry, live=False)
    if earlier is not None:
        forms, hides = _claims(session, earlier)
        affected.reopen_replaced(session, correction.id, forms, hides, now=utc_now())
        touched += _set_live(session, earlier, live=True)
        edits += active_edits(session, earlier)
        _await_expiry(session, earlier, actor)
    edited = {edit.document_id for edit in edits}
    edited = {document_id for document_id in edited if not see(session, document_id).retired}
    if {plan.document_id for plan in withdrawal.plans} - {entry.document_id} != edited:
        raise Stale(
            "The documents of this correction changed meanwhile. Try again.", code="correction_documents_changed"
        )
    for plan in withdrawal.plans:
        documents.install(
            session, plan, fingerprint=fingerprint, actor=actor, reason=text_of(reason), correction_id=correction.id
        )
    if earlier is None:
        session.get_one(Document, entry.document_id).retired_at = utc_now()
        session.flush()
    elif correction.state in corrections.CLOSED:
        why = Reason.of("what was published before it is published again", code="earlier_published_again")
        corrections.advance(session, correction, "reopen", actor=actor, reason=why)
    affected.reopen_rewritten(session, correction.id, withdrawal.plans)
    jobs.cancel(session, RECHECK, "correction_id", correction.id)
    seq = documents.settle(
        session,
        [entry.document_id, *touched],
        action=action,
        actor=actor,
        document_id=entry.document_id,
        correction_id=correction.id,
        reason=text_of(reason),
    )
    assert seq is not None  # each action of a correction is a step of the log
    return seq


def _await_expiry(session: Session, entry: Entry, actor: str) -> None:
    """Queues the job that ends the entry when its time is over. If the entry ends or is replaced before, the job does
    nothing."""
    if entry.valid_until is not None:
        jobs.enqueue(session, EXPIRE, {"entry_id": entry.id}, actor=actor, run_after=entry.valid_until)


def _claims(session: Session, entry: Entry) -> tuple[dict[str, str], list[str]]:
    """The questions that an entry answers when it is live (normal form → wording), and the documents that it hides."""
    asked = sa.select(EntryQuestion.normalised, EntryQuestion.text).where(
        EntryQuestion.entry_id == entry.id, EntryQuestion.role != "negative"
    )
    hides = sa.select(Supersession.document_id).where(Supersession.entry_id == entry.id)
    return {row.normalised: row.text for row in session.execute(asked)}, list(session.scalars(hides))


def _effect(session: Session, entry: Entry) -> set[tuple[Any, ...]]:
    """The whole effect of a live entry on readers: its answer, questions, edits and supersessions."""
    parts = (
        sa.select(Entry.document_version, Entry.valid_until).where(Entry.id == entry.id),
        sa.select(EntryQuestion.role, EntryQuestion.normalised).where(EntryQuestion.entry_id == entry.id),
        sa.select(Edit.document_id, Edit.find, Edit.replace).where(Edit.entry_id == entry.id, Edit.active),
        sa.select(sa.literal("supersedes"), Supersession.document_id, Supersession.passage).where(
            Supersession.entry_id == entry.id, Supersession.active
        ),
    )
    return {tuple(row) for part in parts for row in session.execute(part)}


def _set_live(session: Session, entry: Entry, *, live: bool) -> list[str]:
    """Ends an entry, so that it no longer matches, edits or hides; or revives it with all of that. Returns the ids of
    the source documents that this changes."""
    touched = [
        document_id
        for table in (Edit, Supersession)
        for document_id in session.scalars(
            sa.select(table.document_id).where(table.entry_id == entry.id, table.active.is_(not live))
        )
    ]
    entry.live = live
    for table in (Edit, Supersession, Golden):
        session.execute(sa.update(table).where(table.entry_id == entry.id).values(active=live))
    session.flush()
    return touched


def _add_questions(session: Session, entry: Entry, publication: Publication) -> None:
    canonical = matching.normal_form(publication.draft.question)
    forms = publication.forms
    rows = [("canonical" if form == canonical else "paraphrase", form, text) for form, text in forms.items()]
    rows += [
        ("negative", matching.normal_form(text), text)
        for text in publication.draft.negatives
        if matching.normal_form(text)
    ]
    session.add_all(
        EntryQuestion(entry_id=entry.id, role=role, text=text, normalised=form) for role, form, text in rows
    )
    session.flush()
