"""Removes from an HTML tree what only leads to other pages and places: menus, breadcrumbs, links to the pages before
and after, cookie bars and tables of contents.

Three signs: the element or role that HTML has for it; a class or id with a usual name for it; its structure (a list
that has nothing but links to headings of the same page, words such as "Next" as links). The last two are guesses, so
they never remove an element with much text outside of links, nor all the text of a page, and they are counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from knowledge.load import render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from knowledge.load.left_out import LeftOut
    from knowledge.load.render import Element

_MARKED = (
    ".//nav|.//footer[not(ancestor::article)]|.//aside[not(ancestor::main or ancestor::article)]"
    "|.//body/header[not(.//h1)]|.//script|.//template"
    "|.//*[@role='navigation' or @role='banner' or @role='contentinfo' or @role='search' or @role='menu']"
)
# Names of classes and ids, without their hyphens: of DocBook, Sphinx, docutils, AsciiDoc, Bootstrap, MediaWiki, others.
_NAMES = frozenset({
    "backtotop", "bottomnav", "breadcrumb", "breadcrumbs", "breadcrumbtrail", "contentstable", "crumbs", "docnav",
    "globaltoc", "localtoc", "mainmenu", "mainnav", "mwjumplink", "nav", "navbar", "navfooter", "navheader",
    "navigation", "navlinks", "navmenu", "nextprev", "onthispage", "pagenav", "pager", "pagetoc", "pagination",
    "prevnext", "sidenav", "sidebarnav", "sitenav", "skiplink", "skipnav", "skiptocontent", "skiptomain",
    "sphinxsidebar", "tableofcontents", "toc", "toccontainer", "toctree", "toctreewrapper", "tocwrapper", "topnav",
})  # fmt: skip
_COOKIES = re.compile(
    r"(?:cookie|gdpr|consent)s?(?:bar|banner|box|consent|dialog|info|law|message|notice|overlay|popup)"
)
_WORDS = frozenset(
    "prev previous next up home top back index contents 上一页 下一页 上页 下页 上一章 下一章 上一节 下一节 后退 前进 "
    "上一级 目录 首页 主页 起始页 返回 返回顶部 回到顶部".split()
) | {"table of contents", "back to top", "skip to content", "skip to main content", "main page"}  # fmt: skip
_TITLES = frozenset({
    "contents", "table of contents", "on this page", "in this page", "in this article", "page contents", "目录",
    "目錄", "本页目录", "本页内容", "内容目录",
})  # fmt: skip
_RELATIONS = frozenset("prev previous next up start contents index".split())
_SEPARATORS = re.compile(r"\s*[›»>/→|]\s*")
MOST_TEXT = 300  # characters outside of links in something that leads elsewhere; a chapter's name stands there, too
MOST_NOTICE = 1_500  # characters of a cookie bar
MOST_AROUND = 60  # characters around links such as "Next" with letters among them, for example the name of the book
LINKS = 3  # a list of fewer links to places of the page may be part of a sentence
SHORT_LINK = 40  # characters
MOST_PARTS = 200  # elements in a trail of links
KEPT = frozenset({"html", "body", "main", "article", "h1"})


@dataclass(slots=True)
class _Content:
    """What an element has in it, itself included. Counted once for all elements, from the inside out, so that a page
    takes time in proportion to its length however it is nested."""

    parts: int = 1  # elements
    characters: int = 0
    linked: int = 0  # of these characters, those in links
    letters: int = 0  # outside of links
    links: int = 0
    elsewhere: int = 0  # links that do not go to a place of this page
    onwards: int = 0  # links such as "Next"
    headings: int = 0  # of level 1 to 3, and blocks of code

    def add(self, other: _Content) -> None:
        self.parts += other.parts
        self.characters += other.characters
        self.linked += other.linked
        self.letters += other.letters
        self.links += other.links
        self.elsewhere += other.elsewhere
        self.onwards += other.onwards
        self.headings += other.headings


def remove(tree: Element, left_out: LeftOut) -> None:
    """Drops these elements, and counts those that were recognised by a name or by their structure."""
    for element in tree.xpath(_MARKED):
        if element.getparent() is not None:
            element.drop_tree()
    body = tree.find("body")
    body = tree if body is None else body
    contents = _contents(body)
    guessed = {element for element in _guessed(body, contents) if element.tag not in KEPT and element is not body}
    outer = _outermost(body, guessed)
    rest = contents[body]
    if rest.letters + rest.linked <= sum(contents[element].letters + contents[element].linked for element in outer):
        return  # a page of links only: they are what it has to say
    for element in outer:
        title = element.getprevious()
        if title is not None and title.tag != "h1" and _words(title, contents) in _TITLES:
            title.drop_tree()
        if contents[element].letters or contents[element].linked:
            left_out.add("navigation")
        element.drop_tree()


def _contents(body: Element) -> dict[Element, _Content]:
    """What each element has in it."""
    places = {*body.xpath(".//@id"), *body.xpath(".//a/@name")}
    elements = [element for element in body.iter() if isinstance(element.tag, str)]
    contents = {element: _Content() for element in elements}
    for element in reversed(elements):
        content = contents[element]
        if element.tag in render.SILENT:
            content.characters = content.linked = content.letters = 0
        else:
            _count(content, element.text)
        if element.tag in {"h1", "h2", "h3", "pre"}:
            content.headings += 1
        if element.tag == "a":
            content.linked, content.letters = content.characters, 0
            content.links += 1
            content.onwards += _leads_on(element, contents)
            content.elsewhere += unquote((element.get("href") or "").partition("#")[2]) not in places
        if element is not body and (parent := element.getparent()) in contents:
            contents[parent].add(content)
            _count(contents[parent], element.tail)
    return contents


def _count(content: _Content, text: str | None) -> None:
    content.characters += len((text or "").strip())
    content.letters += len(_letters(text or ""))


def _outermost(body: Element, elements: set[Element]) -> list[Element]:
    """Those of the elements that are in no other of them."""
    outer: list[Element] = []
    inside: set[Element] = set()
    for element in body.iter():
        if element.getparent() in inside:
            inside.add(element)
        elif element in elements:
            outer.append(element)
            inside.add(element)
    return outer


def _guessed(body: Element, contents: dict[Element, _Content]) -> Iterator[Element]:
    for element, content in contents.items():
        outside = content.characters - content.linked
        names = {re.sub(r"[-_]", "", name) for name in _tokens(element)}
        named = bool(names & _NAMES) or {"contents", "topic"} <= names
        if (
            (named and outside <= max(MOST_TEXT, content.linked))
            or (content.characters <= MOST_NOTICE and any(map(_COOKIES.match, names)))
            or (element.tag in {"ul", "ol", "dl", "menu"} and _lists_places(content))
            or (element.tag in {"p", "div", "ul", "ol"} and _is_trail(element, content))
        ):
            yield element
        if element.tag == "a" and content.onwards and (block := _block_of_links(element, body, contents)) is not None:
            yield block


def _tokens(element: Element) -> list[str]:
    return f"{element.get('class') or ''} {element.get('id') or ''}".lower().split()


def _leads_on(link: Element, contents: dict[Element, _Content]) -> bool:
    relations = {*(link.get("rel") or "").lower().split()}
    return bool(relations & _RELATIONS) or _words(link, contents) in _WORDS


def _words(element: Element, contents: dict[Element, _Content]) -> str:
    """The text of a short element in small letters, without the signs around it."""
    content = contents.get(element)
    if content is None or content.characters > SHORT_LINK or content.parts > MOST_PARTS:
        return ""
    return re.sub(r"^[\W\d]+|[\W\d]+$", "", render.text_of(element)).lower()


def _block_of_links(link: Element, body: Element, contents: dict[Element, _Content]) -> Element | None:
    """The largest element around a link to the next page that has nothing but such links, and few signs."""
    largest = None
    element = link
    while (element := element.getparent()) is not None and element is not body and element.tag not in KEPT:
        content = contents[element]
        if content.links > content.onwards or content.headings or content.characters - content.linked > MOST_AROUND:
            break
        if element.tag in render.BLOCKS and not content.letters:
            largest = element
    return largest


def _lists_places(content: _Content) -> bool:
    """Whether a list has nothing but links to places of this page, which the headings there repeat."""
    return content.links >= LINKS and not content.letters and not content.elsewhere


def _is_trail(element: Element, content: _Content) -> bool:
    """Whether an element is a breadcrumb trail: names with the same sign between them, all but the last are links."""
    if content.links < 2 or content.characters > MOST_TEXT or content.headings or content.parts > MOST_PARTS:
        return False
    text = render.text_of(element)
    names = [name for name in _SEPARATORS.split(text) if name]
    linked = [render.text_of(link) for link in element.iter("a")]
    return len(set(_SEPARATORS.findall(text))) == 1 and names[: len(linked)] == linked and len(names) <= len(linked) + 1


def _letters(text: str) -> str:
    return re.sub(r"[\W\d_]+", "", text)
