"""Reads tables of rows: CSV, TSV and XLSX.

If the header names a text, or a question and its answer (``records``), each row is a document. Otherwise a sheet is one
document: a Markdown table in pieces, each with the header.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import archive, cells, tables
from knowledge.load.errors import Damaged, Protected, TooLarge
from knowledge.load.records import Records, is_record
from knowledge.load.text import decode
from knowledge.load.values import Limits, LoadedDocument
from retrieval.phrases import Phrase

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

SNIFFED_ROWS = 50
MAX_COLUMNS = 1_000  # a table for people has tens
HEADER_BYTES = 20_000


def parse_separated(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
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
    yield from _sheet(_numbered(reader), path.stem, "", Records(), limits)


def parse_workbook(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Reads the visible sheets of an XLSX workbook."""
    import python_calamine as calamine

    archive.check(data, limits, kind="XLSX")
    cells.check(data)
    try:
        workbook = calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    except calamine.PasswordError:
        raise Protected("The file is protected by a password. Save it without one.", code="file_locked") from None
    shown = [
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.visible == calamine.SheetVisibleEnum.Visible and sheet.typ == calamine.SheetTypeEnum.WorkSheet
    ]
    records, stem = Records(), PurePosixPath(name).stem
    for sheet_name in shown:
        sheet = workbook.get_sheet_by_name(sheet_name)
        first = sheet.start[0] + 1 if sheet.start else 1
        rows = ((number, [_cell(value) for value in row]) for number, row in enumerate(sheet.iter_rows(), start=1))
        title = stem if len(shown) == 1 else f"{stem}: {sheet_name}"
        key = "" if len(shown) == 1 else sheet_name
        yield from _sheet(_from_first(rows, first), title, key, records, limits)


def _from_first(rows: Iterable[tuple[int, list[str]]], first: int) -> Iterator[tuple[int, list[str]]]:
    """The rows from the first one with content; ``iter_rows`` begins at the sheet's first row."""
    return (row for row in rows if row[0] >= first)


def _sheet(
    rows: Iterator[tuple[int, list[str]]], title: str, key: str, records: Records, limits: Limits
) -> Iterator[LoadedDocument]:
    header: list[str] = []
    for _number, row in rows:
        if any(cell.strip() for cell in row):
            header = row
            break
    if is_record(header):
        yield from _row_documents(header, rows, key, records)
    elif header:
        body: list[list[str]] = []
        size = 0
        for number, row in rows:
            size += sum(map(len, row)) + len(row)
            if size > limits.document_characters:
                raise TooLarge(
                    "The table has more than {limit:,} characters, at row {row:,}.",
                    code="table_characters",
                    limit=limits.document_characters,
                    row=number,
                )
            body.append(row)
        yield LoadedDocument(key, title, tables.markdown(header, body))


def _row_documents(
    header: Sequence[str], rows: Iterable[tuple[int, list[str]]], sheet: str, records: Records
) -> Iterator[LoadedDocument]:
    for number, row in rows:
        names = tables.columns(header, max(len(header), len(row)))
        if sheet:
            place = Phrase.of("row {number:,} of sheet {sheet!r}", code="place_sheet_row", number=number, sheet=sheet)
        else:
            place = Phrase.of("row {number:,}", code="place_row", number=number)
        fields = dict(zip(names, row, strict=False))
        if document := records.document(fields, place, f"{sheet}-row-{number}" if sheet else f"row-{number}"):
            yield document


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


def _cell(value: object) -> str:
    """A cell as people write it: 3, not 3.0, and dates without midnight."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
        case datetime.datetime():
            return value.isoformat(sep=" ", timespec="minutes" if not value.second else "seconds")
        case _:
            return str(value)
