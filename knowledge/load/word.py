"""Prepares a DOCX for its conversion to HTML, so that the text is what a person sees in Word.

Adds what is shown but is not in the text: numbers of headings and items, text boxes, and the words of page headers and
footers (once, before the text). Removes what is in the text but not shown, or shown struck out: hidden, deleted and
moved-away words. Counts what is left out.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from typing import TYPE_CHECKING, Any

from knowledge.load.word_numbers import Numbers, W, based_on, is_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knowledge.load.left_out import LeftOut
    from knowledge.load.word_numbers import Element

_R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_PICTURES = "{http://schemas.openxmlformats.org/drawingml/2006/picture}pic"
_OLD_PICTURES = "{urn:schemas-microsoft-com:vml}imagedata"
_HIDING = {"vanish": "hidden_parts", "strike": "struck_out", "dstrike": "struck_out"}
_PAGE_FIELDS = re.compile(r"\s*(?:PAGE|NUMPAGES|SECTIONPAGES|DATE|TIME|PRINTDATE|SAVEDATE)\b", re.IGNORECASE)
MARGIN_CHARACTERS = 500  # of the words of page headers and footers


def prepared(data: bytes, left_out: LeftOut) -> bytes:
    """The same DOCX with another main part. Raises ValueError or KeyError for a file that is not one."""
    from lxml import etree

    with zipfile.ZipFile(io.BytesIO(data)) as package:
        names = set(package.namelist())
        main = _main_part(package)
        folder = posixpath.dirname(main)
        root = _parsed(package.read(main))
        targets = _targets(package, main) if _relations(main) in names else {}
        parts = {
            kind: _parsed(package.read(path))
            for kind in ("numbering", "styles", "comments")
            if (path := f"{folder}/{kind}.xml") in names
        }
        margins = _margins(package, root, {key: path for key, path in targets.items() if path in names})
        _change(root, parts, margins, left_out)
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as copy:
            for name in package.namelist():
                content = etree.tostring(root, encoding="UTF-8", xml_declaration=True) if name == main else None
                copy.writestr(name, package.read(name) if content is None else content)
    return written.getvalue()


def _change(root: Element, parts: Mapping[str, Element], margins: str, left_out: LeftOut) -> None:
    comments = parts.get("comments")
    left_out.add("comments", len(comments.findall(f"{W}comment")) if comments is not None else 0)
    left_out.add("pictures", sum(1 for _ in root.iter(_PICTURES, _OLD_PICTURES)))
    _open_text_boxes(root)
    for element in list(root.iter(f"{W}del", f"{W}moveFrom")):
        left_out.add("struck_out")
        _drop(element)
    _remove_unseen(root, _marked_styles(parts.get("styles")), left_out)
    numbers = Numbers(parts.get("numbering"), parts.get("styles"))
    for paragraph in root.iter(f"{W}p"):
        label, is_numbered = numbers.of(paragraph)
        if is_numbered:
            _write_number(paragraph, label)
    body = root.find(f"{W}body")
    if margins and body is not None:
        body.insert(0, _paragraph(body, margins))


def _open_text_boxes(root: Element) -> None:
    """Moves the paragraphs of text boxes behind the paragraph that they belong to."""
    for choice in root.iter(f"{_MC}AlternateContent"):
        fallback = choice.find(f"{_MC}Fallback")
        if fallback is not None and next(choice.iter(f"{W}txbxContent"), None) is not None:
            first = next(child for child in choice)
            if next(first.iter(f"{W}txbxContent"), None) is not None and first is not fallback:
                choice.remove(fallback)  # the same box again, for older programs
    for box in list(root.iter(f"{W}txbxContent")):
        holder = next((above for above in box.iterancestors(f"{W}p")), None)
        if holder is None or holder.getparent() is None:
            continue
        at = holder.getparent().index(holder) + 1
        for block in reversed(list(box)):
            holder.getparent().insert(at, block)


def _remove_unseen(root: Element, styles: Mapping[str, str], left_out: LeftOut) -> None:
    for run in list(root.iter(f"{W}r")):
        kind = _kind(run, styles)
        if kind:
            if any(text.text for text in run.iter(f"{W}t")):
                left_out.add(kind)
            _drop(run)


def _kind(run: Element, styles: Mapping[str, str]) -> str:
    """The kind (``left_out.KINDS``) of a run that is not seen; "" for one that is."""
    properties = run.find(f"{W}rPr")
    if properties is not None:
        for name, kind in _HIDING.items():
            toggle = properties.find(f"{W}{name}")
            if toggle is not None:
                return kind if is_on(toggle) else ""
        style = properties.find(f"{W}rStyle")
        if style is not None and (kind := styles.get(style.get(f"{W}val", ""), "")):
            return kind
    paragraph = next(run.iterancestors(f"{W}p"), None)
    style = paragraph.find(f"{W}pPr/{W}pStyle") if paragraph is not None else None
    return styles.get(style.get(f"{W}val", ""), "") if style is not None else ""


def _marked_styles(styles: Element | None) -> dict[str, str]:
    """The styles that hide or strike out their words, with the kind."""
    if styles is None:
        return {}
    own = {style.get(f"{W}styleId", ""): style for style in styles.findall(f"{W}style")}
    marked: dict[str, str] = {}
    for name in own:
        for style in based_on(own, name):
            toggles = [(kind, style.find(f"{W}rPr/{W}{prop}")) for prop, kind in _HIDING.items()]
            stated = [(kind, toggle) for kind, toggle in toggles if toggle is not None]
            if stated:
                marked[name] = next((kind for kind, toggle in stated if is_on(toggle)), "")
                break
    return marked


def _write_number(paragraph: Element, label: str) -> None:
    """Puts the number before the words, and takes the paragraph out of its list."""
    properties = paragraph.find(f"{W}pPr")
    if not any(text.text for text in paragraph.iter(f"{W}t")):
        return
    run = _run(paragraph, f"{label} ")
    paragraph.insert(0 if properties is None else paragraph.index(properties) + 1, run)
    if properties is None:
        properties = paragraph.makeelement(f"{W}pPr")
        paragraph.insert(0, properties)
    reference = properties.find(f"{W}numPr")
    if reference is None:
        reference = properties.makeelement(f"{W}numPr")
        properties.append(reference)
    for child in list(reference):
        reference.remove(child)
    number = reference.makeelement(f"{W}numId")
    number.set(f"{W}val", "0")  # also where the style is numbered
    reference.append(number)


def _margins(package: zipfile.ZipFile, root: Element, targets: Mapping[str, str]) -> str:
    """The words of the page headers and footers, each once, without page numbers and dates."""
    texts: dict[str, None] = {}
    for reference in root.iter(f"{W}headerReference", f"{W}footerReference"):
        path = targets.get(reference.get(f"{_R}id", ""))
        if path is None:
            continue
        for paragraph in _parsed(package.read(path)).iter(f"{W}p"):
            text = " ".join("".join(_words(paragraph)).split())
            if re.search(r"[^\W\d_]", text) or re.search(r"\d{3}", text):  # "Page of" and "- 3 -" say nothing
                texts[text] = None
    return " · ".join(texts)[:MARGIN_CHARACTERS]


def _words(paragraph: Element) -> Iterator[str]:
    """The texts of a paragraph without the results of fields for pages and dates."""
    fields: list[bool] = []  # of the open fields: whether their result is left out
    for element in paragraph.iter(f"{W}fldChar", f"{W}instrText", f"{W}t", f"{W}tab"):
        if element.tag == f"{W}fldChar":
            kind = element.get(f"{W}fldCharType")
            if kind == "begin":
                fields.append(False)
            elif kind == "end" and fields:
                fields.pop()
        elif element.tag == f"{W}instrText":
            if fields and _PAGE_FIELDS.match(element.text or ""):
                fields[-1] = True
        elif not any(fields) and not _in_page_field(element):
            yield " " if element.tag == f"{W}tab" else element.text or ""


def _in_page_field(element: Element) -> bool:
    return any(_PAGE_FIELDS.match(field.get(f"{W}instr", "")) for field in element.iterancestors(f"{W}fldSimple"))


def _paragraph(body: Element, text: str) -> Element:
    paragraph = body.makeelement(f"{W}p")
    paragraph.append(_run(body, text))
    return paragraph


def _run(near: Element, text: str) -> Element:
    run = near.makeelement(f"{W}r")
    words = near.makeelement(f"{W}t")
    words.text = text
    words.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    run.append(words)
    return run


def _drop(element: Element) -> None:
    if element.getparent() is not None:
        element.getparent().remove(element)


def _main_part(package: zipfile.ZipFile) -> str:
    """The path of the main part, by the package's relationships."""
    for relation in _parsed(package.read("_rels/.rels")):
        if relation.get("Type", "").endswith("/officeDocument"):
            return str(relation.get("Target", "")).lstrip("/")
    return "word/document.xml"


def _targets(package: zipfile.ZipFile, main: str) -> dict[str, str]:
    """Relationship id → path of the part."""
    folder = posixpath.dirname(main)
    return {
        relation.get("Id", ""): posixpath.normpath(posixpath.join(folder, relation.get("Target", "")))
        for relation in _parsed(package.read(_relations(main)))
        if relation.get("TargetMode") != "External"
    }


def _relations(part: str) -> str:
    return f"{posixpath.dirname(part)}/_rels/{posixpath.basename(part)}.rels"


def _parsed(content: bytes) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, remove_comments=True)
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:  # a SyntaxError, which would mean a broken module
        if "depth" in str(error):
            raise RecursionError from None
        raise ValueError(f"not XML: {error}") from None
