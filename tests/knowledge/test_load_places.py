"""Where the passages of each format stand in their file, as a person would say it who opens the file."""

from __future__ import annotations

import pytest

from knowledge.load import Damaged, Limits, LoadedDocument, wire
from knowledge.load.child import documents
from knowledge.load.values import SUFFIXES
from knowledge.versions import cuts_of
from retrieval.place import Place, Places
from tests.knowledge.load_files import grid, pdf, prose, xlsx
from tests.knowledge.test_load_formats import pptx


def load(data: bytes | str, name: str) -> list[LoadedDocument]:
    return list(documents(data.encode() if isinstance(data, str) else data, name, Limits()))


def places(data: bytes | str, name: str) -> list[tuple[str, Place | None]]:
    """(the beginning of each passage, its place) of all documents of a file."""
    return [
        (cut.text[:16], place)
        for document in load(data, name)
        for cut, place in cuts_of(document.text, document.places)
    ]


def lines(*numbers: int) -> list[Place]:
    return [Place("line", number) for number in numbers]


def found(data: bytes | str, name: str) -> list[Place | None]:
    return [place for _, place in places(data, name)]


# Text


def test_a_passage_of_markdown_begins_on_its_line() -> None:
    text = "# Returns\n\nWithin 14 days.\n\n\n## Refunds\nIn cash.\n"
    assert found(text, "a.md") == lines(3, 7)


def test_lines_of_markdown_are_those_of_the_file_below_front_matter_and_underlined_titles() -> None:
    text = "---\ntitle: Shop\nlayout: page\n---\n\nReturns\n=======\n\nWithin 14 days.\n\nRefunds\n-------\nIn cash.\n"
    assert found(text, "a.md") == lines(9, 13)


def test_the_facts_of_the_front_matter_stand_at_the_top_of_the_file() -> None:
    text = "---\nregion: north\n---\n\nWithin 14 days.\n\n# Refunds\n\nIn cash.\n"
    assert places(text, "a.md") == [("region: north\n\nW", Place("line", 1)), ("In cash.", Place("line", 9))]


def test_a_passage_of_a_long_markdown_table_begins_on_the_line_of_its_first_row() -> None:
    rows = [f"part {number} | {'x' * 50}" for number in range(1, 41)]  # without bars at the ends: written anew
    text = "\n".join(["# Parts", "", "name | note", "--- | ---", *rows, "", "The end."])
    shown = found(text, "a.md")
    (document,) = load(text, "a.md")
    starts = [int(piece.split("part ")[1].split(" ")[0]) for piece in document.text.split("| name | note |")[1:]]
    assert starts[0] == 1
    assert len(starts) > 2
    assert shown[: len(starts)] == lines(3, *(start + 4 for start in starts[1:]))


def test_a_very_long_text_has_right_lines_to_its_end() -> None:
    text = "\n\n".join(f"Sentence number {number} of a long text." for number in range(1, 2_001))
    (document,) = load(text, "a.md")
    cuts = cuts_of(document.text, document.places)
    assert [place for _, place in cuts] == lines(*(2 * int(cut.text.split()[2]) - 1 for cut, _ in cuts))


def test_lines_of_plain_text_are_counted_where_titles_are_underlined_and_lines_joined() -> None:
    full = "这一行的文字写得很长，一直写到这一页的边上，所以下一行继续写同一个句子，中间没有空格"
    text = f"Returns\n=======\n\n{full}\n到这里结束。\n\nRefunds\n=======\n\nIn cash.\n"
    assert found(text, "a.txt") == lines(4, 10)


def test_lines_of_plain_text_are_counted_over_a_table_of_contents() -> None:
    names = ["Arriving", "Parking", "Washing", "Leaving"]
    contents = "".join(f"{at}. {name}\n" for at, name in enumerate(names, start=1))
    body = "".join(f"{at}. {name}\n\nWords about it.\n\n" for at, name in enumerate(names, start=1))
    assert found(f"Contents\n\n{contents}\n\n{body}", "a.txt") == lines(11, 15, 19, 23)


@pytest.mark.parametrize("mark", ["\f", "\u2028", "\x85"])
def test_a_mark_that_is_no_line_end_does_not_count(mark: str) -> None:
    assert found(f"# A\n\none{mark}two\n\n# B\n\nthree", "a.md") == lines(3, 7)


