"""Answers keep how they were made, as ids and numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("answers", sa.Column("trace", sa.JSON(), nullable=True))
