"""Copies of the database that are verified, and putting one back.

``write`` makes a consistent copy while other processes read and write: SQLite's backup copies the state of one read
transaction. Beside it lies a manifest (``FILE.manifest.json``) with size, SHA-256, the newest step of the log and the
number of rows of every table, counted in the same transaction. The copy is read again before it gets its name.

``put_back`` verifies a copy, keeps the present database aside, and puts the copy in its place. The order of its steps
makes every interruption safe: either the former database is in place with its ``-wal``, or none, or the copy alone.

Knows files and SQL; reads no tables by name but the log and the schema's revision, so that it fits each version.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from knowledge import wal
from knowledge.db import known_revisions, utc_now
from knowledge.errors import Conflict, KnowledgeError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BESIDE = ("", "-wal", "-shm")  # the files of one database; the first is moved first (see put_back)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a copy contains. ``head``: the newest step of the log; ``rows``: by table; ``created_at``: ISO, UTC."""

    created_at: str
    bytes: int
    sha256: str
    revision: str
    head: int
    rows: dict[str, int]


@dataclass(frozen=True, slots=True)
class Restored:
    """``aside``: the former database's file, or None. ``verified``: a manifest was there and confirms the copy."""

    manifest: Manifest
    verified: bool
    aside: Path | None


def manifest_path(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.manifest.json")


def write(database: Path, copy: Path) -> Manifest:
    """Writes a copy of the database, with its manifest. Other processes may use the database meanwhile.

    Raises NotFound without a database, Conflict when ``copy`` exists, KnowledgeError when the copy is not as the
    database was, OSError when the disk fails. Then there is no file of that name.
    """
    if not database.is_file():
        raise NotFound("There is no database {database}.", code="database_absent", database=database)
    if copy.exists():
        raise _exists(copy)
    wal.check(database)
    aside = copy.with_name(f"{copy.name}.writing-{os.getpid()}")
    try:
        aside.touch(mode=0o600)
        with _open(database) as source, _open(aside) as target:
            source.execute("begin")
            expected = _contents(source)
            source.backup(target)
            target.execute("pragma journal_mode=delete")  # one file that needs no -wal beside it
        manifest = examine(aside)
        if (manifest.revision, manifest.head, manifest.rows) != expected:
            raise KnowledgeError(
                "The copy differs from the database, so it was removed. Check the disk.", code="backup_differs"
            )
        _sync(aside)
        _name(aside, copy)
    finally:
        for suffix in ("", "-journal", *BESIDE[1:]):
            aside.with_name(f"{aside.name}{suffix}").unlink(missing_ok=True)
    try:
        _write_manifest(copy, manifest)
    except BaseException:
        copy.unlink()
        raise
    _sync(copy.parent)
    return manifest


def examine(copy: Path) -> Manifest:
    """Reads every byte of a copy. Raises KnowledgeError when it is damaged or no database of Errata."""
    import pysqlite3.dbapi2 as sqlite

    try:
        with _open(copy, immutable=True) as connection:
            problem = str(connection.execute("pragma integrity_check(1)").fetchone()[0])
            if problem == "ok":
                revision, head, rows = _contents(connection)
    except sqlite.DatabaseError as error:
        problem = str(error)
    if problem != "ok":
        template = "{copy} is damaged or no database of Errata: {problem}"
        raise KnowledgeError(template, code="backup_damaged", copy=copy, problem=problem)
    return Manifest(utc_now().isoformat(timespec="seconds"), copy.stat().st_size, _sha256(copy), revision, head, rows)


def verify(copy: Path) -> tuple[Manifest, bool]:
    """What a copy contains, and whether a manifest confirms it (False: there is none). Raises as ``put_back``."""
    if not copy.is_file():
        raise NotFound("There is no file {copy}.", code="backup_absent", copy=copy)
    manifest = examine(copy)
    if manifest.revision not in known_revisions():
        raise KnowledgeError(
            "{copy} was written by a newer version of Errata (schema {revision}). Install that version first.",
            code="backup_newer",
            copy=copy,
            revision=manifest.revision,
        )
    try:
        stored = json.loads(manifest_path(copy).read_text(encoding="utf-8"))
    except FileNotFoundError:
        if wal.has_content(copy):
            raise KnowledgeError(
                "{wal} is beside {copy}: this is a database in use or of a server that was killed, not a backup. "
                "Copy it with: errata backup FILE",
                code="backup_with_wal",
                wal=wal.path_of(copy),
                copy=copy,
            ) from None
        return manifest, False
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or stored != {**asdict(manifest), "created_at": stored.get("created_at")}:
        raise KnowledgeError(
            "{copy} is not as its manifest says. Use another backup; if you know why it changed, remove {manifest}.",
            code="backup_changed",
            copy=copy,
            manifest=manifest_path(copy),
        )
    return Manifest(**stored), True


def put_back(copy: Path, database: Path, *, replace: bool) -> Restored:
    """Puts a verified copy in the place of the database, which no other process may have open. The copy stays.

    ``replace``: a database that is there may be replaced; it is kept as ``….replaced-TIME``, with its ``-wal``.
    Raises Conflict when there is one and ``replace`` is False, NotFound without a copy, KnowledgeError for a copy that
    is damaged, changed or of a newer version.
    """
    present = [file for file in _files(database) if os.path.lexists(file)]
    if database.exists() and database.stat().st_size and not replace:
        raise Conflict(
            "There is a database {database}. To replace it (it is kept aside), add --force.",
            code="database_present",
            database=database,
        )
    manifest, verified = verify(copy)
    new = database.with_name(f"{database.name}.restoring")
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new.unlink(missing_ok=True)
    new.touch(mode=0o600)
    with copy.open("rb") as source, new.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    _sync(new)
    if _sha256(new) != manifest.sha256:
        new.unlink()
        raise KnowledgeError("The copy of {copy} differs from it. Check the disk.", code="restore_differs", copy=copy)
    stamp = utc_now().strftime("%Y%m%dT%H%M%S%fZ")
    aside = database.with_name(f"{database.name}.replaced-{stamp}")
    # The database goes first: without it nothing starts, whereas without its -wal it would start with lost changes.
    for file in present:
        file.rename(aside.with_name(aside.name + file.name.removeprefix(database.name)))
    _sync(database.parent)
    new.rename(database)
    _sync(database.parent)
    return Restored(manifest, verified, aside if aside.exists() else None)


def _name(aside: Path, copy: Path) -> None:
    """Gives the written file its name, without replacing a file that somebody made meanwhile."""
    try:
        os.link(aside, copy)
    except FileExistsError:
        raise _exists(copy) from None
    except OSError:  # a file system without hard links
        if copy.exists():
            raise _exists(copy) from None
        aside.rename(copy)


def _exists(copy: Path) -> Conflict:
    template = "{copy} exists already, and a backup replaces no file. Choose another name."
    return Conflict(template, code="backup_exists", copy=copy)


def _files(database: Path) -> list[Path]:
    return [database.with_name(f"{database.name}{suffix}") for suffix in BESIDE]


@contextlib.contextmanager
def _open(path: Path, *, immutable: bool = False) -> Iterator[Any]:
    """A connection that creates no file. ``immutable``: it reads the file alone, without looking for a -wal."""
    import pysqlite3.dbapi2 as sqlite

    options = "mode=ro&immutable=1" if immutable else "mode=rw"
    connection = sqlite.connect(f"{path.resolve().as_uri()}?{options}", uri=True, isolation_level=None, timeout=30)
    try:
        yield connection
    finally:
        connection.close()


def _contents(connection: Any) -> tuple[str, int, dict[str, int]]:
    """Revision of the schema, newest step of the log, and number of rows by table."""
    (revision,) = connection.execute("select coalesce(max(version_num), '') from alembic_version").fetchone()
    (head,) = connection.execute("select coalesce(max(seq), 0) from log").fetchone()
    tables = connection.execute("select name from sqlite_schema where type = 'table' order by name").fetchall()
    count = 'select count(*) from "{}"'.format
    return revision, head, {name: connection.execute(count(name)).fetchone()[0] for (name,) in tables}


def _write_manifest(copy: Path, manifest: Manifest) -> None:
    with manifest_path(copy).open("w", encoding="utf-8") as file:
        json.dump(asdict(manifest), file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Waits until the disk has the file, or the entries of the folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
