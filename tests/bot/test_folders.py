"""A file in the place of a folder, and a folder in the place of a file: every command says what to do, none shows a
traceback."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from bot import doctor, folders
from bot.errors import SettingsError
from bot.settings import Settings
from bot.wiring import Parts
from retrieval.errors import SnapshotError
from retrieval.search import Searcher
from retrieval.snapshot import Snapshots
from tests.fakes import HashingEmbedder, MemoryLog, ScriptedChat, passage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bot.commandline import CommandLine

IN_DATA = ("index", "uploads", "profiles")


def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "var", models=tmp_path / "models")


@pytest.mark.parametrize("name", IN_DATA)
def test_the_server_does_not_start_with_a_file_in_place_of_a_folder(errata: CommandLine, name: str) -> None:
    (errata.data / name).write_text("x")
    ended = errata("serve", "--port", "0")
    assert ended.code == 1
    assert f"{errata.data / name} is not a folder" in ended.err
    assert "Move it away" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("name", IN_DATA)
def test_doctor_names_a_file_in_place_of_a_folder(tmp_path: Path, name: str) -> None:
    made = settings(tmp_path)
    made.data.mkdir()
    (made.data / name).write_text("x")
    parts = Parts(made, embedder=HashingEmbedder(), chat=ScriptedChat())
    finding = next(finding for finding in doctor.examine(parts) if finding.name == "folders")
    parts.close()
    assert (finding.state, f"{made.data / name} is not a folder" in finding.what) == ("fail", True)


def test_doctor_finds_nothing_wrong_with_folders_that_are_not_there_yet(tmp_path: Path) -> None:
    parts = Parts(settings(tmp_path), embedder=HashingEmbedder(), chat=ScriptedChat())
    finding = next(finding for finding in doctor.examine(parts) if finding.name == "folders")
    parts.close()
    assert (finding.state, finding.what) == ("ok", "1 of 5 are there; the others are made when they are needed")


def test_each_part_says_which_folder_is_a_file_and_which_variable_to_set(tmp_path: Path) -> None:
    made = settings(tmp_path)
    made.data.write_text("x")
    made.models.write_text("x")
    parts = Parts(made, embedder=HashingEmbedder())
    with pytest.raises(SettingsError, match="ERRATA_DATA") as failed:
        _ = parts.database
    assert failed.value.code == "folder_is_a_file"
    with pytest.raises(SettingsError, match="ERRATA_MODELS"):
        _ = parts.store


def test_a_link_to_nowhere_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "unmounted")
    with pytest.raises(SettingsError, match="is not a folder"):
        folders.require(tmp_path / "link", "ERRATA_DATA")


def test_a_folder_in_place_of_the_database_is_named(tmp_path: Path) -> None:
    made = settings(tmp_path)
    made.database.mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"errata\.db is a folder") as failed:
        _ = Parts(made, embedder=HashingEmbedder()).database
    assert failed.value.code == "file_is_a_folder"


def test_searching_goes_on_when_the_index_folder_becomes_a_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "index"
    folder.write_text("x")
    source = MemoryLog()
    source.add(passage(1, "Shops open at nine."))
    searcher = Searcher(source, source.embedder, snapshots=Snapshots(folder))
    with caplog.at_level(logging.ERROR):
        assert len(searcher.refresh()) == 1
        searcher.close()
    (record,) = caplog.records
    assert (f"{folder} is not a folder" in record.getMessage(), record.exc_info) == (True, None)


def test_a_snapshot_into_a_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    source = MemoryLog()
    source.add(passage(1, "Shops open at nine."))
    index = Searcher(source, source.embedder).refresh()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(SnapshotError, match="is not a folder") as failed:
            Snapshots(folder).save(index)
        assert failed.value.code == "snapshot_folder"
