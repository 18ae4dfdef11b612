"""Texts that many answers have in common are stored once; refused questions are compared by a hash of their words.

The answers of earlier versions stay as they are, with every text in place, and both forms are read (knowledge.quoting).
To move them would rewrite the largest table in one transaction before the server can start, and they leave in time
with their conversations. Refused questions are few, at most some ten thousand, and must be found by equality: theirs
are moved.
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0017"

_BATCH = 500


def upgrade() -> None:
    op.create_table(
        "texts",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_texts")),
    )
    connection = op.get_bind()
    unanswered = sa.table("unanswered", sa.column("id"), sa.column("normalised"))
    newest = 0
    while rows := connection.execute(
        sa.select(unanswered).where(unanswered.c.id > newest).order_by(unanswered.c.id).limit(_BATCH)
    ).all():
        for row in rows:
            key = hashlib.sha256(row.normalised.encode()).hexdigest()
            connection.execute(sa.update(unanswered).where(unanswered.c.id == row.id).values(normalised=key))
        newest = rows[-1].id
