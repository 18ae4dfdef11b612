"""The job of an upload: nothing is replaced without a request, and the end of a server costs no file and no try."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from knowledge import jobs, uploads
from knowledge.db import utc_now
from knowledge.errors import DatabaseBusy, DiskFull
from knowledge.load import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.knowledge.world import World


class ServerEnds(BaseException):
    """Nobody catches it, as nobody catches a kill."""


def payload(folder: Path, *files: tuple[str, str], replace: bool = False) -> dict[str, Any]:
    """An upload of (name, text)."""
    folder.mkdir(parents=True)
    names = []
    for number, (name, text) in enumerate(files):
        stored = f"{number}.{name.rpartition('.')[2]}"
        (folder / stored).write_text(text, encoding="utf-8")
        names.append([stored, name])
    return {"folder": folder.name, "files": names, "actor": "carla", "replace": replace}


class Job:
    """A job's row: what a server reports, the next one is given. ``uploads``: where its folder is."""

    def __init__(self, world: World, uploads: Path) -> None:
        self.world = world
        self.uploads = uploads
        self.progress: dict[str, Any] = {}
        self.read: list[str] = []

    def run(self, payload: dict[str, Any], *, ends_at: str = "") -> dict[str, Any]:
        """The job; the server ends when it is about to read the file ``ends_at``."""
        names = [name for _, name in payload["files"]]

        def report(progress: dict[str, Any]) -> None:
            self.progress = progress
            if "reading" in progress:
                name = names[progress["reading"]["file"]]
                if name == ends_at:
                    raise ServerEnds
                self.read.append(name)

        return uploads.ingest_uploads(
            self.world.database,
            self.world.embedder,
            payload,
            uploads=self.uploads,
            report=report,
            so_far=self.progress,
        )


def states(progress: dict[str, Any]) -> list[tuple[str, str]]:
    return [(file["name"], file["state"]) for file in progress["files"]]


def test_upload_reports_each_file_and_keeps_them_until_discarded(world: World, tmp_path: Path) -> None:
    upload = payload(tmp_path / "sent", ("hours.md", "# Hours\n\nOpen at nine."), ("scan.pdf", "no pdf"))
    assert states(Job(world, tmp_path).run(upload)) == [("hours.md", "indexed"), ("scan.pdf", "rejected")]
    assert world.live() == {"upload/hours.md": ["Open at nine."]}
    assert states(Job(world, tmp_path).run(upload)) == [("hours.md", "unchanged"), ("scan.pdf", "rejected")]
    uploads.discard_upload(world.database, upload, uploads=tmp_path)
    assert not (tmp_path / "sent").exists()
    uploads.discard_upload(world.database, upload, uploads=tmp_path)


def test_an_upload_of_an_earlier_version_which_names_the_whole_path_is_read_where_the_data_folder_is_now(
    world: World, tmp_path: Path
) -> None:
    upload = payload(tmp_path / "sent", ("hours.md", "Open at nine."))
    earlier = {**upload, "folder": "/former/place/uploads/sent"}
    assert states(Job(world, tmp_path).run(earlier)) == [("hours.md", "indexed")]
    uploads.discard_upload(world.database, earlier, uploads=tmp_path)
    assert list(tmp_path.glob("sent")) == []


def test_upload_does_not_replace_another_document_without_a_request(world: World, tmp_path: Path) -> None:
    Job(world, tmp_path).run(payload(tmp_path / "1", ("plan.md", "# Roof\n\nThe roof is repaired in May.")))
    other = ("plan.md", "# Cellar\n\nThe cellar is dry.")
    (refused,) = Job(world, tmp_path).run(payload(tmp_path / "2", other))["files"]
    assert (refused["state"], refused["code"], refused["replaces"]) == (
        "rejected",
        "upload_would_replace",
        "upload/plan.md",
    )
    assert "upload/plan.md (Roof)" in refused["reason"]
    assert world.live() == {"upload/plan.md": ["The roof is repaired in May."]}
    (replacing,) = Job(world, tmp_path).run(payload(tmp_path / "3", other, replace=True))["files"]
    assert (replacing["state"], replacing["version"]) == ("indexed", 2)
    assert world.live() == {"upload/plan.md": ["The cellar is dry."]}


