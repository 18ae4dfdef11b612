"""Jobs count their own failures, apart from how often they were taken up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False))
