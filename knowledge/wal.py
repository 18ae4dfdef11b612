"""Whether a write-ahead log (``errata.db-wal``) belongs to the database file beside it.

SQLite does not check that: it replays every complete frame of a ``-wal`` into the file of that name. When a copy of the
database is put in place by hand while the ``-wal`` of the former file is still there (which it is after a server was
killed), the result mixes pages of two states. Two checks find it before anything is written:

* ``check`` compares two numbers on page 1, and is quick: the change counter of SQLite, and ``user_version``, in which
  knowledge.db counts the commits. Each commit has the number of the state before it, plus one. So the first page 1 in
  the log has the number of the file plus one, unless a checkpoint has copied a later page 1 of the same log into the
  file: then the file has the number of one of the log's frames.
* ``check_integrity`` reads the whole database as SQLite would see it. The server does that once when it starts and
  finds a log with content, which means that the last process was killed.

Knows the file format (https://sqlite.org/fileformat2.html) and nothing about the tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from knowledge.errors import KnowledgeError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

HEADER = 32  # bytes before the first frame
FRAME = 24  # bytes before the page of a frame
NUMBERS = (24, 60)  # offsets of the change counter and of user_version in page 1
PAGE_START = 100  # bytes: the header of the database
READS = 5  # a running server writes meanwhile: only what two reads agree on is judged


def path_of(database: Path) -> Path:
    return database.with_name(f"{database.name}-wal")


def has_content(database: Path) -> bool:
    """Whether the log has frames. A process that ends in an orderly way leaves none."""
    try:
        return path_of(database).stat().st_size > HEADER
    except FileNotFoundError:
        return False


def check(database: Path) -> None:
    """Raises KnowledgeError where the log beside the database belongs to another one. May run beside a server."""
    if not database.exists() or not has_content(database):
        return
    for _ in range(READS):
        before = _state(database)
        fits = _fits(database)
        if fits or _state(database) == before:
            break
    else:
        return  # it changes all the time: a process that has it open writes both
    if not fits:
        raise KnowledgeError(
            "{wal} belongs to another state of the database than {database}: probably a copy was put in place beside "
            "the log of the former database. Nothing was changed. Move {wal} and {shm} away, or restore the copy with: "
            "errata restore FILE --force",
            code="wal_of_another_database",
            wal=path_of(database),
            shm=database.with_name(f"{database.name}-shm"),
            database=database,
        )


def check_integrity(database: Path) -> None:
    """Reads the whole database with its log, without writing. Raises KnowledgeError where SQLite reports damage."""
    import pysqlite3.dbapi2 as sqlite

    connection = sqlite.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    try:
        result = str(connection.execute("pragma integrity_check(1)").fetchone()[0])
    except sqlite.DatabaseError as error:
        result = str(error)
    finally:
        connection.close()
    if result != "ok":
        raise KnowledgeError(
            "The database {database} is damaged: {problem}. Nothing was changed. If a copy was put in place by hand, "
            "remove {wal} beside it. Otherwise restore a backup: errata restore FILE --force",
            code="database_damaged",
            database=database,
            problem=result,
            wal=path_of(database),
        )


def _fits(database: Path) -> bool:
    with database.open("rb") as file:
        start = file.read(PAGE_START)
    if len(start) < PAGE_START:
        return False  # a database without its first page, beside a log
    with path_of(database).open("rb") as file:
        pages = _first_pages(file)
    return not pages or all(_follows(start, pages, offset) for offset in NUMBERS)


def _follows(start: bytes, pages: list[bytes], offset: int) -> bool:
    number = _number(start, offset)
    numbers = [_number(page, offset) for page in pages]
    return number in numbers or number + 1 == numbers[0]


def _number(page: bytes, offset: int) -> int:
    return int.from_bytes(page[offset : offset + 4], "big")


def _first_pages(file: BinaryIO) -> list[bytes]:
    """The beginning of each page 1 in the committed frames of the log, in order."""
    header = file.read(HEADER)
    if len(header) < HEADER:
        return []
    page_size = _number(header, 8)
    salts = header[16:24]
    pages: list[bytes] = []
    committed = 0
    offset = HEADER
    while True:
        file.seek(offset)
        frame = file.read(FRAME + PAGE_START)
        if len(frame) < FRAME + PAGE_START or frame[8:16] != salts:  # the end, or frames of an earlier log
            return pages[:committed]
        if _number(frame, 0) == 1:
            pages.append(frame[FRAME:])
        if _number(frame, 4):  # the last frame of a commit
            committed = len(pages)
        offset += FRAME + (page_size or 65536)


def _state(database: Path) -> tuple[bytes, bytes, int]:
    """What changes whenever a process writes to the log or copies it into the database."""
    with database.open("rb") as file:
        start = file.read(100)
    with path_of(database).open("rb") as file:
        return start, file.read(HEADER), path_of(database).stat().st_size
