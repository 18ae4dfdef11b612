"""Unanswered questions, grouped by meaning; observations on entries; complaints that can be split."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("complaints", sa.Column("merged_from", sa.Integer(), nullable=True))
    _remember_merges(op.get_bind())


def _remember_merges(connection: sa.Connection) -> None:
    """Which correction the complaints of a merged one belonged to is known where its question was theirs."""
    corrections = sa.table("corrections", *map(sa.column, ("id", "question", "merged_into", "state")))
    complaints = sa.table("complaints", *map(sa.column, ("correction_id", "question", "merged_from")))
    merged = sa.select(corrections).where(corrections.c.state == "merged").order_by(corrections.c.id)
    for row in connection.execute(merged).all():
        same = sa.and_(
            complaints.c.correction_id == row.merged_into,
            complaints.c.question == row.question,
            complaints.c.merged_from.is_(None),
        )
        connection.execute(complaints.update().where(same).values(merged_from=row.id))
