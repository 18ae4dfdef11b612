"""Unanswered questions, grouped by meaning; observations on entries; complaints that can be split."""

from __future__ import annotations

revision = "0008"
down_revision = "0007"


def upgrade() -> None: ...
