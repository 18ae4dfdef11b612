"""Is this the folder that an older version took in, which wrote down its name and not its path?

Decision: yes when most of the stored documents have their file here, and most of the first ``SAMPLE`` of these files
still say at least half of what is stored. A name alone proves nothing: two folders ``docs`` with a ``README.md`` each
are common. Where it is wrong to say no, the documents are there twice, and the report names both sources; a wrong yes
would replace what another folder says.
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
    """Whether a source without a path was taken in from this folder. Raises CannotStart."""
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
    # Where readers can find none of them, the retired ones are all that is known.
    texts = {row.id: row.text for row in rows if row.retired_at is None} or {row.id: row.text for row in rows}
    here = {f"{source}/{found.relative}": found for found in find_files([folder]) if not found.skipped}
    file_of = {document_id: _file_of(document_id, here) for document_id in texts}
    common = sorted({file for file in file_of.values() if file is not None})
    if sum(file is not None for file in file_of.values()) * 2 <= len(file_of):
        return False
    same = 0
    for file in common[:SAMPLE]:
        stored = {line for document_id, text in texts.items() if file_of[document_id] == file for line in _lines(text)}
        try:
            loaded = {
                line for one in loader.load(here[file].path, name=here[file].relative) for line in _lines(one.text)
            }
        except CannotStart:
            raise
        except KnowledgeError:
            continue
        same += len(stored & loaded) * 2 >= len(stored)
    return same * 2 > min(len(common), SAMPLE)


def _file_of(document_id: str, here: dict[str, FoundFile]) -> str | None:
    """The file that a document came from: its id, or what stands before one of the ``#`` in it."""
    ends = [at for at, letter in enumerate(document_id) if letter == "#"]
    return next((document_id[:end] for end in [len(document_id), *ends] if document_id[:end] in here), None)


def _lines(text: str) -> set[str]:
    return {line for raw in text.splitlines() if (line := " ".join(raw.split()))}
