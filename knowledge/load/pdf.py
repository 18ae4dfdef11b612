"""Reads the text layer of PDF, page by page with pypdf.

In a measurement, pypdf's layout mode was worse than its plain mode: it prints two columns side by side, so that lines
of different paragraphs become one, and puts spaces into Chinese words. Plain mode follows the order of writing. It also
reports sizes and heights, from which ``lines`` makes headings and paragraphs. On pages with ruled lines,
``pdf_tables`` finds the tables, which take the place of their lines.
"""

from __future__ import annotations

import io
import math
import re
import unicodedata
from contextlib import suppress
from itertools import pairwise
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from knowledge.load import lines, pdf_fonts, pdf_tables
from knowledge.load.errors import Damaged, Empty, Protected, TooLarge
from knowledge.load.left_out import LeftOut
from knowledge.load.lines import Line
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pypdf import PageObject, PdfReader

    from knowledge.load.pdf_tables import Table

TABLE_SECONDS = 0.4  # of the file's processor time, for finding tables
RULED = 6  # straight lines and rectangles: a page with fewer has no ruled table
OUTLINE_ENTRIES = 5_000
PICTURE_PAGES = 20
FEW_CHARACTERS = 10  # on an average page: only page numbers and stamps on scanned pictures

_WIDE = r"[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
_INNER_SPACE = re.compile(
    f"(?<={_WIDE}) +(?={_WIDE})|(?<=[“‘]) +(?={_WIDE})|(?<={_WIDE}) +(?=[”’])|(?<=[”’]) +(?={_WIDE})"
)
_NO_TITLE = re.compile(
    r"^(?:untitled|microsoft word - .*|.*\.(?:docx?|pdf|html?|indd|pptx?|xlsx?|tex|dvi|qxd))$", re.IGNORECASE
)

