"""Checks whether a draft still fits the documents that it edits, and those of which it hides passages."""

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
    """Checks that an edit may be made on the present version of its document. Raises Invalid, Stale."""
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
    """Whether the version that an edit was made on differs from the present one only by edits that this correction
    itself published. A draft may name the version before that publication."""
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
    """Checks that the passages and documents that a draft hides exist and may be hidden. ``own``: the id of the
    correction's own erratum. Raises Invalid."""
    for supersession in draft.supersedes:
        document = session.get(Document, supersession.document_id)
        if document is None:
            raise Invalid(
                "There is no document {document_id!r} to supersede.",
                code="supersede_no_document",
                document_id=supersession.document_id,
            )
        _check_collection(document, correction.collection)
        if supersession.document_id == own:
            raise Invalid("A correction cannot supersede itself.", code="supersede_itself")
        if supersession.passage is not None and not find_sites(session, supersession, ()):
            raise Invalid(
                "Document {document_id!r} has no passage {passage!r} (any more).",
                code="supersede_no_passage",
                document_id=supersession.document_id,
                passage=supersession.passage[:60],
            )


def find_sites(session: Session, supersession: DraftSupersession, plans: Sequence[Plan]) -> frozenset[Site]:
    """Where a document has the passage to supersede: in its present version, and in the text that is planned for it."""
    document = session.get_one(Document, supersession.document_id)
    rows = session.execute(
        sa.select(PassageRow.headings, PassageRow.text)
        .where(PassageRow.document_id == document.id, PassageRow.version == document.current_version)
        .order_by(PassageRow.position)
    )
    places = sites(document.title, [(row.headings, row.text) for row in rows])
    for plan in plans:
        if plan.document_id == supersession.document_id:
            places += plan.sites()
    return frozenset(site for site in places if site.text == supersession.passage)


def _check_collection(document: Document, collection: str) -> None:
    """Checks that a document is in the collection of its correction. Raises Invalid."""
    if document.collection != collection:
        raise Invalid(
            "Document {document_id!r} is not in the collection {collection!r}, to which this correction belongs.",
            code="document_outside_correction",
            document_id=document.id,
            collection=collection,
        )
