"""A follow-up that was searched as it was asked is never compared with corrected questions, whatever its length."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("UPDATE answers SET condensed_how = 'unchanged' WHERE condensed_how = 'complete'")
