"""What may be seen, as conditions of SQL: the collections of a scope, and a question's restriction to some documents.

Knows the tables of documents; knows nothing of people, searching or corrections.
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

_NAME = re.compile(r"\w[\w.-]{0,63}")
_COLUMNS = {"document_id": Document.id, "source": Document.source, "kind": Document.kind}
ABOUT = ("document_id", "source")  # what an erratum is asked for by, besides its own: correcting.belonging


def within(
    scope: Scope,
    collection: InstrumentedAttribute[str] | InstrumentedAttribute[str | None] | sa.ColumnElement[str],
) -> sa.ColumnElement[bool]:
    """Whether a row's collection is inside the scope."""
    return sa.true() if scope.collections is None else collection.in_(sorted(scope.collections))


def checked_name(collection: str) -> str:
    """The name of a collection. Raises Invalid."""
    if not _NAME.fullmatch(collection):
        raise Invalid(
            "A collection's name has 1 to 64 letters, digits, or the characters . _ - and begins with a letter or "
            "digit; not {name!r}.",
            code="collection_name",
            name=collection[:80],
        )
    return collection


def properties(document_id: str, source: str, kind: str, details: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """What filters find a document by: all values that each key has, by the rules of ``fulfils``."""
    own = {"document_id": document_id, "source": source, "kind": kind}
    found: dict[str, tuple[str, ...]]
    found = {key: (str(value),) for key, value in details.items() if key not in own and _can_be_named(key)}
    for key, value in own.items():
        said = details.get(key) if kind == "erratum" and key in ABOUT else None
        found[key] = (value,) if said is None else (value, str(said))
    return found


def collections_of(session: Session, document_ids: Collection[str]) -> dict[str, str]:
    """The collection of each of these documents; unknown ones are absent."""
    found: dict[str, str] = {}
    wanted = sorted(set(document_ids))
    for start in range(0, len(wanted), 500):
        rows = sa.select(Document.id, Document.collection).where(Document.id.in_(wanted[start : start + 500]))
        found.update(session.execute(rows).all())
    return found


def outside(session: Session, document_ids: Collection[str], scope: Scope) -> frozenset[str]:
    """Those of these documents that are not inside the scope; an unknown one is inside no bounded scope."""
    if scope.collections is None:
        return frozenset()
    known = collections_of(session, document_ids)
    return frozenset(one for one in document_ids if one not in known or known[one] not in scope)


def fulfils(filters: Mapping[str, str]) -> list[sa.ColumnElement[bool]]:
    """Whether a document, in one version, is what the filters ask for: conditions on Document and DocumentVersion.

    Keys: ``document_id``, ``source``, ``kind``, or any key of a document's metadata. An erratum is asked for by the
    document or source that it corrects, too. A key that a path into JSON cannot name (quotation marks, backslashes,
    control characters) asks for nothing that exists. The filter ``language`` is the caller's.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    for key, value in filters.items():
        if not _can_be_named(key):
            return [sa.false()]
        column: Any = _COLUMNS.get(key)
        said = DocumentVersion.details[key].as_string() == value
        if column is None:
            conditions.append(said)
        elif key in ABOUT:
            conditions.append(sa.or_(column == value, sa.and_(Document.kind == "erratum", said)))
        else:
            conditions.append(column == value)
    return conditions


def _can_be_named(key: str) -> bool:
    """Whether a path into JSON can name this key."""
    return key.isprintable() and '"' not in key and "\\" not in key
