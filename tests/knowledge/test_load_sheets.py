from __future__ import annotations

import datetime
import io
import time
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment
from openpyxl.styles import Font

from knowledge.load import Damaged, Limits, LoadedDocument, Protected, TooLarge, Unsupported
from knowledge.load.child import documents
from tests.knowledge.load_files import re_zipped, xlsx, zipped

if TYPE_CHECKING:
    from collections.abc import Callable


def load(data: str | bytes, name: str = "faq.csv", limits: Limits | None = None) -> list[LoadedDocument]:
    return list(documents(data.encode() if isinstance(data, str) else data, name, limits or Limits()))


def test_csv_makes_a_document_of_each_question_and_answer() -> None:
    source = '编号,问题,答案,分类\n1,退货期限？,"三十天，\n特价商品除外。",售后\n2,运费？,免费。,\n3,没有答案？,,\n'
    expected = [
        LoadedDocument("1", "退货期限？", "分类: 售后\n\n三十天，\n特价商品除外。", metadata={"分类": "售后"}),
        LoadedDocument("2", "运费？", "免费。"),
    ]
    assert load(source) == expected
    assert load(source.encode("gb18030")) == expected
    assert load(source.encode("utf-8-sig")) == expected
    assert load(source.replace(",", ";")) == expected
    assert load("sep=;\r\n" + source.replace(",", ";")) == expected
    assert load(source.replace(",", "\t"), "faq.tsv") == expected


def test_csv_reads_title_text_url_language() -> None:
    source = "Title,Text,URL,Language\nReturns,Thirty days.,https://acme.example/r,en\n"
    (document,) = load(source)
    assert (document.title, document.text, document.url, document.language) == (
        "Returns",
        "Thirty days.",
        "https://acme.example/r",
        "en",
    )


def test_csv_without_known_columns_becomes_a_table_in_pieces() -> None:
    rows = "".join(f"Shoe {number},{number},a remark about it\n" for number in range(100))
    (document,) = load("Item,Days,Remark\n" + rows, "prices.csv")
    pieces = document.text.split("\n\n")
    assert (document.key, document.title) == ("", "prices")
    assert {piece.split("\n")[0] for piece in pieces} == {"| Item | Days | Remark |"}
    assert max(len(piece.encode()) for piece in pieces) <= 800
    body = [row for piece in pieces for row in piece.split("\n")[2:]]
    assert body == [f"| Shoe {number} | {number} | a remark about it |" for number in range(100)]


def test_csv_rows_too_wide_for_a_table_become_lists() -> None:
    (document,) = load("Item,Remark\nShoe," + "long " * 200 + "\nBook,short\n")
    assert document.text == "- Item: Shoe\n- Remark: " + ("long " * 200).strip() + "\n\n- Item: Book\n- Remark: short"


def test_csv_escapes_bars_and_accepts_rows_of_different_length() -> None:
    (document,) = load("A,B\n1\n2,3,4\n\n5|6,7\n")
    assert document.text == "| A | B |  |\n| --- | --- | --- |\n| 1 |  |  |\n| 2 | 3 | 4 |\n| 5\\|6 | 7 |  |"


def test_csv_limits() -> None:
    limits = Limits(documents=10, document_characters=1_000)
    with pytest.raises(TooLarge, match="more than 10 documents"):
        load("question,answer\n" + "q,a\n" * 11, limits=limits)
    with pytest.raises(TooLarge, match="more than 1,000 characters, at row"):
        load("x,y\n" + "word,word\n" * 200, limits=limits)
    with pytest.raises(Damaged, match="Row 2 cannot be read"):
        load('x,y\n"' + "a" * 2_000, limits=limits)
    with pytest.raises(Damaged, match="Row 1 has 2,000 columns"):
        load("a," * 1_999 + "a\n")


def test_csv_names_the_row_of_a_repeated_id() -> None:
    with pytest.raises(Damaged, match="The id 'a' on row 3 was used on row 2 already"):
        load("id,text\na,one\na,two\n")


def test_xlsx_reads_questions_and_tables_of_visible_sheets() -> None:
    data = xlsx(
        {
            "FAQ": [[None, None], ["问题", "答案"], ["退货期限？", 30], ["True?", "1 < 2"]],
            "Prices": [["Item", "Price"], ["Shoe", 2.5], ["Book", 10.0]],
            "Notes": [["hidden"]],
        },
        hidden=["Notes"],
    )
    documents = load(data, "shop.xlsx")
    assert [(document.title, document.text) for document in documents] == [
        ("退货期限？", "30"),
        ("True?", "1 < 2"),
        ("shop: Prices", "| Item | Price |\n| --- | --- |\n| Shoe | 2.5 |\n| Book | 10 |"),
    ]
    assert documents[2].key == "Prices"


