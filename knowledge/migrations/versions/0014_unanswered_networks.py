"""Refused questions of people without an account: from which network, as a keyed hash. Earlier ones do not say."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("unanswered", sa.Column("network", sa.String(32), nullable=True))
