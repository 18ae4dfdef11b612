"""Passages know where they stand in the file of their document, and versions where their text does. Unknown for those
that are there already; the next ingest of a file fills it in.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.add_column("document_versions", sa.Column("places", sa.JSON(), nullable=True))
    op.add_column("passages", sa.Column("place", sa.JSON(), nullable=True))
