"""Jobs count their own failures and keep progress."""

from __future__ import annotations

revision = "0010"
down_revision = "0009"


def upgrade() -> None: ...
