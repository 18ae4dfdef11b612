from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from knowledge.load import FoundFile, find_files

if TYPE_CHECKING:
    from pathlib import Path


def outcome(files: list[FoundFile]) -> list[tuple[str, str]]:
    return [(file.relative, file.skipped) for file in files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "documents"
    (root / "guides").mkdir(parents=True)
    (root / "b.md").write_text("b")
    (root / "guides" / "a.TXT").write_text("a")
    return root


def test_find_files_sorts_and_reports_what_it_skips(folder: Path) -> None:
    (folder / "photo.png").write_bytes(b"x")
    (folder / "Makefile").write_bytes(b"x")
    (folder / ".secret.md").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "x.md").write_text("x")
    (folder / "~$plan.docx").write_bytes(b"x")
    assert outcome(list(find_files([folder]))) == [
        (".git", "hidden"),
        (".secret.md", "hidden"),
        ("Makefile", "a file without a suffix is not supported"),
        ("b.md", ""),
        ("guides/a.TXT", ""),
        ("photo.png", "files of type .png are not supported"),
        ("~$plan.docx", "a lock of an office program that has the document open"),
    ]


def test_find_files_gives_path_root_and_relative_name(folder: Path) -> None:
    assert list(find_files([folder]))[1] == FoundFile(folder / "guides" / "a.TXT", folder, "guides/a.TXT")
    assert list(find_files([folder / "b.md"])) == [FoundFile(folder / "b.md", folder, "b.md")]


def test_find_files_follows_links_only_inside_the_folder(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "passwords.txt"
    outside.write_text("secret")
    (folder / "out.txt").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    (folder / "dots.md").symlink_to("../passwords.txt")
    (folder / "nothing.md").symlink_to("gone.md")
    (folder / "same.md").symlink_to("b.md")
    reason = "a link out of the folder: add what it points to by its own path"
    files = list(find_files([folder]))
    assert outcome(files) == [
        ("b.md", ""),
        ("dots.md", reason),
        ("guides/a.TXT", ""),
        ("nothing.md", "a link to nothing"),
        ("out.txt", reason),
        ("same.md", "the same file was found under another name"),
        ("up", reason),
    ]
    assert all(file.path.resolve() != outside for file in files if not file.skipped)


def test_find_files_follows_a_link_to_a_hidden_place_inside(folder: Path) -> None:
    # Kubernetes mounts a configuration like this: faq.md → ..data/faq.md, ..data → a dated folder
    (folder / "..2024").mkdir()
    (folder / "..2024" / "faq.md").write_text("x")
    (folder / "..data").symlink_to("..2024")
    (folder / "faq.md").symlink_to("..data/faq.md")
    files = {file.relative: file for file in find_files([folder])}
    assert files["faq.md"] == FoundFile(folder / "..2024" / "faq.md", folder, "faq.md")


def test_find_files_survives_a_loop_of_links(folder: Path) -> None:
    (folder / "loop").symlink_to(folder)
    (folder / "self.md").symlink_to("self.md")
    assert outcome(list(find_files([folder]))) == [
        ("b.md", ""),
        ("guides/a.TXT", ""),
        ("self.md", "a link to nothing"),
    ]


def test_find_files_refuses_pipes_sockets_and_devices(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.md"))
    (tmp_path / "null.md").symlink_to(os.devnull)
    reason = "not a regular file (a device, pipe or socket)"
    assert outcome(list(find_files([tmp_path]))) == [
        ("null.md", "a link out of the folder: add what it points to by its own path"),
        ("pipe.md", reason),
        ("socket.md", reason),
    ]


def test_find_files_reports_a_missing_path_and_an_invalid_name(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff.md")).write_text("x")
    assert outcome(list(find_files([tmp_path / "gone", tmp_path]))) == [
        ("gone", "does not exist or cannot be entered"),
        ("?.md", "its name is not valid UTF-8: rename it"),
    ]


def test_find_files_lists_a_file_for_reading_once(folder: Path) -> None:
    files = list(find_files([folder / "b.md", folder]))
    assert outcome(files) == [
        ("b.md", ""),
        ("b.md", "the same file was found under another name"),
        ("guides/a.TXT", ""),
    ]
