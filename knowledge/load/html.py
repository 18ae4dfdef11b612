"""HTML pages: the part that matters, its headings, lists and tables kept.

trafilatura knows best where the main text of a page is, but its own output loses headings, summaries and short
answers (measured on a FAQ page: all of its headings). So it only points: the smallest element of the page that holds
what it found is rendered, without menus and the like. Small pages, and pages where it finds little, are taken whole:
for an answering machine a line too much costs less than an answer too few.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from knowledge.load import render
from knowledge.load.text import decode
from knowledge.load.tidy import language, web_address
from knowledge.load.values import Limits, LoadedDocument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knowledge.load.render import Element

WHOLE_CHARACTERS = 2_000  # a page with less text than this is taken whole
FOUND_SHARE = 0.5  # of the page's text outside links that the main part must have; below, the finder has missed it
MARKED_SHARE = 0.2  # the same for what the page itself marks as its main part
MOST_ELEMENTS = 20_000  # trafilatura takes 5 s for so many, and grows faster than the page
BLOCK_CHARACTERS = 20  # a shorter block proves nothing about where it stands

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]{2,30})", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([\w-]{2,30})")
_ADDRESSES = "//link[@rel='canonical']/@href|//meta[@property='og:url']/@content"
_FURNITURE = (
    ".//nav|.//footer[not(ancestor::article)]|.//aside[not(ancestor::main or ancestor::article)]"
    "|.//body/header[not(.//h1)]|.//script|.//style|.//template"
    "|.//*[@role='navigation' or @role='banner' or @role='contentinfo' or @role='search' or @role='menu']"
)


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """One document: title, canonical address, language as far as the text does not contradict it."""
    tree = render.tree(decode(data, declared=_declared(data)))
    url = next((one for one in map(web_address, tree.xpath(_ADDRESSES)) if one), None)
    said = tree.get("lang") or tree.get("xml:lang")
    for one in tree.xpath(_FURNITURE):
        if one.getparent() is not None:
            one.drop_tree()
    main = main_part(tree)
    text = render.markdown(main)
    yield LoadedDocument("", _title(tree, main) or PurePosixPath(name).stem, text, language(said, text), url)


def main_part(tree: Element) -> Element:
    """The element that holds the main text; the body when there is doubt."""
    body = tree.find("body")
    body = tree if body is None else body
    whole = _weight(body)
    for path in (".//main|.//*[@role='main']", ".//article"):
        marked = body.xpath(path)
        if len(marked) == 1 and _weight(marked[0]) >= MARKED_SHARE * whole:
            body = marked[0]  # the page itself says so
            break
    if len(render.text_of(body)) < WHOLE_CHARACTERS or sum(1 for _ in body.iter()) > MOST_ELEMENTS:
        return body
    part = _pointed_out(body)
    return part if part is not None and _weight(part) >= FOUND_SHARE * whole else body


def _weight(element: Element) -> int:
    """Characters of text outside links: what menus and lists of other pages have little of."""
    linked = sum(len(render.text_of(link)) for link in element.iter("a"))
    return max(0, len(render.text_of(element)) - linked)


def _pointed_out(body: Element) -> Element | None:
    """The smallest element that holds every block of which trafilatura says that it belongs to the main text."""
    import trafilatura
    from lxml import etree

    try:
        found = trafilatura.extract(
            etree.tostring(body, encoding="unicode"), favor_recall=True, include_comments=False, output_format="txt"
        )
    except Exception:  # noqa: BLE001 - whatever it stumbles over, there is the whole page
        return None
    wanted = {key for row in (found or "").split("\n") if len(key := _key(row)) >= BLOCK_CHARACTERS}
    common: list[Element] | None = None
    for block in body.iter("p", "li", "td", "th", "dd", "dt", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "div"):
        innermost = not any(child.tag in render.BLOCKS for child in block)
        if innermost and _key(render.text_of(block)) in wanted:
            path = [*reversed(list(block.iterancestors())), block]
            common = path if common is None else _shared(common, path)
    return common[-1] if common else None


def _shared(one: list[Element], other: list[Element]) -> list[Element]:
    length = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a is not b), None)
    return one[: length if length is not None else min(len(one), len(other))]


def _key(text: str) -> str:
    """What is left of a block when formats and spaces go: by this the finder's blocks are found again."""
    return re.sub(r"[\W_]+", "", text)


def _title(tree: Element, main: Element) -> str:
    """The page's name: its first heading where the title repeats it beside the site's name, else the title."""
    heading = render.first_heading(main)
    titles = ["".join(one.itertext()) for one in tree.xpath("//head//title|//body/title")]
    titles += tree.xpath("//meta[@property='og:title']/@content")
    title = next((" ".join(one.split()) for one in titles if one.strip()), "")
    return heading if heading.lower() in title.lower() and heading else title or heading


def _declared(data: bytes) -> str | None:
    start = data[:2_048]
    match = _XML_ENCODING.search(start) or _CHARSET.search(start)
    return match[1].decode("ascii", "replace") if match else None
