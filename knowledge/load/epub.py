"""Reads EPUB: the pages of the book in their order, each as ``html`` reads a page. Pictures are not read.

Own code and not ebooklib, which is under the AGPL: an EPUB is a ZIP of web pages with a list of them.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from knowledge.load import archive, furniture, render, seen
from knowledge.load.errors import Damaged, Protected, TooLarge
from knowledge.load.left_out import LeftOut
from knowledge.load.text import decode
from knowledge.load.tidy import language
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTED_IN = "META-INF/container.xml"
_ENCRYPTED = "META-INF/encryption.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html"})
# XHTML closes elements that HTML does not: to HTML, everything after <script/> would be a script.
_CLOSED = re.compile(
    r"<(?!(?:area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr)\b)([A-Za-z][\w:-]*)((?:\s[^<>]*)?)/>",
    re.IGNORECASE,
)


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document; title and language are those of the book."""
    archive.check(data, limits, kind="EPUB")
    left_out = LeftOut()
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        root = _xml(book, _LISTED_IN)
        places = root.xpath("//*[local-name()='rootfile']/@full-path")
        if not places:
            raise _damaged("it does not name its contents")
        package = _xml(book, places[0])
        pages = _pages(package, posixpath.dirname(places[0]))
        if _ENCRYPTED in book.namelist() and {*pages} & _encrypted(book):
            raise Protected("The file is protected by a password. Save it without one.", code="file_locked")
        parts: list[str] = []
        characters = 0
        for page in pages:
            tree = render.tree(_CLOSED.sub(r"<\1\2></\1>", decode(_member(book, page))))
            furniture.remove(tree, left_out)
            seen.remove_unseen(tree, left_out)
            parts.append(render.markdown(tree))
            characters += len(parts[-1])
            if characters > limits.document_characters:
                raise TooLarge(
                    "The file has more than {limit:,} characters. Split it.",
                    code="file_characters",
                    limit=limits.document_characters,
                )
    text = "\n\n".join(filter(None, parts))
    title = _first(package, "title") or PurePosixPath(name).stem
    yield LoadedDocument("", title, text, language(_first(package, "language"), text), left_out=left_out.take())


def _pages(package: Any, folder: str) -> list[str]:
    """The names of the pages in the order of reading, without the table of contents."""
    items = {item.get("id"): item for item in package.xpath("//*[local-name()='manifest']/*[local-name()='item']")}
    pages: list[str] = []
    for reference in package.xpath("//*[local-name()='spine']/*[local-name()='itemref']"):
        item = items.get(reference.get("idref"))
        if item is None or item.get("media-type") not in _PAGES or "nav" in (item.get("properties") or "").split():
            continue
        pages.append(posixpath.normpath(posixpath.join(folder, unquote(item.get("href") or ""))))
    return pages


def _encrypted(book: zipfile.ZipFile) -> set[str]:
    """The names of the encrypted members; many books have only their fonts encrypted."""
    return {unquote(name) for name in _xml(book, _ENCRYPTED).xpath("//*[local-name()='CipherReference']/@URI")}


def _first(package: Any, field: str) -> str:
    values = package.xpath(f"//*[local-name()='metadata']/*[local-name()='{field}']")
    return " ".join("".join(values[0].itertext()).split()) if values else ""


def _xml(book: zipfile.ZipFile, member: str) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    root = etree.fromstring(_member(book, member), parser=parser)
    if root is None:
        raise _damaged(f"{member} is not XML")
    return root


def _member(book: zipfile.ZipFile, member: str) -> bytes:
    try:
        return book.read(member)
    except KeyError:
        raise _damaged(f"{member} is missing") from None


def _damaged(reason: str) -> Damaged:
    return Damaged(
        "The file is not a {kind} file or is damaged ({reason}). Save it again.",
        code="file_damaged",
        kind="EPUB",
        reason=reason,
    )
