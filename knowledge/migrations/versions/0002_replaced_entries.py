"""Entries keep which entry they replaced, so that a rollback revives it; complaints keep who complained, so that each
person is counted once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("entries", sa.Column("replaces", sa.Integer(), nullable=True))
    op.add_column("complaints", sa.Column("reporter", sa.String(), nullable=True))
