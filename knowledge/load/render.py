"""Turns an HTML tree into plain text in the style of Markdown. Used for web pages and for DOCX.

Knows nothing about which part of a page is the main part; ``html`` finds it.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from knowledge.load import headers, markup, tables
from retrieval.place import Places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retrieval.place import Mark

Element: TypeAlias = Any  # lxml has no types

DEEPEST = 120  # levels of elements; below them, only the text is used. Real pages have fewer than 50
MOST_SPANNED = 50  # columns that a cell gives its text to
MOST_ROWS = 1_000_000
LINKS_KEPT = 2  # in one paragraph: "fill in the form (link)" keeps its target; a list of links would be full of targets

BETWEEN = "\n\n"  # blocks
BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "dialog", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr",
    "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "td",
    "tfoot", "th", "thead", "tr", "ul",
})  # fmt: skip
SILENT = frozenset({
    "applet", "audio", "base", "button", "canvas", "datalist", "embed", "frame", "frameset", "head", "iframe", "img",
    "input", "link", "map", "math", "meta", "noframes", "noscript", "object", "option", "picture", "script", "select",
    "source", "style", "svg", "template", "textarea", "title", "track", "video",
})  # fmt: skip
# Classes of notes beside the text, in DocBook, Sphinx, AsciiDoc and others. A heading in one is not the heading of what
# follows the note.
_NOTES = frozenset({
    "admonition", "admonitionblock", "alert", "attention", "callout", "caution", "danger", "hint", "important", "note",
    "notice", "sidebar", "sidebarblock", "tip", "warning",
})  # fmt: skip
_SECTIONS = frozenset({"article", "div", "header", "hgroup", "section"})
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_WIDE = r"[\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
_WIDE_BREAK = re.compile(f"(?<={_WIDE})[ \t]*\n[ \t]*(?={_WIDE})")
_SPACES = re.compile(r"[ \t\r\n\f\xa0]+")
_BREAK = "\x01"  # marks a <br> until white space has been folded; no document contains this character


def tree(html: str) -> Element:
    """The parsed document. Nothing is loaded from anywhere.

    Raises TooLarge for too many tags or attributes, ValueError if lxml cannot make a tree of the text, RecursionError
    if it is nested too deeply.
    """
    import lxml.html

    parser = lxml.html.HTMLParser(
        encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=True, recover=True
    )
    # A NUL ends the text for libxml2; the mark for <br> must not come from the document.
    html = re.sub("[\x00\x01]", "", html)
    markup.check(html)
    data = html.encode("utf-8", "replace")
    try:
        root = lxml.html.document_fromstring(data, parser=parser)
    except lxml.etree.LxmlError as error:
        raise ValueError(f"not HTML: {error}") from None
    # The parser accepts everything, but silently drops elements below about 2,000 levels.
    if any(entry.level_name == "FATAL" and "depth" in entry.message for entry in parser.error_log):
        raise RecursionError
    return root


def markdown(element: Element) -> str:
    """The text below an element: headings, paragraphs, lists, tables and code, an empty line between blocks."""
    return BETWEEN.join(_Writer(element).blocks(element, 0))


def markdown_with_anchors(element: Element) -> tuple[str, Places]:
    """The same, and where its parts stand: in the section of the nearest heading above that has an anchor. Sections are
    in each other as the levels of their headings say."""
    blocks = _Writer(element).blocks(element, 0)
    marks: list[Mark] = []
    sections: list[tuple[int, str]] = []  # (level, anchor or "") of the headings above
    offset = 0
    for block in blocks:
        if isinstance(block, _Heading):
            while sections and sections[-1][0] >= block.level:
                sections.pop()
            sections.append((block.level, block.anchor))
            marks.append((offset, next((anchor for _, anchor in reversed(sections) if anchor), None)))
        offset += len(block) + len(BETWEEN)
    return BETWEEN.join(blocks), Places("anchor", tuple(marks))


def first_heading(root: Element) -> str:
    """The words of the first heading (those of level 1 are preferred); "" without headings."""
    for path in (".//h1", ".//h2|.//h3"):
        for heading in root.xpath(path):
            if words := text_of(heading).strip("¶#§ "):
                return words
    return ""


def text_of(element: Element, *, silent: frozenset[str] = SILENT) -> str:
    """The text as a reader sees it, on one line, without the elements of the names in ``silent``."""
    return " ".join("".join(_texts(element, silent)).split())


def _texts(element: Element, silent: frozenset[str]) -> Iterator[str]:
    stack: list[Iterator[Any]] = [iter([element])]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
        elif isinstance(item, str):
            yield item
        elif isinstance(item.tag, str):
            if item.tag in BLOCKS or item.tag == "br" or item.tag in silent:
                yield " "
            if item.tag not in silent:
                stack.append(itertools.chain(_content(item), (" ",) if item.tag in BLOCKS else ()))


def _content(element: Element) -> Iterator[Any]:
    if element.text:
        yield element.text
    for child in element:
        yield child
        if child.tail:
            yield child.tail


class _Run:
    """The inline text of one block, which keeps the targets of its links until their number is known."""

    def __init__(self) -> None:
        self._pieces: list[tuple[str, str]] = []  # (text, target or "")

    def add(self, text: str, target: str = "") -> None:
        self._pieces.append((text, target))

    def take(self, *, targets: bool = True) -> str:
        """Returns the text so far as one paragraph, and empties the run. ``targets``: those of few links are kept."""
        links = sum(1 for text, target in self._pieces if target and text.strip())
        keep = targets and links <= LINKS_KEPT
        text = "".join(_linked(text, target) if keep and target else text for text, target in self._pieces)
        self._pieces.clear()
        text = _SPACES.sub(" ", _WIDE_BREAK.sub("", text))
        lines = (line.strip() for line in text.split(_BREAK))
        return re.sub("\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Heading(str):
    """The line of a heading. ``anchor``: by which a link finds it, "" for none."""

    level: int
    anchor: str

    @classmethod
    def of(cls, element: Element, level: int, words: str) -> _Heading:
        heading = cls(f"{'#' * level} {words}")
        heading.level, heading.anchor = level, _anchor(element)
        return heading


def _anchor(heading: Element) -> str:
    """The id of a heading, of an empty link just before it, or of a section that begins with it; "" for none."""
    own = heading.xpath("(descendant-or-self::*/@id | descendant::a/@name)[1]")
    if own:
        return str(own[0])
    before = heading.getprevious()
    if before is not None and before.tag == "a" and _is_blank(before):
        return str(before.get("id") or before.get("name") or "")
    element = heading
    while (above := element.getparent()) is not None and above.tag in _SECTIONS:
        if (above.text or "").strip() or not all(map(_is_blank, element.itersiblings(preceding=True))):
            return ""
        if anchor := above.get("id"):
            return str(anchor)
        element = above
    return ""


def _is_blank(element: Element) -> bool:
    """Whether neither the element nor what follows it before the next one has text."""
    return not text_of(element) and not (element.tail or "").strip()


class _Writer:
    def __init__(self, root: Element) -> None:
        # Elements that contain a block at any depth. The set keeps lxml's proxy objects alive, so that identity is
        # stable.
        self._containers: set[Element] = set()
        for block in root.iter(*BLOCKS):
            above = block.getparent()
            while above is not None and above not in self._containers:
                self._containers.add(above)
                above = above.getparent()
        self._targets = True  # of links; a table with many links would be full of them

    def blocks(self, element: Element, depth: int) -> list[str]:
        """The blocks below an element, in order."""
        if depth > DEEPEST:
            return [words] if (words := text_of(element)) else []
        written: list[str] = []
        run = _Run()
        for child in _content(element):
            if isinstance(child, str):
                run.add(child)
            elif not isinstance(child.tag, str) or child.tag in SILENT:
                continue
            elif child.tag in BLOCKS or child in self._containers:
                self._flush(run, written)
                written += self._block(child, depth + 1)
            else:
                self._inline(child, run, depth + 1)
        self._flush(run, written)
        return written

    def _flush(self, run: _Run, written: list[str]) -> None:
        if words := run.take(targets=self._targets):
            written.append(
                re.sub(r"^(?=#{1,6}\s|```|~~~)", r"\\", words)
            )  # always a paragraph, whatever it begins with

    def _block(self, element: Element, depth: int) -> list[str]:
        tag = element.tag
        if tag in _HEADINGS:
            words = " ".join(" ".join(self.blocks(element, depth)).split()).lstrip("\\# ")
            if words and _is_in_note(element):
                return [words if words.endswith((":", "：", "?", "？", "!", "！", ".", "。")) else f"{words}:"]
            return [_Heading.of(element, _HEADINGS[tag], words)] if words else []
        if tag in {"ul", "ol", "menu"}:
            items = self._items(element, depth)
            return ["\n".join(items)] if items else []
        if tag == "pre":
            return _code("".join(element.itertext()))
        if tag == "table":
            return self._table(element, depth)
        inner = self.blocks(element, depth)
        if tag == "blockquote" and inner:
            return ["\n".join(f"> {row}".rstrip() for row in "\n\n".join(inner).split("\n"))]
        return inner

    def _items(self, element: Element, depth: int) -> list[str]:
        """The lines of a list; the further content of an item is indented below its first paragraph."""
        lines: list[str] = []
        number = _number(element.get("start"), 1)
        for child in element:
            if not isinstance(child.tag, str) or child.tag in SILENT:
                continue
            if child.tag != "li":  # a list directly in a list, as some editors write it
                inner, marker = self._block(child, depth + 1), ""
            else:
                number = _number(child.get("value"), number)
                inner, marker = self.blocks(child, depth + 1), f"{number}. " if element.tag == "ol" else "- "
                number += 1
            indent = " " * (len(marker) or 2)
            body = "\n".join(inner).split("\n") if inner else []
            for at, row in enumerate(body):
                lines.append((marker if at == 0 and marker else indent if row else "") + row)
        return lines

    def _table(self, table: Element, depth: int) -> list[str]:
        rows = [row for row in table.iter("tr") if _owner(row, "table") is table]
        caption = [words for element in table.findall("caption") if (words := text_of(element))]
        cells = [[cell for cell in row if cell.tag in {"td", "th"}] for row in rows]
        if not _is_data(table, cells):  # a table that only arranges the page
            return caption + [block for row in cells for cell in row for block in self.blocks(cell, depth)]
        outer = self._targets
        self._targets = outer and len(table.xpath(".//a[@href]")) <= LINKS_KEPT * len(rows)
        grid = self._grid(cells, depth)
        if sum(any(map(str.strip, column)) for column in itertools.zip_longest(*grid, fillvalue="")) < 2:
            written = caption + [block for row in cells for cell in row for block in self.blocks(cell, depth)]
            self._targets = outer
            return written  # one column, for example a note with its picture
        self._targets = outer
        table_parts = headers.split(enumerate(grid, start=1))
        text = tables.markdown(table_parts.header, [row for _, row in table_parts.rows])
        return [*caption, *table_parts.above, *([text] if text else [])]

    def _grid(self, rows: list[list[Element]], depth: int) -> list[list[str]]:
        """The texts of the cells, row by row. A cell that spans rows or columns gives its text to each of them."""
        grid: list[list[str]] = []
        below: dict[int, tuple[int, str]] = {}  # column → (rows that a cell above still spans, its text)
        for cells in rows:
            texts: dict[int, str] = {column: text for column, (_, text) in below.items()}
            spans = {column: (left - 1, text) for column, (left, text) in below.items() if left > 1}
            column = 0
            for cell in cells:
                while column in texts:
                    column += 1
                text = " ".join(" ".join(self.blocks(cell, depth)).split())
                width = min(max(1, _number(cell.get("colspan"), 1)), MOST_SPANNED)
                height = _number(cell.get("rowspan"), 1) or MOST_ROWS  # 0: down to the end of the table
                for at in range(column, column + width):
                    texts.setdefault(at, text if len(cells) > 1 or at == column else "")
                    if height > 1:
                        spans[at] = (height - 1, texts[at])
                column += width
            below = spans
            grid.append([texts.get(at, "") for at in range(max(texts, default=-1) + 1)])
        return grid

    def _inline(self, element: Element, run: _Run, depth: int) -> None:
        tag = element.tag
        if tag == "br":
            run.add(_BREAK)
        elif depth > DEEPEST:
            run.add(text_of(element))
        elif tag in {"code", "kbd", "samp", "tt"} and (words := text_of(element)):
            run.add(f"`{words}`" if "`" not in words else words)
        elif tag == "a":
            words = text_of(element)
            if words not in {"¶", "#", "§", "🔗"}:  # the mark of a heading's link to itself
                lead, tail = _edges("".join(element.itertext()))
                run.add(f"{lead}{words}{tail}", _target(element, words))
        elif tag in {"sup", "sub"} and text_of(element).isdigit() and not element.xpath(".//a"):
            run.add(("^" if tag == "sup" else "_") + text_of(element))
        else:
            for child in _content(element):
                if isinstance(child, str):
                    run.add(child)
                elif isinstance(child.tag, str) and child.tag not in SILENT:
                    self._inline(child, run, depth + 1)


def _linked(text: str, target: str) -> str:
    label = text.strip()
    if not label or label == target:
        return text
    lead, tail = _edges(text)
    return f"{lead}[{label}]({target}){tail}"


def _edges(text: str) -> tuple[str, str]:
    """The white space before and after a text."""
    return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :] if text.strip() else ""


def _target(link: Element, label: str) -> str:
    """The absolute address of a link if it adds something to its text; a relative address is of no use here."""
    href = (link.get("href") or "").strip()
    worth = re.match(r"(?:https?://|mailto:)[^\s()<>]{3,500}$", href, re.IGNORECASE)
    plain = href.removeprefix("mailto:").split("?")[0]
    return href if worth and plain != label else ""


def _code(text: str) -> list[str]:
    text = text.replace("\r\n", "\n").strip("\n")
    if not text.strip():
        return []
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return [f"{fence}\n{text}\n{fence}"]


def _is_data(table: Element, cells: list[list[Element]]) -> bool:
    nested = table.xpath("boolean(.//table or .//h1 or .//h2 or .//h3 or .//pre)")
    return not nested and any(len(row) > 1 for row in cells)


def _is_in_note(heading: Element) -> bool:
    """Whether a heading belongs to a note beside the text."""
    return any(
        above.tag == "aside" or above.get("role") == "note" or _NOTES & {*(above.get("class") or "").lower().split()}
        for above in heading.iterancestors()
        if above.tag not in {"body", "main", "html"}
    )


def _owner(element: Element, tag: str) -> Element | None:
    return next(element.iterancestors(tag), None)


def _number(value: str | None, otherwise: int) -> int:
    return int(value) if value and re.fullmatch("[0-9]{1,6}", value) else otherwise