def test_invisible_characters_and_blank_lines_at_the_top_do_not_move_lines() -> None:
    assert found("\n\n\u200b\u200b# A\n\none\u200b\n\n# B\n\ntwo", "a.md") == lines(5, 9)


def test_lines_of_windows_and_old_mac_files_count_like_others() -> None:
    assert found("# A\r\n\r\none\r\n\r\n# B\r\n\r\ntwo", "a.md") == lines(3, 7)
    assert found("# A\r\rone\r\r# B\r\rtwo", "a.txt") == lines(3, 7)


def test_restructured_text_counts_the_names_of_places_that_nobody_reads() -> None:
    assert found(
        ".. _start:\n\nReturns\n=======\n\nIn cash.\n\n.. _b:\n\nRefunds\n=======\n\nNever.", "a.rst"
    ) == lines(6, 13)


def test_asciidoc_counts_comments_and_attributes() -> None:
    assert found("= Shop\n:toc:\n// comment\n\nIn cash.\n\n== Refunds\n\nNever.", "a.adoc") == lines(5, 9)


# Tables


def test_each_document_of_a_csv_stands_in_its_row() -> None:
    assert found('question,answer\nWhen?,"At nine.\nOr ten."\n\nWhere?,Here.', "a.csv") == [
        Place("row", 2),
        Place("row", 4),
    ]


def test_the_passages_of_a_table_have_its_rows() -> None:
    rows = "".join(f"bolt {number},{'x' * 60}\n" for number in range(2, 42))
    shown = places(f"part,note\n{rows}", "a.csv")
    assert len(shown) > 2
    covered = [number for _, place in shown if place for number in range(place.first or 0, (place.last or 0) + 1)]
    assert covered == list(range(2, 42))


def test_a_workbook_names_sheet_and_row() -> None:
    sheets = {
        "Prices": [
            ["Price list"],
            ["valid from May, for everybody who comes"],
            ["wash", "euros"],
            ["small", 5],
            [],
            ["large", 9],
        ],
        "Hours": [["question", "answer"], ["When?", "At nine."], ["Until when?", "Until six."]],
    }
    assert places(xlsx(sheets), "a.xlsx") == [
        ("valid from May, ", Place("row", 2, 6, "Prices")),
        ("At nine.", Place("row", 2, name="Hours")),
        ("Until six.", Place("row", 3, name="Hours")),
    ]


def test_a_workbook_of_one_sheet_names_it_too() -> None:
    assert found(xlsx({"Hours": [["day", "open"], ["Monday", "nine"]]}), "a.xlsx") == [Place("row", 2, name="Hours")]


def test_jsonl_stands_on_its_line_and_json_is_an_item() -> None:
    long = "\\n\\n".join(f"Paragraph {number} {'x' * 300}" for number in range(6))
    shown = found(f'{{"text": "one"}}\n\n{{"title": "two", "text": "{long}"}}\n', "a.jsonl")
    assert len(shown) > 2
    assert shown == lines(1, *[3] * (len(shown) - 1))
    assert found('[{"text": "one"},\n {"text": "two"}]', "a.json") == [Place("item", 1), Place("item", 2)]


# Pages


def test_a_passage_of_a_pdf_has_its_page() -> None:
    pages = [
        [*prose(["Returns"], size=20, top=750), *prose(["Within fourteen days after the parcel came to you."])],
        [*prose(["Refunds"], size=20, top=750), *prose(["In cash, or by the way in which you paid for it."])],
    ]
    assert places(pdf(pages), "a.pdf") == [
        ("Within fourteen ", Place("page", 1)),
        ("In cash, or by t", Place("page", 2)),
    ]


def test_a_paragraph_that_goes_on_over_the_page_has_both_pages() -> None:
    line = "A sentence that fills its whole line and goes on in the next line of the"
    assert found(pdf([prose([line, line]), prose([line, "page. The end."])]), "a.pdf") == [Place("page", 1, 2)]


def test_pages_without_text_are_counted() -> None:
    pages = [[], [*prose(["Returns"], size=20, top=750), *prose(["Within fourteen days."])]]
    assert found(pdf(pages), "a.pdf") == [Place("page", 2)]


