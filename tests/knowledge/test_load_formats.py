"""EPUB, EML, PPTX, ODT, RTF and AsciiDoc: what is read, what is left out, and hostile files."""

from __future__ import annotations

import io
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import pytest

from knowledge.load import Damaged, Limits, LoadedDocument, Protected, TooLarge
from knowledge.load.child import documents
from tests.knowledge.load_files import zipped

if TYPE_CHECKING:
    from collections.abc import Mapping

OPF = """<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>
<dc:title>The Garage Book</dc:title><dc:language>en-GB</dc:language></metadata><manifest>
<item id="b" href="two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="one.xhtml" media-type="application/xhtml+xml"/>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="c" href="x.css" media-type="text/css"/></manifest>
<spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/><itemref idref="c"/></spine></package>"""
CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'
OFFICE = "urn:oasis:names:tc:opendocument:xmlns"


def load(data: bytes, name: str, limits: Limits | None = None) -> LoadedDocument:
    (document,) = documents(data, name, limits or Limits())
    return document


def epub(**more: str) -> dict[str, str]:
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/content.opf": OPF,
        "OEBPS/one.xhtml": '<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="a.js"/></head>'
        '<body><a id="x"/><h1>Parking</h1><p>In the yard.</p><p hidden="">4711</p></body></html>',
        "OEBPS/two b.xhtml": "<html><body><h1>Washing</h1><p>A wash costs <b>5</b> euros.</p></body></html>",
        "OEBPS/nav.xhtml": "<html><body><nav><a href='one.xhtml'>Parking</a></nav>Contents</body></html>",
        **more,
    }


def test_epub_pages_are_read_in_their_order_without_the_contents() -> None:
    assert load(zipped(epub()), "garage.epub") == LoadedDocument(
        "",
        "The Garage Book",
        "# Parking\n\nIn the yard.\n\n# Washing\n\nA wash costs 5 euros.",
        language="en",
        left_out={"hidden_parts": 1},
    )


def test_epub_with_encrypted_pages_is_refused_and_with_encrypted_fonts_is_read() -> None:
    encryption = "<encryption><EncryptedData><CipherReference URI='{}'/></EncryptedData></encryption>"
    fonts = {"META-INF/encryption.xml": encryption.format("OEBPS/font.otf")}
    assert "In the yard." in load(zipped(epub(**fonts)), "garage.epub").text
    with pytest.raises(Protected):
        load(zipped(epub(**{"META-INF/encryption.xml": encryption.format("OEBPS/one.xhtml")})), "garage.epub")


@pytest.mark.parametrize("missing", ["META-INF/container.xml", "OEBPS/content.opf", "OEBPS/one.xhtml"])
def test_epub_without_one_of_its_parts_is_damaged(missing: str) -> None:
    members = epub()
    del members[missing]
    with pytest.raises(Damaged, match="EPUB"):
        load(zipped(members), "garage.epub")


