"""Stores and retires documents, and sends the corrections that this affects back to the queue.

A new text of a source keeps the edits of corrections whose surroundings it still has. If the new text no longer has the
surroundings or the superseded passage of a correction, the correction goes back to the queue ("source changed"). It
stays published meanwhile.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge import documents, places, versions
from knowledge.correcting import affected
from knowledge.correcting.publication import is_erratum_id
from knowledge.correcting.reasons import Reason
from knowledge.errors import Invalid, NotFound, Stale
from knowledge.scoping import checked_name, outside, within
from knowledge.tables import Document, DocumentVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from knowledge.db import Database
    from knowledge.versions import Content, Plan
    from retrieval.embed import Embedder
    from retrieval.scope import Scope

BATCH = 500  # ids per statement, below SQLite's limit of bound parameters
ATTEMPTS = 5  # how often a plan is made anew when others keep changing the same document


@dataclass(frozen=True, slots=True)
class Reading:
    """Which file a text was read from (the hash of its bytes), and by which version of the reader."""

    file_sha256: str
    reader: int


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as it comes from outside. ``collection``: where it belongs, for ever; None: where the document with
    this id is already, else the main one. ``left_out``: what was not read of its file, by kind; it is reported and not
    stored. ``reading``: None if it came from no file."""

    id: str
    content: Content
    source: str = "api"
    language: str | None = None
    collection: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    reading: Reading | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The result of one document. ``changed`` False: the same text was stored already, or the document stays retired
    because the person ``kept_out_by`` retired it. ``read_anew``: its text changed although its file is the same:
    another version of the reader read it."""

    id: str
    version: int
    changed: bool
    kept_out_by: str | None = None
    read_anew: bool = False


def put(
    database: Database,
    embedder: Embedder,
    new: Sequence[NewDocument],
    *,
    actor: str,
    reason: str | None = None,
    revive: bool = True,
) -> list[Stored]:
    """Stores the documents: all of them or, on an error, none. They can be found when it returns.

    ``revive``: a document that a person retired comes back. A document that was retired because its file had gone comes
    back in any case. All that readers see of the documents changes in one step of the log. Raises Invalid (bounds, bad
    characters, an id given twice), Conflict (an id that another collection has), Stale (somebody kept changing the same
    documents).
    """
    for collection in {document.collection for document in new} - {None}:
        checked_name(str(collection))
    for document_id, times in Counter(document.id for document in new).items():
        refuse_erratum(document_id)
        if times > 1:
            raise Invalid(
                "Document {document_id!r} is given twice, with two texts. Give one of them another id.",
                code="document_given_twice",
                document_id=document_id,
            )
    for attempt in range(ATTEMPTS):
        with database.read() as session:
            kept_out = {} if revive else _kept_out(session, [document.id for document in new])
            plans = [
                versions.plan(
                    session,
                    document.id,
                    base=document.content,
                    source=document.source,
                    language=document.language,
                    collection=document.collection,
                )
                for document in new
                if document.id not in kept_out
            ]
            plans = versions.embed(session, plans, embedder)
        try:
            with database.write() as session:
                readings = {document.id: document.reading for document in new}
                stored = _store(session, plans, embedder.fingerprint, actor, reason, readings)
            results = kept_out | {result.id: result for result in stored}
            return [results[document.id] for document in new]
        except Stale:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def restore(database: Database, embedder: Embedder, document_id: str, scope: Scope, *, actor: str) -> Stored:
    """Brings a retired document back, with its present text and the edits of corrections that still fit. A document
    that readers can find stays as it is. Raises NotFound (also outside the scope), Invalid (an erratum), Stale
    (somebody changed it meanwhile)."""
    refuse_erratum(document_id)
    with database.read() as session:
        _refuse_outside(session, document_id, scope)
        plans = versions.embed(session, [versions.plan(session, document_id)], embedder)
    with database.write() as session:
        return _store(session, plans, embedder.fingerprint, actor, "restored", {})[0]


def replaced(session: Session, new: Sequence[NewDocument]) -> list[str]:
    """The ids of the documents that readers can find and whose text would be replaced by another one."""
    hashes = {document.id: document.content.stored_sha256() for document in new}
    ids: list[str] = []
    for start in range(0, len(new), BATCH):
        rows = session.execute(
            sa.select(Document.id, DocumentVersion.sha256)
            .join(
                DocumentVersion,
                sa.and_(DocumentVersion.document_id == Document.id, DocumentVersion.version == Document.base_version),
            )
            .where(
                Document.id.in_([document.id for document in new[start : start + BATCH]]),
                Document.retired_at.is_(None),
            )
        )
        ids += [document_id for document_id, sha256 in rows if sha256 != hashes[document_id]]
    return sorted(ids)


def remove(
    database: Database, document_id: str, scope: Scope, *, actor: str, reason: str | None = None, keep_out: bool = True
) -> int | None:
    """Retires a document. ``keep_out``: an ingest of its file does not bring it back, only a person does.
    Raises NotFound (also outside the scope), Invalid (an erratum). Returns the log's seq."""
    refuse_erratum(document_id)
    with database.write() as session:
        _refuse_outside(session, document_id, scope)
        return _retire(session, document_id, actor=actor, reason=reason, keep_out=keep_out)


