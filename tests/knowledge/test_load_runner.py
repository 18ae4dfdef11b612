"""The reading process and its limits: a hostile file ends in a clear error, and the next file is read as usual."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from knowledge.load import (
    CannotStart,
    Changed,
    Damaged,
    Empty,
    Limits,
    LoadedDocument,
    Loader,
    LoadError,
    TimedOut,
    TooLarge,
    Unsupported,
    child,
    load,
    runner,
    wire,
)
from tests.knowledge.load_files import docx, pdf, prose, re_zipped, xlsx

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def loader() -> Iterator[Loader]:
    with Loader() as loader:
        yield loader


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.md"
    path.write_text("# Good\n\ntext")
    return path


GOOD = [LoadedDocument("", "Good", "# Good\n\ntext")]


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_load_reads_one_file(good: Path) -> None:
    assert load(good) == GOOD


def test_loader_reads_many_files_with_one_child(loader: Loader, good: Path) -> None:
    assert [loader.load(good) for _ in range(20)] == [GOOD] * 20


def test_load_uses_the_name_that_the_file_came_with(loader: Loader, tmp_path: Path) -> None:
    path = write(tmp_path / "upload-1", "退货".encode())
    assert loader.load(path, name="C:\\docs\\规则.txt") == [LoadedDocument("", "规则", "退货")]
    assert loader.load(path, name="../../规则.md") == [LoadedDocument("", "规则", "退货")]
    with pytest.raises(Unsupported, match=r"Files of type \.exe cannot be read"):
        loader.load(path, name="a.md.exe")
    with pytest.raises(Unsupported, match="A file without a suffix cannot be read"):
        loader.load(path)


def test_load_refuses_anything_but_a_regular_file(loader: Loader, tmp_path: Path, good: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "link.md").symlink_to(good)
    (tmp_path / "folder.md").mkdir()
    for path in (tmp_path / "pipe.md", tmp_path / "folder.md"):
        with pytest.raises(Unsupported, match="not a regular file"):
            loader.load(path)
    with pytest.raises(Unsupported, match="not a regular file"):
        loader.load(Path(os.devnull), name="null.md")
    with pytest.raises(Unsupported, match="symbolic link"):
        loader.load(tmp_path / "link.md")
    with pytest.raises(Unsupported, match="cannot be opened: No such file"):
        loader.load(tmp_path / "gone.md")
    with pytest.raises(Unsupported, match="cannot be opened"):
        loader.load(tmp_path / "nul\0.md")
    with pytest.raises(Empty):
        loader.load(write(tmp_path / "empty.md", b""))


def test_load_refuses_a_huge_sparse_file_before_reading_it(loader: Loader, tmp_path: Path) -> None:
    path = write(tmp_path / "huge.csv", b"a,b\n")
    os.truncate(path, 1_000_000_000)
    started = time.monotonic()
    with pytest.raises(TooLarge, match=r"has 1,000\.0 MB; the limit is 100\.0 MB"):
        loader.load(path)
    assert time.monotonic() - started < 0.5


def test_load_stops_a_file_that_takes_too_long(tmp_path: Path, good: Path) -> None:
    slow = write(tmp_path / "slow.pdf", pdf([prose(["word"] * 2_000, pitch=0.1)] * 30))
    with Loader(Limits(seconds=1.0)) as loader:
        loader.load(good)
        started = time.monotonic()
        with pytest.raises(TimedOut, match=r"more than \d+ seconds"):
            loader.load(slow)
        assert time.monotonic() - started < 12  # 1 second of processor time, but other processes may be busy
        assert loader.load(good) == GOOD  # by a new child


def test_load_does_not_wait_for_a_child_that_sleeps(good: Path) -> None:
    with Loader(Limits(seconds=0.05)) as loader:
        loader.load(good)
        assert loader._child is not None
        loader._child._process.send_signal(signal.SIGSTOP)
        with pytest.raises(TimedOut, match=r"more than 0\.5 seconds"):
            loader.load(good)


def test_load_stops_a_file_that_takes_too_much_memory(tmp_path: Path, good: Path) -> None:
    large = write(tmp_path / "large.html", b"<p>a<p>b" * 800_000)
    with Loader(Limits(memory_bytes=250_000_000)) as loader:
        with pytest.raises((TooLarge, Damaged), match="250 MB of memory"):
            loader.load(large)
        assert loader.load(good) == GOOD


def test_load_stops_a_file_of_too_much_text(tmp_path: Path, good: Path) -> None:
    rows = write(tmp_path / "rows.jsonl", b'{"text": "0123456789"}\n' * 100)
    with Loader(Limits(text_characters=500)) as loader, pytest.raises(TooLarge, match="more than 500 characters"):
        loader.load(rows)
    with Loader(Limits(document_characters=9)) as loader, pytest.raises(TooLarge, match="has 10 characters"):
        loader.load(rows)


def test_load_survives_a_sheet_of_seventeen_billion_cells(loader: Loader, tmp_path: Path, good: Path) -> None:
    sheet = xlsx({"A": [["x", "y"]]})
    bomb = re_zipped(sheet, "xl/worksheets/sheet1.xml", b'r="B1"', b'r="XFD1048576"')
    with pytest.raises(LoadError):
        loader.load(write(tmp_path / "wide.xlsx", bomb))
    assert loader.load(good) == GOOD


def test_load_refuses_ten_thousand_pages(loader: Loader, tmp_path: Path) -> None:
    path = write(tmp_path / "thick.pdf", pdf([[("page", 10, 50, 700)]] * 10_000))
    with pytest.raises(TooLarge, match="10,000 pages"):
        loader.load(path)


@pytest.mark.parametrize("change", ["appended", "cut", "rewritten"])
def test_load_notices_a_file_that_changes_while_it_is_read(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "log.txt", b"x" * 1_000)
    pread = os.pread

    def pread_beside_a_writer(file: int, length: int, offset: int) -> bytes:
        with path.open("r+b") as log:
            log.seek(500 if change != "appended" else 1_000)
            log.write(b"y" * 10)
            if change == "cut":
                log.truncate(500)
        return pread(file, length, offset)

    file = os.open(path, os.O_RDONLY)
    try:
        assert child.read(file, Limits()) == b"x" * 1_000
        time.sleep(0.02)  # so that the clock of the file system has advanced
        monkeypatch.setattr(os, "pread", pread_beside_a_writer)
        with pytest.raises(Changed, match="changed while it was being read"):
            child.read(file, Limits())
    finally:
        os.close(file)


def test_loader_replaces_a_child_that_dies(tmp_path: Path, good: Path) -> None:
    with Loader() as loader:
        loader.load(good)
        assert loader._child is not None
        loader._child._process.kill()
        with pytest.raises(Damaged, match="made its reader stop"):
            loader.load(good)
        assert loader.load(good) == GOOD


def test_loader_leaves_no_process_and_no_folder(good: Path) -> None:
    with Loader() as loader:
        loader.load(good)
        assert loader._child is not None
        process, folder = loader._child._process, Path(loader._child._folder.name)
        assert folder.is_dir()
        assert list(folder.iterdir()) == []
    assert process.poll() is not None
    assert not folder.exists()


def test_child_ends_when_its_parent_is_killed(good: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from knowledge.load import Loader; loader = Loader();"
        "loader.load(Path(sys.argv[1])); print(loader._child._process.pid, flush=True); time.sleep(60)"
    )
    environment = {"PYTHONPATH": str(Path(child.__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(good)], stdout=subprocess.PIPE, env=environment, text=True
    ) as parent:
        assert parent.stdout is not None
        reader = int(parent.stdout.readline())
        parent.kill()
    assert ends(reader, seconds=5)


def test_child_ends_in_the_middle_of_a_file_when_its_parent_is_killed(tmp_path: Path, good: Path) -> None:
    slow = write(tmp_path / "slow.pdf", pdf([prose(["word"] * 2_000, pitch=0.1)] * 200))
    code = (
        "import sys; from pathlib import Path; from knowledge.load import Loader; loader = Loader();"
        "loader.load(Path(sys.argv[1])); print(loader._child._process.pid, flush=True); loader.load(Path(sys.argv[2]))"
    )
    environment = {"PYTHONPATH": str(Path(child.__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(good), str(slow)], stdout=subprocess.PIPE, env=environment, text=True
    ) as parent:
        assert parent.stdout is not None
        reader = int(parent.stdout.readline())
        before = processor_ticks(reader)
        while processor_ticks(reader) < before + os.sysconf("SC_CLK_TCK"):  # until it has worked on it for a second
            time.sleep(0.05)
        parent.kill()
    assert ends(reader, seconds=5)


def test_child_lives_on_when_the_thread_that_started_it_ends(good: Path) -> None:
    with Loader() as loader:
        starter = threading.Thread(target=loader.load, args=(good,))
        starter.start()
        starter.join()
        assert loader.load(good) == GOOD


def processor_ticks(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def ends(process: int, *, seconds: float) -> bool:
    """Whether a process ends in this time. One whose parent has not read its status yet has ended, too."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    return False


