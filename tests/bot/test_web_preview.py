"""A file is looked at before it is uploaded: the page gets what would be stored, and nothing is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.web import preview
from tests.fakes import ScriptedChat
from tests.loop.world import World, world

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("preview"), ScriptedChat(), upload_mb=1) as made:
        yield made


PAGE = "<h1>Parking</h1><h2 id='prices'>Prices</h2><p>A day costs 12 euros.</p><p hidden>The code is 4711.</p>"


def test_preview_shows_what_an_upload_would_store_and_stores_nothing(shop: World) -> None:
    curator = shop.client("carla")
    shown = curator.post("/api/preview", files={"file": ("parking.html", PAGE)}, headers={"Accept-Language": "zh"})
    assert shown.json() == {
        "name": "parking.html",
        "documents": [
            {
                "key": "",
                "title": "Parking",
                "language": "en",
                "url": None,
                "metadata": {},
                "passages": [
                    {
                        "headings": ["Parking", "Prices"],
                        "text": "A day costs 12 euros.",
                        "language": "en",
                        "place": {"kind": "anchor", "first": None, "last": None, "name": "prices"},
                    }
                ],
                "passage_count": 1,
            }
        ],
        "document_count": 1,
        "passage_count": 1,
        "remarks": ["隐藏的文字未读取：1 处。"],
    }
    assert curator.get("/api/documents").json()["total"] == 0
    assert not list(shop.parts.settings.uploads.iterdir())


def test_preview_is_bounded_and_says_how_much_there_is(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview, "DOCUMENTS", 3)
    monkeypatch.setattr(preview, "PASSAGES", 2)
    rows = "".join(f"question {n}?,answer {n}\n" for n in range(9))
    shown = shop.client("carla").post("/api/preview", files={"file": ("faq.csv", f"question,answer\n{rows}")}).json()
    assert [len(document["passages"]) for document in shown["documents"]] == [1, 1, 0]
    assert (shown["document_count"], shown["passage_count"]) == (9, 9)


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("broken.pdf", b"%PDF-1.7 and nothing more", 422, "file_damaged"),
        ("tool.exe", b"MZ", 422, "file_type"),
        ("empty.txt", b"", 422, "file_empty"),
        ("large.txt", b"x" * 1_000_001, 413, "body_too_large"),
    ],
)
def test_preview_says_why_a_file_cannot_be_read(shop: World, name: str, content: bytes, status: int, code: str) -> None:
    refused = shop.client("carla").post("/api/preview", files={"file": (name, content)})
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_preview_reads_one_file_at_a_time(shop: World) -> None:
    with preview._reading:
        refused = shop.client("carla").post("/api/preview", files={"file": ("a.txt", "A.")})
    assert (refused.status_code, refused.json()["code"]) == (503, "preview_busy")
    assert shop.client("carla").post("/api/preview", files={"file": ("a.txt", "A.")}).status_code == 200
