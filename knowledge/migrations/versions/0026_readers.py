"""A document keeps which file it was read from and by which version of the reader, so that an ingest can say that a
text changed because the reader did. Unknown for the documents that are there already.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.add_column("documents", sa.Column("file_sha256", sa.String(64), nullable=True))
    op.add_column("documents", sa.Column("reader", sa.Integer(), nullable=True))
