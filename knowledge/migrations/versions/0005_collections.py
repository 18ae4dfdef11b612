"""Documents, corrections and entries belong to a collection. Passages get the language that was stated for their
document, unless their words show another one. Before, every text that is not Chinese counted as English, so a search in
any other language found nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from retrieval.text import primary

revision = "0005"
down_revision = "0004"

_OPEN = sa.text("state NOT IN ('rejected', 'merged', 'rolled_back')")


def upgrade() -> None:
    for table in ("documents", "corrections", "entries"):
        op.add_column(table, sa.Column("collection", sa.String(64), nullable=False, server_default="main"))
    op.create_index("ix_documents_collection", "documents", ["collection"])
    op.create_index("ix_corrections_collection", "corrections", ["collection"])
    op.add_column("api_keys", sa.Column("collection", sa.String(64), nullable=True))
    op.drop_index("one_open_correction_per_question", "corrections")
    op.create_index(
        "one_open_correction_per_question",
        "corrections",
        ["collection", "cluster"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    connection = op.get_bind()
    for (stated,) in connection.execute(sa.text("select distinct language from documents")).all():
        if primary(stated) not in ("", "en", "zh", "ja"):
            connection.execute(
                sa.text(
                    "update passages set language = :language where language = 'en'"
                    " and document_id in (select id from documents where language = :stated and kind = 'source')"
                ),
                {"language": primary(stated), "stated": stated},
            )
