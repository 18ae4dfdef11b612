"""Makes pypdf find the gaps between words in fonts that have no space.

TeX and many others write a gap as a movement, in fonts whose characters have numbers of their own. pypdf (7.1) takes
the width of number 32 for that of a space, although 32 may be any character in such a font, and finds no gap that is
narrower than half of it: "Ifyouarenotsure". Without that width it assumes a usual one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdf import PageObject

SPACE = 32
MOST_FORMS = 50  # parts of a page with fonts of their own


def forget_space_widths(page: PageObject) -> None:
    """Removes the stated width of character 32 from the fonts of a page in which 32 need not be the space."""
    resources: Any = page.get("/Resources")
    if resources is None:
        return
    forms = list((_value(_value(resources).get("/XObject")) or {}).values())[:MOST_FORMS]
    for part in (page, *map(_value, forms)):
        fonts = _value((_value(part.get("/Resources")) or {}).get("/Font")) or {}
        for font in map(_value, fonts.values()):
            if font.get("/Encoding") in ("/Identity-H", "/Identity-V"):
                for descendant in map(_value, _value(font.get("/DescendantFonts")) or ()):
                    _forget(_value(descendant.get("/W")) or [])
            elif _has_own_numbers(_value(font.get("/Encoding"))):
                first, widths = int(_value(font.get("/FirstChar", 0))), _value(font.get("/Widths")) or []
                _forget([first, widths])


def _has_own_numbers(encoding: Any) -> bool:
    """Whether an encoding only lists names for numbers, and none for 32."""
    if not isinstance(encoding, dict) or "/BaseEncoding" in encoding:
        return False
    number = 0
    for item in map(_value, _value(encoding.get("/Differences")) or ()):
        if isinstance(item, int):
            number = item
        elif number == SPACE:
            return False
        else:
            number += 1
    return True


def _forget(widths: list[Any]) -> None:
    """``widths``: ``first [width …]`` for consecutive characters, or ``first last width``."""
    from pypdf.generic import NumberObject

    at = 0
    while at + 1 < len(widths):
        first, following = int(_value(widths[at])), _value(widths[at + 1])
        if not isinstance(following, list):
            at += 3
            continue
        if first <= SPACE < first + len(following):
            following[SPACE - first] = NumberObject(0)
        at += 2


def _value(reference: Any) -> Any:
    return reference.get_object() if hasattr(reference, "get_object") else reference
