"""Origins: where the documents of an ingest come from. Documents keep who retired them, and whether they are kept out.

The sources of an older version have no path; the first ingest of the same folder adds it (knowledge.ingest). The
handbook and the uploads are known. A document that a person retired is kept out from now on. One that was retired
because its file or page had gone comes back with it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

BY_THE_SYSTEM = ("its file is gone", "no longer in the handbook")  # the reasons that version 1 gave


def upgrade() -> None:
    op.create_table(
        "origins",
        sa.Column("source", sa.String(1024), nullable=False),
        sa.Column("path", sa.String(4096), nullable=True),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_origins")),
    )
    op.create_index(op.f("ix_origins_path"), "origins", ["path"])
    op.add_column("documents", sa.Column("retired_by", sa.String(), nullable=True))
    op.add_column("documents", sa.Column("kept_out", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.execute(
        "insert into origins (source, path, first_at, last_at) "
        "select source, case when source = 'upload' then 'upload' end, min(created_at), max(updated_at) "
        "from documents where kind = 'source' and source <> 'api' group by source"
    )
    op.execute(  # the command that takes in the product's handbook is the only actor of this name
        "update origins set path = 'handbook' where source = 'handbook' and exists "
        "(select 1 from document_versions v join documents d on d.id = v.document_id "
        "where d.source = 'handbook' and v.actor = 'errata')"
    )
    latest = "(select max(seq) from log where log.document_id = documents.id and log.action = 'retire')"
    op.execute(
        f"update documents set retired_by = (select actor from log where seq = {latest}) "  # noqa: S608 - our own words
        "where retired_at is not null and kind = 'source'"
    )
    reasons = " or ".join(f"reason = '{reason}'" for reason in BY_THE_SYSTEM)
    by_a_person = f"select 1 from log where seq = {latest} and (reason is null or not ({reasons}))"  # noqa: S608
    where = f"where retired_at is not null and kind = 'source' and exists ({by_a_person})"
    op.execute(f"update documents set kept_out = true {where}")  # noqa: S608
