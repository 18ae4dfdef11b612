from __future__ import annotations

import io
from typing import Any

import pytest

from knowledge.load import Damaged, Empty, Limits, LoadedDocument, Protected, TooLarge, pdf_fonts
from knowledge.load.child import documents
from tests.knowledge.load_files import grid, pdf, prose


def load(data: bytes, limits: Limits | None = None) -> LoadedDocument:
    (document,) = documents(data, "handbook.pdf", limits or Limits())
    return document


def test_pdf_joins_lines_to_paragraphs_and_finds_headings_by_size() -> None:
    english = [
        "A parcel can be sent back within thirty days after it was deliv-",
        "ered to you, if it is complete. Nobody pays for sending it.",
        "Short line.",
        "Another one.",
    ]
    chinese = ["您可以在收货后三十天内退货，请填写退货单并将包裹寄到退货单上写明的那个", "地址。"]
    page = [
        *prose(["Returns"], size=20, top=750),
        *prose(english),
        *prose(["Sale items"], size=14, top=620),
        *prose(chinese, top=590),
    ]
    assert load(pdf([page], title="The handbook")) == LoadedDocument(
        "",
        "The handbook",
        "# Returns\n\nA parcel can be sent back within thirty days after it was delivered to you, if it is complete."
        " Nobody pays for sending it. Short line.\nAnother one.\n\n## Sale items\n\n"
        "您可以在收货后三十天内退货，请填写退货单并将包裹寄到退货单上写明的那个地址。",
        metadata={"pages": "1"},
    )


def test_pdf_reads_one_column_after_the_other() -> None:
    left = ["The first column has text that goes", "from the left side to its middle and"]
    right = ["on at the top of the second column,", "where it ends."]
    page = prose(left, x=50) + prose(right, x=320)
    assert load(pdf([page])).text == f"{left[0]} {left[1]} {right[0]} {right[1]}"


def test_pdf_takes_levels_from_bookmarks() -> None:
    pages = [prose(["1. Returns", "Text of the first page."]), prose(["Sale", "Text of the second page."])]
    text = load(pdf(pages, outline=[("1 Returns", 0), ("Sale", 1)])).text
    assert text == "# 1. Returns\n\nText of the first page.\n\n# Sale\n\nText of the second page."


def test_pdf_drops_running_heads_and_page_numbers() -> None:
    pages = [
        prose(["Acme handbook"], top=780) + prose([f"What page {n} says."]) + prose([f"Page {n} of 5"], top=30)
        for n in range(1, 6)
    ]
    pages[2] = prose(["Acme handbook"], top=780) + prose(["Three.", "Four.", "Five.", "Six."])
    assert load(pdf(pages)).text == (
        "What page 1 says.\n\nWhat page 2 says.\n\nThree.\nFour.\nFive.\nSix.\n\nWhat page 4 says.\n\nWhat page 5 says."
    )


WORDS = ("one", "two", "three", "four", "five", "six", "seven")


def test_pdf_drops_running_heads_of_chapters_and_the_table_of_contents() -> None:
    pages = [prose(["Contents", "1 Returns . . . . . . 2", "2 Sale ………………… 5"])]
    for page, word in enumerate(WORDS, start=1):
        head = f"Chapter {1 + page // 4}: Rules {page + 1}"
        pages.append(prose([f"Text {word}.", f"More {word}.", f"Last {word}.", head]))
    expected = [f"Text {word}.\nMore {word}.\nLast {word}." for word in WORDS]
    assert load(pdf(pages)).text == "\n\n".join(["Contents", *expected])


def test_pdf_keeps_numbered_headings_of_slides() -> None:
    sentences = [f"Do this and that, as the manual for {word} says in its first part." for word in WORDS]
    pages = [
        prose([f"Step {number}"], size=20, top=780) + prose([line]) for number, line in enumerate(sentences, start=1)
    ]
    expected = [f"# Step {number}\n\n{line}" for number, line in enumerate(sentences, start=1)]
    assert load(pdf(pages)).text == "\n\n".join(expected)


def test_pdf_writes_radicals_and_ligatures_as_letters() -> None:
    assert load(pdf([prose(["⼗天内⻓期有效的 ﬁle ⾮常⽤⼼"])])).text == "十天内长期有效的 file 非常用心"


def test_pdf_lists_the_pages_without_text() -> None:
    pages = [prose(["A page with some text on it."])] * 3 + [[]] * 3 + [prose(["And one more page with text."]), []]
    assert load(pdf(pages)).metadata == {"pages": "8", "pages_without_text": "4-6, 8"}


def test_pdf_scan_is_refused_with_advice() -> None:
    picture = b"<< /Font << /F 3 0 R >> /XObject << /I << /Subtype /Image >> >> >>"
    scan = pdf([[], prose(["2"])]).replace(b"<< /Font << /F 3 0 R >> >>", picture)
    with pytest.raises(Empty, match="only pictures of pages"):
        load(scan)
    with pytest.raises(Empty, match="There is no text"):
        load(pdf([[], []]))


@pytest.mark.parametrize("title", ["Microsoft Word - Document1", "handbook_v2.docx", "untitled", "  "])
def test_pdf_title_without_meaning_is_not_used(title: str) -> None:
    assert load(pdf([prose(["Some text on the page."])], title=title)).title == "handbook"


def test_pdf_with_too_many_pages_is_refused() -> None:
    with pytest.raises(TooLarge, match="has 30 pages; the limit is 20"):
        load(pdf([prose(["text"])] * 30), Limits(pages=20))


