"""Conversations know how much of the disk they take, for the limit of what people without an account may store.

Those of earlier versions get it from the lengths of their texts, as bot.conversations counts them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

_TEXTS = ("question", "question", "condensed_question", "answer", "sources", "prompt", "trace")
_ROWS = 4_000


def upgrade() -> None:
    op.add_column("conversations", sa.Column("stored_bytes", sa.Integer(), server_default=sa.text("0"), nullable=False))
    answers = sa.table("answers", sa.column("conversation_id"), *(sa.column(name) for name in set(_TEXTS)))
    conversations = sa.table("conversations", sa.column("id"), sa.column("stored_bytes"))
    lengths = (sa.func.octet_length(sa.cast(answers.c[name], sa.String())) for name in _TEXTS)
    size = sum((sa.func.coalesce(length, 0) for length in lengths), start=sa.literal(_ROWS))
    of_it = sa.select(sa.func.sum(size)).where(answers.c.conversation_id == conversations.c.id).scalar_subquery()
    op.execute(sa.update(conversations).values(stored_bytes=sa.func.coalesce(of_it, 0)))
