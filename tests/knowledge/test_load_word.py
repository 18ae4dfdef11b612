"""What a person sees in Word is what is read."""

from __future__ import annotations

from knowledge.load import Limits, LoadedDocument
from knowledge.load.child import documents
from tests.knowledge.load_files import docx, paragraph, relationships

R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
MC = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'


def load(data: bytes) -> LoadedDocument:
    (document,) = documents(data, "a.docx", Limits())
    return document


def run(text: str, properties: str = "") -> str:
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def line(*runs: str) -> str:
    return f"<w:p>{''.join(runs)}</w:p>"


def test_struck_out_hidden_and_deleted_words_are_not_read_and_are_counted() -> None:
    body = (
        line(run("The fee is "), run("480", "<w:strike/>"), run("360", '<w:strike w:val="false"/>'), run(" euros."))
        + line(run("Carry over "), run("ten", "<w:dstrike/>"), run("four days."), run(" Code 7731.", "<w:vanish/>"))
        + line(
            run("Ask "),
            f'<w:del w:id="1"><w:r><w:delText>Ann</w:delText></w:r></w:del><w:ins w:id="2">{run("Bo")}</w:ins>',
        )
    )
    document = load(docx(body))
    assert document.text == "The fee is 360 euros.\n\nCarry over four days.\n\nAsk Bo"
    assert document.left_out == {"struck_out": 3, "hidden_parts": 1}


def test_words_that_a_style_strikes_out_are_not_read() -> None:
    styles = (
        f'<w:styles {W}><w:style w:type="character" w:styleId="Old"><w:rPr><w:strike/></w:rPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="Secret"><w:rPr><w:vanish/></w:rPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="Below"><w:basedOn w:val="Secret"/></w:style></w:styles>'
    )
    body = line(run("From 9 to "), run("17", '<w:rStyle w:val="Old"/>'), run("18")) + paragraph("Key code", "Below")
    document = load(docx(body, extra={"word/styles.xml": styles}))
    assert document.text == "From 9 to 18"
    assert document.left_out == {"struck_out": 1, "hidden_parts": 1}


def test_numbers_of_headings_and_items_stand_in_the_text() -> None:
    numbering = (
        f'<w:numbering {W}><w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:start w:val="1"/>'
        '<w:numFmt w:val="chineseCounting"/><w:lvlText w:val="第%1条"/></w:lvl></w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>'
    )

    def numbered(text: str, style: str = "") -> str:
        named = f'<w:pStyle w:val="{style}"/>' if style else ""
        return f'<w:p><w:pPr>{named}<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr></w:pPr>{run(text)}</w:p>'

    body = numbered("押金", "Heading2") + paragraph("六千元。") + numbered("租期", "Heading2") + numbered("转租")
    document = load(docx(body, extra={"word/numbering.xml": numbering}))
    assert document.text == "## 第一条 押金\n\n六千元。\n\n## 第二条 租期\n\n第三条 转租"


def test_a_text_box_is_read_once_behind_its_paragraph() -> None:
    box = "<w:txbxContent>" + paragraph("No boats behind the buoy.") + "</w:txbxContent>"
    old = f'<w:pict><v:shape xmlns:v="urn:schemas-microsoft-com:vml"><v:textbox>{box}</v:textbox></v:shape></w:pict>'
    new = f'<x:wsp xmlns:x="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"><x:txbx>{box}</x:txbx></x:wsp>'
    fallback = f"<mc:Fallback>{old}</mc:Fallback>"
    both = f'<mc:AlternateContent {MC}><mc:Choice Requires="wps">{new}</mc:Choice>{fallback}</mc:AlternateContent>'
    for content in (old, both, both.replace(fallback, "")):
        text = load(docx(line(run("Boat hire."), f"<w:r>{content}</w:r>") + paragraph("Back at sunset."))).text
        assert text == "Boat hire.\n\nNo boats behind the buoy.\n\nBack at sunset."


def test_page_headers_and_footers_are_read_once_without_page_numbers() -> None:
    field = (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> PAGE </w:instrText></w:r>'
        f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{run("12")}<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )
    simple = f'<w:fldSimple w:instr="NUMPAGES">{run("30")}</w:fldSimple>'
    header = f"<w:hdr {W}>{line(run('Document QM-7781'))}</w:hdr>"
    lines = line(run("– "), field, run(" / "), simple) + line(run("Page "), field, run(" · Extension 6620"))
    footer = f"<w:ftr {W}>{lines}</w:ftr>"
    references = "".join(
        f'<w:sectPr><w:{kind}Reference {R} w:type="{page}" r:id="{key}"/></w:sectPr>'
        for kind, key, page in (
            ("header", "rId8", "default"),
            ("header", "rId8", "first"),
            ("footer", "rId9", "default"),
        )
    )
    targets = relationships({"rId8": ("header", "header1.xml"), "rId9": ("footer", "footer1.xml")})
    extra = {"word/_rels/document.xml.rels": targets, "word/header1.xml": header, "word/footer1.xml": footer}
    document = load(docx(paragraph("Glove box", "Heading1") + paragraph("Purge it.") + references, extra=extra))
    assert document.title == "Glove box"
    assert document.text == "Document QM-7781 · Page · Extension 6620\n\n# Glove box\n\nPurge it."


def test_merged_cells_give_their_value_to_each_row_and_column() -> None:
    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(text)}</w:tc>"

    rows = (
        cell("Branch") + cell("Saturday") + cell("Sunday"),
        cell("Hilltop", '<w:vMerge w:val="restart"/>') + cell("closed", '<w:gridSpan w:val="2"/>'),
        cell("", "<w:vMerge/>") + cell("8 to 16") + cell("9 to 12"),
    )
    body = f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in rows)}</w:tbl>"
    assert load(docx(body)).text.split("\n")[2:] == ["| Hilltop | closed | closed |", "| Hilltop | 8 to 16 | 9 to 12 |"]


def test_comments_and_pictures_are_counted() -> None:
    comments = f'<w:comments {W}><w:comment w:id="1">{paragraph("Check this")}</w:comment></w:comments>'
    picture = (
        '<w:r><w:drawing><p:pic xmlns:p="http://schemas.openxmlformats.org/drawingml/2006/picture"/></w:drawing></w:r>'
    )
    document = load(docx(line(run("Text"), picture), extra={"word/comments.xml": comments}))
    assert (document.text, document.left_out) == ("Text", {"comments": 1, "pictures": 1})
