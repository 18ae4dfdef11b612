"""Versions of documents keep metadata as JSON, where a program wants them back as it sent them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("document_versions", sa.Column("typed", sa.JSON(), nullable=True))
