"""Documents as curators see them: the list, one document with its versions, as plain JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import defer

from knowledge import remarks
from knowledge.db import contains, page
from knowledge.errors import NotFound
from knowledge.scoping import within
from knowledge.tables import Document, DocumentVersion, PassageRow
from knowledge.versions import Content

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from retrieval.scope import Scope


def listing(
    session: Session, scope: Scope, *, q: str | None = None, limit: int = 50, offset: int = 0
) -> dict[str, Any]:
    """Documents of the scope by id; ``q`` looks into ids and titles."""
    matches = contains(q, Document.title, Document.id) if q else sa.true()
    condition = sa.and_(within(scope, Document.collection), matches)
    rows = session.scalars(page(sa.select(Document).where(condition).order_by(Document.id), limit, offset)).all()
    passages = dict(
        session.execute(
            sa.select(PassageRow.document_id, sa.func.count())
            .where(PassageRow.live, PassageRow.document_id.in_([row.id for row in rows]))
            .group_by(PassageRow.document_id)
        ).all()
    )
    return {
        "documents": [_line(row, passages.get(row.id, 0)) for row in rows],
        "total": session.scalar(sa.select(sa.func.count()).select_from(Document).where(condition)) or 0,
    }


def document(session: Session, document_id: str, scope: Scope, *, version: int | None = None) -> dict[str, Any]:
    """A document of the scope: its present text, or that of ``version``, and all versions. Raises NotFound."""
    row = session.get(Document, document_id)
    number = version or (row.current_version if row else 0) or 0
    shown = session.get(DocumentVersion, (document_id, number)) if 0 < number < 1 << 31 else None
    if row is None or shown is None or row.collection not in scope:
        if version:
            raise NotFound(
                "There is no document {document_id!r} with version {version}.",
                code="document_version_not_found",
                document_id=document_id,
                version=version,
            )
        raise NotFound("There is no document {document_id!r}.", code="document_not_found", document_id=document_id)
    versions = session.scalars(
        sa.select(DocumentVersion)
        .options(defer(DocumentVersion.text), defer(DocumentVersion.details), defer(DocumentVersion.places))
        .where(DocumentVersion.document_id == document_id)
        .order_by(DocumentVersion.version)
    )
    live = session.scalar(
        sa.select(sa.func.count()).select_from(PassageRow).where(PassageRow.document_id == document_id, PassageRow.live)
    )
    return {
        **_line(row, live or 0),
        "title": shown.title,
        "version": shown.version,
        "current_version": row.current_version,
        "text": shown.text,
        "url": shown.url,
        "metadata": shown.details,
        "remarks": [
            remark.to_json() for remark in remarks.of([Content(shown.title, shown.text, shown.url, shown.details)])
        ],
        "versions": [
            {
                "version": entry.version,
                "created_at": entry.created_at,
                "actor": entry.actor,
                "reason": entry.reason,
                "kind": "edit" if entry.edits else row.kind,
                "correction_id": entry.correction_id,
            }
            for entry in versions
        ],
    }


def _line(row: Document, passages: int) -> dict[str, Any]:
    return {
        "id": row.id,
        "title": row.title,
        "source": row.source,
        "collection": row.collection,
        "language": row.language,
        "version": row.current_version,
        "kind": row.kind,
        "retired": row.retired_at is not None,
        "retired_by": row.retired_by,
        "updated_at": row.updated_at,
        "passages": passages,
    }
