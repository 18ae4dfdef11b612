"""Writing a correction back, and taking it back: each is ONE transaction.

``prepare`` reads what the draft asks for and embeds the new texts (slow, no transaction). ``approve`` then
writes, together or not at all: the state, the erratum document's version, the edited versions of source
documents, what is superseded, the entry with its questions, the golden question, the log entry that every index
follows, and the recheck job. ``rollback`` undoes exactly that. Knows nothing of proofs: the caller decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge import corrections, documents, jobs, matching
from knowledge.db import utc_now
from knowledge.documents import Content, Plan, Replacement
from knowledge.drafts import Draft, DraftEdit, from_json
from knowledge.errors import Conflict, Invalid, NotAllowed, Stale
from knowledge.log import head
from knowledge.tables import (
    Complaint,
    Correction,
    Document,
    Edit,
    Entry,
    EntryQuestion,
    Golden,
    PassageRow,
    Supersession,
)
from retrieval.text import language_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from retrieval.embed import Embedder
    from retrieval.passage import Passage

RECHECK = "recheck"  # the kind of the job that asks the corrected question again


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """All that an approval of this draft will write; also what a proof tries out on a candidate."""

    correction_id: int
    revision: int  # of the correction that was prepared; approval refuses another
    draft: Draft
    asked: tuple[str, ...]  # the complaints' own questions: each must be answered by the entry
    erratum: Plan
    edited: tuple[Plan, ...]
    edits: tuple[tuple[DraftEdit, ...], ...]  # the new edits of each plan in ``edited``
    replaced_entry: int | None  # the entry that stands now, when a reopened correction is published anew
    hidden: frozenset[int]  # live passages that readers will no longer see

    def passages(self) -> list[Passage]:
        """The new passages, with negative ids, as a candidate shows them."""
        found: list[Passage] = []
        superseded = {(one.document_id, one.passage) for one in self.draft.supersedes}
        for plan in (self.erratum, *self.edited):
            if (plan.document_id, None) in superseded:
                continue
            for passage in plan.passages(first_id=-1 - len(found)):
                if (plan.document_id, passage.text) not in superseded:
                    found.append(passage)
        return found


def erratum_id(correction_id: int) -> str:
    """The id of the document that a correction publishes."""
    return f"erratum-{correction_id}"


def prepare(session: Session, correction: Correction, embedder: Embedder) -> Publication:
    """Reads what approving the present draft would write.

    Raises NotAllowed (no draft), Invalid (an edit does not fit), Stale (a document changed since the curator saw it).
    """
    if not correction.draft:
        raise NotAllowed(f"Correction {correction.id} has no draft. Write the corrected answer first.")
    draft = from_json(correction.draft)
    standing = corrections.live_entry(session, correction.id)
    old = _active_edits(session, standing)
    new: dict[str, list[DraftEdit]] = {one.document_id: [] for one in old}
    for edit in draft.edits:
        _check_edit(session, correction, edit, {one.document_id for one in old})
        new.setdefault(edit.document_id, []).append(edit)
    _check_supersessions(session, correction, draft)
    base = Content(draft.question, draft.answer, None, {"correction": str(correction.id)})
    plans = [
        documents.plan(session, erratum_id(correction.id), base=base, kind="erratum", source="errata"),
        *(
            documents.plan(
                session,
                document_id,
                add=[Replacement(edit.find, edit.replace) for edit in edits],
                drop=[one.id for one in old if one.document_id == document_id],
            )
            for document_id, edits in new.items()
        ),
    ]
    erratum, *edited = documents.embed(session, plans, embedder)
    return Publication(
        correction_id=correction.id,
        revision=correction.revision,
        draft=draft,
        asked=_asked(session, correction),
        erratum=erratum,
        edited=tuple(edited),
        edits=tuple(tuple(edits) for edits in new.values()),
        replaced_entry=standing.id if standing else None,
        hidden=_hidden(session, draft, [erratum.document_id, *new]),
    )


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
    edits = _active_edits(session, entry)
    plans = []
    for document_id in dict.fromkeys(edit.document_id for edit in edits):
        document = session.get_one(Document, document_id)
        if document.retired_at is not None:
            continue  # nobody reads it; should it return, it is composed without these edits
        drop = [edit.id for edit in edits if edit.document_id == document_id]
        plan = documents.plan(session, document_id, drop=drop)
        if plan.broken:
            owners = session.scalars(
                sa.select(Entry.correction_id).join(Edit, Edit.entry_id == Entry.id).where(Edit.id.in_(plan.broken))
            )
            names = ", ".join(str(owner) for owner in sorted(set(owners)))
            raise Conflict(
                f"Correction {names} changed words that this one wrote in {document_id!r}. Roll it back first."
            )
        plans.append(plan)
    return documents.embed(session, plans, embedder)


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
    touched = _deactivate(session, entry)
    if {plan.document_id for plan in plans} != {
        document_id
        for document_id in session.scalars(sa.select(Edit.document_id).where(Edit.entry_id == entry.id))
        if session.get_one(Document, document_id).retired_at is None and document_id in touched
    }:
        raise Stale("The documents of this correction changed meanwhile. Try again.")
    for plan in plans:
        documents.install(
            session, plan, fingerprint=fingerprint, actor=actor, reason=reason, correction_id=correction.id
        )
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
    touched = [edit.document_id for edit in _active_edits(session, entry)]
    touched += session.scalars(
        sa.select(Supersession.document_id).where(Supersession.entry_id == entry.id, Supersession.active)
    )
    entry.live = False
    for table in (Edit, Supersession, Golden):
        session.execute(sa.update(table).where(table.entry_id == entry.id).values(active=False))  # type: ignore[attr-defined]
    session.flush()
    return touched


def _active_edits(session: Session, entry: Entry | None) -> list[Edit]:
    if entry is None:
        return []
    return list(session.scalars(sa.select(Edit).where(Edit.entry_id == entry.id, Edit.active).order_by(Edit.id)))


def _asked(session: Session, correction: Correction) -> tuple[str, ...]:
    complaints = session.scalars(
        sa.select(Complaint.question).where(Complaint.correction_id == correction.id).order_by(Complaint.id)
    )
    return tuple(dict.fromkeys((correction.question, *complaints)))


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


def _check_edit(session: Session, correction: Correction, edit: DraftEdit, own: set[str]) -> None:
    document = session.get(Document, edit.document_id, populate_existing=True)
    if document is None or document.retired_at is not None:
        raise Invalid(f"There is no document {edit.document_id!r} to edit.")
    if document.id == erratum_id(correction.id):
        raise Invalid("The erratum itself is changed by changing the answer.")
    if edit.version != document.current_version and edit.document_id not in own:
        raise Stale(
            f"Document {edit.document_id!r} is at version {document.current_version}; the edit was made on version "
            f"{edit.version}. Look at the new text and make the edit again."
        )


def _check_supersessions(session: Session, correction: Correction, draft: Draft) -> None:
    for one in draft.supersedes:
        document = session.get(Document, one.document_id)
        if document is None:
            raise Invalid(f"There is no document {one.document_id!r} to supersede.")
        if one.document_id == erratum_id(correction.id):
            raise Invalid("A correction cannot supersede itself.")
        if one.passage is not None and not session.scalar(
            sa.select(PassageRow.id)
            .where(PassageRow.document_id == one.document_id, PassageRow.text == one.passage)
            .limit(1)
        ):
            raise Invalid(f"Document {one.document_id!r} has no passage {one.passage[:60]!r}.")


def _hidden(session: Session, draft: Draft, replaced: Sequence[str]) -> frozenset[int]:
    """Live passages of documents that get a new version, and of what is superseded."""
    gone = set(session.scalars(sa.select(PassageRow.id).where(PassageRow.live, PassageRow.document_id.in_(replaced))))
    for one in draft.supersedes:
        query = sa.select(PassageRow.id).where(PassageRow.live, PassageRow.document_id == one.document_id)
        if one.passage is not None:
            query = query.where(PassageRow.text == one.passage)
        gone |= set(session.scalars(query))
    return frozenset(gone)
