"""Finds the published corrections that a change by others affects. They go back to the queue and stay published.

A change of a source document affects a correction when a text that its curator decided about is gone: the surroundings
of words that it replaced, or a passage that it superseded, were in the document before and are there no longer. It
also affects a correction when the document has such a passage in more places than before: the new places may be about
something else, so they are not corrected, and its curator decides. Another
publication affects a correction when it takes its place: it supersedes the erratum of the correction, or answers one of
its questions. This module does not know who changed the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge.correcting import corrections, matching
from knowledge.correcting.corrections import State
from knowledge.correcting.reasons import Reason
from knowledge.superseding import Site, Superseded, from_row, sites
from knowledge.tables import DocumentVersion, Edit, Entry, PassageRow, Supersession
from retrieval.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from knowledge.versions import Plan

ACTOR = "system"
EXCERPT = 120  # characters of a passage that a reason names


def by_new_text(session: Session, plan: Plan) -> dict[int, str]:
    """Corrections whose edits or superseded passages are no longer in the planned text, and the first passage that each
    lost. With a new base text, also those that supersede the whole document (with "" as passage). Call it after the
    plan was installed."""
    lost = by_edits(session, plan.broken)
    new_base = plan.base is not None and plan.seen.base_version is not None
    before, after = frozenset(_sites(session, plan)), frozenset(plan.sites())
    for owner, passage, hidden in _superseded(session, plan):
        if new_base if hidden.whole else (hidden.sites & before) - after:
            lost.setdefault(owner, passage or "")
    return lost


def by_copies(session: Session, plan: Plan) -> dict[int, str]:
    """Corrections of which the new source has an edited or superseded passage in more places than before, and the
    first such passage of each. They still correct the place that they were made for, and not the new ones."""
    copied = by_edits(session, plan.repeated)
    if plan.base is not None:
        before, after = _sites(session, plan), plan.sites()
        for owner, passage, hidden in _superseded(session, plan):
            shown = [
                sum(site.text == passage and not hidden.hides(site) for site in places) for places in (before, after)
            ]
            if shown[1] > shown[0]:
                copied.setdefault(owner, passage or "")
    return copied


def _superseded(session: Session, plan: Plan) -> list[tuple[int, str | None, Superseded]]:
    """(correction, superseded passage, what it hides) of all live supersessions of the planned document."""
    rows = session.execute(
        sa.select(Entry.correction_id, Supersession.passage, Supersession.sites)
        .join(Supersession, Supersession.entry_id == Entry.id)
        .where(Supersession.document_id == plan.document_id, Supersession.active)
        .order_by(Supersession.id)
    )
    return [(owner, passage, from_row(passage, places)) for owner, passage, places in rows]


def _sites(session: Session, plan: Plan) -> list[Site]:
    """The passages of the version that the plan replaces."""
    replaced = session.get(DocumentVersion, (plan.document_id, plan.seen.current_version))
    if replaced is None:
        return []
    rows = session.execute(
        sa.select(PassageRow.headings, PassageRow.text)
        .where(PassageRow.document_id == plan.document_id, PassageRow.version == replaced.version)
        .order_by(PassageRow.position)
    )
    return sites(replaced.title, ((row.headings, row.text) for row in rows))


def by_edits(session: Session, edits: Collection[int]) -> dict[int, str]:
    """The published corrections that these edits belong to, and for each the passage of the source that its first edit
    was about."""
    rows = session.execute(
        sa.select(Entry.correction_id, Edit.anchor, Edit.find)
        .join(Edit, Edit.entry_id == Entry.id)
        .where(Entry.live, Edit.id.in_(edits))
        .order_by(Edit.id)
    )
    passages: dict[int, str] = {}
    for owner, anchor, find in rows:
        passages.setdefault(owner, anchor["passage"] if anchor else find)
    return passages


def reopen_by_source(session: Session, plan: Plan) -> None:
    """After a source brought this new text: reopens the corrections of passages that are no longer there, or that are
    in more places now."""
    lost = by_new_text(session, plan)
    for owner, passage in lost.items():
        reopen(session, [owner], _source_changed(plan.document_id, passage))
    for owner, passage in by_copies(session, plan).items():
        if owner not in lost:
            why = Reason.of(
                "the source has a passage of it in one more place, where it is not corrected ({passage}): {document}",
                code="source_repeats",
                passage=_excerpt(passage),
                document=plan.document_id,
            )
            reopen(session, [owner], why)


def reopen(session: Session, owners: Collection[int], why: Reason) -> None:
    """Sends these corrections back to the queue. For those that are there already, the history gets a line with the
    reason."""
    for owner in sorted(owners):
        correction = corrections.get(session, owner, EVERYTHING)
        if correction.state in (State.APPROVED, State.VERIFIED):
            corrections.advance(session, correction, "reopen", actor=ACTOR, reason=why)
        else:
            corrections.note(session, correction, "source_changed", actor=ACTOR, reason=why)


def reopen_rewritten(session: Session, correction_id: int, plans: Sequence[Plan]) -> None:
    """After a correction wrote these texts: reopens other corrections whose words or superseded passages are no longer
    there. If edits of the correction itself should have applied again and do not, its history gets a line."""
    for plan in plans:
        lost = by_new_text(session, plan)
        for owner in sorted(lost.keys() - {correction_id}):
            why = Reason.of(
                "correction {number} changed the source: {document}",
                code="source_changed_by",
                number=correction_id,
                document=plan.document_id,
            )
            if passage := _excerpt(lost[owner]):
                why = Reason.of(
                    "correction {number} changed the source where this one corrected it ({passage}): {document}",
                    code="source_changed_where_by",
                    number=correction_id,
                    passage=passage,
                    document=plan.document_id,
                )
            reopen(session, [owner], why)
        own = by_edits(session, plan.broken).get(correction_id)
        if own is not None:
            correction, why = (
                corrections.get(session, correction_id, EVERYTHING),
                _source_changed(plan.document_id, own),
            )
            corrections.note(session, correction, "source_changed", actor=ACTOR, reason=why)


def reopen_replaced(
    session: Session, correction_id: int, forms: Mapping[str, str], superseded: Collection[str], *, now: datetime
) -> None:
    """Before a correction is published that answers ``forms`` (normal form → wording) and supersedes these documents:
    reopens the corrections whose place it takes. They lose no text, but readers no longer get their answers."""
    hidden = sa.exists().where(Supersession.document_id == Entry.document_id, Supersession.active)
    errata = sa.select(Entry.correction_id).where(Entry.live, Entry.document_id.in_(superseded), ~hidden)
    owners = set(session.scalars(errata))
    superseded_it = Reason.of(
        "correction {number} superseded its erratum", code="erratum_superseded", number=correction_id
    )
    reopen(session, owners, superseded_it)
    own = Scope.of(corrections.get(session, correction_id, EVERYTHING).collection)
    replacements: dict[int, str] = {}
    for form, match in matching.served(session, forms, own, now=now).items():
        replacements.setdefault(match.correction_id, forms[form])
    for owner in sorted(replacements.keys() - owners - {correction_id}):
        why = Reason.of(
            "correction {number} answers a question of it now: {question}",
            code="question_taken",
            number=correction_id,
            question=replacements[owner],
        )
        reopen(session, [owner], why)


def _source_changed(document_id: str, passage: str) -> Reason:
    if not passage:
        return Reason.of("the source changed: {document}", code="source_changed", document=document_id)
    return Reason.of(
        "the source changed where it was corrected ({passage}): {document}",
        code="source_changed_where",
        passage=_excerpt(passage),
        document=document_id,
    )


def _excerpt(passage: str) -> str:
    words = " ".join(passage.split())
    return words if len(words) <= EXCERPT else f"{words[:EXCERPT]}…"