def test_pdf_with_a_password_is_refused_and_without_one_is_read() -> None:
    from pypdf import PdfWriter

    for password, readable in (("", True), ("secret", False)):
        writer = PdfWriter(io.BytesIO(pdf([prose(["Text that is encrypted."])])))
        writer.encrypt(password, owner_password="owner", algorithm="RC4-128")
        file = io.BytesIO()
        writer.write(file)
        if readable:
            assert load(file.getvalue()).text == "Text that is encrypted."
        else:
            with pytest.raises(Protected, match="password"):
                load(file.getvalue())


def test_a_damaged_pdf_is_refused() -> None:
    good = pdf([prose(["x"])])
    for data in (b"no pdf", good[:60], good.replace(b"/Kids [5 0 R]", b"/Kids [2 0 R]"), b"%PDF-1.4\n%%EOF"):
        with pytest.raises(Damaged):
            load(data)


PRICES = [["Item", "Week", "Weekend"], ["Shoe", "", "4"], ["⼄型柜", "5", ""], ["Book", "6", "7"]]


def test_pdf_ruled_tables_keep_their_cells_apart_and_blank_cells_in_place() -> None:
    texts, boxes = grid(PRICES, top=700)
    page = [*prose(["Prices of this year."], top=730), *texts, *prose(["All prices in euros."], top=560)]
    assert load(pdf([page], boxes=[boxes])).text == (
        "Prices of this year.\n\n| Item | Week | Weekend |\n| --- | --- | --- |\n| Shoe |  | 4 |\n| 乙型柜 | 5 |  |\n"
        "| Book | 6 | 7 |\n\nAll prices in euros."
    )


def test_pdf_a_table_that_goes_on_at_the_top_of_the_next_page_is_one_table() -> None:
    header, *rows = [["Item", "Price"], *([f"Item {number}", str(number)] for number in range(40))]
    first, first_boxes = grid([header, *rows[:20]], top=700)
    second, second_boxes = grid(rows[20:], top=780)
    text = load(pdf([first, second], boxes=[first_boxes, second_boxes])).text
    pieces = text.split("\n\n")
    assert {piece.split("\n")[0] for piece in pieces} == {"| Item | Price |"}
    written = [row for piece in pieces for row in piece.split("\n")[2:]]
    assert written == [f"| {item} | {price} |" for item, price in rows]


def test_pdf_a_frame_around_text_is_no_table() -> None:
    notes = [(40, 640, 400, 100), (30, 630, 420, 120), (40, 300, 400, 100), (30, 290, 420, 120)]
    frames = [*notes, (0, 0, 9, 9), (9, 9, 9, 9)]
    page = [*prose(["Note", "Purge the box first."], top=700), *prose(["Another note"], top=350)]
    text = load(pdf([page], boxes=[frames])).text
    assert "|" not in text
    assert "Purge the box first." in text


def test_pdf_text_beside_a_table_is_not_lost() -> None:
    texts, boxes = grid(PRICES, top=700, x=300)
    text = load(pdf([[*prose(["Left column of text."], x=40, top=670), *texts]], boxes=[boxes])).text
    assert "Left column of text." in text
    assert "| Book | 6 | 7 |" in text


def test_pdf_without_time_for_tables_is_read_as_lines_and_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, boxes = grid(PRICES, top=700)
    monkeypatch.setattr("knowledge.load.pdf.TABLE_SECONDS", 0.0)
    document = load(pdf([texts, texts], boxes=[boxes, boxes]))
    assert document.left_out == {"pdf_tables": 2}
    assert "Book" in document.text


def test_pdf_gaps_between_words_are_found_in_fonts_without_a_space() -> None:
    data = pdf([prose(["SaleXYitems"])])
    words, gap = "SaleXYitems".encode("utf-16-be").hex().encode(), "XY".encode("utf-16-be").hex().encode()
    drawn = b"<" + words + b"> Tj"
    moved = b"[<" + words.replace(gap, b">-250<") + b">]TJ "
    wide = data.replace(drawn, moved).replace(b"/BaseFont /Any /DW 500", b"/W [32 [570]]  /DW 500")
    assert len(wide) == len(data)
    assert wide.count(b"-250") == wide.count(b"[570]") == 1
    assert load(wide).text == "Sale items"


def test_pdf_drops_running_heads_with_the_number_of_pages_behind_the_page() -> None:
    pages = [prose([f"Handbook {n} / 7"], top=780) + prose([f"What page {n} says."]) for n in range(1, 8)]
    assert load(pdf(pages)).text == "\n\n".join(f"What page {n} says." for n in range(1, 8))


@pytest.mark.parametrize(
    ("encoding", "width"),
    [
        ({"/Differences": [16, "/quotedblleft", 33, "/exclam"]}, 0),
        ({"/Differences": [31, "/a", "/space"]}, 500),
        ({"/Differences": [33, "/exclam"], "/BaseEncoding": "/WinAnsiEncoding"}, 500),
    ],
)
def test_pdf_width_of_a_space_is_forgotten_where_32_need_not_be_one(encoding: dict[str, Any], width: int) -> None:
    font = {"/Encoding": encoding, "/FirstChar": 30, "/Widths": [100, 200, 500, 300]}
    pdf_fonts.forget_space_widths({"/Resources": {"/Font": {"/F": font}}})  # type: ignore[arg-type]
    assert font["/Widths"] == [100, 200, width, 300]


def test_pdf_drops_running_heads_of_left_and_right_pages() -> None:
    heads = ("The Garage Book", "Release 12 of the book")
    pages = [prose([heads[n % 2]], top=780) + prose([f"What page {n} says."]) for n in range(1, 9)]
    assert load(pdf(pages)).text == "\n\n".join(f"What page {n} says." for n in range(1, 9))
