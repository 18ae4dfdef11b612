"""Every expected error is one clear line on standard error, never a traceback."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from bot.__main__ import message_of, run
from bot.errors import Busy, SettingsError
from bot.models.errors import ModelMissing
from knowledge.errors import NotFound
from retrieval.errors import EmbedderError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bot.commandline import CommandLine


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ERRATA_PORTT", "1")
    monkeypatch.setenv("ERRATA_PORT", "many")
    assert run(["user", "list"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("errata: ERRATA_PORTT is no setting of Errata.")
    assert "ERRATA_PORT='many'" in printed.err


def test_a_missing_model_says_how_to_get_it(
    errata: CommandLine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.md").write_text("# Hours\n\nThe shop opens at nine.", encoding="utf-8")
    assert run(["ingest", str(tmp_path / "page.md")]) == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1].startswith("errata: The model multilingual-e5-small ")
    assert "errata models pull" in printed.err
    assert "Traceback" not in printed.err


def test_a_damaged_database_is_a_clear_line(errata: CommandLine) -> None:
    (errata.data / "errata.db").write_bytes(b"this is no database at all" * 100)
    printed = errata("user", "list")
    assert printed.code == 1
    advice = "Stop the server and restore a backup: errata restore FILE --force"
    assert printed.err == f"errata: The database is damaged: file is not a database. {advice}\n"


def test_a_cut_database_is_said_to_be_damaged(errata: CommandLine) -> None:
    assert errata("keys", "add", "shop").code == 0
    database = errata.data / "errata.db"
    database.write_bytes(database.read_bytes()[: database.stat().st_size // 2])
    printed = errata("user", "list")
    assert printed.code == 1
    assert printed.err.startswith("errata: The database is damaged: database disk image is malformed. Stop the server")


def test_a_data_folder_that_is_a_file_is_a_clear_line(
    errata: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ERRATA_DATA", str(tmp_path / "file"))
    printed = errata("user", "list")
    assert printed.code == 1
    assert printed.err.startswith(f"errata: {tmp_path / 'file'} is not a folder")


def test_the_traceback_comes_only_with_debug(errata: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" not in errata("corrections", "show", "7").err
    monkeypatch.setenv("ERRATA_LOG_LEVEL", "debug")
    printed = errata("corrections", "show", "7")
    assert "Traceback" in printed.err
    assert printed.err.splitlines()[-1].startswith("errata: There is no correction 7")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SettingsError("ERRATA_PORT: too large."), "ERRATA_PORT: too large."),
        (NotFound("There is no document 'a'."), "There is no document 'a'."),
        (ModelMissing("Run: errata models pull"), "Run: errata models pull"),
        (EmbedderError("The folder is not there."), "The folder is not there."),
        (Busy(7), "Too many questions are waiting: try again in 7 seconds."),
        (
            sa.exc.IntegrityError(
                "insert secret words", {"a": "secret words"}, sqlite3.IntegrityError("UNIQUE failed")
            ),
            "The database refused: UNIQUE failed. Run: errata doctor",
        ),
        (
            OSError(28, "No space left on device", "/data/errata.db"),
            "No space left on device (/data/errata.db). Check that the place exists, may be written, and has room.",
        ),
        (
            ValueError("x"),
            (
                "Something went wrong that should not: ValueError: x. "
                "Run it again with ERRATA_LOG_LEVEL=debug to see where, and report it."
            ),
        ),
    ],
)
def test_explain_is_written_for_a_person(error: Exception, said: str) -> None:
    assert message_of(error) == said
