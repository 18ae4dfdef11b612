"""Makes small files of every format, byte by byte, so that a test shows the content that it loads."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PdfLine = tuple[str, float, float, float]  # text, size, x, y in points from the lower left corner
PdfBox = tuple[float, float, float, float]  # x, y, width, height

_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


_FONT = (
    b"<< /Type /Font /Subtype /Type0 /BaseFont /Any /Encoding /Identity-H /ToUnicode 4 0 R /DescendantFonts"
    b" [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Any /DW 500"
    b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> >>] >>"
)


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """A ZIP with these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in members.items():
            package.writestr(name, content)
    return file.getvalue()


def re_zipped(data: bytes, member: str, old: bytes, new: bytes) -> bytes:
    """The same ZIP with a replacement in one member."""
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        members = {name: package.read(name) for name in package.namelist()}
    assert old in members[member]
    return zipped(members | {member: members[member].replace(old, new)})


def docx(body: str, *, doctype: str = "", extra: Mapping[str, str | bytes] | None = None) -> bytes:
    """A DOCX with this content of ``w:body``; styles Title, Heading1 and Heading2 exist."""
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{key}"><w:name w:val="{name}"/></w:style>'
        for key, name in (("Title", "Title"), ("Heading1", "heading 1"), ("Heading2", "heading 2"))
    )
    document = f'{_XML}{doctype}<w:document xmlns:w="{_WORD}"><w:body>{body}</w:body></w:document>'
    return zipped(
        {
            "[Content_Types].xml": _content_types(
                {
                    "/word/document.xml": "wordprocessingml.document.main",
                    "/word/styles.xml": "wordprocessingml.styles",
                }
            ),
            "_rels/.rels": relationships({"rId1": ("officeDocument", "word/document.xml")}),
            "word/_rels/document.xml.rels": relationships({"rId1": ("styles", "styles.xml")}),
            "word/styles.xml": f'{_XML}<w:styles xmlns:w="{_WORD}">{styles}</w:styles>',
            "word/document.xml": document,
            **(extra or {}),
        }
    )


def paragraph(text: str, style: str = "") -> str:
    """A ``w:p`` for ``docx``."""
    properties = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f'<w:p>{properties}<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'


def table(rows: Sequence[Sequence[str]]) -> str:
    """A ``w:tbl`` for ``docx``."""
    cells = ("".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{row}</w:tr>' for row in cells)}</w:tbl>"


def xlsx(sheets: Mapping[str, Sequence[Sequence[object]]], *, hidden: Sequence[str] = ()) -> bytes:
    """An XLSX with these sheets; numbers are numbers, other values are text, None leaves a cell out."""
    names = list(sheets)
    entries = "".join(
        f'<sheet name="{escape(name)}" sheetId="{at}" r:id="rId{at}"{_state(name in hidden)}/>'
        for at, name in enumerate(names, start=1)
    )
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": _content_types(
            {"/xl/workbook.xml": "spreadsheetml.sheet.main"}
            | {f"/xl/worksheets/sheet{at}.xml": "spreadsheetml.worksheet" for at in range(1, len(names) + 1)}
        ),
        "_rels/.rels": relationships({"rId1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": (
            f'{_XML}<workbook xmlns="{_SHEET}" xmlns:r="{_OFFICE}"><sheets>{entries}</sheets></workbook>'
        ),
        "xl/_rels/workbook.xml.rels": relationships(
            {f"rId{at}": ("worksheet", f"worksheets/sheet{at}.xml") for at in range(1, len(names) + 1)}
        ),
    }
    for at, name in enumerate(names, start=1):
        rows = "".join(
            f'<row r="{number}">{_cells(number, row)}</row>' for number, row in enumerate(sheets[name], start=1)
        )
        members[f"xl/worksheets/sheet{at}.xml"] = (
            f'{_XML}<worksheet xmlns="{_SHEET}"><sheetData>{rows}</sheetData></worksheet>'
        )
    return zipped(members)


def pdf(
    pages: Sequence[Sequence[PdfLine]],
    *,
    title: str = "",
    outline: Sequence[tuple[str, int]] = (),
    boxes: Sequence[Sequence[PdfBox]] = (),
) -> bytes:
    """A PDF with these lines of text. Any character may occur in them. ``outline``: (bookmark, page from 0); ``boxes``:
    the rectangles that are drawn on each page."""
    kids = " ".join(f"{5 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        b"",  # the catalogue, below
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        _FONT,
        _to_unicode({character for page in pages for line in page for character in line[0]}),
    ]
    for at, page in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Resources << /Font << /F 3 0 R >> >>"
            + f" /Contents {6 + 2 * at} 0 R >>".encode()
        )
        content = "".join(
            f"BT /F {size:g} Tf 1 0 0 1 {x:g} {y:g} Tm <{text.encode('utf-16-be').hex()}> Tj ET\n"
            for text, size, x, y in page
        )
        content += "".join(f"{x:g} {y:g} {w:g} {h:g} re S\n" for x, y, w, h in (boxes[at] if at < len(boxes) else ()))
        objects.append(_stream(content.encode()))
    catalogue = b"<< /Type /Catalog /Pages 2 0 R"
    if outline:
        first = len(objects) + 1
        catalogue += f" /Outlines {first} 0 R".encode()
        objects.append(f"<< /First {first + 1} 0 R /Last {first + len(outline)} 0 R >>".encode())
        for at, (name, page_number) in enumerate(outline):
            following = f" /Next {first + at + 2} 0 R" if at + 1 < len(outline) else ""
            objects.append(
                f"<< /Title <feff{name.encode('utf-16-be').hex()}> /Parent {first} 0 R{following}"
                f" /Dest [{5 + 2 * page_number} 0 R /Fit] >>".encode()
            )
    objects[0] = catalogue + b" >>"
    information = ""
    if title:
        objects.append(f"<< /Title <feff{title.encode('utf-16-be').hex()}> >>".encode())
        information = f" /Info {len(objects)} 0 R"
    return _pdf_file(objects, information)


