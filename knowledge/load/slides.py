"""Reads PPTX with python-pptx: of each slide its title, texts and tables. Hidden slides, notes and pictures are not
read."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from knowledge.load import archive, headers, places, tables
from knowledge.load.left_out import LeftOut
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEEPEST = 20  # groups in groups


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document; its title is that of the first slide. Each slide is a section."""
    from pptx import Presentation

    archive.check(data, limits, kind="PPTX")
    left_out = LeftOut()
    title = ""
    blocks: list[tuple[str, int]] = []  # with the number of the slide, hidden ones counted as the program counts them
    for number, slide in enumerate(Presentation(io.BytesIO(data)).slides, start=1):
        if slide.element.get("show") in {"0", "false"}:
            left_out.add("hidden_slides")
            continue
        heading, written = _slide(slide, left_out)
        title = title or heading
        blocks += [(block, number) for block in (f"# {heading}" if heading else "", *written) if block]
    text, known = places.joined("slide", blocks, "\n\n")
    yield LoadedDocument("", title or PurePosixPath(name).stem, text, left_out=left_out.take(), places=known)


def _slide(slide: Any, left_out: LeftOut) -> tuple[str, list[str]]:
    """(the title, the other blocks from the top to the bottom)."""
    if slide.has_notes_slide and (slide.notes_slide.notes_text_frame is not None):
        left_out.add("speaker_notes", bool(slide.notes_slide.notes_text_frame.text.strip()))
    heading = slide.shapes.title
    placed: list[tuple[int, int, str]] = []
    for shape in _shapes(slide.shapes):
        if heading is not None and shape.shape_id == heading.shape_id:
            continue
        if text := _shape(shape, left_out):
            placed.append((shape.top or 0, shape.left or 0, text))
    placed.sort(key=lambda part: part[:2])
    words = " ".join(heading.text_frame.text.split()) if heading is not None else ""
    return words, [text for _, _, text in placed]


def _shapes(shapes: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """All shapes, also those in groups."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            if depth < DEEPEST:
                yield from _shapes(shape.shapes, depth + 1)
        else:
            yield shape


def _shape(shape: Any, left_out: LeftOut) -> str:
    if shape.element.xpath("boolean(.//p:cNvPr[@hidden='1'])"):
        left_out.add("hidden_parts")
        return ""
    if getattr(shape, "has_table", False) and shape.has_table:
        table = headers.split(enumerate(_rows(shape.table), start=1))
        return "\n\n".join([*table.above, tables.markdown(table.header, [row for _, row in table.rows])])
    if shape.has_text_frame:
        paragraphs = [(paragraph.level, _words(paragraph, left_out)) for paragraph in shape.text_frame.paragraphs]
        paragraphs = [(level, words) for level, words in paragraphs if words]
        if len(paragraphs) == 1:
            return paragraphs[0][1]
        return "\n".join(f"{'  ' * level}- {words}" for level, words in paragraphs)
    if shape.element.tag.endswith(("}pic", "}graphicFrame")):
        left_out.add("pictures")
    return ""


def _rows(table: Any) -> Iterator[list[str]]:
    """The cells; a merged cell gives its text to each place that it covers."""
    texts: dict[tuple[int, int], str] = {}
    columns = len(table.columns)
    for at in range(len(table.rows)):
        for column in range(columns):
            cell = table.cell(at, column)
            if (at, column) not in texts:
                text = " ".join(cell.text.split())
                for down in range(cell.span_height if cell.is_merge_origin else 1):
                    for right in range(cell.span_width if cell.is_merge_origin else 1):
                        texts[at + down, column + right] = text
        yield [texts.get((at, column), "") for column in range(columns)]


def _words(paragraph: Any, left_out: LeftOut) -> str:
    """The text of a paragraph without its struck-out runs."""
    struck = paragraph._p.xpath(".//a:r[a:rPr[@strike and @strike!='noStrike']]")
    if not struck:
        return " ".join(paragraph.text.split())
    left_out.add("struck_out", len(struck))
    return " ".join("".join(run.text for run in paragraph.runs if run._r not in struck).split())
