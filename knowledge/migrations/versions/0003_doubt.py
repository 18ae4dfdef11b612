"""Answers keep the probability of NO when the model judged whether the passages state the answer to the question."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("generations", sa.Column("doubt", sa.Double(), nullable=True))
