"""Answers keep how their question was condensed, the reason of a refusal and the name of the reading profile."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.add_column("answers", sa.Column("profile", sa.String(), nullable=True))
    op.add_column("answers", sa.Column("condensed_how", sa.String(16), nullable=True))
    op.add_column("answers", sa.Column("reason", sa.String(16), nullable=True))
