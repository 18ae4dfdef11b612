"""inspect shows what an ingest stores, and stores nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.settings import Settings
from knowledge.tables import DocumentVersion, PassageRow
from tests.knowledge.load_files import docx

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bot.commandline import CommandLine

NOWHERE = {"kind": None, "first": None, "last": None, "name": None}
PAGE = """<html lang="en"><head><title>Parking</title></head><body>
<h1>Parking</h1><h2 id="prices">Prices</h2><p>A day costs 12 euros.</p><h2>Nights</h2><p>夜间停车免费。</p>
<p hidden>The staff code is 4711.</p></body></html>"""


def test_inspect_shows_the_passages_that_an_ingest_stores(errata: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "garage"
    folder.mkdir()
    (folder / "parking.html").write_text(PAGE, encoding="utf-8")
    (folder / "faq.csv").write_text("question,answer\nOpen on Sunday?,No.\nOpen on Monday?,Yes.\n", encoding="utf-8")
    before = (errata.data / "errata.db").read_bytes()
    shown = json.loads(errata("inspect", "--json", str(folder)).out)
    assert (errata.data / "errata.db").read_bytes() == before
    errata("ingest", str(folder))
    parts = errata.parts(Settings(data=errata.data))
    with parts.database.read() as session:
        rows = session.execute(
            sa.select(
                PassageRow.document_id,
                DocumentVersion.title,
                PassageRow.headings,
                PassageRow.text,
                PassageRow.language,
                PassageRow.place,
            )
            .join(DocumentVersion, DocumentVersion.document_id == PassageRow.document_id)
            .order_by(PassageRow.id)
        ).all()
    parts.close()
    listed = [
        (f"garage/{file['file']}" + (f"#{document['key']}" if document["key"] else ""), document["title"], passage)
        for file in shown
        for document in file["documents"]
        for passage in document["passages"]
    ]
    assert len(listed) == 4
    assert [
        (document_id, title, passage["headings"], passage["text"], passage["language"], passage["place"])
        for document_id, title, passage in listed
    ] == [(row[0], row[1], list(row[2]), row[3], row[4], row[5] and {**NOWHERE, **row[5]}) for row in rows]


def test_inspect_prints_title_headings_text_and_what_is_left_out(errata: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "parking.html").write_text(PAGE, encoding="utf-8")
    printed = errata("inspect", str(tmp_path / "parking.html"))
    assert printed.code == 0
    assert printed.out.splitlines() == [
        "== parking.html",
        "Remark: Hidden parts of the text are not read: 1.",
        "Title: Parking",
        "Language: en",
        "-- 1 (at #prices) Parking › Prices",
        "A day costs 12 euros.",
        "-- 2 [zh] Parking › Nights",
        "夜间停车免费。",
        "",
        "1 documents, 2 passages; nothing was stored.",
        "",
    ]


def test_inspect_says_why_a_file_cannot_be_read_and_goes_on(errata: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.docx").write_bytes(docx("<w:p/>"))
    (folder / "b.exe").write_bytes(b"MZ")
    (folder / "c.txt").write_text("Bread.", encoding="utf-8")
    printed = errata("inspect", str(folder))
    assert printed.code == 1
    assert printed.out.splitlines()[:5] == [
        "== a.docx",
        "Cannot be read: There is no text in the file.",
        "",
        "== b.exe",
        "Cannot be read: files of type .exe are not supported",
    ]
    assert "Bread." in printed.out
    as_json = json.loads(errata("inspect", "--json", str(folder)).out)
    assert [file["error"] is None for file in as_json] == [False, False, True]
    (folder / "a.docx").unlink()
    assert errata("inspect", str(folder)).code == 0  # a skipped file in a folder is no fault
    assert errata("inspect", str(folder / "b.exe")).code == 1