def prose(
    lines: Sequence[str], *, size: float = 10, x: float = 50, top: float = 700, pitch: float = 12
) -> list[PdfLine]:
    """Lines of a page, one below the other."""
    return [(line, size, x, top - pitch * at) for at, line in enumerate(lines)]


def grid(
    rows: Sequence[Sequence[str]], *, top: float, x: float = 50, width: float = 100, height: float = 20
) -> tuple[list[PdfLine], list[PdfBox]]:
    """The lines and boxes of a ruled table on a page of a PDF."""
    texts: list[PdfLine] = []
    boxes: list[PdfBox] = []
    for at, row in enumerate(rows):
        for column, text in enumerate(row):
            left, bottom = x + width * column, top - height * (at + 1)
            texts.append((text, 10, left + 5, bottom + 6))
            boxes.append((left, bottom, width, height))
    return [text for text in texts if text[0]], boxes


def _to_unicode(characters: Iterable[str]) -> bytes:
    codes = sorted(character.encode("utf-16-be").hex() for character in characters)
    mapping = "".join(f"1 beginbfchar <{code}> <{code}> endbfchar\n" for code in codes)
    return _stream(f"begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange\n{mapping}endcmap".encode())


def _pdf_file(objects: Sequence[bytes], information: str) -> bytes:
    file = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(file))
        file += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    start = len(file)
    file += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    file += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    file += f"trailer << /Size {len(objects) + 1} /Root 1 0 R{information} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(file)


def _stream(content: bytes) -> bytes:
    return f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream"


def _state(hidden: bool) -> str:
    return ' state="hidden"' if hidden else ""


def _cells(number: int, row: Sequence[object]) -> str:
    return "".join(_cell(f"{chr(65 + column)}{number}", value) for column, value in enumerate(row))


def _cell(place: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return f'<c r="{place}"><v>{value}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'


def _content_types(parts: Mapping[str, str]) -> str:
    overrides = "".join(
        f'<Override PartName="{name}" ContentType="application/vnd.openxmlformats-officedocument.{kind}+xml"/>'
        for name, kind in parts.items()
    )
    default = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    return f'{_XML}<Types xmlns="{_PACKAGE}/content-types">{default}{overrides}</Types>'


def relationships(targets: Mapping[str, tuple[str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="{key}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for key, (kind, target) in targets.items()
    )
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{entries}</Relationships>'
