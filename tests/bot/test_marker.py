"""A data folder that had a database does not start without it; a new folder starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.settings import Settings
from knowledge.db import open_database
from knowledge.put import NewDocument, put
from knowledge.versions import Content

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bot.commandline import CommandLine


@pytest.fixture
def database(errata: CommandLine) -> Path:
    return errata.data / "errata.db"


def add_document(errata: CommandLine) -> None:
    parts = errata.parts(Settings(data=errata.data))
    put(parts.database, parts.embedder, [NewDocument("hours", Content("Hours", "We open at nine."))], actor="ann")
    parts.close()


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(b"")


def replace_with_a_new_one(path: Path) -> None:
    path.unlink()
    open_database(path).close()


@pytest.mark.parametrize("lose", [remove, truncate, replace_with_a_new_one])
@pytest.mark.parametrize("content", ["document", "account"])
def test_a_lost_database_is_not_served_as_an_empty_one(
    errata: CommandLine, database: Path, lose: object, content: str
) -> None:
    if content == "document":
        add_document(errata)
    else:
        assert errata("user", "add", "root", "--role", "admin", "--generate").code == 0
    assert callable(lose)
    lose(database)
    before = database.read_bytes() if database.exists() else None
    for command in (("serve", "--port", "0"), ("user", "list"), ("reindex",)):
        ended = errata(*command)
        assert ended.code == 1
        assert "errata restore FILE" in ended.err
        assert str(errata.data / "errata.db.exists") in ended.err
    if lose is not replace_with_a_new_one:
        assert (database.read_bytes() if database.exists() else None) == before  # nothing was created in its place
    checked = errata("doctor")
    assert checked.code == 1
    assert "FAIL  database " in checked.out
    assert "errata restore FILE" in checked.out


def test_a_new_folder_starts_also_a_second_time(errata: CommandLine, database: Path) -> None:
    database.unlink()
    assert errata("user", "list").code == 0
    database.unlink()  # nothing was in it
    assert errata("user", "list").code == 0
    assert not (errata.data / "errata.db.exists").exists()


def test_the_marker_is_written_with_the_first_document_and_not_at_the_end_of_the_process(errata: CommandLine) -> None:
    parts = errata.parts(Settings(data=errata.data))
    _ = parts.database
    assert not (errata.data / "errata.db.exists").exists()
    put(parts.database, parts.embedder, [NewDocument("hours", Content("Hours", "We open at nine."))], actor="ann")
    assert (errata.data / "errata.db.exists").exists()
    parts.close()


def test_the_database_of_an_older_version_gets_its_marker_when_it_is_opened(errata: CommandLine) -> None:
    add_document(errata)
    (errata.data / "errata.db.exists").unlink()
    assert errata("user", "list").code == 0
    assert (errata.data / "errata.db.exists").exists()


def test_removing_the_marker_begins_again(errata: CommandLine, database: Path) -> None:
    add_document(errata)
    database.unlink()
    (errata.data / "errata.db.exists").unlink()
    assert errata("user", "list").code == 0