def mail(**fields: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in ({"Subject": "车库 closes", "From": "Ann <ann@garage.example>", "To": "all"} | fields).items():
        message[name] = value
    return message


def test_eml_subject_people_and_text_are_read_and_attachments_are_counted() -> None:
    message = mail()
    message.set_content("The garage closes at nine.\n")
    message.add_alternative("<p>The garage <b>closes</b> at nine.</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="plan.pdf")
    document = load(message.as_bytes(), "a.eml")
    assert document.title == "车库 closes"
    assert document.text == "From: Ann <ann@garage.example>; To: all\n\nThe garage closes at nine."
    assert document.left_out == {"attachments": 1}


def test_eml_of_html_only_is_read_like_a_page() -> None:
    message = mail()
    message.set_content("<h2>Hours</h2><p>Until nine.</p><div style='display:none'>Buy!</div>", subtype="html")
    document = load(message.as_bytes(), "a.eml")
    assert document.text.endswith("\n\n## Hours\n\nUntil nine.")
    assert document.left_out == {"hidden_parts": 1}


def test_text_that_is_no_mail_is_refused() -> None:
    with pytest.raises(Damaged, match="EML"):
        load(b"The garage closes at nine.", "a.eml")


def pptx(*, hidden: bool = False) -> bytes:
    from pptx import Presentation
    from pptx.util import Inches

    show = Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Parking"
    frame = slide.placeholders[1].text_frame
    frame.text = "In the yard"
    frame.add_paragraph().text = "By day"
    frame.paragraphs[1].level = 1
    run = frame.paragraphs[1].add_run()
    run.text = " and by night"
    run.font._element.set("strike", "sngStrike")
    slide.notes_slide.notes_text_frame.text = "Do not say this."
    second = show.slides.add_slide(show.slide_layouts[5])
    second.shapes.title.text = "Prices"
    table = second.shapes.add_table(3, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for at, words in enumerate(["Wash", "Euros", "Small", "5", "Large", ""]):
        table.cell(at // 2, at % 2).text = words
    table.cell(1, 1).merge(table.cell(2, 1))
    group = second.shapes.add_group_shape()
    box = group.shapes.add_textbox(Inches(1), Inches(5), Inches(4), Inches(1))
    box.text_frame.text = "Prices of this year"
    third = show.slides.add_slide(show.slide_layouts[5])
    third.shapes.title.text = "Secret"
    third.element.set("show", "0")
    file = io.BytesIO()
    show.save(file)
    return file.getvalue()


def test_pptx_slides_are_sections_with_lists_and_tables() -> None:
    assert load(pptx(), "garage.pptx") == LoadedDocument(
        "",
        "Parking",
        "# Parking\n\n- In the yard\n  - By day\n\n# Prices\n\n| Wash | Euros |\n| --- | --- |\n| Small | 5 |\n"
        "| Large | 5 |\n\nPrices of this year",
        left_out={"hidden_slides": 1, "speaker_notes": 1, "struck_out": 1},
    )


def odt(body: str, styles: str = "", **more: str) -> bytes:
    names = " ".join(
        f'xmlns:{name}="{OFFICE}:{space}:1.0"'
        for name, space in (("text", "text"), ("table", "table"), ("office", "office"), ("style", "style"))
    )
    content = f"<office:document-content {names}><office:automatic-styles>{styles}</office:automatic-styles>"
    content += f"<office:body><office:text>{body}</office:text></office:body></office:document-content>"
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content, **more})


def test_odt_headings_lists_tables_and_what_is_not_valid() -> None:
    styles = (
        '<style:style style:name="S"><style:text-properties style:text-line-through-style="solid"/></style:style>'
        '<style:style style:name="H"><style:text-properties text:display="none"/></style:style>'
    )
    body = """<text:tracked-changes><text:p>Deleted.</text:p></text:tracked-changes>
    <text:table-of-content><text:p>Parking 1</text:p></text:table-of-content>
    <text:h text:outline-level="1">Parking</text:h>
    <text:p>A<text:s text:c="2"/>day<text:line-break/>costs <text:span>12</text:span> euros.
    <text:span text:style-name="S">10 euros.</text:span><text:span text:style-name="H">4711</text:span>
    <office:annotation><text:p>Really?</text:p></office:annotation></text:p>
    <text:list><text:list-item><text:p>yard</text:p></text:list-item><text:list-item><text:p>street</text:p>
    </text:list-item></text:list>
    <table:table><table:table-row><table:table-cell><text:p>Car</text:p></table:table-cell>
    <table:table-cell><text:p>Euros</text:p></table:table-cell></table:table-row>
    <table:table-row><table:table-cell><text:p>small</text:p></table:table-cell>
    <table:table-cell table:number-rows-spanned="2"><text:p>5</text:p></table:table-cell></table:table-row>
    <table:table-row><table:table-cell><text:p>large</text:p></table:table-cell><table:covered-table-cell/>
    </table:table-row></table:table>"""
    assert load(odt(body, styles), "garage.odt") == LoadedDocument(
        "",
        "Parking",
        "# Parking\n\nA day\ncosts 12 euros.\n\n- yard\n- street\n\n| Car | Euros |\n| --- | --- |\n| small | 5 |\n"
        "| large | 5 |",
        left_out={"navigation": 1, "struck_out": 1, "hidden_parts": 1, "comments": 1},
    )


def test_odt_with_a_password_is_refused() -> None:
    manifest = "<manifest><file-entry><encryption-data/></file-entry></manifest>"
    with pytest.raises(Protected):
        load(odt("<text:p>x</text:p>", **{"META-INF/manifest.xml": manifest}), "garage.odt")


def test_odt_repeated_cells_cannot_make_a_table_larger_than_its_rows() -> None:
    cell = '<table:table-cell table:number-columns-repeated="999999"><text:p>x</text:p></table:table-cell>'
    document = load(odt(f"<table:table><table:table-row>{cell * 2}</table:table-row></table:table>"), "a.odt")
    assert document.text.count("x") <= 200


RTF = (
    rb"{\rtf1\ansi\ansicpg936{\fonttbl{\f0 Times;}}{\info{\title T}}\pard\outlinelevel0 Parking\par\pard "
    rb"\'b9\'fb\'bd\'b4 5 \u20803? {\v hidden}{\strike old }new\par {\strike gone\strike0  kept}\par "
    rb"{\header head}{\pict\wmetafile 0102}\trowd A\cell B\cell\row}"
)


def test_rtf_text_and_headings_are_read_without_what_is_hidden_or_struck_out() -> None:
    document = load(RTF, "garage.rtf")
    assert document.text == "# Parking\n\n果酱 5 元 new\n\nkept\n\nA|B|"
    assert document.left_out == {"hidden_parts": 1, "struck_out": 2, "pictures": 1}


def test_text_that_is_no_rtf_is_refused() -> None:
    with pytest.raises(Damaged, match="RTF"):
        load(b"The garage closes at nine.", "a.rtf")


def test_asciidoc_titles_and_code() -> None:
    source = """= The Garage
:toc: left
// not for readers

== Parking

[NOTE]
In the yard. // kept

[source,bash]
----
== no title
park --yard
----

////
== Old
////
"""
    document = load(source.encode(), "garage.adoc")
    assert document.title == "The Garage"
    assert document.text.split() == (
        "# The Garage ## Parking In the yard. // kept ``` == no title park --yard ```".split()
    )


@pytest.mark.parametrize("name", ["a.epub", "a.pptx", "a.odt"])
def test_packages_that_unpack_to_too_much_or_are_none_are_refused(name: str) -> None:
    bomb: Mapping[str, Any] = {"content.xml": b" " * 30_000_000}
    with pytest.raises(TooLarge):
        load(zipped(bomb), name)
    with pytest.raises(Damaged, match=name[2:].upper()):
        load(b"no package", name)
