"""Where a correction belongs: its collection, and the properties that its erratum takes from the corrected documents.

The first complaint decides the collection of a correction, and it never changes. The erratum states something about the
documents that the correction edits or hides, and about those that the answers under complaint cited. So a question that
is restricted to some documents may get the erratum only if all of these are among them: the erratum takes each property
(metadata, source, document id, language) that is equal in all of them. Decision: the properties are taken when
the correction is published, not looked up for each question. Cost: when the source gets other metadata later, the
erratum keeps the earlier ones until it is published anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.scoping import collections_of
from knowledge.tables import Complaint, Document, DocumentVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.orm import Session

    from retrieval.scope import Scope


@dataclass(frozen=True, slots=True)
class Inherited:
    """What is equal in all documents that a correction is about. ``language``: None where they differ."""

    details: Mapping[str, str]
    language: str | None


def collection_of(session: Session, snapshot: Mapping[str, Any], scope: Scope) -> str:
    """The collection of the first document that an answer cited; the asker's own where it cited none."""
    ids = cited(snapshot)
    collections = collections_of(session, ids)
    return next((collections[document_id] for document_id in ids if document_id in collections), scope.default)


def cited(snapshot: Mapping[str, Any]) -> list[str]:
    """The ids of the documents that a frozen answer cited, in the order of its citations."""
    sources = {source.get("n"): source["document_id"] for source in snapshot.get("sources") or ()}
    numbers = snapshot.get("citations") or ()
    return list(dict.fromkeys(sources[number] for number in numbers if number in sources))


def inherited(session: Session, correction_id: int, changed: Collection[str]) -> Inherited:
    """What the erratum of a correction takes from its documents. ``changed``: those that it edits or hides."""
    snapshots = session.scalars(sa.select(Complaint.snapshot).where(Complaint.correction_id == correction_id))
    about = {*changed, *(document_id for snapshot in snapshots for document_id in cited(snapshot))}
    rows = session.execute(
        sa.select(Document.id, Document.source, Document.kind, Document.language, DocumentVersion.details)
        .join(
            DocumentVersion,
            sa.and_(DocumentVersion.document_id == Document.id, DocumentVersion.version == Document.current_version),
        )
        .where(Document.id.in_(about))
    ).all()
    if not rows:
        return Inherited({}, None)
    own = [{"document_id": row.id, "source": row.source} if row.kind == "source" else {} for row in rows]
    each = [{**row.details, **about_it} for row, about_it in zip(rows, own, strict=True)]
    first, *others = each
    shared = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    shared.pop("correction", None)  # in an erratum: the number of the correction that wrote it
    languages = {row.language for row in rows}
    return Inherited(shared, min(languages) if len(languages) == 1 else None)
