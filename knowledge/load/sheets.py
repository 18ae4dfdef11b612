"""Makes documents of the rows of a table, and reads CSV and TSV.

If the header names a text, or a question and its answer (``records``), each row is a document. Otherwise the table is
one document: the lines above its header, then a Markdown table in pieces, each with the header.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import headers, places, tables
from knowledge.load.errors import Damaged, TooLarge
from knowledge.load.records import Records, is_record
from knowledge.load.text import decode
from knowledge.load.values import Limits, LoadedDocument
from retrieval.phrases import Phrase
from retrieval.place import Places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from knowledge.load.headers import Headed, NumberedRow

SNIFFED_ROWS = 50
TITLE_CHARACTERS = 100  # a longer line above the header is a remark
MAX_COLUMNS = 1_000  # a table for people has tens
HEADER_BYTES = 20_000


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Reads CSV and TSV, in the dialect that fits best: comma, semicolon, tab or bar, with the quoting that Excel
    uses."""
    text = decode(data).replace("\x00", "")
    path = PurePosixPath(name)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ""
    if hint := re.match(r"sep=(.)\r?\n", text):  # a line that Excel writes for its own use
        delimiter, text = hint[1], text[hint.end() :]
    delimiter = delimiter or _delimiter(text)
    csv.field_size_limit(limits.document_characters)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    yield from documents(_numbered(reader), path.stem, "", Records(), limits)


def documents(
    rows: Iterable[NumberedRow],
    title: str,
    key: str,
    records: Records,
    limits: Limits,
    left_out: Mapping[str, int] | None = None,
    sheet: str | None = None,
) -> Iterator[LoadedDocument]:
    """The documents of a table: one for each row, or one.

    ``title`` and ``key`` are those of the only document, unless there is a title above the header. ``left_out`` is
    stated with the first document. ``sheet``: the name of the sheet that the rows are in, for their places.
    """
    table = headers.split(rows)
    made = (
        _row_documents(table, key, records) if is_record(table.header) else _table_document(table, title, key, limits)
    )
    for document in made:
        known = document.places and replace(document.places, sheet=sheet)
        yield replace(document, left_out=left_out or {}, places=known)
        left_out = None


def _table_document(table: Headed, title: str, key: str, limits: Limits) -> Iterator[LoadedDocument]:
    if not table.header:
        return
    body: list[list[str]] = []
    numbers: list[int] = []
    size = 0
    for number, row in table.rows:
        size += sum(map(len, row)) + len(row)
        if size > limits.document_characters:
            raise TooLarge(
                "The table has more than {limit:,} characters, at row {row:,}.",
                code="table_characters",
                limit=limits.document_characters,
                row=number,
            )
        body.append(row)
        numbers.append(number)
    *above_numbers, header_number = table.numbers
    above = list(zip(table.above, above_numbers, strict=True))
    if above and len(above[0][0]) <= TITLE_CHARACTERS:
        title = above.pop(0)[0]
    parts = [(f"{line}\n\n", number) for line, number in above]
    parts += [(text, numbers[at] if numbers else header_number) for text, at in tables.parts(table.header, body)]
    text, known = places.joined("row", parts, "")
    yield LoadedDocument(key, title, text, places=known)


def _row_documents(table: Headed, sheet: str, records: Records) -> Iterator[LoadedDocument]:
    topic = table.above[0] if table.above and len(table.above[0]) <= TITLE_CHARACTERS else ""
    for number, row in table.rows:
        names = tables.columns(table.header, max(len(table.header), len(row)))
        if sheet:
            place = Phrase.of("row {number:,} of sheet {sheet!r}", code="place_sheet_row", number=number, sheet=sheet)
        else:
            place = Phrase.of("row {number:,}", code="place_row", number=number)
        fields = dict(zip(names, row, strict=False))
        fallback = f"{sheet}-row-{number}" if sheet else f"row-{number}"
        if document := records.document(fields, place, fallback, topic=topic):
            yield replace(document, places=Places("row", ((0, number),)))


def _numbered(reader: Iterable[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """(number of the row, cells). Raises Damaged with the row's number if it is not valid CSV."""
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if len(row) > MAX_COLUMNS:
                raise Damaged(
                    "Row {row:,} has {columns:,} columns; the limit is {limit:,}.",
                    code="table_columns",
                    row=number,
                    columns=len(row),
                    limit=MAX_COLUMNS,
                )
            yield number, row
    except csv.Error as error:
        raise Damaged(
            "Row {row:,} cannot be read: {problem}.", code="table_row_unreadable", row=number + 1, problem=error
        ) from None


def _delimiter(text: str) -> str:
    """The delimiter that cuts the first rows into the most columns, the same number in each; a comma when in doubt."""
    start = text[:HEADER_BYTES]
    best, delimiter = (0.0, 0), ","
    for candidate in (",", ";", "\t", "|"):
        try:
            reader = csv.reader(io.StringIO(start, newline=""), delimiter=candidate)
            widths = [len(row) for row in reader if row][:SNIFFED_ROWS]
        except csv.Error:
            continue
        if len(start) < len(text):
            widths = widths[:-1] or widths  # the last row is incomplete
        if not widths or widths[0] < 2:
            continue
        score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
        if score > best:
            best, delimiter = score, candidate
    return delimiter