def test_the_rows_of_a_table_over_two_pages_have_their_own_pages() -> None:
    first, boxes = grid([["part", "note"], *([f"bolt {n}", "x" * 40] for n in range(25))], top=780, width=250)
    second, more = grid([["part", "note"], *([f"nut {n}", "x" * 40] for n in range(30))], top=780, width=250)
    (document,) = load(pdf([first, second], boxes=[boxes, more]), "a.pdf")
    cuts = cuts_of(document.text, document.places)
    assert len(cuts) > 3
    for cut, place in cuts:
        on = [page for page, word in ((1, "bolt"), (2, "nut")) if word in cut.text]
        assert place == Place("page", on[0], on[1] if len(on) == 2 else None)


def test_a_slide_has_the_number_that_the_program_shows() -> None:
    assert places(pptx(), "a.pptx") == [
        ("- In the yard\n  ", Place("slide", 1)),
        ("| Wash | Euros |", Place("slide", 2)),
    ]


# Web pages


def anchors(body: str) -> list[str | None]:
    return [place and place.name for place in found(f"<html><body>{body}</body></html>", "a.html")]


@pytest.mark.parametrize(
    "heading",
    [
        '<h2 id="fees">Fees</h2><p>Five euros.</p>',
        '<h2><a id="fees"></a>Fees</h2><p>Five euros.</p>',
        '<h2><a name="fees">Fees</a></h2><p>Five euros.</p>',
        '<a name="fees"></a><h2>Fees</h2><p>Five euros.</p>',
        '<section id="fees"><h2>Fees</h2><p>Five euros.</p></section>',
        '<div id="fees">\n<div><h2>Fees</h2></div><p>Five euros.</p></div>',
    ],
)
def test_a_passage_of_a_web_page_has_the_anchor_of_its_heading(heading: str) -> None:
    assert anchors(f"<h1>Washing</h1><p>Every day.</p>{heading}") == [None, "fees"]


def test_a_heading_without_an_anchor_is_in_the_section_around_it_and_not_in_the_one_before() -> None:
    body = (
        '<h1 id="top">Washing</h1><h2 id="fees">Fees</h2><p>Five euros.</p>'
        "<h3>Discounts</h3><p>None.</p><h2>Hours</h2><p>Nine to six.</p>"
    )
    assert anchors(body) == ["fees", "fees", "top"]


def test_an_anchor_around_other_text_is_not_that_of_the_heading() -> None:
    assert anchors('<div id="all"><p>Every day.</p><h2>Fees</h2><p>Five euros.</p></div>') == [None, None]
    assert anchors('<div id="all">Every day.<br>Always.<h2>Fees</h2><p>Five euros.</p></div>') == [None, None]


def test_an_anchor_that_no_link_can_have_is_none() -> None:
    assert anchors('<h2 id="two words">Fees</h2><p>Five euros.</p>') == [None]


# All formats


def test_places_reach_the_parent_as_they_left_the_child() -> None:
    for known in (Places("row", ((0, 5), (9, None)), "Prices"), Places("line", ((0, 1),), counts=True), None):
        loaded = LoadedDocument("k", "title", "text", places=known)
        answer = wire.read_answer(wire.document(loaded))
        assert isinstance(answer, LoadedDocument)
        assert answer.places == known


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "elsewhere", "marks": [[0, 1]]},
        {"kind": "page", "marks": [[5, 1], [0, 2]]},
        {"kind": "page", "marks": [[0, True]]},
        {"kind": "page", "marks": [[0, -1]]},
        {"kind": "page", "marks": [[0, [1]]]},
        {"kind": "anchor", "marks": [[0, "a\x00"]]},
        {"kind": "page", "marks": 3},
    ],
)
def test_places_that_no_reader_writes_are_refused(fields: dict[str, object]) -> None:
    line = wire.document(LoadedDocument("k", "title", "text", places=Places("page", ((0, 1),))))
    message = line.replace(b'{"kind":"page","marks":[[0,1]]', wire.encode(fields).strip().rstrip(b"}"))
    assert message != line
    with pytest.raises(Damaged, match="makes no sense"):
        wire.read_answer(message)


def test_formats_without_places_say_nothing() -> None:
    assert {".docx", ".epub", ".eml", ".odt", ".rtf"} < SUFFIXES
    (document,) = load("{\\rtf1 In cash.}", "a.rtf")
    assert document.places is None
