"""``errata backup`` and ``errata restore``: what was backed up comes back as it was; nothing is replaced unasked."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pysqlite3.dbapi2 as sqlite
import pytest

from bot.settings import Settings
from knowledge.backup import write
from knowledge.db import open_database
from knowledge.put import NewDocument, put
from knowledge.versions import Content

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bot.commandline import CommandLine


def add(errata: CommandLine, name: str, text: str) -> None:
    parts = errata.parts(Settings(data=errata.data))
    put(parts.database, parts.embedder, [NewDocument(name, Content(name, text))], actor="ann")
    parts.close()


def documents(errata: CommandLine) -> list[str]:
    with closing(sqlite3.connect(f"{(errata.data / 'errata.db').as_uri()}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("select id from documents order by id")]


def killed(errata: CommandLine) -> None:
    """Leaves the data folder as a kill does: with a -wal that has the newest document."""
    aside = errata.data.parent / "aside"
    parts = errata.parts(Settings(data=errata.data))
    put(parts.database, parts.embedder, [NewDocument("newest", Content("newest", "New."))], actor="ann")
    shutil.copytree(errata.data, aside)
    parts.close()
    shutil.rmtree(errata.data)
    shutil.move(aside, errata.data)
    assert (errata.data / "errata.db-wal").stat().st_size > 32


def test_a_restored_backup_is_the_database_of_that_time(errata: CommandLine, tmp_path: Path) -> None:
    add(errata, "hours", "We open at nine.")
    copy = tmp_path / "monday.db"
    done = errata("backup", str(copy))
    assert (done.code, "1 documents" in done.out) == (0, True)
    manifest = json.loads((tmp_path / "monday.db.manifest.json").read_text())
    assert (manifest["head"], manifest["rows"]["documents"], manifest["bytes"]) == (1, 1, copy.stat().st_size)
    assert copy.stat().st_mode & 0o077 == 0  # it has password hashes and conversations
    add(errata, "later", "We close at five.")
    refused = errata("restore", str(copy))
    assert (refused.code, "--force" in refused.err) == (1, True)
    assert documents(errata) == ["hours", "later"]
    restored = errata("restore", str(copy), "--force")
    assert restored.code == 0
    assert documents(errata) == ["hours"]
    (aside,) = errata.data.glob("errata.db.replaced-*Z")
    with closing(sqlite3.connect(aside)) as connection:
        assert connection.execute("select count(*) from documents").fetchone() == (2,)
    assert errata("reindex").code == 0


def test_a_restore_into_a_new_folder_needs_no_force_and_leaves_the_marker(errata: CommandLine, tmp_path: Path) -> None:
    add(errata, "hours", "We open at nine.")
    errata("backup", str(tmp_path / "copy.db"))
    shutil.rmtree(errata.data)
    assert errata("restore", str(tmp_path / "copy.db")).code == 0
    assert documents(errata) == ["hours"]
    assert (errata.data / "errata.db.exists").exists()
    assert errata("user", "list").code == 0


@pytest.mark.parametrize("lose", ["unlink", "empty"])
def test_a_restore_after_the_database_was_lost_removes_the_old_log(
    errata: CommandLine, tmp_path: Path, lose: str
) -> None:
    add(errata, "hours", "We open at nine.")
    errata("backup", str(tmp_path / "copy.db"))
    killed(errata)
    if lose == "unlink":
        (errata.data / "errata.db").unlink()
    else:
        (errata.data / "errata.db").write_bytes(b"")
    assert errata("restore", str(tmp_path / "copy.db")).code == 0
    assert documents(errata) == ["hours"]
    assert not (errata.data / "errata.db-wal").exists()
    assert len(list(errata.data.glob("errata.db.replaced-*-wal"))) == 1


def test_the_database_that_a_restore_replaces_keeps_its_newest_changes(errata: CommandLine, tmp_path: Path) -> None:
    add(errata, "hours", "We open at nine.")
    errata("backup", str(tmp_path / "copy.db"))
    killed(errata)
    assert errata("restore", str(tmp_path / "copy.db"), "--force").code == 0
    (aside,) = errata.data.glob("errata.db.replaced-*Z")
    with closing(sqlite.connect(aside)) as connection:
        assert connection.execute("select count(*) from documents").fetchone() == (2,)


def test_a_copy_put_beside_the_log_of_the_former_database_is_not_served(errata: CommandLine, tmp_path: Path) -> None:
    add(errata, "hours", "We open at nine.")
    errata("backup", str(tmp_path / "copy.db"))
    assert errata("user", "add", "root", "--role", "admin", "--generate").code == 0  # no page of it is in the -wal
    killed(errata)
    shutil.copyfile(tmp_path / "copy.db", errata.data / "errata.db")
    before = [(errata.data / name).read_bytes() for name in ("errata.db", "errata.db-wal")]
    for command in (("serve", "--port", "0"), ("user", "list"), ("reindex",)):
        ended = errata(*command)
        assert (ended.code, "belongs to another state" in ended.err) == (1, True)
    checked = errata("doctor")
    assert (checked.code, "belongs to another state" in checked.out) == (1, True)
    assert [(errata.data / name).read_bytes() for name in ("errata.db", "errata.db-wal")] == before
    assert errata("restore", str(tmp_path / "copy.db"), "--force").code == 0
    assert documents(errata) == ["hours"]


def test_a_killed_server_starts_again(errata: CommandLine) -> None:
    killed(errata)
    assert errata("user", "list").code == 0
    assert documents(errata) == ["newest"]


@pytest.mark.parametrize("where", [30, 5000, -100])
def test_a_changed_byte_of_a_backup_is_found_before_anything_is_replaced(
    errata: CommandLine, tmp_path: Path, where: int
) -> None:
    add(errata, "hours", "We open at nine.")
    copy = tmp_path / "copy.db"
    errata("backup", str(copy))
    content = bytearray(copy.read_bytes())
    content[where] ^= 0xFF
    copy.write_bytes(content)
    before = (errata.data / "errata.db").read_bytes()
    assert errata("restore", str(copy), "--force").code == 1
    assert (errata.data / "errata.db").read_bytes() == before
    assert list(errata.data.glob("errata.db.re*")) == []


def test_what_is_no_backup_is_not_restored(errata: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database" * 100)
    assert "no database of Errata" in errata("restore", str(tmp_path / "text"), "--force").err
    assert "There is no file" in errata("restore", str(tmp_path / "none"), "--force").err
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("create table t(x)")
    assert "no such table" in errata("restore", str(tmp_path / "other.db"), "--force").err
    add(errata, "hours", "We open at nine.")
    errata("backup", str(tmp_path / "newer.db"))
    with closing(sqlite3.connect(tmp_path / "newer.db")) as newer:
        newer.execute("update alembic_version set version_num = '9999'")
        newer.commit()
    assert "newer version of Errata" in errata("restore", str(tmp_path / "newer.db"), "--force").err


def test_a_copy_without_a_manifest_is_restored_and_that_is_stated(errata: CommandLine, tmp_path: Path) -> None:
    add(errata, "hours", "We open at nine.")
    errata("backup", str(tmp_path / "copy.db"))
    (tmp_path / "copy.db.manifest.json").unlink()
    done = errata("restore", str(tmp_path / "copy.db"), "--force")
    assert (done.code, "no manifest" in done.err) == (0, True)


def test_a_backup_replaces_no_file_and_leaves_nothing_when_it_fails(errata: CommandLine, tmp_path: Path) -> None:
    add(errata, "hours", "We open at nine.")
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "copy.db").write_text("mine")
    assert errata("backup", str(folder / "copy.db")).code == 1
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [("copy.db", "mine")]
    (errata.data / "errata.db").unlink()
    assert errata("backup", str(folder / "other.db")).code == 1
    assert [file.name for file in folder.iterdir()] == ["copy.db"]


def test_nothing_is_restored_while_a_server_uses_the_folder(errata: CommandLine, tmp_path: Path) -> None:
    from bot.commands.serve import only_server

    add(errata, "hours", "We open at nine.")
    errata("backup", str(tmp_path / "copy.db"))
    with only_server(errata.data):
        refused = errata("restore", str(tmp_path / "copy.db"), "--force")
    assert (refused.code, "Another Errata server" in refused.err) == (1, True)
    assert list(errata.data.glob("errata.db.replaced*")) == []


def test_backups_made_while_others_write_are_each_a_state_of_one_moment(errata: CommandLine, tmp_path: Path) -> None:
    """Each write adds one document with one passage and one step of the log: in every copy the three agree."""
    database = open_database(errata.data / "errata.db")
    stop = threading.Event()

    def write_on() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            new = [NewDocument(f"d{number}", Content(f"d{number}", f"Number {number}. " * 50))]
            put(database, errata.embedder, new, actor="ann")

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        manifests = [write(errata.data / "errata.db", tmp_path / f"{number}.db") for number in range(15)]
    finally:
        stop.set()
        writer.join()
        database.close()
    for manifest in manifests:
        assert (manifest.rows["documents"], manifest.rows["document_versions"], manifest.rows["log"]) == (
            manifest.head,
            manifest.head,
            manifest.head,
        )
    assert manifests[-1].head > manifests[0].head
