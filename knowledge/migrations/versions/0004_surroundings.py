"""Edits keep the surroundings of their words, and superseded passages keep their sites.

Both are read from the versions that the corrections were made on. If an edit was applied later to a text in which its
words are about something else, its correction goes back to the queue: the text stays as it is until the source changes
or a curator decides. This calls the present code that reads surroundings, because stored surroundings are compared with
those that this code reads.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from knowledge.composition import Anchor, Composition, Replacement, StoredEdit, occurrences
from knowledge.db import UTCDateTime, utc_now
from knowledge.superseding import sites, to_json

revision = "0004"
down_revision = "0003"

_EDITS = sa.table("edits", *map(sa.column, ("id", "entry_id", "document_id", "find", "replace", "active")),
                  sa.column("anchor", sa.JSON))  # fmt: skip
_VERSIONS = sa.table(
    "document_versions",
    *map(sa.column, ("document_id", "version", "base_version", "edits", "title", "text")),
    sa.column("created_at", UTCDateTime()),
)
_DOCUMENTS = sa.table("documents", *map(sa.column, ("id", "base_version")))
_PASSAGES = sa.table("passages", *map(sa.column, ("document_id", "version", "position", "text")),
                     sa.column("headings", sa.JSON))  # fmt: skip
_SUPERSESSIONS = sa.table("supersessions", *map(sa.column, ("id", "entry_id", "document_id", "passage")),
                          sa.column("sites", sa.JSON))  # fmt: skip
_ENTRIES = sa.table("entries", *map(sa.column, ("id", "correction_id", "live")), sa.column("created_at", UTCDateTime()))
_CORRECTIONS = sa.table(
    "corrections",
    *map(sa.column, ("id", "state", "revision")),
    sa.column("recheck", sa.JSON(none_as_null=True)),
    sa.column("updated_at", UTCDateTime()),
)
_EVENTS = sa.table("correction_events", *map(sa.column, ("correction_id", "action", "from_state", "to_state", "actor",
                   "reason")), sa.column("at", UTCDateTime()))  # fmt: skip


def upgrade() -> None:
    op.add_column("edits", sa.Column("anchor", sa.JSON(), nullable=True))
    op.add_column("supersessions", sa.Column("sites", sa.JSON(), nullable=True))
    fill(op.get_bind())


def fill(connection: sa.Connection) -> None:
    """Reads the surroundings of all edits and superseded passages."""
    for document_id in connection.scalars(sa.select(_EDITS.c.document_id).distinct()).all():
        _keep_surroundings(connection, document_id)
    superseded = sa.select(_SUPERSESSIONS).where(_SUPERSESSIONS.c.passage.is_not(None))
    for row in connection.execute(superseded).all():
        _keep_sites(connection, row)


def _keep_surroundings(connection: sa.Connection, document_id: str) -> None:
    edits = connection.execute(sa.select(_EDITS).where(_EDITS.c.document_id == document_id).order_by(_EDITS.c.id)).all()
    by_id = {edit.id: edit for edit in edits}
    compositions = connection.execute(
        sa.select(_VERSIONS.c.base_version, _VERSIONS.c.edits)
        .where(_VERSIONS.c.document_id == document_id)
        .order_by(_VERSIONS.c.version)
    ).all()
    anchors: dict[int, Anchor] = {}
    for edit in edits:
        for base_version, composed_of in compositions:
            ids = {int(number) for number in composed_of.split(",") if number}
            if edit.id in ids:
                before = [by_id[number] for number in sorted(ids) if number < edit.id and number in by_id]
                anchor = _anchor(_source(connection, document_id, base_version), before, edit)
                if anchor is not None:
                    anchors[edit.id] = anchor
                break
    base_version = connection.scalar(sa.select(_DOCUMENTS.c.base_version).where(_DOCUMENTS.c.id == document_id))
    present = [_stored(edit, anchors.get(edit.id)) for edit in edits if edit.active]
    for number in _source(connection, document_id, base_version).apply(present, same_source=True).broken:
        _reopen(connection, document_id, by_id[number].entry_id, anchors.pop(number, None))
    for number, anchor in anchors.items():
        connection.execute(sa.update(_EDITS).where(_EDITS.c.id == number).values(anchor=anchor.to_json()))


def _source(connection: sa.Connection, document_id: str, version: int | None) -> Composition:
    title, text = connection.execute(
        sa.select(_VERSIONS.c.title, _VERSIONS.c.text).where(
            _VERSIONS.c.document_id == document_id, _VERSIONS.c.version == version
        )
    ).one()
    return Composition(title, text)


def _anchor(
    source: Composition, before: list[sa.Row[tuple[object, ...]]], edit: sa.Row[tuple[object, ...]]
) -> Anchor | None:
    """Where an edit belonged in the text that it was made on: the source with the edits before it. Each edit is applied
    by the rules of that time."""
    if source.apply([_stored(earlier, None) for earlier in before], same_source=True).broken:
        return None
    places = occurrences(source.text, edit.find)
    return source.anchor(places[0], places[0] + len(edit.find)) if len(places) == 1 else None


def _stored(edit: sa.Row[tuple[object, ...]], anchor: Anchor | None) -> StoredEdit:
    return StoredEdit(edit.id, Replacement(edit.find, edit.replace), anchor)


def _reopen(connection: sa.Connection, document_id: str, entry_id: int, anchor: Anchor | None) -> None:
    correction = connection.execute(
        sa.select(_CORRECTIONS.c.id, _CORRECTIONS.c.state)
        .join(_ENTRIES, _ENTRIES.c.correction_id == _CORRECTIONS.c.id)
        .where(_ENTRIES.c.id == entry_id, _ENTRIES.c.live, _CORRECTIONS.c.state.in_(("approved", "verified")))
    ).one_or_none()
    if correction is None:
        return
    where = f" where it was corrected ({' '.join(anchor.surroundings.passage.split())[:120]})" if anchor else ""
    connection.execute(
        sa.update(_CORRECTIONS)
        .where(_CORRECTIONS.c.id == correction.id)
        .values(state="reopened", revision=_CORRECTIONS.c.revision + 1, recheck=None, updated_at=utc_now())
    )
    connection.execute(
        sa.insert(_EVENTS).values(
            correction_id=correction.id,
            action="reopen",
            from_state=correction.state,
            to_state="reopened",
            actor="system",
            reason=f"the source changed{where}: {document_id}",
            at=utc_now(),
        )
    )


def _keep_sites(connection: sa.Connection, row: sa.Row[tuple[object, ...]]) -> None:
    """The sites of the passage in the version that was superseded: the newest one before the approval that has it."""
    approved = sa.select(_ENTRIES.c.created_at).where(_ENTRIES.c.id == row.entry_id).scalar_subquery()
    version = connection.execute(
        sa.select(_VERSIONS.c.version, _VERSIONS.c.title)
        .join(
            _PASSAGES,
            sa.and_(_PASSAGES.c.document_id == _VERSIONS.c.document_id, _PASSAGES.c.version == _VERSIONS.c.version),
        )
        .where(
            _VERSIONS.c.document_id == row.document_id,
            _PASSAGES.c.text == row.passage,
            _VERSIONS.c.created_at <= approved,
        )
        .order_by(_VERSIONS.c.version.desc())
        .limit(1)
    ).one_or_none()
    if version is None:
        return
    passages = connection.execute(
        sa.select(_PASSAGES.c.headings, _PASSAGES.c.text)
        .where(_PASSAGES.c.document_id == row.document_id, _PASSAGES.c.version == version.version)
        .order_by(_PASSAGES.c.position)
    )
    places = [site for site in sites(version.title, [(one.headings, one.text) for one in passages])
              if site.text == row.passage]  # fmt: skip
    connection.execute(sa.update(_SUPERSESSIONS).where(_SUPERSESSIONS.c.id == row.id).values(sites=to_json(places)))