def remove_all(
    database: Database, document_ids: Iterable[str], scope: Scope, *, actor: str, reason: str | None = None
) -> list[str]:
    """Retires those of these documents that readers of the scope can find: all or, on an error, none. Returns their
    ids. Raises Invalid (an erratum)."""
    ids = list(dict.fromkeys(document_ids))
    for document_id in ids:
        refuse_erratum(document_id)
    with database.write() as session:
        present: list[str] = []
        for start in range(0, len(ids), BATCH):
            query = sa.select(Document.id).where(
                Document.id.in_(ids[start : start + BATCH]),
                Document.retired_at.is_(None),
                within(scope, Document.collection),
            )
            present += session.scalars(query)
        for document_id in present:
            _retire(session, document_id, actor=actor, reason=reason, keep_out=True)
        return present


def _retire(session: Session, document_id: str, *, actor: str, reason: str | None, keep_out: bool) -> int | None:
    """Retires a document, and sends corrections with edits in it back to the queue. Returns the log's seq."""
    owners = affected.by_edits(session, versions.see(session, document_id).edits)
    seq = documents.retire(session, document_id, actor=actor, reason=reason, keep_out=keep_out)
    why = Reason.of("the source was removed: {document}", code="source_removed", document=document_id)
    affected.reopen(session, owners, why)
    return seq


def _refuse_outside(session: Session, document_id: str, scope: Scope) -> None:
    """Raises NotFound for a document that is not inside the scope."""
    if outside(session, [document_id], scope):
        raise NotFound("There is no document {document_id!r}.", code="document_not_found", document_id=document_id)


def refuse_erratum(document_id: str) -> None:
    """Refuses ids of errata, which change only with their corrections. Raises Invalid."""
    if is_erratum_id(document_id):
        raise Invalid(
            "{document_id!r} is the name of a correction's erratum: change or roll back the correction.",
            code="erratum_not_yours",
            document_id=document_id,
        )


def _kept_out(session: Session, ids: Sequence[str]) -> dict[str, Stored]:
    """The results of those documents that a person retired."""
    results: dict[str, Stored] = {}
    for start in range(0, len(ids), BATCH):
        rows = session.execute(
            sa.select(Document.id, Document.current_version, Document.retired_by).where(
                Document.id.in_(ids[start : start + BATCH]), Document.retired_at.is_not(None), Document.kept_out
            )
        )
        for row in rows:
            results[row.id] = Stored(row.id, row.current_version, changed=False, kept_out_by=row.retired_by or "")
    return results


def _store(
    session: Session,
    plans: Sequence[Plan],
    fingerprint: str,
    actor: str,
    reason: str | None,
    readings: Mapping[str, Reading | None],
) -> list[Stored]:
    """Writes all plans. All that readers see of them changes in one step of the log."""
    stored: list[Stored] = []
    for plan in plans:
        if plan.unchanged:
            if versions.see(session, plan.document_id) != plan.seen:
                raise Stale(
                    "Document {document_id!r} was changed by somebody else meanwhile. Look at it again.",
                    code="document_changed",
                    document_id=plan.document_id,
                )
            assert plan.seen.current_version is not None
            stored.append(Stored(plan.document_id, plan.seen.current_version, changed=False))
        else:
            version = documents.install(session, plan, fingerprint=fingerprint, actor=actor, reason=reason)
            read_anew = plan.base is not None and _is_read_anew(session, plan.document_id, readings)
            stored.append(Stored(plan.document_id, version, changed=True, read_anew=read_anew))
        if plan.moved:
            assert plan.seen.base_version is not None
            places.note(session, plan.document_id, plan.seen.base_version, plan.places)
        if plan.document_id in readings:
            _note(session, plan.document_id, readings[plan.document_id])
    changed = [result.id for result in stored if result.changed]
    only = changed[0] if len(changed) == 1 else None
    documents.settle(session, changed, action="put", actor=actor, document_id=only, reason=reason)
    for plan in plans:
        if not plan.unchanged:
            affected.reopen_by_source(session, plan)
    return stored


def _is_read_anew(session: Session, document_id: str, readings: Mapping[str, Reading | None]) -> bool:
    """Whether a document was read from this very file before, by another version of the reader."""
    document, reading = session.get(Document, document_id), readings.get(document_id)
    if document is None or reading is None:
        return False
    return document.file_sha256 == reading.file_sha256 and document.reader != reading.reader


def _note(session: Session, document_id: str, reading: Reading | None) -> None:
    """Stores what a document was read from, if that is new."""
    document = session.get(Document, document_id)
    assert document is not None
    new = (reading.file_sha256, reading.reader) if reading else (None, None)
    if (document.file_sha256, document.reader) != new:
        document.file_sha256, document.reader = new