def test_loader_may_be_shared_by_threads(loader: Loader, good: Path) -> None:
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(loader.load(good))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [GOOD] * 8


def test_package_imports_no_parser() -> None:
    heavy = ("lxml", "pypdf", "mammoth", "trafilatura", "charset_normalizer", "openpyxl", "torch", "sqlalchemy")
    code = f"import sys, knowledge.load; print(sorted(set({heavy}) & set(sys.modules)))"
    environment = {"PYTHONPATH": str(Path(child.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_loader_reports_that_no_file_can_be_read(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(CannotStart, match="could not be started"):
        load(good)
    broken = write(tmp_path / "python", b"#!/bin/sh\necho working >&2; echo No module named lxml >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(CannotStart, match="did not start: No module named lxml"):
        load(good)
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(CannotStart, match="Set TMPDIR"):
        load(good)


def test_child_has_no_secrets_and_few_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ERRATA_SECRET", "hush")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    assert not {"ERRATA_SECRET", "HTTPS_PROXY", "HOME", "PATH"} & set(runner._environment())
    code = """
import os, resource, socket, subprocess
from knowledge.load import child
child.confine()
attempts = [
    lambda: open("written", "w"),
    lambda: os.open("written", os.O_CREAT | os.O_WRONLY),
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: socket.getaddrinfo("localhost", 80),
    lambda: subprocess.run(["true"]),
    lambda: os.system("true"),
    lambda: os.fork(),
    lambda: os.remove("kept"),
    lambda: os.rename("kept", "lost"),
]
for attempt in attempts:
    try:
        attempt()
    except PermissionError:
        continue
    raise SystemExit(f"{attempts.index(attempt)} went through")
assert resource.getrlimit(resource.RLIMIT_FSIZE) == (0, 0)
assert open(__import__("json").__file__).read(1)
"""
    (tmp_path / "kept").write_text("x")
    environment = {"PYTHONPATH": str(Path(child.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b"{}",
        b'{"done": 1}',
        b'{"document": {}}',
        b'{"document": {"key": "", "title": "", "text": 7, "language": null, "url": null, "metadata": {}}}',
        b'{"document": {"key": "", "title": "", "text": "\\ud800", "language": null, "url": null, "metadata": {}}}',
        b'{"document": {"key": "", "title": "", "text": "\\u0000", "language": null, "url": null, "metadata": {}}}',
        b'{"document": {"key": "", "title": "", "text": "a", "language": null, "url": null, "metadata": [1]}}',
        b'{"error": [], "message": ""}',
        b'{"error": "damaged", "message": "", "code": "{0}", "values": {}}',
        b'{"error": "damaged", "message": "", "code": "a", "values": {"template": [1]}}',
        b'{"error": "damaged", "message": "", "code": "a", "values": {"a b": 1}}',
        b'{"error": "damaged", "message": "", "code": "a", "values": 1}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_wire_refuses_invalid_answers_of_a_child(line: bytes) -> None:
    with pytest.raises(Damaged, match="makes no sense"):
        wire.read_answer(line)


def test_wire_carries_documents_errors_and_limits() -> None:
    document = LoadedDocument("k", "标题", 'a\n"b"', "zh", "https://acme.example", {"page": "1"})
    assert wire.read_answer(wire.document(document)) == document
    error = wire.read_answer(wire.error(TooLarge("Split it.")))
    assert isinstance(error, TooLarge)
    assert str(error) == "Split it."
    assert error.code == "knowledge_failed"
    error = wire.read_answer(
        wire.error(TooLarge("{pages:,} pages", code="pdf_pages", pages=1_234, size=1.5, reason=ValueError("{x}")))
    )
    assert isinstance(error, TooLarge)
    assert (str(error), error.code) == ("1,234 pages", "pdf_pages")
    assert error.values == {"pages": 1_234, "size": 1.5, "reason": "{x}"}
    assert wire.read_request(wire.request("a.md", Limits(pages=3))) == ("a.md", Limits(pages=3))


def test_child_reports_a_broken_installation_not_a_broken_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mammoth", None)  # import mammoth raises ImportError
    with pytest.raises(CannotStart, match="missing or broken"):
        list(child.documents(docx(""), "a.docx", Limits()))


def test_load_errors_have_kinds_for_programs() -> None:
    kinds = {error.kind for error in LoadError.__subclasses__()}
    assert kinds == {
        "unsupported",
        "protected",
        "too_large",
        "damaged",
        "changed",
        "empty",
        "timed_out",
        "cannot_start",
    }
