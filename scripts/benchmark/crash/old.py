"""A database as the first version of Errata wrote it: what is migrated while it is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

REVISION = "0001"
ROWS = 200  # of each kind
_DOCUMENT = """insert into documents
 (id, kind, title, source, language, base_version, current_version, created_at, updated_at)
 values (:id, 'source', 'Old', 'old', 'en', 1, 1, :now, :now)"""
_VERSION = """insert into document_versions
 (document_id, version, base_version, edits, title, text, sha256, details, actor, created_at)
 values (:id, 1, 1, '', 'Old', :text, 'x', '{}', 'ann', :now)"""
_CORRECTION = """insert into corrections
 (id, state, revision, origin, priority, cluster, question, language, created_at, updated_at)
 values (:n, 'queued', 1, 'api', 'normal', :text, :text, 'en', :now, :now)"""
_COMPLAINT = """insert into complaints
 (correction_id, question, snapshot, rating, reasons, comment, who, created_at)
 values (:n, :text, '{}', 'down', '[]', :id, 'visitor', :now)"""


def write(path: Path) -> None:
    """Writes the database, with documents, corrections and complaints."""
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config

    from knowledge.db import MIGRATIONS, Database

    path.parent.mkdir(parents=True)
    database = Database(f"sqlite:///{path}")
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    rows: list[dict[str, Any]] = [
        {"n": n, "id": f"old/{n}", "text": f"The old code {n}.", "now": "2026-01-01 00:00:00.000000"}
        for n in range(1, ROWS + 1)
    ]
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, REVISION)
        for statement in (_DOCUMENT, _VERSION, _CORRECTION, _COMPLAINT):
            session.execute(sa.text(statement), rows)
    database.close()
