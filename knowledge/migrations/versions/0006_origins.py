"""Where the documents of an ingest come from; who retired a document."""

from __future__ import annotations

revision = "0006"
down_revision = "0005"


def upgrade() -> None: ...
