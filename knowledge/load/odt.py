"""Reads ODT: turns its paragraphs, lists and tables into HTML, which ``render`` writes as text.

Own code and not odfpy, which gives the same elements only under other names. What was deleted, struck out or hidden,
comments and pictures are not read.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from knowledge.load import archive, render
from knowledge.load.errors import Damaged, Protected
from knowledge.load.left_out import LeftOut
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

_BASE = "urn:oasis:names:tc:opendocument:xmlns:"
_TEXT, _TABLE, _OFFICE, _STYLE, _DRAW, _FO = (
    f"{{{_BASE}{name}:1.0}}" for name in ("text", "table", "office", "style", "drawing", "xsl-fo-compatible")
)
_LINK = "{http://www.w3.org/1999/xlink}href"
_ELEMENTS = {
    f"{_TEXT}p": "p",
    f"{_TEXT}list": "ul",
    f"{_TEXT}list-item": "li",
    f"{_TEXT}list-header": "li",
    f"{_TABLE}table": "table",
    f"{_TABLE}table-row": "tr",
    f"{_TABLE}table-cell": "td",
    f"{_TEXT}a": "a",
}
_SKIPPED = {
    f"{_TEXT}tracked-changes": "",
    f"{_TEXT}table-of-content": "navigation",
    f"{_TEXT}alphabetical-index": "navigation",
    f"{_TABLE}covered-table-cell": "",
    f"{_OFFICE}annotation": "comments",
    f"{_TEXT}hidden-text": "hidden_parts",
    f"{_TEXT}hidden-paragraph": "hidden_parts",
    f"{_DRAW}image": "pictures",
    f"{_TEXT}sequence-decls": "",
}
MOST_REPEATED = 100  # equal cells or spaces that one element stands for
DEEPEST = 200


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document; its title is the first heading, or the file's name without the suffix."""
    import lxml.html

    archive.check(data, limits, kind="ODT")
    left_out = LeftOut()
    with zipfile.ZipFile(io.BytesIO(data)) as package:
        if b"encryption-data" in (
            package.read("META-INF/manifest.xml") if _has(package, "META-INF/manifest.xml") else b""
        ):
            raise Protected("The file is protected by a password. Save it without one.", code="file_locked")
        if not _has(package, "content.xml"):
            raise Damaged(
                "The file is not a {kind} file or is damaged ({reason}). Save it again.",
                code="file_damaged",
                kind="ODT",
                reason="it has no content.xml",
            )
        root = _xml(package.read("content.xml"))
        styles = _unseen_styles(root, *([_xml(package.read("styles.xml"))] if _has(package, "styles.xml") else []))
    body = lxml.html.Element("body")
    for text in root.iter(f"{_OFFICE}text"):
        _Writer(styles, left_out).children(text, body, 0)
    title = render.first_heading(body) or PurePosixPath(name).stem
    yield LoadedDocument("", title, render.markdown(body), left_out=left_out.take())


def _has(package: zipfile.ZipFile, member: str) -> bool:
    return member in package.namelist()


def _xml(data: bytes) -> Any:
    from lxml import etree

    return etree.fromstring(data, parser=etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))


def _unseen_styles(*roots: Any) -> dict[str, str]:
    """The names of the styles whose text is struck out or hidden, with the kind."""
    kinds: dict[str, str] = {}
    for root in roots:
        for style in root.iter(f"{_STYLE}style"):
            for properties in style.iter(f"{_STYLE}text-properties"):
                if properties.get(f"{_STYLE}text-line-through-style", "none") != "none":
                    kinds[style.get(f"{_STYLE}name")] = "struck_out"
                if properties.get(f"{_TEXT}display") == "none":
                    kinds[style.get(f"{_STYLE}name")] = "hidden_parts"
    return kinds


class _Writer:
    def __init__(self, unseen: dict[str, str], left_out: LeftOut) -> None:
        self._unseen = unseen
        self._left_out = left_out

    def children(self, source: Any, target: Any, depth: int) -> None:
        """Writes the content of an element into an HTML element."""
        _add(target, source.text)
        for child in source:
            if isinstance(child.tag, str):
                self._element(child, target, depth + 1)
            _add(target, child.tail)

    def _element(self, source: Any, target: Any, depth: int) -> None:
        from lxml import etree

        tag = source.tag
        kind = _SKIPPED.get(tag, self._unseen.get(source.get(f"{_TEXT}style-name")))
        if kind is not None or depth > DEEPEST:
            if kind and (tag in _SKIPPED or "".join(source.itertext()).strip()):
                self._left_out.add(kind)
        elif tag == f"{_TEXT}s":
            _add(target, " " * min(_number(source.get(f"{_TEXT}c")), MOST_REPEATED))
        elif tag == f"{_TEXT}tab":
            _add(target, " ")
        elif tag == f"{_TEXT}line-break":
            etree.SubElement(target, "br")
        elif tag == f"{_TEXT}h":
            level = min(_number(source.get(f"{_TEXT}outline-level")), 6)
            self.children(source, etree.SubElement(target, f"h{level}"), depth)
        elif tag in _ELEMENTS:
            self._known(source, target, depth)
        else:  # a span, a frame, a section
            self.children(source, target, depth)

    def _known(self, source: Any, target: Any, depth: int) -> None:
        from lxml import etree

        repeated = _number(
            source.get(f"{_TABLE}number-columns-repeated") or source.get(f"{_TABLE}number-rows-repeated")
        )
        for _ in range(min(repeated, MOST_REPEATED) if "".join(source.itertext()).strip() else 1):
            written = etree.SubElement(target, _ELEMENTS[source.tag])
            for name, html in (("number-columns-spanned", "colspan"), ("number-rows-spanned", "rowspan")):
                if value := source.get(f"{_TABLE}{name}"):
                    written.set(html, value)
            if address := source.get(_LINK):
                written.set("href", address)
            self.children(source, written, depth)


def _add(target: Any, text: str | None) -> None:
    """Appends text to the end of an element's content."""
    if not text:
        return
    if len(target):
        target[-1].tail = (target[-1].tail or "") + text
    else:
        target.text = (target.text or "") + text


def _number(value: str | None) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 7 else 1
