"""The database: one engine, read and write transactions, migrations. All differences between dialects are in this
module.

SQLite: WAL, ``synchronous=FULL``, foreign keys on, writers begin IMMEDIATE, so that the second
writer waits instead of failing in the middle; writers of one process wait in line before that (knowledge.fair), those
of other processes by SQLite's busy timeout. The driver is pysqlite3 (SQLite 3.53.4): the SQLite 3.40 that Python 3.11
often links can lose commits when two connections write and checkpoint (fixed in 3.51.3).
Knows nothing about documents or corrections.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Session

from knowledge.errors import DatabaseBusy, DiskFull
from knowledge.fair import FairLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_ROWS = 500  # on a page of a list
MAX_SEARCHED = 1_000  # characters; SQLite refuses patterns of 50,000 bytes
MIGRATIONS = str(Path(__file__).parent / "migrations")
CHANGES = "changes_before"  # in a connection's info: its row changes before the transaction
BUSY_TIMEOUT_MS = 30_000  # a writer waits this long for another; compactions and ingests keep the lock for far less
CONNECTIONS = 15  # open at once
CONNECTION_SECONDS = 30.0  # whoever needs one more waits this long
SPARE_BYTES = 8_000_000  # with less space on its disk the database counts as full: its write-ahead log may need as much
TRIAL_BYTES = 100_000
WRITING_SECONDS = 60.0  # whoever wants to write waits this long for those of this process who came before


def utc_now() -> datetime:
    return datetime.now(UTC)


def contains(text: str, *columns: sa.orm.InstrumentedAttribute[Any]) -> sa.ColumnElement[bool]:
    """Whether one of the columns contains this text. Every character of it is taken literally."""
    return sa.or_(*(column.contains(text[:MAX_SEARCHED], autoescape=True) for column in columns))


class without_key(sa.sql.expression.FunctionElement[dict[str, Any]]):  # noqa: N801 - reads like a function of SQL
    """A JSON object of a column without one of its keys, so that its value is not read from the database:
    ``without_key(Complaint.snapshot, "prompt")``."""

    name = "without_key"
    type = sa.JSON()
    inherit_cache = True

    def __init__(self, column: sa.orm.InstrumentedAttribute[Any], key: str) -> None:
        super().__init__(column, sa.literal(key, sa.String()))


@compiles(without_key, "sqlite")
def _without_key_in_sqlite(element: without_key, compiler: sa.Compiled, **more: Any) -> str:
    column, key = element.clauses
    return f"json_remove({compiler.process(column, **more)}, '$.' || {compiler.process(key, **more)})"


@compiles(without_key, "postgresql")
def _without_key_in_postgres(element: without_key, compiler: sa.Compiled, **more: Any) -> str:
    column, key = element.clauses
    return f"(({compiler.process(column, **more)})::jsonb - {compiler.process(key, **more)})::json"


def page(query: sa.Select[Any], limit: int, offset: int) -> sa.Select[Any]:
    """A page of the rows; limit and offset are restricted to numbers that the database accepts."""
    return query.limit(max(1, min(limit, MAX_ROWS))).offset(max(0, min(offset, 1 << 31)))


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """A datetime with a time zone, stored in UTC; SQLite alone would silently drop the zone."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a datetime without a time zone cannot be stored")
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Base(DeclarativeBase):
    """The tables of all packages share one metadata, so that one history of migrations covers all."""

    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UTCDateTime, dict[str, Any]: sa.JSON, list[Any]: sa.JSON}  # noqa: RUF012