# Many programs write radicals and ligatures for the characters that look the same, and no search finds them. Most have
# a compatibility mapping in Unicode. These do not; they are from Unicode's EquivalentUnifiedIdeograph table.
_RADICALS = (
    "⺁⺂⺃⺄⺅⺆⺈⺉⺊⺋⺌⺍⺎⺏⺐⺒⺓⺔⺕⺖⺗⺘⺙⺛⺜⺝⺞⺟⺠⺡⺢⺣⺤⺥⺦⺧⺨⺩⺫⺬⺭⺯⺰⺱⺲⺳⺴⺶⺹⺺⺻⺼⺾⺿⻀⻁⻂⻃⻄⻅⻆⻈⻉⻋⻌⻍⻎⻏⻐⻑⻒⻓⻔⻖⻗⻘⻙⻚⻛⻜⻝⻟⻠⻢⻣⻤⻥⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲⻳",
    "厂乛乚乙亻冂刀刂卜㔾小小兀尣尢巳幺彑彐忄心扌攵旡日月歺母民氵氺灬爫爫丬牛犭王目示礻糹纟罓罒㓁冗羊耂肀聿肉艹艹艹虎衤覀西见角讠贝车辶辶辶邑钅長镸长门阝雨青韦页风飞食飠饣马骨鬼鱼鸟卤麦黄黾斉齐歯齿竜龙龜亀龟",
)
_LOOKALIKES = str.maketrans(*_RADICALS) | {
    code: unicodedata.normalize("NFKC", chr(code)) for code in (*range(0x2F00, 0x2FD6), *range(0xFB00, 0xFB07))
}


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document. ``metadata`` has the number of pages and lists those that have no text or cannot be read."""
    reader = _open(data, limits)
    pages: list[list[Line]] = []
    blank, broken, ruled = [], [], []
    characters = 0
    for number, page in enumerate(reader.pages, start=1):
        try:
            page_lines, is_ruled = _page_lines(page)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - a damaged page raises any exception; other pages may be good
            page_lines = []
            broken.append(number)
        else:
            if not page_lines:
                blank.append(number)
            elif is_ruled:
                ruled.append(number - 1)
        characters += sum(len(line.text) for line in page_lines)
        if characters > limits.document_characters:
            raise TooLarge(
                "The file has more than {limit:,} characters. Split it.",
                code="file_characters",
                limit=limits.document_characters,
            )
        pages.append(page_lines)
    if len(broken) == len(pages):
        raise Damaged("No page of the file can be read. Print it to a new PDF.", code="pdf_unreadable")
    if characters < FEW_CHARACTERS * len(pages) and any(map(_has_picture, reader.pages[:PICTURE_PAGES])):
        raise Empty(
            "The file has no text, only pictures of pages (a scan). Run a text recognition (OCR) over it "
            "first, for example with ocrmypdf.",
            code="file_scan",
        )
    metadata = {"pages": str(len(pages))}
    if blank:
        metadata["pages_without_text"] = _ranges(blank)
    if broken:
        metadata["unreadable_pages"] = _ranges(broken)
    outline = _outline(reader, pages)
    left_out = _put_tables(pages, data, ruled, TABLE_SECONDS * limits.seconds)
    text, known = lines.markdown(pages, outline)
    title = _title(reader) or PurePosixPath(name).stem
    yield LoadedDocument("", title, text, metadata=metadata, left_out=left_out, places=known)


def _open(data: bytes, limits: Limits) -> PdfReader:
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, PyPdfError

    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise Protected("The file is protected by a password. Save it without one.", code="file_locked")
        tree: Any = reader.root_object["/Pages"]
        stated_count = tree.get("/Count")  # quick to read; counting the pages takes seconds
        count = (
            stated_count if isinstance(stated_count, int) and stated_count > limits.pages else reader.get_num_pages()
        )
    except (DependencyError, FileNotDecryptedError, NotImplementedError):
        raise Protected(
            "The file is encrypted in a way that cannot be read. Print it to a new PDF.", code="pdf_encrypted"
        ) from None
    except PyPdfError as error:
        raise Damaged(
            "The file is not a {kind} file or is damaged ({reason}). Save it again.",
            code="file_damaged",
            kind="PDF",
            reason=error,
        ) from None
    if count > limits.pages:
        raise TooLarge(
            "The file has {count:,} pages; the limit is {limit:,}. Split it into smaller files.",
            code="pdf_pages",
            count=count,
            limit=limits.pages,
        )
    if not count:
        raise Damaged("The file has no pages.", code="pdf_without_pages")
    return reader


def _has_picture(page: PageObject) -> bool:
    try:
        resources: Any = page["/Resources"]
        objects = resources["/XObject"].get_object().values()
        return any(item.get_object().get("/Subtype") == "/Image" for item in objects)
    except Exception:  # noqa: BLE001 - a page that has none of these
        return False


def _page_lines(page: PageObject) -> tuple[list[Line], bool]:
    """(the lines, whether the page has so many straight lines that there may be a table)."""
    page_lines: list[Line] = []
    parts: list[tuple[str, float, float, float]] = []  # (text, size, height, left edge) of the present line
    drawn = 0

    def count(operator: bytes, _operands: Any, _page_matrix: Any, _text_matrix: Any) -> None:
        nonlocal drawn
        drawn += operator in {b"l", b"re"}

    def close() -> None:
        if text := _clean("".join(part[0] for part in parts)):
            _longest, size, height, _left = max(parts, key=lambda part: len(part[0].strip()))
            left = min(part[3] for part in parts if part[0].strip())
            page_lines.append(Line(text, size, height, left))
        parts.clear()

    def visit(text: str, page_matrix: Sequence[float], text_matrix: Sequence[float], _font: Any, size: float) -> None:
        first, *following_lines = text.split("\n")
        scale = math.sqrt(abs(_determinant(page_matrix) * _determinant(text_matrix)))
        x, y = text_matrix[4], text_matrix[5]
        height = page_matrix[1] * x + page_matrix[3] * y + page_matrix[5]
        left = page_matrix[0] * x + page_matrix[2] * y + page_matrix[4]
        parts.append((first, size * scale, height, left))
        for line in following_lines:
            close()
            parts.append((line, size * scale, height, left))

    with suppress(Exception):  # a page with damaged fonts, which extract_text may read all the same
        pdf_fonts.forget_space_widths(page)
    page.extract_text(visitor_text=visit, visitor_operand_before=count)
    close()
    return page_lines, drawn >= RULED


def _clean(text: str) -> str:
    """The text on one line, with common characters for those that look the same."""
    return _INNER_SPACE.sub("", " ".join(text.translate(_LOOKALIKES).split()))


def _put_tables(pages: list[list[Line]], data: bytes, ruled: Sequence[int], seconds: float) -> dict[str, int]:
    """Replaces lines of the ruled pages by tables. Returns what was left out."""
    left_out = LeftOut()
    if ruled:
        tables, unread = pdf_tables.find(data, ruled, seconds, _clean)
        for at, page_tables in tables.items():
            pages[at] = _with_tables(pages[at], page_tables)
        left_out.add("pdf_tables", unread)
    return left_out.take()


def _with_tables(page: Sequence[Line], tables: Sequence[Table]) -> list[Line]:
    """The lines, with a table in the place of those that it consists of."""
    kept: list[Line] = []
    placed: set[int] = set()
    for line in page:
        at = next((at for at, table in enumerate(tables) if _is_inside(line, table)), None)
        if at is None:
            kept.append(line)
        elif at not in placed:
            placed.add(at)
            kept.append(Line("", line.size, line.height, line.left, tables[at].rows))
    return kept


def _is_inside(line: Line, table: Table) -> bool:
    return table.bottom <= line.height <= table.top and table.left <= line.left <= table.right


def _determinant(matrix: Sequence[float]) -> float:
    return matrix[0] * matrix[3] - matrix[1] * matrix[2]


def _outline(reader: PdfReader, pages: Sequence[Sequence[Line]]) -> dict[tuple[int, str], int]:
    """The level by (page, key) of the bookmarks that are a line of their page; empty if less than half of them are."""
    entries: list[tuple[int, Any]] = []

    def collect(items: Sequence[Any], level: int) -> None:
        for item in items:
            if isinstance(item, list):
                collect(item, level + 1)
            elif len(entries) < OUTLINE_ENTRIES:
                entries.append((level, item))

    levels: dict[tuple[int, str], int] = {}
    try:
        collect(reader.outline, 1)
        for level, item in entries:
            number = reader.get_destination_page_number(item)
            key = lines.heading_key(str(item.title or "").translate(_LOOKALIKES))
            if number is not None and 0 <= number < len(pages) and key:
                present = {lines.heading_key(line.text) for line in pages[number]}
                if key in present:
                    levels[number, key] = level
    except Exception:  # noqa: BLE001 - bookmarks only help; broken ones are no reason to reject a document
        return {}
    return levels if 2 * len(levels) >= len(entries) else {}


def _title(reader: PdfReader) -> str:
    try:
        title = " ".join(((reader.metadata and reader.metadata.title) or "").translate(_LOOKALIKES).split())
    except Exception:  # noqa: BLE001 - see above
        return ""
    return "" if _NO_TITLE.match(title) or not any(character.isalpha() for character in title) else title


def _ranges(numbers: Sequence[int]) -> str:
    """1, 2, 3, 7 → "1-3, 7"."""
    starts = [numbers[0], *(b for a, b in pairwise(numbers) if b != a + 1)]
    ends = [*(a for a, b in pairwise(numbers) if b != a + 1), numbers[-1]]
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=True))
