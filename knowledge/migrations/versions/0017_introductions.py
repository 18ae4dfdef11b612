"""Edits and superseded passages keep the introductions of their words too: "The following applies to shoes:".

They are read from the versions that the corrections were made on. Where an introduction changed since then, the words
may be about something else now: the correction goes back to the queue. Its edit ends, or its passage is seen again,
with the next change of the source. This calls the present code that reads surroundings, because stored surroundings are
compared with those that this code reads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import op

from knowledge.composition import Anchor, Composition, Replacement, StoredEdit, from_json
from knowledge.db import UTCDateTime, utc_now
from knowledge.superseding import Site, sites, to_json
from knowledge.surroundings import Outline

if TYPE_CHECKING:
    from collections.abc import Iterable

revision = "0017"
down_revision = "0023"

_EDITS = sa.table("edits", *map(sa.column, ("id", "entry_id", "document_id", "find", "replace", "active")),
                  sa.column("anchor", sa.JSON(none_as_null=True)))  # fmt: skip
_VERSIONS = sa.table("document_versions",
                     *map(sa.column, ("document_id", "version", "base_version", "edits", "title", "text")),
                     sa.column("created_at", UTCDateTime()))  # fmt: skip
_DOCUMENTS = sa.table("documents", *map(sa.column, ("id", "base_version", "current_version", "title")))
_PASSAGES = sa.table("passages", *map(sa.column, ("document_id", "version", "position", "text")),
                     sa.column("headings", sa.JSON))  # fmt: skip
_SUPERSESSIONS = sa.table("supersessions", *map(sa.column, ("id", "entry_id", "document_id", "passage", "active")),
                          sa.column("sites", sa.JSON))  # fmt: skip
_ENTRIES = sa.table("entries", *map(sa.column, ("id", "correction_id", "live")), sa.column("created_at", UTCDateTime()))
_CORRECTIONS = sa.table(
    "corrections",
    *map(sa.column, ("id", "state", "revision")),
    sa.column("recheck", sa.JSON(none_as_null=True)),
    sa.column("updated_at", UTCDateTime()),
)
_EVENTS = sa.table(
    "correction_events",
    *map(sa.column, ("correction_id", "action", "from_state", "to_state", "actor", "reason", "reason_code")),
    sa.column("reason_values", sa.JSON),
    sa.column("at", UTCDateTime()),
)


def upgrade() -> None:
    fill(op.get_bind())


def fill(connection: sa.Connection) -> None:
    """Reads the surroundings of all edits and the sites of all superseded passages anew."""
    for document_id in connection.scalars(sa.select(_EDITS.c.document_id).distinct()).all():
        _read_edits(connection, document_id)
    superseded = sa.select(_SUPERSESSIONS).where(_SUPERSESSIONS.c.passage.is_not(None))
    for row in connection.execute(superseded.order_by(_SUPERSESSIONS.c.id)).all():
        _read_sites(connection, row)


def _read_edits(connection: sa.Connection, document_id: str) -> None:
    edits = connection.execute(sa.select(_EDITS).where(_EDITS.c.document_id == document_id).order_by(_EDITS.c.id)).all()
    anchors: dict[int, Anchor] = {}
    for edit in edits:
        if edit.anchor is not None:
            old = from_json(edit.anchor)
            anchors[edit.id] = _with_introductions(_made_on(connection, document_id, edit.id), old)
    base_version = connection.scalar(sa.select(_DOCUMENTS.c.base_version).where(_DOCUMENTS.c.id == document_id))
    (present,) = _texts(connection, document_id, [base_version])
    active = [
        StoredEdit(edit.id, Replacement(edit.find, edit.replace), anchors.get(edit.id)) for edit in edits if edit.active
    ]
    entries = {edit.id: edit.entry_id for edit in edits}
    ended = Composition(*present).apply(active, same_source=True).broken
    for number in ended:
        if number in anchors:
            _reopen(connection, document_id, entries[number], anchors[number].surroundings.passage)
    for number, anchor in anchors.items():
        stored = None if number in ended else anchor.to_json()
        connection.execute(sa.update(_EDITS).where(_EDITS.c.id == number).values(anchor=stored))


def _made_on(connection: sa.Connection, document_id: str, edit_id: int) -> list[tuple[str, str]]:
    """(title, text) of the sources that an edit was applied to, the one that it was made on first."""
    compositions = connection.execute(
        sa.select(_VERSIONS.c.base_version, _VERSIONS.c.edits)
        .where(_VERSIONS.c.document_id == document_id)
        .order_by(_VERSIONS.c.version)
    )
    return _texts(connection, document_id, [base for base, edits in compositions if str(edit_id) in edits.split(",")])


def _texts(connection: sa.Connection, document_id: str, versions: Iterable[int | None]) -> list[tuple[str, str]]:
    texts = []
    for version in dict.fromkeys(versions):
        row = connection.execute(
            sa.select(_VERSIONS.c.title, _VERSIONS.c.text).where(
                _VERSIONS.c.document_id == document_id, _VERSIONS.c.version == version
            )
        ).one()
        texts.append((row.title, row.text))
    return texts


def _with_introductions(sources: Iterable[tuple[str, str]], old: Anchor) -> Anchor:
    """The anchor of an edit by the present rules, read where the earlier rules find it in the first of these sources;
    the old anchor if no source has it."""
    around = old.surroundings
    for title, text in sources:
        start = Outline(title, text, introductions=False).find(around)
        if start is not None:
            new = Outline(title, text).of(start, start + around.end - around.start)
            by = new.start - around.start  # words count from the beginning of the passage
            words = (
                replace(word, start=word.start + by, end=word.end + by) if word.writer == 0 else word
                for word in old.words
            )
            return Anchor(new, tuple(words))
    return old


def _read_sites(connection: sa.Connection, row: sa.Row[tuple[object, ...]]) -> None:
    """The sites of a superseded passage with their introductions, as in the version that was superseded: the newest one
    before the approval that has them, or else the first one after it."""
    known = {(tuple(site["path"]), site["before"]) for site in row.sites or ()}
    if not known:
        return
    approved = connection.scalar(sa.select(_ENTRIES.c.created_at).where(_ENTRIES.c.id == row.entry_id))
    versions = connection.execute(
        sa.select(_VERSIONS.c.version, _VERSIONS.c.created_at)
        .where(_VERSIONS.c.document_id == row.document_id)
        .order_by(_VERSIONS.c.version)
    ).all()
    before = [version.version for version in versions if version.created_at <= approved]
    after = [version.version for version in versions if version.created_at > approved]
    candidates = (_sites(connection, row, known, version) for version in (*reversed(before), *after))
    places = next(filter(None, candidates), [])
    connection.execute(sa.update(_SUPERSESSIONS).where(_SUPERSESSIONS.c.id == row.id).values(sites=to_json(places)))
    current = connection.scalar(sa.select(_DOCUMENTS.c.current_version).where(_DOCUMENTS.c.id == row.document_id))
    now = _sites(connection, row, known, current) if current is not None else []
    if row.active and now and not set(now) & set(places):
        _reopen(connection, row.document_id, row.entry_id, row.passage)


def _sites(
    connection: sa.Connection, row: sa.Row[tuple[object, ...]], known: set[tuple[tuple[str, ...], str]], version: int
) -> list[Site]:
    """Where a version has a superseded passage by the earlier rules, with the introductions there."""
    title = connection.scalar(
        sa.select(_VERSIONS.c.title).where(_VERSIONS.c.document_id == row.document_id, _VERSIONS.c.version == version)
    )
    passages = connection.execute(
        sa.select(_PASSAGES.c.headings, _PASSAGES.c.text)
        .where(_PASSAGES.c.document_id == row.document_id, _PASSAGES.c.version == version)
        .order_by(_PASSAGES.c.position)
    )
    return [
        site
        for site in sites(str(title), [(passage.headings, passage.text) for passage in passages])
        if site.text == row.passage and (site.path, site.before) in known
    ]


def _reopen(connection: sa.Connection, document_id: str, entry_id: int, passage: str) -> None:
    correction = connection.execute(
        sa.select(_CORRECTIONS.c.id, _CORRECTIONS.c.state)
        .join(_ENTRIES, _ENTRIES.c.correction_id == _CORRECTIONS.c.id)
        .where(_ENTRIES.c.id == entry_id, _ENTRIES.c.live, _CORRECTIONS.c.state.in_(("approved", "verified")))
    ).one_or_none()
    if correction is None:
        return
    values = {"passage": " ".join(passage.split())[:120], "document": document_id}
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
            reason=f"the source changed where it was corrected ({values['passage']}): {document_id}",
            reason_code="source_changed_where",
            reason_values=values,
            at=utc_now(),
        )
    )
