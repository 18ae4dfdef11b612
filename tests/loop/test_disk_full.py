"""A full disk: what must be written is refused with the reason, reading goes on, and all is well when space is back.

Everywhere SQLite's own limit of pages stands for the disk. Where the tests may mount one (as root), a real file system
of a few megabytes is filled.
"""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from tests.bot.shop import TEXT
from tests.fakes import ScriptedChat
from tests.loop.world import World, ask, events, put, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUESTION = "When does the shop open?"
BIG = "The shop sells article number {n} in many colours and sizes. " * 40


@contextmanager
def limited(folder: Path, chat: ScriptedChat) -> Iterator[tuple[World, Callable[[], None], Callable[[], None]]]:
    """A shop, and what fills its disk and frees it."""
    with world(folder, chat) as made:
        put(made.client("carla"), "hours", "Hours", TEXT)
        engine = made.parts.database.engine
        pages = [1 << 30]

        @event.listens_for(engine, "checkout")
        def limit(connection: object, *_: object) -> None:
            connection.execute(f"pragma max_page_count={pages[0]}")  # type: ignore[attr-defined]

        def fill() -> None:
            with made.parts.database.read() as session:
                pages[0] = session.scalar(sa.text("pragma page_count")) or 0
            made.parts.database.engine.dispose()
            with pytest.raises(Exception, match="disk"), made.parts.database.write() as session:
                session.execute(sa.text("create table filler (bytes blob)"))

        def free() -> None:
            pages[0] = 1 << 30

        yield made, fill, free


@pytest.fixture
def chat() -> ScriptedChat:
    return ScriptedChat(script=lambda _: "At nine [1].")


def test_writing_is_refused_with_the_reason_and_reading_goes_on(tmp_path: Path, chat: ScriptedChat) -> None:
    with limited(tmp_path, chat) as (shop, fill, free):
        curator, visitor = shop.client("carla"), shop.client()
        conversation = ask(visitor, QUESTION)["conversation_id"]
        assert curator.get("/readyz").status_code == 200
        fill()
        refused = curator.post("/api/documents", json={"id": "big", "title": "Big", "text": BIG * 20})
        assert (refused.status_code, refused.json()["code"]) == (507, "disk_full")
        assert "full" in refused.json()["detail"]
        in_chinese = curator.post(
            "/api/documents", json={"id": "big", "title": "Big", "text": BIG * 20}, headers={"Accept-Language": "zh-CN"}
        )
        assert "磁盘已满" in in_chinese.json()["detail"]
        ready = curator.get("/readyz")
        assert (ready.status_code, "disk" in ready.json()["detail"]) == (503, True)
        assert curator.get("/healthz").status_code == 200
        assert curator.post("/api/search", json={"query": "open"}).json()["hits"]
        assert curator.get("/api/documents/hours").json()["text"] == TEXT
        assert visitor.get(f"/api/conversations/{conversation}").json()["turns"][0]["answer"] == "At nine [1]."
        assert curator.get("/api/corrections").status_code == 200
        free()
        assert curator.get("/readyz").status_code == 200
        assert put(curator, "big", "Big", BIG * 20)["id"] == "big"
        assert ask(visitor, QUESTION)["status"] == "answered"
        assert shop.parts.searcher.check().ok


def test_an_answer_that_cannot_be_stored_reaches_the_reader_who_learns_that_it_is_lost(
    tmp_path: Path, chat: ScriptedChat
) -> None:
    with limited(tmp_path, chat) as (shop, _fill, _free):
        with shop.parts.database.write() as session:  # the disk becomes full between the question and its answer
            session.execute(sa.text("create table filler (bytes blob)"))
            session.execute(
                sa.text(
                    "create trigger full before update on answers when new.status = 'answered'"
                    " begin insert into filler values (zeroblob(50000000)); end"
                )
            )
            pages = session.scalar(sa.text("pragma page_count")) or 0

        @event.listens_for(shop.parts.database.engine, "checkout")
        def limit(connection: object, *_: object) -> None:
            connection.execute(f"pragma max_page_count={pages + 100}")  # type: ignore[attr-defined]

        stream = events(shop.client(), QUESTION)
        assert "".join(data["text"] for name, data in stream if name == "token") == "At nine [1]."
        assert (stream[-1][0], stream[-1][1]["code"]) == ("error", "answer_not_stored")
        whole = shop.client().post("/api/chat", json={"question": QUESTION, "stream": False})
        assert (whole.status_code, whole.json()["code"]) == (507, "answer_not_stored")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_real_full_disk(small_disk: Path, chat: ScriptedChat) -> None:
    with world(small_disk, chat) as shop:
        curator, visitor = shop.client("carla"), shop.client()
        put(curator, "hours", "Hours", TEXT)
        conversation = ask(visitor, QUESTION)["conversation_id"]
        assert curator.get("/readyz").status_code == 200
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
            while True:
                file.write(bytes(4096))
        assert shutil.disk_usage(small_disk).free < 4096 * 2
        codes = set()
        for number in range(40):
            body = {"id": f"big-{number}", "title": "Big", "text": BIG.format(n=number) * 50}
            answer = curator.post("/api/documents", json=body)
            if answer.status_code != 201:
                codes.add((answer.status_code, answer.json()["code"]))
        assert codes == {(507, "disk_full")}
        files = {"files": ("large.md", b"# Large\n\n" + b"words and more words. " * 200_000)}
        upload = curator.post("/api/documents", files=files)
        assert (upload.status_code, upload.json()["code"]) == (507, "disk_full")
        ready = curator.get("/readyz")
        assert (ready.status_code, "disk" in ready.json()["detail"]) == (503, True)
        assert curator.post("/api/search", json={"query": "open"}).json()["hits"]
        asked = visitor.post("/api/chat", json={"question": QUESTION, "conversation_id": conversation})
        assert (asked.status_code, asked.json()["code"]) == (507, "disk_full")
        (turn,) = visitor.get(f"/api/conversations/{conversation}").json()["turns"]  # nothing of the refused question
        assert turn["answer"] == "At nine [1]."
        filler.unlink()
        assert curator.get("/readyz").status_code == 200
        put(curator, "after", "After", BIG)
        assert ask(visitor, QUESTION)["status"] == "answered"
        assert (shop.parts.database.integrity(), shop.parts.searcher.check().ok) == ("ok", True)