def test_upload_of_a_table_replaces_its_rows_only_when_asked(world: World, tmp_path: Path) -> None:
    def table(*rows: tuple[str, str]) -> tuple[str, str]:
        lines = (f'{{"id": "{key}", "title": "{key}", "text": "{text}"}}' for key, text in rows)
        return "rows.jsonl", "\n".join(lines)

    Job(world, tmp_path).run(payload(tmp_path / "1", table(("a", "Apples."), ("b", "Bees."))))
    more = Job(world, tmp_path).run(payload(tmp_path / "2", table(("c", "Cats."))))
    assert states(more) == [("rows.jsonl", "indexed")]
    (refused,) = Job(world, tmp_path).run(payload(tmp_path / "3", table(("d", "Dogs."), ("b", "Bread."))))["files"]
    assert (refused["state"], refused["replaces"]) == ("rejected", "upload/rows.jsonl#b")
    assert {key[-1] for key in world.live()} == {"a", "b", "c"}
    Job(world, tmp_path).run(payload(tmp_path / "4", table(("d", "Dogs."), ("b", "Bread.")), replace=True))
    assert world.live() == {"upload/rows.jsonl#b": ["Bread."], "upload/rows.jsonl#d": ["Dogs."]}


def test_new_rows_of_an_uploaded_table_go_to_the_collection_of_the_others(world: World, tmp_path: Path) -> None:
    def pay(folder: str, *grades: int) -> dict[str, Any]:
        rows = (f'{{"id": "{grade}", "text": "Grade {grade} earns {grade}00 euros."}}' for grade in grades)
        return payload(tmp_path / folder, ("pay.jsonl", "\n".join(rows)), replace=True)

    def collections() -> dict[str, str]:
        with world.database.read() as session:
            return dict(session.execute(sa.text("select id, collection from documents")).all())

    Job(world, tmp_path).run({**pay("1", 5, 6), "collection": "hr"})
    Job(world, tmp_path).run(pay("2", 6, 7))  # by somebody who sees everything and named no collection
    assert collections() == {f"upload/pay.jsonl#{grade}": "hr" for grade in (5, 6, 7)}
    assert set(world.live()) == {"upload/pay.jsonl#6", "upload/pay.jsonl#7"}
    (refused,) = Job(world, tmp_path).run({**pay("3", 6), "collection": "main"})["files"]
    assert (refused["state"], refused["code"]) == ("rejected", "upload_in_other_collection")
    assert "Rename" in refused["reason"]


def test_two_files_of_one_name_in_one_upload_end_one_by_one(world: World, tmp_path: Path) -> None:
    upload = payload(
        tmp_path / "1", ("note.md", "First."), ("other.md", "Other."), ("note.md", "Second."), replace=True
    )
    progress = Job(world, tmp_path).run(upload)
    assert states(progress) == [("note.md", "indexed"), ("other.md", "indexed"), ("note.md", "rejected")]
    assert progress["files"][2]["code"] == "upload_name_twice"
    assert world.live() == {"upload/note.md": ["First."], "upload/other.md": ["Other."]}


def test_upload_brings_back_a_document_that_was_retired(world: World, tmp_path: Path) -> None:
    Job(world, tmp_path).run(payload(tmp_path / "1", ("a.md", "One.")))
    world.remove("upload/a.md")
    assert states(Job(world, tmp_path).run(payload(tmp_path / "2", ("a.md", "Two.")))) == [("a.md", "indexed")]
    assert world.live() == {"upload/a.md": ["Two."]}


def test_upload_goes_on_after_the_last_finished_file(world: World, tmp_path: Path) -> None:
    upload = payload(tmp_path / "1", *((f"{name}.md", f"{name} is a letter.") for name in "abcd"))
    job = Job(world, tmp_path)
    for _ in range(4):
        with pytest.raises(ServerEnds):
            job.run(upload, ends_at="c.md")
    assert job.read == ["a.md", "b.md"]
    assert states(job.run(upload)) == [(f"{name}.md", "indexed") for name in "abcd"]
    assert job.read == ["a.md", "b.md", "c.md", "d.md"]


