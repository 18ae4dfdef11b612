"""Removes from an HTML tree what a reader of the page does not see, or sees struck out.

The page's own styles count (attributes, and rules in its ``style`` elements); those of other files are not there.
What a click opens is read: details, tabs, and elements that a link or button of the page names.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from knowledge.load.left_out import LeftOut
    from knowledge.load.render import Element

MOST_RULES = 500  # that hide or strike something; more of them are not looked at
MOST_CSS = 1_000_000  # characters


def remove_unseen(tree: Element, left_out: LeftOut) -> None:
    """Drops hidden and struck-out elements, and counts them."""
    kinds: dict[Any, str] = dict(_by_rule(tree))
    for element in tree.iter("s", "strike", "del"):
        kinds[element] = "struck_out"
    for element in tree.xpath(".//*[@style]"):
        if kind := _kind(element.get("style")):
            kinds[element] = kind
        elif kinds.get(element) == "hidden_parts" and "display" in element.get("style"):
            del kinds[element]  # shown again by its own style
    for element in tree.xpath(".//*[@hidden]"):
        if element.get("hidden", "").strip().lower() != "until-found":
            kinds[element] = "hidden_parts"
    opened = _opened(tree)
    for element, kind in kinds.items():
        if element.getparent() is None or element.tag in {"html", "body"}:
            continue  # already dropped with an outer one, or the page as a whole
        if kind == "hidden_parts" and _can_be_opened(element, opened):
            continue
        if "".join(element.itertext()).strip():
            left_out.add(kind)
        element.tail = f" {element.tail or ''}" if kind == "struck_out" else element.tail
        element.drop_tree()


def _opened(tree: Element) -> set[str]:
    """The ids of the elements that links and buttons of the page open."""
    ids: set[str] = set()
    for element in tree.xpath(".//*[@aria-controls or @data-target or @data-bs-target or starts-with(@href, '#')]"):
        ids.update((element.get("aria-controls") or "").split())
        for name in ("data-target", "data-bs-target", "href"):
            if (target := element.get(name, "")).startswith("#"):
                ids.add(target[1:])
    return ids


def _can_be_opened(element: Element, opened: set[str]) -> bool:
    return (
        element.get("id") in opened
        or element.get("role") == "tabpanel"
        or next(element.iterancestors("details"), None) is not None
    )


def _by_rule(tree: Element) -> Iterator[tuple[Element, str]]:
    """The elements that rules in ``style`` elements hide or strike out."""
    import tinycss2
    from cssselect import SelectorError
    from lxml.cssselect import CSSSelector

    css = "\n".join("".join(style.itertext()) for style in tree.iter("style"))[:MOST_CSS]
    rules = 0
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True) if css else ():
        if rule.type != "qualified-rule" or not (kind := _kind_of(rule.content)):
            continue
        rules += 1
        if rules > MOST_RULES:
            return
        try:
            matches = CSSSelector(tinycss2.serialize(rule.prelude).strip(), translator="html")(tree)
        except (SelectorError, ValueError, TypeError):
            continue  # a state of the page (":hover"), or damaged
        for element in matches:
            yield element, kind


@lru_cache(maxsize=1_000)
def _kind(style: str) -> str:
    import tinycss2

    return _kind_of(tinycss2.parse_component_value_list(style))


def _kind_of(declarations: Iterable[Any]) -> str:
    """``hidden_parts``, ``struck_out`` or "", by the declarations of a style."""
    import tinycss2

    kind = ""
    for declaration in tinycss2.parse_blocks_contents(declarations, skip_comments=True, skip_whitespace=True):
        if declaration.type != "declaration":
            continue
        words = {token.value.lower() for token in declaration.value if token.type == "ident"}
        name = declaration.lower_name
        if (name == "display" and "none" in words) or (name == "visibility" and words & {"hidden", "collapse"}):
            return "hidden_parts"
        if name in {"text-decoration", "text-decoration-line"} and "line-through" in words:
            kind = "struck_out"
    return kind
