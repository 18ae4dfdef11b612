"""Unanswered questions, grouped by meaning; observations on entries; complaints that can be split."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("complaints", sa.Column("merged_from", sa.Integer(), nullable=True))
    op.create_table(
        "observations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("normalised", sa.String(), nullable=False),
        sa.Column("reporter", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name=op.f("fk_observations_entry_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_observations")),
        sa.UniqueConstraint(
            "entry_id", "kind", "normalised", "reporter", name=op.f("uq_observations_entry_id_kind_normalised_reporter")
        ),
    )
    op.create_index(op.f("ix_observations_entry_id"), "observations", ["entry_id"], unique=False)
    op.create_index(op.f("ix_observations_reporter"), "observations", ["reporter"], unique=False)
    op.create_table(
        "unanswered",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("collection", sa.String(64), server_default="main", nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("normalised", sa.String(), nullable=False),
        sa.Column("language", sa.String(16), nullable=False),
        sa.Column("asker", sa.String(32), nullable=False),
        sa.Column("answer_id", sa.String(32), nullable=False),
        sa.Column("without", sa.JSON(), nullable=False),
        sa.Column("group_id", sa.Integer(), nullable=True),
        sa.Column("fingerprint", sa.String(128), nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("correction_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(["correction_id"], ["corrections.id"], name=op.f("fk_unanswered_correction_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unanswered")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_unanswered_group_id"), "unanswered", ["group_id"], unique=False)
    op.create_index(op.f("ix_unanswered_normalised"), "unanswered", ["normalised"], unique=False)
    op.create_index("waiting_unanswered", "unanswered", ["correction_id", "group_id"], unique=False)
    _remember_merges(op.get_bind())


def _remember_merges(connection: sa.Connection) -> None:
    """Stores for complaints which merged correction they came from. It is known if they have the question of that
    correction."""
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
