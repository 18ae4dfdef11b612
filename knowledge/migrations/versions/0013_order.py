"""Answers keep the order in which they were asked, whatever the clock says."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("answers", sa.Column("number", sa.Integer(), server_default=sa.text("0"), nullable=False))
    if op.get_bind().dialect.name == "sqlite":
        op.execute("UPDATE answers SET number = rowid")
    else:
        op.execute(
            "UPDATE answers SET number = ordered.number FROM (SELECT id, row_number() OVER (ORDER BY created_at, id)"
            " AS number FROM answers) AS ordered WHERE answers.id = ordered.id"
        )
    op.create_index("ix_answers_number", "answers", ["number"])
