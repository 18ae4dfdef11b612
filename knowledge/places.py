"""Notes where the passages of a document stand in its file, when the text is the same and the file has changed.

Rows above a row, or blank lines, move the passages in their file and are no new version of the document: the passages,
their ids and vectors stay. So do those that were stored before places were known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge.composition import Composition
from knowledge.tables import DocumentVersion, Edit, PassageRow
from knowledge.versions import cuts_of, stored_edit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from retrieval.place import Place, Places


def note(session: Session, document_id: str, base_version: int, places: Places | None) -> None:
    """Stores the places of a base version, of its passages, and of the passages of all its edited versions."""
    base = session.get(DocumentVersion, (document_id, base_version))
    assert base is not None
    base.places = None if places is None else places.to_json()
    versions = session.scalars(
        sa.select(DocumentVersion).where(
            DocumentVersion.document_id == document_id, DocumentVersion.base_version == base_version
        )
    )
    for version in versions:
        rows = session.scalars(
            sa.select(PassageRow)
            .where(PassageRow.document_id == document_id, PassageRow.version == version.version)
            .order_by(PassageRow.position)
        ).all()
        for row, place in zip(rows, _places(session, base, version, places, rows), strict=True):
            new = None if place is None else place.to_json()
            if row.place != new:
                row.place = new
    session.flush()


def _places(
    session: Session,
    base: DocumentVersion,
    version: DocumentVersion,
    places: Places | None,
    rows: Sequence[PassageRow],
) -> list[Place | None]:
    """The places of the passages of a version; none where its text, or its cuts, are not those of today's program."""
    ids = [int(number) for number in version.edits.split(",") if number]
    edits = session.scalars(sa.select(Edit).where(Edit.id.in_(ids)).order_by(Edit.id)) if ids else ()
    composed = Composition(base.title, base.text, places).apply(map(stored_edit, edits), same_source=True)
    if composed.text == version.text:
        cuts = cuts_of(version.text, composed.places)
        if [(cut.headings, cut.text) for cut, _ in cuts] == [(tuple(row.headings), row.text) for row in rows]:
            return [place for _, place in cuts]
    return [None] * len(rows)
