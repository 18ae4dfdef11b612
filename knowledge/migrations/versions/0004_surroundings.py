"""An edit keeps the passage around its words."""

from __future__ import annotations

revision = "0004"
down_revision = "0003"


def upgrade() -> None: ...