class Database:
    """``read()`` and ``write()`` give a session that is one transaction; ``write()`` commits when the block
    ends without an error and rolls back otherwise. Sessions are never shared between threads."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = CONNECTIONS,
        connection_seconds: float = CONNECTION_SECONDS,
        writing_seconds: float = WRITING_SECONDS,
    ) -> None:
        """``connections``: most that are open at once; whoever needs one more waits ``connection_seconds`` at most.
        ``writing_seconds``: how long a writer waits for those of this process who came before."""
        self.url = sa.engine.make_url(url)
        options: dict[str, Any] = {}
        if self.url.get_backend_name() == "sqlite":
            import pysqlite3.dbapi2 as sqlite

            options = {"module": sqlite, "connect_args": {"timeout": BUSY_TIMEOUT_MS / 1000}}
        # Parameters contain people's words: they must not be in error messages, and so not in the log.
        self.engine = sa.create_engine(
            self.url,
            hide_parameters=True,
            json_serializer=_json,
            pool_size=connections,
            max_overflow=0,
            pool_timeout=connection_seconds,
            **options,
        )
        if self.url.get_backend_name() == "sqlite":
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
            event.listen(self.engine, "commit", _number_commit)
        self._writer = self.engine.execution_options(errata_write=True)
        self._line = FairLock()
        self._writing_seconds = writing_seconds
        self._was_full = False  # a write failed for lack of space, and nobody tried since
        self.after_write: Callable[[], None] | None = None  # called after each committed write

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction for reading, which sees the state of one moment. Raises DatabaseBusy."""
        with _explained(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction for writing. Those of this process wait in the order in which they came, without a connection.
        Raises DatabaseBusy, DiskFull."""
        try:
            with (
                self._in_line(),
                _explained(),
                Session(self._writer, expire_on_commit=False) as session,
                session.begin(),
            ):
                yield session
        except DiskFull:
            self._was_full = True
            raise
        if self.after_write is not None:
            self.after_write()

    @contextlib.contextmanager
    def alone(self) -> Iterator[Any]:
        """A connection of the driver without a transaction, in line with those who write, for what SQLite does in none.
        Raises DatabaseBusy, DiskFull."""
        with self._in_line(), _explained():
            connection = self.engine.raw_connection()
            try:
                yield connection.driver_connection
            except self.engine.dialect.loaded_dbapi.OperationalError as error:
                raise sa.exc.OperationalError("maintenance", None, error) from error
            finally:
                connection.close()

    @contextlib.contextmanager
    def _in_line(self) -> Iterator[None]:
        if self._line.mine:
            raise RuntimeError("this thread writes already: give it the session")
        with self._line.turn(self._writing_seconds) as mine:
            if not mine:
                raise DatabaseBusy("Too many are using the database. Please try again.", code="database_busy")
            yield

    def check_space(self) -> None:
        """Whether there is space to write. Raises DiskFull. After a write that failed for lack of space it tries to
        write, because not every limit shows as free space (quotas). Leaves nothing behind."""
        if self.url.get_backend_name() != "sqlite" or not self.url.database:
            return
        folder = Path(self.url.database).parent
        if shutil.disk_usage(folder).free < SPARE_BYTES:
            raise disk_full()
        if not self._was_full:
            return
        try:
            with tempfile.TemporaryFile(dir=folder) as trial:
                trial.write(bytes(TRIAL_BYTES))
                trial.flush()
                os.fsync(trial.fileno())
        except OSError as error:
            if lacks_space(error):
                raise disk_full() from error
            raise
        with self.write() as session:
            session.execute(sa.text("create table space_trial (bytes blob)"))
            session.execute(sa.text("insert into space_trial values (zeroblob(:size))"), {"size": TRIAL_BYTES})
            session.rollback()
        self._was_full = False

    def migrate(self) -> None:
        """Brings the schema to the newest revision; several processes may call it at once."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", MIGRATIONS)
        with self._in_line(), self._writer.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def library(self) -> str:
        """The database library in use, for ``errata doctor``: e.g. ``SQLite 3.53.4``."""
        with self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                return f"SQLite {connection.exec_driver_sql('select sqlite_version()').scalar_one()}"
            return str(connection.exec_driver_sql("select version()").scalar_one())

    def integrity(self, *, whole: bool = False) -> str:
        """``ok``, or the damage that SQLite reports. ``whole``: also indexes that differ from their table, and rows
        that belong to no row of another table; this takes longer."""
        if self.engine.dialect.name != "sqlite":
            return "ok"
        with self.engine.connect() as connection:
            check = "integrity_check" if whole else "quick_check"
            damage = str(connection.exec_driver_sql(f"pragma {check}(1)").scalar_one())
            alone = connection.exec_driver_sql("pragma foreign_key_check").first() if whole and damage == "ok" else None
            return f"a row of {alone[0]} belongs to no row of {alone[2]}" if alone else damage

    def close(self) -> None:
        self.engine.dispose()


def known_revisions() -> frozenset[str]:
    """The revisions of the schema that this version can open and bring to its newest."""
    from alembic.script import ScriptDirectory

    return frozenset(script.revision for script in ScriptDirectory(MIGRATIONS).walk_revisions())


def open_database(path: Path) -> Database:
    """Opens (and creates or upgrades) the SQLite database at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=True)
    database = Database(f"sqlite:///{path}")
    database.migrate()
    return database


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Says in words of ours what of the database's own errors people can do something about."""
    try:
        yield
    except sa.exc.TimeoutError as error:  # no connection became free
        raise DatabaseBusy("Too many are using the database. Please try again.", code="database_busy") from error
    except sa.exc.OperationalError as error:
        if "locked" in str(error.orig):
            raise DatabaseBusy("Too many are using the database. Please try again.", code="database_busy") from error
        if lacks_space(error):
            raise disk_full() from error
        raise


def _json(value: Any) -> str:
    """JSON without escapes, which would make Chinese text twice as long. What UTF-8 cannot encode (half a character in
    the name of a file) keeps its escapes."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def disk_full() -> DiskFull:
    return DiskFull(
        "The disk of the server is full: nothing can be stored until there is space again. Reading and searching work.",
        code="disk_full",
    )


def lacks_space(error: Exception) -> bool:
    """Whether something could not be written because there is no space, in a file or in the database."""
    if isinstance(error, sa.exc.OperationalError):
        return "disk is full" in str(error.orig)
    return isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event below opens transactions, not the driver
    for pragma in (
        "auto_vacuum=INCREMENTAL",  # of a new file only, and before anything else is written (knowledge.space)
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
        "trusted_schema=OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("errata_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
    connection.info.pop(CHANGES, None)
    if writing:
        connection.info[CHANGES] = connection.connection.driver_connection.total_changes  # type: ignore[union-attr]


def _number_commit(connection: sa.Connection) -> None:
    """Counts the commits that changed rows in ``user_version``, which is on page 1: so every commit in a -wal shows to
    which state of the database it belongs (knowledge.wal)."""
    before = connection.info.pop(CHANGES, None)
    driver: Any = connection.connection.driver_connection
    if before is None or driver.total_changes == before:
        return
    (number,) = driver.execute("PRAGMA user_version").fetchone()
    driver.execute(f"PRAGMA user_version = {(number + 1) % (1 << 31)}")
