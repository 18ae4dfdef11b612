"""What a database has stored, as facts (scripts.benchmark.crash.ledger), read without the product's own code.

``document``: its text or RETIRED. ``versions`` of a document: how many. ``answer`` by question: its status. ``rating``
and ``complaint`` by comment: how many. ``correction`` by question: its state with the corrected answer. ``upload`` by
document: its text, or WAITING while a job has the file.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scripts.benchmark.crash.ledger import Fact

RETIRED, WAITING = "retired", "waiting"
UPLOADS = "upload"  # the source of uploaded documents
PUBLISHED = ("approved", "verified", "reopened")

_DOCUMENTS = """select d.id, d.source, d.retired_at, v.text from documents d left join document_versions v
 on v.document_id = d.id and v.version = d.current_version where d.kind = 'source'"""
_VERSIONS = """select v.document_id, count(*) from document_versions v join documents d on d.id = v.document_id
 where d.kind = 'source' group by v.document_id"""
_CORRECTIONS = """select c.question, c.state, c.draft, e.answer from corrections c
 left join entries e on e.correction_id = c.id and e.live"""
_RATINGS = "select comment, count(*) from feedback where comment is not null group by comment"
_COMPLAINTS = "select comment, count(*) from complaints where comment is not null group by comment"
_LOG = """select p.id from passages p left join log_changes c on c.passage_id = p.id
 and c.seq = (select max(seq) from log_changes where passage_id = p.id) where p.live <> coalesce(c.added, 0)"""


def read(database: Path) -> dict[Fact, str]:
    """All facts of a database, which other processes may have open. Raises the errors of SQLite for a damaged one."""
    import pysqlite3.dbapi2 as sqlite

    connection = sqlite.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True, timeout=30)
    try:
        connection.execute("begin")
        facts = _documents(connection)
        facts |= {("versions", name): str(count) for name, count in connection.execute(_VERSIONS)}
        facts |= {("rating", comment): str(count) for comment, count in connection.execute(_RATINGS)}
        facts |= {("complaint", comment): str(count) for comment, count in connection.execute(_COMPLAINTS)}
        facts |= _each_once("answer", connection.execute("select question, status from answers"))
        facts |= _each_once("correction", map(_correction, connection.execute(_CORRECTIONS)))
        return facts
    finally:
        connection.close()


def read_copy(database: Path) -> dict[Fact, str]:
    """All facts of a database that no process has open, read from a copy: whoever opens and closes the database itself
    removes the ``-wal`` that a killed process left."""
    with tempfile.TemporaryDirectory(prefix="errata-bench-") as folder:
        for suffix in ("", "-wal"):
            file = database.with_name(database.name + suffix)
            if file.exists():
                shutil.copyfile(file, Path(folder) / file.name)
        return read(Path(folder) / database.name)


def against_log(database: Path) -> list[int]:
    """The ids of passages that are live although the log says otherwise, or the other way round."""
    import pysqlite3.dbapi2 as sqlite

    connection = sqlite.connect(f"{database.resolve().as_uri()}?mode=rw", uri=True, timeout=30)
    try:
        return [id_ for (id_,) in connection.execute(_LOG)]
    finally:
        connection.close()


def age_jobs(database: Path) -> None:
    """Makes jobs of servers that were killed free at once, as if an hour had passed. Nothing may use the database."""
    execute(
        database,
        "update jobs set heartbeat_at = '2020-01-01 00:00:00.000000' where state = 'running'",
        "update jobs set run_after = '2020-01-01 00:00:00.000000' where state = 'queued'",
    )


def execute(database: Path, *statements: str) -> None:
    """Changes a database that nothing else uses, behind the back of the product."""
    import pysqlite3.dbapi2 as sqlite

    connection = sqlite.connect(str(database), timeout=30)
    try:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    finally:
        connection.close()


def fold(database: Path) -> None:
    """Copies the ``-wal`` into the database, as the last program that closes it does. Nothing else may use it."""
    execute(database, "pragma wal_checkpoint(truncate)")


def _documents(connection: Any) -> dict[Fact, str]:
    facts: dict[Fact, str] = {}
    for (payload,) in connection.execute("select payload from jobs where state in ('queued', 'running')"):
        facts |= {(UPLOADS, f"{UPLOADS}/{name}"): WAITING for _, name in json.loads(payload).get("files", [])}
    for id_, source, retired_at, text in connection.execute(_DOCUMENTS):
        kind = UPLOADS if source == UPLOADS else "document"
        facts[kind, id_] = RETIRED if retired_at else str(text)
    return facts


def _each_once(kind: str, rows: Any) -> dict[Fact, str]:
    """The values by name; a name that occurs several times has all of them, so that it equals no promise."""
    rows = list(rows)
    counts = Counter(name for name, _ in rows)
    facts: dict[Fact, str] = {}
    for name, value in rows:
        earlier = facts.get((kind, name))
        facts[kind, name] = value if counts[name] == 1 else f"{earlier} and {value}" if earlier else value
    return facts


def _correction(row: tuple[str, str, str | None, str | None]) -> tuple[str, str]:
    question, state, draft, answer = row
    if answer is not None:
        return question, f"live {answer}" if state in PUBLISHED else f"{state}, but live {answer}"
    if state == "drafted":
        return question, f"drafted {json.loads(draft or '{}').get('answer')}"
    return question, state
