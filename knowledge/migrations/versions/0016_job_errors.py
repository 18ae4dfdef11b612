"""Jobs keep the code and the values of their error beside its English text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("error_code", sa.String(64), nullable=True))
    op.add_column("jobs", sa.Column("error_values", sa.JSON(), nullable=True))