def test_a_file_that_ends_the_server_again_and_again_is_left_out(world: World, tmp_path: Path) -> None:
    upload = payload(tmp_path / "1", *((f"{name}.md", f"{name} is a letter.") for name in "abc"))
    job = Job(world, tmp_path)
    for _ in range(uploads.MOST_ENDS):
        with pytest.raises(ServerEnds):
            job.run(upload, ends_at="b.md")
    progress = job.run(upload, ends_at="b.md")
    assert states(progress) == [("a.md", "indexed"), ("b.md", "rejected"), ("c.md", "indexed")]
    assert progress["files"][1]["reason"] == "The server ended 5 times while it read this file, so it was left out."


def test_a_failure_of_the_job_is_not_the_fault_of_the_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = payload(tmp_path / "1", ("a.md", "A."))
    job = Job(world, tmp_path)

    def broken(*_args: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "_ingest_file", broken)
        for _ in range(uploads.MOST_ENDS + 1):
            with pytest.raises(OSError, match="full"):
                job.run(upload)
    assert states(job.run(upload)) == [("a.md", "indexed")]


def test_the_files_of_an_upload_that_failed_for_good_are_kept_for_a_week(world: World, tmp_path: Path) -> None:
    failed, other = (payload(tmp_path / "uploads" / name, ("a.md", "A.")) for name in ("sent", "other"))
    with world.database.write() as session:
        job = jobs.enqueue(session, uploads.INGEST, failed, actor="carla")
        job.state, job.failures = "running", jobs.MAX_FAILURES - 1
        session.flush()
        assert jobs.fail(session, job, "the engine is gone")
        job_id = job.id
    uploads.discard_upload(world.database, failed, uploads=tmp_path / "uploads")
    with world.database.read() as session:
        sentence = uploads.kept_files(jobs.get(session, job_id), tmp_path / "uploads")
    assert sentence is not None
    assert "uploads/sent" in str(sentence)
    assert f"{utc_now() + timedelta(days=7):%Y-%m-%d}" in str(sentence)
    soon, late = utc_now() + timedelta(days=6, hours=23), utc_now() + timedelta(days=7, hours=1)
    assert uploads.discard_forgotten(world.database, tmp_path / "uploads", now=soon) == 1
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == ["sent"]
    uploads.discard_upload(world.database, other, uploads=tmp_path / "uploads", now=late)  # another upload ended
    assert list((tmp_path / "uploads").iterdir()) == []
    with world.database.read() as session:
        assert uploads.kept_files(jobs.get(session, job_id), tmp_path / "uploads") is None


def test_a_start_removes_the_files_of_a_failed_upload_after_a_week(world: World, tmp_path: Path) -> None:
    upload = payload(tmp_path / "uploads" / "sent", ("a.md", "A."))
    with world.database.write() as session:
        job = jobs.enqueue(session, uploads.INGEST, upload, actor="carla")
        job.state, job.finished_at = "failed", utc_now() - timedelta(days=8)
    assert uploads.discard_forgotten(world.database, tmp_path / "uploads") == 1


@contextmanager
def busy(world: World) -> Iterator[None]:
    """Another thread writes all the time."""
    writing, enough = threading.Event(), threading.Event()

    def write() -> None:
        with world.database.write():
            writing.set()
            enough.wait(20)

    thread = threading.Thread(target=write)
    thread.start()
    writing.wait(20)
    world.database._writing_seconds = 0.1
    try:
        yield
    finally:
        enough.set()
        thread.join()


@contextmanager
def full(world: World) -> Iterator[None]:
    """SQLite's own limit of pages does what a full disk does."""

    def limit(connection: object, *_: object) -> None:
        connection.execute("pragma max_page_count=1")  # type: ignore[attr-defined]

    sa.event.listen(world.database.engine, "checkout", limit)
    try:
        yield
    finally:
        sa.event.remove(world.database.engine, "checkout", limit)
        world.database.engine.dispose()


@pytest.mark.parametrize(("trouble", "error"), [(busy, DatabaseBusy), (full, DiskFull)])
def test_a_busy_database_or_a_full_disk_rejects_no_file(
    world: World, tmp_path: Path, trouble: Any, error: type[Exception]
) -> None:
    text = "A is a letter. " * 5_000
    upload = payload(tmp_path / "1", ("a.md", text))
    with Loader() as loader, pytest.raises(error), trouble(world):
        uploads._ingest_file(
            world.database,
            world.embedder,
            loader,
            tmp_path / "1" / "0.md",
            "a.md",
            (),
            {**upload, "collection": "main"},
        )
    assert states(Job(world, tmp_path).run(upload)) == [("a.md", "indexed")]
