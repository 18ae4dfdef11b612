"""Recognises a folder that an older version ingested. That version stored the name of the folder and not its path.

Decision: it is the same folder when most of the stored documents have their file here, and most of the first ``SAMPLE``
of these files still contain at least half of the stored lines. The name alone proves nothing: two folders ``docs`` with
a ``README.md`` each are common. If a folder is wrongly not recognised, its documents exist twice, and the report names
both sources. If it were wrongly recognised, it would replace the documents of another folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge import origins
from knowledge.errors import KnowledgeError
from knowledge.load import CannotStart, find_files
from knowledge.tables import Document, DocumentVersion

if TYPE_CHECKING:
    from pathlib import Path

    from knowledge.db import Database
    from knowledge.load import FoundFile, Loader

SAMPLE = 20  # files


def is_known(database: Database, loader: Loader, folder: Path, source: str) -> bool:
    """Whether a source without a path was ingested from this folder. Raises CannotStart."""
    with database.read() as session:
        if not origins.without_path(session, source):
            return False
        rows = session.execute(
            sa.select(Document.id, Document.retired_at, DocumentVersion.text)
            .join(
                DocumentVersion,
                sa.and_(DocumentVersion.document_id == Document.id, DocumentVersion.version == Document.base_version),
            )
            .where(Document.source == source, Document.kind == "source")
            .order_by(Document.id)
        ).all()
    # If readers can find none of the documents, compare with the retired ones.
    texts = {row.id: row.text for row in rows if row.retired_at is None} or {row.id: row.text for row in rows}
    files = {f"{source}/{file.relative}": file for file in find_files([folder]) if not file.skipped}
    file_of = {document_id: _file_of(document_id, files) for document_id in texts}
    common = sorted({file for file in file_of.values() if file is not None})
    if sum(file is not None for file in file_of.values()) * 2 <= len(file_of):
        return False
    same = 0
    for name in common[:SAMPLE]:
        stored = {line for document_id, text in texts.items() if file_of[document_id] == name for line in _lines(text)}
        try:
            documents = loader.load(files[name].path, name=files[name].relative)
            loaded = {line for document in documents for line in _lines(document.text)}
        except CannotStart:
            raise
        except KnowledgeError:
            continue
        same += len(stored & loaded) * 2 >= len(stored)
    return same * 2 > min(len(common), SAMPLE)


def _file_of(document_id: str, files: dict[str, FoundFile]) -> str | None:
    """The file that a document came from: its id, or the part of the id before one of its ``#``."""
    ends = [at for at, letter in enumerate(document_id) if letter == "#"]
    return next((document_id[:end] for end in [len(document_id), *ends] if document_id[:end] in files), None)


def _lines(text: str) -> set[str]:
    return {line for raw in text.splitlines() if (line := " ".join(raw.split()))}
