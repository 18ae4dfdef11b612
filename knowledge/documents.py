"""Installs the next version of documents inside a transaction, and settles which passages readers see.

Work on a document has three steps, so that the slow part (embedding) never locks the database:

1. ``plan``     reads the present state and composes the next text (knowledge.versions; any session);
2. ``embed``    gives the new passages their vectors, reusing those of equal text (slow, no write transaction);
3. ``install``  writes the version if nothing changed since the plan (else ``Stale``: plan again), then
   ``settle`` makes ``passages.live`` follow the rules and writes the difference as ONE log entry.

The rules for live: the document is not retired, the passage belongs to its current version, and no live entry
supersedes it (superseding). They are evaluated only for the documents that changed, so the cost grows with the change.

Decision: ``live`` is computed anew from these rules instead of being reversed step by step. This costs a read of the
passages of the changed documents. It makes every order of approvals, rollbacks and re-ingests end in the same state: a
rollback returns to exactly the passages (ids, vectors) that were live before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from knowledge.db import utc_now
from knowledge.errors import NotFound, Stale
from knowledge.superseding import sites, superseded
from knowledge.tables import Document, DocumentVersion, Edit, Embedding, LogChange, LogStep, PassageRow
from knowledge.versions import BATCH, Content, Plan, edits_key, see

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session


def install(
    session: Session,
    a_plan: Plan,
    *,
    fingerprint: str,
    actor: str,
    reason: str | None = None,
    added_edits: Sequence[int] = (),
    correction_id: int | None = None,
) -> int:
    """Writes the planned version and makes it current (readers see it once ``settle`` ran).

    ``added_edits`` are the ids that the plan's new replacements were stored under. Returns the version.
    Raises Stale when the document is no longer as the plan saw it.
    """
    assert len(added_edits) == len(a_plan.added)
    # By now, edits that the plan drops are inactive, those that it adds are stored, and those that it revives are
    # active. Any other difference means that somebody changed the document.
    expected = replace(a_plan.seen, edits=tuple(sorted((*a_plan.kept, *a_plan.broken, *added_edits))))
    if see(session, a_plan.document_id) != expected:
        raise Stale(
            "Document {document_id!r} was changed by somebody else meanwhile. Look at it again.",
            code="document_changed",
            document_id=a_plan.document_id,
        )
    document = session.get(Document, a_plan.document_id)
    if document is None:
        document = Document(
            id=a_plan.document_id,
            kind=a_plan.kind,
            title=a_plan.content.title,
            source=a_plan.source,
            collection=a_plan.collection,
            language=a_plan.language,
        )
        session.add(document)
        session.flush()
    if a_plan.base is not None:
        document.base_version = _add_version(session, a_plan.document_id, None, "", a_plan.base, actor, reason, None)
    elif a_plan.back_to is not None:
        document.base_version = a_plan.back_to
    assert document.base_version is not None
    key = edits_key((*a_plan.kept, *added_edits))
    version = session.scalar(
        sa.select(DocumentVersion.version).where(
            DocumentVersion.document_id == document.id,
            DocumentVersion.base_version == document.base_version,
            DocumentVersion.edits == key,
        )
    )
    if version is None:
        version = _add_version(
            session, document.id, document.base_version, key, a_plan.content, actor, reason, correction_id
        )
    _add_passages(session, document.id, version, a_plan, fingerprint)
    document.current_version = version
    document.title = a_plan.content.title
    document.language = a_plan.language
    document.retired_at = document.retired_by = None
    document.kept_out = False
    document.updated_at = utc_now()
    if a_plan.broken:
        session.execute(sa.update(Edit).where(Edit.id.in_(a_plan.broken)).values(active=False))
    session.flush()
    return version


def settle(
    session: Session,
    document_ids: Iterable[str],
    *,
    action: str,
    actor: str,
    document_id: str | None = None,
    correction_id: int | None = None,
    reason: str | None = None,
) -> int | None:
    """Sets ``live`` of the passages of these documents by the rules, and writes the difference as one log entry.

    Returns its seq, or None when readers would see no difference. An action of a correction is always a step of the
    log, even when no passage comes or goes, because other questions may be answered verbatim after it. This is the
    only writer of ``live`` and of the log.
    """
    shown: list[int] = []
    gone: list[int] = []
    for changed_id in dict.fromkeys(document_ids):
        document = session.get(Document, changed_id)
        if document is None:
            continue
        come, go = _unsettled(session, document)
        shown += come
        gone += go
    if not shown and not gone and correction_id is None:
        return None
    entry = LogStep(action=action, actor=actor, document_id=document_id, correction_id=correction_id, reason=reason)
    session.add(entry)
    session.flush()
    changes = [
        {"seq": entry.seq, "passage_id": passage_id, "added": added}
        for ids, added in ((shown, True), (gone, False))
        for passage_id in ids
    ]
    if changes:
        session.execute(sa.insert(LogChange), changes)
    for ids, value in ((shown, True), (gone, False)):
        for start in range(0, len(ids), BATCH):
            session.execute(
                sa.update(PassageRow).where(PassageRow.id.in_(ids[start : start + BATCH])).values(live=value)
            )
    session.flush()
    return entry.seq


def _unsettled(session: Session, document: Document) -> tuple[list[int], list[int]]:
    """(ids of a document's passages that readers should see and do not see, ids of those that they should not see and
    do see)"""
    hidden = superseded(session, document.id)
    of_document = sa.select(PassageRow.id, PassageRow.headings, PassageRow.text, PassageRow.live).where(
        PassageRow.document_id == document.id
    )
    is_current = PassageRow.version == document.current_version
    current = session.execute(of_document.where(is_current).order_by(PassageRow.position)).all()
    others = session.scalars(
        sa.select(PassageRow.id).where(PassageRow.document_id == document.id, PassageRow.live, ~is_current)
    )
    if hidden.whole or document.retired_at is not None:
        visible = [False] * len(current)
    elif hidden.sites:
        visible = [
            not hidden.hides(site) for site in sites(document.title, ((row.headings, row.text) for row in current))
        ]
    else:
        visible = [True] * len(current)
    shown = [row.id for row, should in zip(current, visible, strict=True) if should and not row.live]
    gone = [row.id for row, should in zip(current, visible, strict=True) if row.live and not should]
    return shown, sorted([*gone, *others])


def retire(
    session: Session,
    document_id: str,
    *,
    actor: str,
    reason: str | None = None,
    action: str = "retire",
    keep_out: bool = True,
) -> int | None:
    """Retires a document: readers no longer see it, and its versions stay. ``keep_out``: the next ingest of its file
    does not bring it back. Raises NotFound."""
    document = session.get(Document, document_id)
    if document is None or document.retired_at is not None:
        raise NotFound("There is no document {document_id!r}.", code="document_not_found", document_id=document_id)
    document.retired_at = utc_now()
    document.retired_by, document.kept_out = actor, keep_out
    document.updated_at = utc_now()
    session.flush()
    return settle(session, [document_id], action=action, actor=actor, document_id=document_id, reason=reason)


def _add_version(
    session: Session,
    document_id: str,
    base_version: int | None,
    edits: str,
    content: Content,
    actor: str,
    reason: str | None,
    correction_id: int | None,
) -> int:
    newest = session.scalar(
        sa.select(sa.func.max(DocumentVersion.version)).where(DocumentVersion.document_id == document_id)
    )
    version = (newest or 0) + 1
    session.add(
        DocumentVersion(
            document_id=document_id,
            version=version,
            base_version=base_version or version,
            edits=edits,
            title=content.title,
            text=content.text,
            sha256=content.sha256(),
            url=content.url,
            details=dict(content.details),
            typed=None if content.typed is None else dict(content.typed),
            places=content.places.to_json() if content.places and not edits else None,
            actor=actor,
            reason=reason,
            correction_id=correction_id,
        )
    )
    session.flush()
    return version


def _add_passages(session: Session, document_id: str, version: int, a_plan: Plan, fingerprint: str) -> None:
    """Stores passages and vectors of a version. Those that are stored already (after a rollback) stay as they are."""
    of_version = sa.and_(PassageRow.document_id == document_id, PassageRow.version == version)
    ids = dict(session.execute(sa.select(PassageRow.position, PassageRow.id).where(of_version)).all())
    if not ids and a_plan.pieces:
        rows = [
            {
                "document_id": document_id,
                "version": version,
                "position": piece.position,
                "headings": list(piece.headings),
                "text": piece.text,
                "sha256": piece.sha256,
                "language": piece.language,
                "live": False,
                "place": piece.place and piece.place.to_json(),
            }
            for piece in a_plan.pieces
        ]
        stored = sa.insert(PassageRow).returning(PassageRow.position, PassageRow.id, sort_by_parameter_order=True)
        ids = dict(session.execute(stored, rows).all())
    embedded = set(
        session.scalars(
            sa.select(Embedding.passage_id)
            .join(PassageRow, PassageRow.id == Embedding.passage_id)
            .where(of_version, Embedding.fingerprint == fingerprint)
        )
    )
    vectors: list[dict[str, Any]] = []
    for piece in a_plan.pieces:
        if ids[piece.position] not in embedded:
            assert piece.vector is not None, "install needs an embedded plan"
            blob = np.asarray(piece.vector, dtype="<f4").tobytes()
            vectors.append({"passage_id": ids[piece.position], "fingerprint": fingerprint, "vector": blob})
    if vectors:
        session.execute(sa.insert(Embedding), vectors)
