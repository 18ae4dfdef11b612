"""The history keeps the code and the values of a reason that the system gave, beside its English text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("correction_events", sa.Column("reason_code", sa.String(64), nullable=True))
    op.add_column("correction_events", sa.Column("reason_values", sa.JSON(), nullable=True))
