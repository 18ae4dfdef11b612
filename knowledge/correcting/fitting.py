"""Whether a draft still fits the documents that it edits and hides passages of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge.errors import Invalid, Stale
from knowledge.superseding import Site, sites
from knowledge.tables import Correction, Document, DocumentVersion, Edit, Entry, PassageRow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from knowledge.correcting.drafts import Draft, DraftEdit, DraftSupersession
    from knowledge.versions import Plan


def check_edit(session: Session, correction: Correction, edit: DraftEdit) -> None:
    """Whether an edit may be made on the present version of its document. Raises Invalid, Stale."""
    document = session.get(Document, edit.document_id, populate_existing=True)
    if document is None or document.retired_at is not None:
        raise Invalid(
            "There is no document {document_id!r} to edit.", code="edit_no_document", document_id=edit.document_id
        )
    _check_collection(document, correction.collection)
    if document.kind == "erratum":
        raise Invalid(
            "{document_id!r} is an erratum: change the answer of its correction instead.",
            code="edit_erratum",
            document_id=edit.document_id,
        )
    if edit.version != document.current_version and not _differs_by_own_edits(session, correction, document, edit):
        raise Stale(
            "Document {document_id!r} is at version {current}; the edit was made on version {version}. Look at the "
            "new text and make the edit again.",
            code="edit_outdated",
            document_id=edit.document_id,
            current=document.current_version,
            version=edit.version,
        )


def _differs_by_own_edits(session: Session, correction: Correction, document: Document, edit: DraftEdit) -> bool:
    """Whether the version that an edit was made on is the present one but for what this correction itself published:
    its draft may name the version before that."""
    own = set(
        session.scalars(
            sa.select(Edit.id)
            .join(Entry, Entry.id == Edit.entry_id)
            .where(Entry.correction_id == correction.id, Edit.document_id == document.id)
        )
    )
    compositions = [
        (version.base_version, frozenset(map(int, filter(None, version.edits.split(",")))) - own)
        for number in (edit.version, document.current_version)
        if (version := session.get(DocumentVersion, (document.id, number))) is not None
    ]
    return len(compositions) == 2 and compositions[0] == compositions[1]


def check_supersessions(session: Session, correction: Correction, draft: Draft, *, own: str) -> None:
    """Whether what a draft hides is there and may be hidden. ``own``: the correction's own erratum. Raises Invalid."""
    for one in draft.supersedes:
        document = session.get(Document, one.document_id)
        if document is None:
            raise Invalid(
                "There is no document {document_id!r} to supersede.",
                code="supersede_no_document",
                document_id=one.document_id,
            )
        _check_collection(document, correction.collection)
        if one.document_id == own:
            raise Invalid("A correction cannot supersede itself.", code="supersede_itself")
        if one.passage is not None and not find_sites(session, one, ()):
            raise Invalid(
                "Document {document_id!r} has no passage {passage!r} (any more).",
                code="supersede_no_passage",
                document_id=one.document_id,
                passage=one.passage[:60],
            )


def find_sites(session: Session, one: DraftSupersession, plans: Sequence[Plan]) -> frozenset[Site]:
    """Where a document has the passage to supersede: in its present version, and in the text that is planned for it."""
    document = session.get_one(Document, one.document_id)
    rows = session.execute(
        sa.select(PassageRow.headings, PassageRow.text)
        .where(PassageRow.document_id == document.id, PassageRow.version == document.current_version)
        .order_by(PassageRow.position)
    )
    places = sites(document.title, [(row.headings, row.text) for row in rows])
    for plan in plans:
        if plan.document_id == one.document_id:
            places += plan.sites()
    return frozenset(site for site in places if site.text == one.passage)


def _check_collection(document: Document, collection: str) -> None:
    """A correction changes documents of its own collection only. Raises Invalid."""
    if document.collection != collection:
        raise Invalid(
            "Document {document_id!r} is not in the collection {collection!r}, to which this correction belongs.",
            code="document_outside_correction",
            document_id=document.id,
            collection=collection,
        )
