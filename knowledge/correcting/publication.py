"""Prepares what the publication of a draft, or the end of a publication, will write: reads, checks and embeds it.

A proof tries a ``Publication`` out on a candidate, and an approval writes the same one (publish). So exactly the texts
that were proved are published. A ``Withdrawal`` takes a publication back. Nothing is written here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge import versions
from knowledge.composition import Replacement
from knowledge.correcting import belonging, corrections
from knowledge.correcting.drafts import Draft, DraftEdit, from_json
from knowledge.correcting.fitting import check_edit, check_supersessions, find_sites
from knowledge.correcting.matching import normal_form
from knowledge.db import utc_now
from knowledge.errors import Conflict, Invalid, NotAllowed
from knowledge.log import head, load_passages
from knowledge.superseding import Site, Superseded, sites, superseded
from knowledge.tables import Complaint, Correction, Document, Edit, Entry, PassageRow, Supersession
from knowledge.versions import Content, Plan, Seen
from retrieval.text import language_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from retrieval.embed import Embedder
    from retrieval.passage import Passage

_ERRATUM = "erratum-"  # and the correction's number


@dataclass(frozen=True, slots=True, eq=False)
class Publication:
    """All that an approval of this draft will write; also what a proof tries out on a candidate."""

    correction_id: int
    collection: str  # of the correction: only there it is seen, proved and served
    revision: int  # of the correction that was prepared; approval refuses another
    seq: int  # of the log that was read
    draft: Draft
    asked: tuple[str, ...]  # the complaints' own questions: each must be answered by the entry
    forms: Mapping[str, str]  # the questions that will be answered verbatim: normal form → wording, the draft's first
    erratum: Plan
    edited: tuple[Plan, ...]
    edits: tuple[tuple[DraftEdit, ...], ...]  # the new edits of each plan in ``edited``
    sites: tuple[frozenset[Site], ...]  # for each passage that the draft supersedes, in its order: where it is
    seen: Mapping[str, Seen]  # the state of the superseded documents when this was prepared
    hidden: frozenset[int]  # live passages that readers will no longer see
    shown: tuple[Passage, ...]  # passages that they will see instead, with negative ids

    @property
    def documents(self) -> frozenset[str]:
        """The ids of the documents that it writes, edits, hides, or no longer hides."""
        written = (plan.document_id for plan in (self.erratum, *self.edited))
        return frozenset((*written, *self.seen, *(passage.document_id for passage in self.shown)))


@dataclass(frozen=True, slots=True, eq=False)
class Withdrawal:
    """The end of a publication: the texts as they are without it. If it replaced an earlier publication of the same
    correction, the texts have the edits and the erratum of that one again."""

    entry_id: int
    earlier_id: int | None
    plans: tuple[Plan, ...]


def erratum_id(correction_id: int) -> str:
    """The id of the document that a correction publishes."""
    return f"{_ERRATUM}{correction_id}"


def is_erratum_id(document_id: str) -> bool:
    """Whether this is an id under which a correction publishes its document, now or later."""
    number = document_id.removeprefix(_ERRATUM)
    return number != document_id and number.isascii() and number.isdigit()


def prepare(session: Session, correction: Correction, embedder: Embedder) -> Publication:
    """Prepares what an approval of the present draft would write.

    Raises NotAllowed (no draft), Invalid (the draft does not fit), Stale (a document changed since the curator saw
    it), Conflict (another correction edited words that this one published before).
    """
    if not correction.draft:
        raise NotAllowed(
            "Correction {number} has no draft. Write the corrected answer first.",
            code="correction_no_draft",
            number=correction.id,
        )
    draft = from_json(correction.draft)
    if draft.expires is not None and draft.expires <= utc_now():
        raise Invalid(
            "valid_until has passed ({date}): nobody would see this correction.",
            code="correction_expired",
            date=draft.valid_until,
        )
    previous = corrections.live_entry(session, correction.id)
    old = active_edits(session, previous)
    _refuse_built_upon(session, _plan_sources(session, old, {}))
    new: dict[str, list[DraftEdit]] = {}
    for edit in draft.edits:
        check_edit(session, correction, edit)
        new.setdefault(edit.document_id, []).append(edit)
    check_supersessions(session, correction, draft, own=erratum_id(correction.id))
    erratum = _plan_erratum(session, correction, draft)
    sources = _plan_sources(session, old, new)
    erratum, *edited = versions.embed(session, [erratum, *sources], embedder)
    where = tuple(find_sites(session, supersession, edited) for supersession in draft.supersedes)
    hidden, shown = _effect(session, [erratum, *edited], _superseding(draft, where), previous)
    asked = _asked(session, correction)
    return Publication(
        correction_id=correction.id,
        collection=correction.collection,
        revision=correction.revision,
        seq=head(session),
        draft=draft,
        asked=asked,
        forms=_forms(draft),
        erratum=erratum,
        edited=tuple(edited),
        edits=tuple(tuple(new.get(plan.document_id, ())) for plan in edited),
        sites=where,
        seen={item.document_id: versions.see(session, item.document_id) for item in draft.supersedes},
        hidden=hidden,
        shown=shown,
    )


def _plan_erratum(session: Session, correction: Correction, draft: Draft) -> Plan:
    """The document with the corrected answer, with the properties of the documents that it is about."""
    changed = {edit.document_id for edit in draft.edits} | {item.document_id for item in draft.supersedes}
    about = belonging.inherited(session, correction.id, changed)
    details = {**about.details, "correction": str(correction.id)}
    return versions.plan(
        session,
        erratum_id(correction.id),
        base=Content(draft.question, draft.answer, None, details),
        kind="erratum",
        source="errata",
        language=language_in(draft.answer, about.language or ""),
        collection=correction.collection,
    )


def active_edits(session: Session, entry: Entry | None) -> list[Edit]:
    """The edits of an entry that are applied in documents now."""
    if entry is None:
        return []
    return list(session.scalars(sa.select(Edit).where(Edit.entry_id == entry.id, Edit.active).order_by(Edit.id)))


def prepare_withdrawal(session: Session, entry: Entry, embedder: Embedder, *, forced: bool = False) -> Withdrawal:
    """Prepares what the end of this publication will write.

    Raises Conflict when another correction edited its words. ``forced``: that correction loses its edits instead.
    """
    earlier = _earlier(session, entry)
    revived = [] if earlier is None else list(session.scalars(sa.select(Edit).where(Edit.entry_id == earlier.id)))
    plans = _plan_sources(session, active_edits(session, entry), {}, revived)
    if not forced:
        _refuse_built_upon(session, plans, revived)
    if earlier is not None:
        plans.append(versions.plan(session, earlier.document_id, back_to=earlier.document_version))
    return Withdrawal(entry.id, earlier.id if earlier else None, tuple(versions.embed(session, plans, embedder)))


def _earlier(session: Session, entry: Entry) -> Entry | None:
    """The publication of the same correction that is live again when this one ends: the one that it replaced, or, if
    the time of that one is over, the one before it."""
    while entry.replaces is not None:
        entry = session.get_one(Entry, entry.replaces)
        if entry.valid_until is None or entry.valid_until > utc_now():
            return entry
    return None


def _plan_sources(
    session: Session, old: Sequence[Edit], new: Mapping[str, Sequence[DraftEdit]], revived: Sequence[Edit] = ()
) -> list[Plan]:
    """Source documents without the ``old`` edits of a correction, with its ``new`` ones, and with earlier ones revived.

    Raises Invalid (a new edit does not fit).
    """
    return [
        versions.plan(
            session,
            document_id,
            add=[Replacement(edit.find, edit.replace) for edit in new.get(document_id, ())],
            drop=[edit.id for edit in old if edit.document_id == document_id],
            revive=[edit.id for edit in revived if edit.document_id == document_id],
        )
        for document_id in dict.fromkeys([*(edit.document_id for edit in (*old, *revived)), *new])
        # Nobody reads a retired document. If it returns, it is composed of the edits that are active then.
        if session.get_one(Document, document_id).retired_at is None
    ]


def _refuse_built_upon(session: Session, plans: Sequence[Plan], revived: Sequence[Edit] = ()) -> None:
    """Raises Conflict where edits of other corrections would no longer apply. The ``revived`` edits of this correction
    itself need not apply."""
    own = {edit.id for edit in revived}
    for plan in plans:
        broken = set(plan.broken) - own
        if broken:
            owners = session.scalars(
                sa.select(Entry.correction_id).join(Edit, Edit.entry_id == Entry.id).where(Edit.id.in_(broken))
            )
            names = ", ".join(str(owner) for owner in sorted(set(owners)))
            raise Conflict(
                "Correction {number} changed words that this one wrote in {document_id!r}. Roll it back first.",
                code="edit_of_another",
                number=names,
                document_id=plan.document_id,
            )


def _asked(session: Session, correction: Correction) -> tuple[str, ...]:
    complaints = session.scalars(
        sa.select(Complaint.question).where(Complaint.correction_id == correction.id).order_by(Complaint.id)
    )
    return tuple(dict.fromkeys((correction.question, *complaints)))


def _forms(draft: Draft) -> dict[str, str]:
    """The questions that the curator wrote or confirmed (normal form → wording). The question of a complaint is not one
    of them by itself, because several complaints in one item need not ask the same."""
    forms: dict[str, str] = {}
    for text in (draft.question, *draft.paraphrases):
        forms.setdefault(normal_form(text), text)
    excluded = {"", *map(normal_form, draft.negatives)}
    return {form: text for form, text in forms.items() if form not in excluded}


def _superseding(draft: Draft, where: Sequence[frozenset[Site]]) -> dict[str, Superseded]:
    """The passages that a draft hides, by document."""
    hides: dict[str, Superseded] = {}
    for item, places in zip(draft.supersedes, where, strict=True):
        hidden = hides.get(item.document_id, Superseded())
        hides[item.document_id] = hidden | Superseded(whole=item.passage is None, sites=places)
    return hides


def _effect(
    session: Session, plans: Sequence[Plan], hides: Mapping[str, Superseded], previous: Entry | None
) -> tuple[frozenset[int], tuple[Passage, ...]]:
    """(ids of live passages that go, passages that come) when these plans and the passages that a draft hides replace
    the previous entry. Applies the rules of ``documents.settle`` before they are applied there."""
    planned = {plan.document_id: plan for plan in plans}
    entry_id = previous.id if previous else None
    freed = sa.select(Supersession.document_id).where(Supersession.active, Supersession.entry_id == entry_id)
    gone: set[int] = set()
    shown: list[Passage] = []
    for document_id in dict.fromkeys([*planned, *hides, *session.scalars(freed)]):
        document = session.get(Document, document_id)
        covered = superseded(session, document_id, without_entry=entry_id) | hides.get(document_id, Superseded())
        rows = sa.select(PassageRow.id).where(PassageRow.document_id == document_id)
        live = set(session.scalars(rows.where(PassageRow.live)))
        plan = planned.get(document_id)
        if plan is not None:
            title, passages = plan.content.title, plan.passages()
        elif document is None or document.retired_at is not None:
            title, passages = "", []
        else:
            current = rows.where(PassageRow.version == document.current_version).order_by(PassageRow.position)
            title, passages = document.title, load_passages(session, list(session.scalars(current)))
        places = sites(title, ((passage.headings, passage.text) for passage in passages))
        visible = [passage for passage, site in zip(passages, places, strict=True) if not covered.hides(site)]
        gone |= live - {passage.id for passage in visible}
        shown += [passage for passage in visible if passage.id not in live]
    return frozenset(gone), tuple(replace(passage, id=-1 - number) for number, passage in enumerate(shown))
