from __future__ import annotations

import pytest

from knowledge.load import Damaged, Limits, LoadedDocument, Protected, TooLarge
from knowledge.load.child import documents
from tests.knowledge.load_files import docx, paragraph, table, zipped


def load(data: bytes, limits: Limits | None = None) -> LoadedDocument:
    (document,) = documents(data, "returns.docx", limits or Limits())
    return document


def test_docx_keeps_headings_paragraphs_and_tables() -> None:
    body = (
        paragraph("退货说明", "Title")
        + paragraph("Sale items", "Heading1")
        + paragraph("Fourteen days & no more.")
        + paragraph("例外", "Heading2")
        + table([["Item", "Days"], ["鞋", "30"]])
    )
    assert load(docx(body)) == LoadedDocument(
        "",
        "退货说明",
        "# 退货说明\n\n# Sale items\n\nFourteen days & no more.\n\n## 例外\n\n"
        "| Item | Days |\n| --- | --- |\n| 鞋 | 30 |",
    )


def test_docx_without_heading_gets_the_name_of_its_file() -> None:
    assert load(docx(paragraph("text"))).title == "returns"


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY x "&a;&a;&a;&a;">]>',
        '<!DOCTYPE r SYSTEM "http://127.0.0.1/evil.dtd">',
    ],
)
def test_docx_with_entities_is_not_opened(doctype: str) -> None:
    body = "<w:p><w:r><w:t>&x;</w:t></w:r></w:p>"
    with pytest.raises(Damaged, match="declares XML entities"):
        load(docx(body, doctype=doctype))


def test_docx_with_entities_in_another_encoding_is_not_opened() -> None:
    hidden = '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE r [<!ENTITY x "y">]><r>&x;</r>'.encode("utf-16")
    with pytest.raises(Damaged, match="declares XML entities"):
        load(docx(paragraph("x"), extra={"word/comments.xml": hidden}))


def test_docx_with_a_linked_picture_does_not_open_the_picture() -> None:
    relationships = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId9"'
        ' Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image"'
        ' Target="file:///etc/passwd" TargetMode="External"/></Relationships>'
    )
    picture = (
        '<w:p><w:r><w:drawing><wp:inline xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/'
        'wordprocessingDrawing"><a:graphic xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">'
        '<a:graphicData><pic:pic xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:blipFill>'
        '<a:blip r:link="rId9" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"/>'
        "</pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r></w:p>"
    )
    data = docx(paragraph("before") + picture, extra={"word/_rels/document.xml.rels": relationships})
    assert load(data).text == "before"


def test_docx_that_unpacks_too_large_or_nests_too_deeply_is_refused() -> None:
    with pytest.raises(TooLarge):
        load(docx(paragraph("x"), extra={"word/media/big.bin": b"\0" * 30_000_000}))
    with pytest.raises(Damaged, match="nested too deeply"):
        load(docx("<w:p>" * 3_000 + "</w:p>" * 3_000))


def test_a_file_that_is_not_docx_is_refused() -> None:
    for data in (b"PK\x03\x04 cut off", zipped({"a.txt": "x"}), docx("<w:p>"), b"{\\rtf1}"):
        with pytest.raises(Damaged):
            load(data)


def test_docx_with_a_password_is_refused() -> None:
    data = bytearray(docx(paragraph("x")))
    at = data.find(b"PK\x01\x02")
    while at >= 0:
        data[at + 8] |= 1  # the flag "encrypted" of each member
        at = data.find(b"PK\x01\x02", at + 4)
    with pytest.raises(Protected):
        load(bytes(data))