def test_xlsx_of_one_sheet_is_one_document() -> None:
    (document,) = load(xlsx({"Sheet1": [["Item", "Days"], ["Shoe", 30]]}), "days.xlsx")
    assert document == LoadedDocument("", "days", "| Item | Days |\n| --- | --- |\n| Shoe | 30 |")


def test_a_file_that_is_not_xlsx_is_refused() -> None:
    with pytest.raises(Damaged):
        load(b"not a zip", "a.xlsx")
    with pytest.raises(Damaged):
        load(zipped({"readme.txt": "hello"}), "a.xlsx")
    with pytest.raises(Unsupported, match="Save it as XLSX"):
        load(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.xlsx")
    with pytest.raises(Protected):
        load(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "a.xlsx")


def test_xlsx_bombs_are_refused_before_they_are_unpacked() -> None:
    sheet = {"xl/worksheets/sheet1.xml": b"<a>" + b" " * 30_000_000 + b"</a>"}
    with pytest.raises(TooLarge, match="200 times its size"):
        load(zipped(sheet), "a.xlsx")
    with pytest.raises(TooLarge, match="unpacks to 30 MB; the limit is 10 MB"):
        load(zipped(sheet), "a.xlsx", Limits(unpacked_bytes=10_000_000))
    with pytest.raises(TooLarge, match="has 30 parts; the limit is 20"):
        load(zipped({f"{number}.xml": "<a/>" for number in range(30)}), "a.xlsx", Limits(members=20))


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'row r="1"', b'row r="99999999999999999999"'),
        (b'row r="1"', b'row r="1048577"'),
        (b'r="B1"', b'r="B99999999999999999999"'),
        (b'r="B1"', b"s='1' r = 'B1048577'"),
        (b'r="B1"', b'r="XFE1"'),
        (b'r="B1"', b'r="ZZZZZZZZZZZZZZZZZ1"'),
    ],
)
def test_xlsx_that_names_a_place_outside_of_any_sheet_is_refused_at_once(old: bytes, new: bytes) -> None:
    data = re_zipped(xlsx({"A": [["x", "y"]]}), SHEET, old, new)
    started = time.process_time()
    with pytest.raises(Damaged) as caught:
        load(data, "a.xlsx")
    assert caught.value.code == "sheet_place"
    assert time.process_time() - started < 1


@pytest.mark.parametrize("new", [b'r="XFD1048576"', b'r="CV1000000"', b'r="XFD300"'])
def test_xlsx_whose_few_cells_are_far_from_each_other_is_refused_at_once(new: bytes) -> None:
    data = re_zipped(xlsx({"A": [["x", "y"]]}), SHEET, b'r="B1"', new)
    started = time.process_time()
    with pytest.raises(TooLarge) as caught:
        load(data, "a.xlsx")
    assert caught.value.code == "sheet_area"
    assert time.process_time() - started < 1


def test_xlsx_rows_without_the_places_of_their_cells_are_counted() -> None:
    data = re_zipped(xlsx({"A": [["x", "y"]] * 2}), SHEET, b'r="B1"', b'r="XFD1"')
    data = re_zipped(re_zipped(data, SHEET, b'r="A2"', b""), SHEET, b'r="B2"', b"")
    data = re_zipped(data, SHEET, b'row r="2"', b'row r="9000"')
    with pytest.raises(TooLarge, match="only 4 cells, but they span 9,000 rows and 16,384 columns"):
        load(data, "a.xlsx")


@pytest.mark.parametrize("place", [b'r="B100000"', b'r="XFD1"'])
def test_xlsx_with_one_cell_far_down_or_far_to_the_right_is_read(place: bytes) -> None:
    assert load(re_zipped(xlsx({"A": [["x", "y"]]}), SHEET, b'r="B1"', place), "a.xlsx")


def test_xlsx_with_formatted_rows_far_below_its_cells_is_read() -> None:
    wide = [list(range(20))] * 2
    data = re_zipped(xlsx({"A": wide}), SHEET, b"</sheetData>", b'<row r="1048576" ht="12"/></sheetData>')
    assert load(data, "a.xlsx")


def workbook(fill: Callable[[Any], None]) -> bytes:
    """An XLSX whose only sheet the function fills."""
    book = openpyxl.Workbook()
    fill(book.active)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def test_xlsx_merged_cells_give_their_value_to_each_row_and_column() -> None:
    def fill(sheet: Any) -> None:
        for row in (
            ["Region", "Price", None],
            [None, "Week", "Weekend"],
            ["North", 1, 2],
            [None, 3, 4],
            ["South", "closed"],
        ):
            sheet.append(row)
        for area in ("A1:A2", "B1:C1", "A3:A4", "B5:C5"):
            sheet.merge_cells(area)

    (document,) = load(workbook(fill), "a.xlsx")
    assert document.text.split("\n") == [
        "| Region | Price: Week | Price: Weekend |",
        "| --- | --- | --- |",
        "| North | 1 | 2 |",
        "| North | 3 | 4 |",
        "| South | closed | closed |",
    ]


