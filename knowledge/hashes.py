"""Compares the hashes that are stored with texts with hashes of these texts: finds words that were changed in the file
of the database, which SQLite's own check does not notice."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge.tables import DocumentVersion, PassageRow
from knowledge.versions import Content
from retrieval.passage import indexed_text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ROWS = 200  # read at a time


def changed_versions(session: Session) -> tuple[int, list[str]]:
    """How many versions of documents there are, and those whose title, text, address or details are not as they were
    written: ``ID version N``."""
    columns = (DocumentVersion.document_id, DocumentVersion.version, DocumentVersion.sha256)
    content = (DocumentVersion.title, DocumentVersion.text, DocumentVersion.url)
    metadata = (DocumentVersion.details, DocumentVersion.typed)
    query = sa.select(*columns, *content, *metadata).order_by(DocumentVersion.document_id, DocumentVersion.version)
    count, changed = 0, []
    for row in session.execute(query.execution_options(yield_per=ROWS)):
        count += 1
        if Content(row.title, row.text, row.url, row.details, row.typed).sha256() != row.sha256:
            changed.append(f"{row.document_id} version {row.version}")
    return count, changed


def changed_passages(session: Session) -> tuple[int, list[int]]:
    """How many passages there are, and the ids of those whose headings or text are not as they were written."""
    query = (
        sa.select(PassageRow.id, PassageRow.headings, PassageRow.text, PassageRow.sha256, DocumentVersion.title)
        .join(
            DocumentVersion,
            sa.and_(
                DocumentVersion.document_id == PassageRow.document_id, DocumentVersion.version == PassageRow.version
            ),
        )
        .order_by(PassageRow.id)
    )
    count, changed = 0, []
    for row in session.execute(query.execution_options(yield_per=ROWS)):
        count += 1
        indexed = indexed_text(row.title, row.headings, row.text)
        if hashlib.sha256(indexed.encode()).hexdigest() != row.sha256:
            changed.append(row.id)
    return count, changed
