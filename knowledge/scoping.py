"""SQL conditions for what may be seen: the collections of a scope, and a question's restriction to some documents.

This module knows the tables of documents, and nothing of people, searching or corrections.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.errors import Invalid
from knowledge.tables import Document, DocumentVersion

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.orm import InstrumentedAttribute, Session

    from retrieval.scope import Scope

NAME = re.compile(r"[\w][\w.-]{0,63}")  # of a collection
_COLUMNS = {"document_id": Document.id, "source": Document.source, "kind": Document.kind}
ABOUT = ("document_id", "source")  # filters that also match what an erratum is about (correcting.belonging)


def within(
    scope: Scope,
    collection: InstrumentedAttribute[str] | InstrumentedAttribute[str | None] | sa.ColumnElement[str],
) -> sa.ColumnElement[bool]:
    """Whether a row's collection is inside the scope."""
    return sa.true() if scope.collections is None else collection.in_(sorted(scope.collections))


def checked_name(collection: str) -> str:
    """Checks the name of a collection and returns it. Raises Invalid."""
    if not NAME.fullmatch(collection):
        raise Invalid(
            "A collection's name has 1 to 64 letters, digits, or the characters . _ - and begins with a letter or "
            "digit; not {name!r}.",
            code="collection_name",
            name=collection[:80],
        )
    return collection


def properties(document_id: str, source: str, kind: str, details: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The properties that filters compare: all values of each key of a document, by the rules of ``fulfils``."""
    own = {"document_id": document_id, "source": source, "kind": kind}
    values: dict[str, tuple[str, ...]]
    values = {key: (str(value),) for key, value in details.items() if key not in own and _can_be_named(key)}
    for key, value in own.items():
        about = details.get(key) if kind == "erratum" and key in ABOUT else None
        values[key] = (value,) if about is None else (value, str(about))
    return values


def collections_of(session: Session, document_ids: Collection[str]) -> dict[str, str]:
    """The collection of each of these documents; unknown ones are absent."""
    collections: dict[str, str] = {}
    ids = sorted(set(document_ids))
    for start in range(0, len(ids), 500):
        rows = sa.select(Document.id, Document.collection).where(Document.id.in_(ids[start : start + 500]))
        collections.update(session.execute(rows).all())
    return collections


def outside(session: Session, document_ids: Collection[str], scope: Scope) -> frozenset[str]:
    """Those of these documents that are outside the scope. An unknown document is outside every limited scope."""
    if scope.collections is None:
        return frozenset()
    collections = collections_of(session, document_ids)
    return frozenset(id_ for id_ in document_ids if id_ not in collections or collections[id_] not in scope)


def fulfils(filters: Mapping[str, str]) -> list[sa.ColumnElement[bool]]:
    """Whether a document, in one version, fulfils the filters: conditions on Document and DocumentVersion.

    Keys: ``document_id``, ``source``, ``kind``, or any key of a document's metadata. An erratum also matches the
    document or source that it corrects. A key that a path into JSON cannot name (quotation marks, backslashes, control
    characters) matches no document. The caller handles the filter ``language``.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    for key, value in filters.items():
        if not _can_be_named(key):
            return [sa.false()]
        column: Any = _COLUMNS.get(key)
        in_details = DocumentVersion.details[key].as_string() == value
        if column is None:
            conditions.append(in_details)
        elif key in ABOUT:
            conditions.append(sa.or_(column == value, sa.and_(Document.kind == "erratum", in_details)))
        else:
            conditions.append(column == value)
    return conditions


def _can_be_named(key: str) -> bool:
    """Whether a path into JSON can name this key."""
    return key.isprintable() and '"' not in key and "\\" not in key
