"""Counts the statements that a database is sent, and shows which columns they ask for.

Measures from outside, through the engine's own events: what is counted is what reaches the database.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knowledge.db import Database


class Statements(list[str]):
    """The SQL of the statements in order; BEGIN, COMMIT and the like are not among them."""

    def naming(self, words: str) -> list[str]:
        """Those that have ``words`` in them, such as ``answers.prompt``."""
        return [statement for statement in self if words in statement]


@contextmanager
def statements(database: Database) -> Iterator[Statements]:
    """What ``database`` is sent, from all threads, until the ``with`` block ends."""
    seen = Statements()

    def note(_connection: Any, _cursor: Any, sql: str, *_more: Any) -> None:
        if not sql.startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "RELEASE")):
            seen.append(" ".join(sql.split()))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