def test_xlsx_title_above_the_header_becomes_the_title() -> None:
    def fill(sheet: Any) -> None:
        for row in (["Prices 2026"], ["in euros"], [], ["Item", "Week", "Weekend"], ["Shoe", 3, 4], ["Book", 5, 6]):
            sheet.append(row)

    (document,) = load(workbook(fill), "a.xlsx")
    assert document.title == "Prices 2026"
    assert document.text.startswith("in euros\n\n| Item | Week | Weekend |\n")


def test_xlsx_rows_of_questions_below_a_title_are_documents_that_name_it() -> None:
    def fill(sheet: Any) -> None:
        for row in (
            ["Member cards"],
            ["No.", "Question", "Answer", "Desk"],
            [1, "Lost?", "Ask.", "A"],
            [2, "New?", "Buy.", "B"],
        ):
            sheet.append(row)

    assert [(document.title, document.text) for document in load(workbook(fill), "a.xlsx")] == [
        ("Lost?", "Member cards · No.: 1; Desk: A\n\nAsk."),
        ("New?", "Member cards · No.: 2; Desk: B\n\nBuy."),
    ]


def test_xlsx_numbers_are_read_as_the_sheet_shows_them() -> None:
    def fill(sheet: Any) -> None:
        sheet.append(["Part", "Rate", "Begins"])
        sheet.append([742, 0.0285, datetime.datetime(2026, 3, 9)])  # noqa: DTZ001
        for cell, code in (("A2", "00000"), ("B2", "0.00%"), ("C2", 'yyyy"年"m"月"d"日"')):
            sheet[cell].number_format = code

    assert load(workbook(fill), "a.xlsx")[0].text.endswith("| 00742 | 2.85% | 2026年3月9日 |")


def test_xlsx_what_the_sheet_hides_or_strikes_out_is_not_read_and_is_counted() -> None:
    def fill(sheet: Any) -> None:
        for row in (
            ["Item", "Price", "Cost", "Remark"],
            ["Shoe", 9, 4, "new"],
            ["Hat", 7, 3, "old"],
            ["Book", 5, 2, "x"],
        ):
            sheet.append(row)
        sheet.column_dimensions["C"].hidden = True
        sheet.row_dimensions[3].hidden = True
        sheet["B4"].font = Font(strike=True)
        sheet["D2"] = CellRichText(TextBlock(InlineFont(strike=True), "used "), "new")
        sheet["D4"].comment = Comment("ask Ann", "Bo")

    (document,) = load(workbook(fill), "a.xlsx")
    assert document.text.split("\n") == [
        "| Item | Price | Remark |",
        "| --- | --- | --- |",
        "| Shoe | 9 | new |",
        "| Book |  | x |",
    ]
    assert document.left_out == {"hidden_columns": 1, "hidden_rows": 1, "struck_out": 2, "comments": 1}


def test_xlsx_hidden_sheets_are_counted() -> None:
    (document,) = load(xlsx({"A": [["x", "y"], [1, 2]], "B": [["z"]]}, hidden=["B"]), "a.xlsx")
    assert document.left_out == {"hidden_sheets": 1}


def test_xlsx_with_merged_cells_over_the_whole_sheet_is_refused_at_once() -> None:
    merged = b'</sheetData><mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells>'
    with pytest.raises(TooLarge) as caught:
        load(re_zipped(xlsx({"A": [["x", "y"]]}), SHEET, b"</sheetData>", merged), "a.xlsx")
    assert caught.value.code == "sheet_merged"


def test_xlsx_a_row_merged_over_all_columns_of_the_sheet_is_read() -> None:
    merged = b'</sheetData><mergeCells count="1"><mergeCell ref="A1:XFD1"/></mergeCells>'
    data = re_zipped(xlsx({"A": [["Prices", None], ["Item", "Price"], ["Shoe", 3]]}), SHEET, b"</sheetData>", merged)
    (document,) = load(data, "a.xlsx")
    assert (document.title, document.text.split("\n")[0]) == ("Prices", "| Item | Price |")


def test_csv_other_columns_of_a_long_text_are_a_heading_over_each_passage() -> None:
    (document,) = load(f'Product,Question,Answer\nWasher,How long?,"{"Three years. " * 100}"\n')
    assert document.text.startswith("# Product: Washer\n\nThree years.")
