"""The pages of the bundled handbook belong to a collection of their own, which takes part in questions about Errata.

Pages that a correction edits or hides, or that an open draft names, stay where they are: a correction and its documents
are in one collection. Two steps of the log hide the moved passages and show them again, so that every index and
snapshot learns their new collection.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"

_PAGES = (
    "select id from documents where kind = 'source' and collection = 'main'"
    " and source in (select source from origins where path = 'handbook')"
    " and id not in (select document_id from edits) and id not in (select document_id from supersessions)"
)
_STEP = (
    "insert into log (action, actor, reason, at) values ('move', 'errata', 'the handbook has its own collection', :at)"
)


def upgrade() -> None:
    connection = op.get_bind()
    drafts = connection.execute(sa.text("select draft from corrections where draft is not null")).scalars()
    drafted = {named for draft in drafts for named in _documents(draft)}
    pages = sorted(set(connection.execute(sa.text(_PAGES)).scalars()) - drafted)
    passages: list[int] = []
    for page in pages:
        connection.execute(
            sa.text("update documents set collection = 'errata-handbook' where id = :page"), {"page": page}
        )
        live = sa.text("select id from passages where live and document_id = :page")
        passages += connection.execute(live, {"page": page}).scalars()
    if not passages:
        return
    for added in (False, True):
        connection.execute(sa.text(_STEP), {"at": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")})
        seq = connection.execute(sa.text("select max(seq) from log")).scalar_one()
        connection.execute(
            sa.text("insert into log_changes (seq, passage_id, added) values (:seq, :passage, :added)"),
            [{"seq": seq, "passage": passage, "added": added} for passage in passages],
        )


def _documents(draft: object) -> set[str]:
    """The documents that a stored draft edits or hides."""
    content = json.loads(draft) if isinstance(draft, str) else draft
    if not isinstance(content, dict):
        return set()
    items = [*(content.get("edits") or ()), *(content.get("supersedes") or ())]
    return {str(item["document_id"]) for item in items if isinstance(item, dict) and "document_id" in item}
