"""What publishing a correction's draft would write and change for readers: read, checked, embedded; nothing written.

A ``Publication`` is what a proof tries out on a candidate and what an approval then writes (knowledge.publish), so
that what was proved is what is published.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge import corrections, documents
from knowledge.db import utc_now
from knowledge.documents import Content, Plan, Replacement, Seen
from knowledge.drafts import Draft, DraftEdit, from_json
from knowledge.errors import Conflict, Invalid, NotAllowed, Stale
from knowledge.log import head, load_passages
from knowledge.tables import Complaint, Correction, Document, Edit, Entry, PassageRow, Supersession

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from retrieval.embed import Embedder
    from retrieval.passage import Passage


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """All that an approval of this draft will write; also what a proof tries out on a candidate."""

    correction_id: int
    revision: int  # of the correction that was prepared; approval refuses another
    seq: int  # of the log that was read
    draft: Draft
    asked: tuple[str, ...]  # the complaints' own questions: each must be answered by the entry
    erratum: Plan
    edited: tuple[Plan, ...]
    edits: tuple[tuple[DraftEdit, ...], ...]  # the new edits of each plan in ``edited``
    seen: Mapping[str, Seen]  # how the superseded documents stood
    hidden: frozenset[int]  # live passages that readers will no longer see
    shown: tuple[Passage, ...]  # passages that they will see instead, with negative ids


def erratum_id(correction_id: int) -> str:
    """The id of the document that a correction publishes."""
    return f"erratum-{correction_id}"


def prepare(session: Session, correction: Correction, embedder: Embedder) -> Publication:
    """Reads what approving the present draft would write.

    Raises NotAllowed (no draft), Invalid (the draft does not fit), Stale (a document changed since the curator saw
    it), Conflict (another correction was built upon what this one published before).
    """
    if not correction.draft:
        raise NotAllowed(f"Correction {correction.id} has no draft. Write the corrected answer first.")
    draft = from_json(correction.draft)
    if draft.expires is not None and draft.expires <= utc_now():
        raise Invalid(f"valid_until has passed ({draft.valid_until}): nobody would see this correction.")
    standing = corrections.live_entry(session, correction.id)
    old = active_edits(session, standing)
    new: dict[str, list[DraftEdit]] = {}
    for edit in draft.edits:
        _check_edit(session, edit, {one.document_id for one in old})
        new.setdefault(edit.document_id, []).append(edit)
    _check_supersessions(session, correction, draft)
    base = Content(draft.question, draft.answer, None, {"correction": str(correction.id)})
    erratum = documents.plan(session, erratum_id(correction.id), base=base, kind="erratum", source="errata")
    erratum, *edited = documents.embed(session, [erratum, *plan_sources(session, old, new)], embedder)
    hidden, shown = _effect(session, [erratum, *edited], draft, standing)
    return Publication(
        correction_id=correction.id,
        revision=correction.revision,
        seq=head(session),
        draft=draft,
        asked=_asked(session, correction),
        erratum=erratum,
        edited=tuple(edited),
        edits=tuple(tuple(new.get(plan.document_id, ())) for plan in edited),
        seen={one.document_id: documents.see(session, one.document_id) for one in draft.supersedes},
        hidden=hidden,
        shown=shown,
    )


def active_edits(session: Session, entry: Entry | None) -> list[Edit]:
    """The edits of an entry that stand in documents now."""
    if entry is None:
        return []
    return list(session.scalars(sa.select(Edit).where(Edit.entry_id == entry.id, Edit.active).order_by(Edit.id)))


def plan_sources(session: Session, old: Sequence[Edit], new: Mapping[str, Sequence[DraftEdit]]) -> list[Plan]:
    """Source documents without the ``old`` edits of a correction and with its ``new`` ones.

    Raises Invalid (a new edit does not fit), Conflict (another correction was built upon the old words).
    """
    plans = []
    for document_id in dict.fromkeys([*(edit.document_id for edit in old), *new]):
        if session.get_one(Document, document_id).retired_at is not None:
            continue  # nobody reads it; should it return, it is composed of the edits that stand then
        plan = documents.plan(
            session,
            document_id,
            add=[Replacement(edit.find, edit.replace) for edit in new.get(document_id, ())],
            drop=[edit.id for edit in old if edit.document_id == document_id],
        )
        if plan.broken:
            owners = session.scalars(
                sa.select(Entry.correction_id).join(Edit, Edit.entry_id == Entry.id).where(Edit.id.in_(plan.broken))
            )
            names = ", ".join(str(owner) for owner in sorted(set(owners)))
            raise Conflict(
                f"Correction {names} changed words that this one wrote in {document_id!r}. Roll it back first."
            )
        plans.append(plan)
    return plans


def _asked(session: Session, correction: Correction) -> tuple[str, ...]:
    complaints = session.scalars(
        sa.select(Complaint.question).where(Complaint.correction_id == correction.id).order_by(Complaint.id)
    )
    return tuple(dict.fromkeys((correction.question, *complaints)))


def _check_edit(session: Session, edit: DraftEdit, own: set[str]) -> None:
    """``own``: the documents that this correction edits already; its draft may name the version before that."""
    document = session.get(Document, edit.document_id, populate_existing=True)
    if document is None or document.retired_at is not None:
        raise Invalid(f"There is no document {edit.document_id!r} to edit.")
    if document.kind == "erratum":
        raise Invalid(f"{edit.document_id!r} is an erratum: change the answer of its correction instead.")
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
            .where(
                PassageRow.document_id == one.document_id,
                PassageRow.version == document.current_version,
                PassageRow.text == one.passage,
            )
            .limit(1)
        ):
            raise Invalid(f"Document {one.document_id!r} has no passage {one.passage[:60]!r} (any more).")


def _effect(
    session: Session, plans: Sequence[Plan], draft: Draft, standing: Entry | None
) -> tuple[frozenset[int], tuple[Passage, ...]]:
    """(live passages that go, passages that come) when these plans and the draft's supersessions take the place of
    the standing entry: the rules of ``documents.settle``, ahead of time."""
    planned = {plan.document_id: plan for plan in plans}
    entry_id = standing.id if standing else None
    freed = sa.select(Supersession.document_id).where(Supersession.active, Supersession.entry_id == entry_id)
    touched = [*planned, *(one.document_id for one in draft.supersedes), *session.scalars(freed)]
    gone: set[int] = set()
    shown: list[Passage] = []
    for document_id in dict.fromkeys(touched):
        document = session.get(Document, document_id)
        covered = documents.superseded(session, document_id, without_entry=entry_id)
        covered |= {one.passage for one in draft.supersedes if one.document_id == document_id}
        rows = sa.select(PassageRow.id).where(PassageRow.document_id == document_id)
        live = set(session.scalars(rows.where(PassageRow.live)))
        plan = planned.get(document_id)
        if plan is not None:
            passages = plan.passages()
        elif document is None or document.retired_at is not None:
            passages = []
        else:
            current = rows.where(PassageRow.version == document.current_version)
            passages = load_passages(session, list(session.scalars(current)))
        wanted = [one for one in passages if None not in covered and one.text not in covered]
        gone |= live - {one.id for one in wanted}
        shown += [one for one in wanted if one.id not in live]
    return frozenset(gone), tuple(replace(one, id=-1 - number) for number, one in enumerate(shown))
