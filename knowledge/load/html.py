"""Reads the main part of HTML pages, with its headings, lists and tables.

trafilatura is best at finding the main text of a page, but its own output loses headings, summaries and short answers
(measured on a FAQ page: all of its headings). So it only shows where the main text is: the smallest element that
contains this text is rendered, without menus and without what a reader of the page does not see. Small pages, and pages
where trafilatura finds little, are read whole: a line too many costs less than a missing answer.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import furniture, render, seen
from knowledge.load.left_out import LeftOut
from knowledge.load.text import decode
from knowledge.load.tidy import language, web_address
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knowledge.load.render import Element

WHOLE_CHARACTERS = 2_000  # a page with less text than this is read whole
FOUND_SHARE = 0.5  # of the page's text outside links; a found part with less is not the main part
MARKED_SHARE = 0.2  # the same for the part that the page itself marks as its main part
MOST_ELEMENTS = 20_000  # trafilatura takes 5 s for so many, and its time grows faster than the page
BLOCK_CHARACTERS = 20  # a shorter block may occur in several places

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{2,30})", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w-]{2,30})")
_ADDRESSES = "//link[@rel='canonical']/@href|//meta[@property='og:url']/@content"


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document: title, canonical address, and the stated language unless the text contradicts it."""
    tree = render.tree(decode(data, declared=_declared(data)))
    url = next((address for address in map(web_address, tree.xpath(_ADDRESSES)) if address), None)
    stated = tree.get("lang") or tree.get("xml:lang")
    left_out = LeftOut()
    furniture.remove(tree, left_out)
    seen.remove_unseen(tree, left_out)
    main = main_part(tree)
    text, known = render.markdown_with_anchors(main)
    title = _title(tree, main) or PurePosixPath(name).stem
    yield LoadedDocument("", title, text, language(stated, text), url, left_out=left_out.take(), places=known)


def main_part(tree: Element) -> Element:
    """The element that contains the main text; the body when there is doubt."""
    body = tree.find("body")
    body = tree if body is None else body
    page_weight = _weight(body)
    for path in (".//main|.//*[@role='main']", ".//article"):
        marked = body.xpath(path)
        if len(marked) == 1 and _weight(marked[0]) >= MARKED_SHARE * page_weight:
            body = marked[0]  # the page itself marks it as the main part
            break
    if len(render.text_of(body)) < WHOLE_CHARACTERS or sum(1 for _ in body.iter()) > MOST_ELEMENTS:
        return body
    part = _found_part(body)
    return part if part is not None and _weight(part) >= FOUND_SHARE * page_weight else body


def _weight(element: Element) -> int:
    """Counts the characters of text outside links. Menus and lists of other pages have few of these."""
    return len(render.text_of(element, silent=render.SILENT | {"a"}))


def _found_part(body: Element) -> Element | None:
    """The smallest element that contains every block of the main text that trafilatura finds."""
    import trafilatura
    from lxml import etree

    try:
        main_text = trafilatura.extract(
            etree.tostring(body, encoding="unicode"), favor_recall=True, include_comments=False, output_format="txt"
        )
    except Exception:  # noqa: BLE001 - whatever fails in it, the whole page is read instead
        return None
    main_keys = {key for row in (main_text or "").split("\n") if len(key := _key(row)) >= BLOCK_CHARACTERS}
    common: list[Element] | None = None
    for block in body.iter("p", "li", "td", "th", "dd", "dt", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "div"):
        innermost = not any(child.tag in render.BLOCKS for child in block)
        if innermost and _key(render.text_of(block)) in main_keys:
            path = [*reversed(list(block.iterancestors())), block]
            common = path if common is None else _common_ancestors(common, path)
    return common[-1] if common else None


def _common_ancestors(path: list[Element], other: list[Element]) -> list[Element]:
    length = next((at for at, (a, b) in enumerate(zip(path, other, strict=False)) if a is not b), None)
    return path[: length if length is not None else min(len(path), len(other))]


def _key(text: str) -> str:
    """The letters and digits of a block, without formats and spaces. They identify a block that trafilatura found."""
    return re.sub(r"[\W_]+", "", text)


def _title(tree: Element, main: Element) -> str:
    """The page's name: the first heading if the title contains it (beside the site's name), else the title."""
    heading = render.first_heading(main)
    titles = ["".join(element.itertext()) for element in tree.xpath("//head//title|//body/title")]
    titles += tree.xpath("//meta[@property='og:title']/@content")
    title = next((" ".join(title.split()) for title in titles if title.strip()), "")
    return heading if heading.lower() in title.lower() and heading else title or heading


def _declared(data: bytes) -> str | None:
    start = data[:2_048]
    match = _XML_ENCODING.search(start) or _CHARSET.search(start)
    return match[1].decode("ascii", "replace") if match else None
