"""Reads Markdown and its front matter.

The text is not changed, except that underlined headings become ``#`` headings, long tables repeat their header, and
what the front matter says about the document stands above the text.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import markdown_tables, places, records
from knowledge.load.text import decode
from knowledge.load.tidy import language, web_address
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FRONT = re.compile(r"\A\s*---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FIELD = re.compile(r"([^\W\d][\w -]{0,60}?)[ \t]*[:：](?:[ \t]+(.*)|[ \t]*|(?<=：)(.*))$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*)$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_NO_PARAGRAPH = re.compile(r"\s*$| {4}|\t| {0,3}(?:[#>|]|[-*+][ \t]|\d+[.)][ \t]|[-*_=]{2,}[ \t]*$)")
# Fields that tell a generator of web sites what to do with the page, and a reader nothing.
_TECHNICAL = frozenset({
    "aliases", "draft", "has_children", "hide", "hide_title", "icon", "layout", "nav_exclude", "nav_order", "nav_title",
    "pagination_next", "pagination_prev", "permalink", "redirect_from", "redirect_to", "sidebar", "sidebar_label",
    "sidebar_position", "slug", "template", "toc", "weight",
})  # fmt: skip
_URLS = ("url", "source_url", "canonical_url", "canonical", "permalink", "source", "link")


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document. Front matter gives title, url, language and metadata; without a title, the first heading is
    it."""
    whole = decode(data).replace("\r\n", "\n").replace("\r", "\n")
    fields, body = front_matter(whole)
    before = whole[: len(whole) - len(body)].count("\n")
    rows, first = with_headings(places.numbered(body.split("\n"), before + 1))
    title = fields.pop("title", "") or first or PurePosixPath(name).stem
    stated = fields.pop("language", "") or fields.pop("lang", "")
    url = next((fields.pop(key) for key in _URLS if web_address(fields.get(key))), None)
    facts = {name: value for name, value in fields.items() if name not in _TECHNICAL}
    rows = markdown_tables.in_pieces(rows)
    written = "\n".join(rows)
    text = written.lstrip("\n")
    known = places.of_lines(rows).without_start(written, len(written) - len(text))
    in_context = records.with_context(text, facts)
    known = known.behind(len(in_context) - len(text), 1)  # the front matter begins on the first line
    yield LoadedDocument("", title, in_context, language(stated), url, fields, places=known)


def front_matter(text: str) -> tuple[dict[str, str], str]:
    """The simple fields between two ``---`` lines at the start, and the text after them. Lists become "a, b"."""
    match = _FRONT.match(text)
    if not match or not _FIELD.match(next((row for row in match[1].split("\n") if row.strip()), "")):
        return {}, text  # a horizontal rule, not front matter
    fields: dict[str, str] = {}
    current = ""
    for row in match[1].split("\n"):
        if field := _FIELD.match(row):
            current = field[1].lower()
            fields[current] = _scalar(field[2] or field[3] or "")
        elif current and (item := row.strip().removeprefix("- ").strip()) and not item.startswith("#"):
            fields[current] = f"{fields[current]}, {_scalar(item)}" if fields[current] else _scalar(item)
    return fields, text[match.end() :]


def with_headings(rows: Sequence[str]) -> tuple[list[str], str]:
    """The lines with every heading as a ``#`` heading, and the words of the first heading without its marks."""
    written: list[str] = []
    first, fence, paragraph = "", "", 0  # paragraph: how many lines of a paragraph come before this line
    for row in rows:
        fence_before, fence = fence, _fence_after(fence, row)
        if fence_before or fence:
            written.append(row)
            paragraph = 0
            continue
        underline = _UNDERLINE.match(row)
        if underline and paragraph == 1:
            title = f"{'#' if underline[1][0] == '=' else '##'} {written[-1].strip()}"
            written[-1] = places.like(written[-1], title)
            first = first or plain(written[-1].lstrip("# "))
            paragraph = 0
            continue
        if heading := _HEADING.match(row):
            first = first or plain(heading[1])
        written.append(row)
        paragraph = 0 if _NO_PARAGRAPH.match(row) else paragraph + 1
    return written, first


def plain(heading: str) -> str:
    """The words of a heading, without pictures, link targets, emphasis and anchors."""
    heading = heading.strip()
    bare = heading.rstrip("#")
    heading = bare if not bare or bare[-1].isspace() else heading  # closing marks, not "C#"
    heading = re.sub(r"!\[[^\]]{0,500}\]\([^)]{0,2000}\)|\{#[^}]{0,200}\}", "", heading)
    heading = re.sub(r"\[([^\]]{0,500})\]\([^)]{0,2000}\)", r"\1", heading)
    return re.sub(r"[*`]|(?<!\w)_+|_+(?!\w)", "", heading).strip()


def _fence_after(fence: str, row: str) -> str:
    """The code fence that is open after this row, "" for none."""
    match = _FENCE.match(row)
    if not match:
        return fence
    marks, rest = match[1], match[2]
    if not fence:
        return "" if marks[0] == "`" and "`" in rest else marks
    return "" if marks[0] == fence[0] and len(marks) >= len(fence) and not rest.strip() else fence


def _scalar(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].replace('\\"', '"')
    if value.startswith("[") and value.endswith("]"):
        return ", ".join(_scalar(item) for item in value[1:-1].split(",") if item.strip())
    return "" if value in {"|", ">", "|-", ">-", "~", "null"} else value
