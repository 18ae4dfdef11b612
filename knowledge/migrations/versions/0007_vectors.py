"""Vectors of questions, kept so that proofs and the queue find the nearest ones."""

from __future__ import annotations

revision = "0007"
down_revision = "0006"


def upgrade() -> None: ...
