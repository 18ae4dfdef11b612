"""Characters that nobody sees: what a person reads must be what the bytes say.

A *hidden* character has no mark of its own and can make a text say to a program what no reader sees in it, or show its
words in another order: direction overrides, tags, zero-width spaces, variation selectors without a character to vary,
fillers, controls, private and unassigned code points. ``find`` names them; ``cleaned`` gives a text without them (which
is what is embedded, searched and given to a model); ``marked`` shows them (on terminals; the pages do the same in
``static/invisible.js``, and a test compares the two).

Not hidden is what real text needs, where it needs it: joiners inside emoji and inside scripts that are written with
them, one variation selector after a character that has variants, the tags of the three flags that are made of tags,
prefixed number signs of Arabic and Kaithi (which are visible), line ends and tabs. A byte order mark at the beginning
and a soft hyphen inside a word are harmless: not reported, but stripped.

Letters that look like others are none of this. Categories are those of Python's Unicode data.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_ZWNJ, _ZWJ, _ZWSP, _SHY, _BOM = "\u200c", "\u200d", "\u200b", "\u00ad", "\ufeff"
_WHITE = frozenset("\t\n\r")
_BREAKS = frozenset("\x0b\x0c\x85\u2028\u2029")  # hidden as such, but they end a line: words beside them stay apart
# Without a mark of their own although their category (letter, mark, symbol) says otherwise.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\u180b\u180c\u180d\u180f")
_SELECTORS = range(0xFE00, 0xFE10)
_MORE_SELECTORS = range(0xE0100, 0xE01F0)
_TAGS = range(0xE0000, 0xE0080)
_VISIBLE_SIGNS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
_FLAGS = tuple(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in name) + "\U000e007f" for name in ("gbeng", "gbsct", "gbwls")
)
_JOINED = (
    (0x0600, 0x08FF),  # Arabic, Syriac, N'Ko, Mandaic
    (0x0900, 0x0DFF),  # Indic scripts
    (0x0F00, 0x109F),  # Tibetan, Myanmar
    (0x1780, 0x18AF),  # Khmer, Mongolian
    (0xA840, 0xABFF),  # Phags-pa, further Indic scripts and Myanmar
    (0xFB50, 0xFDFF),  # Arabic presentation forms
    (0xFE70, 0xFEFC),
    (0x10A00, 0x11FFF),  # further Indic scripts
)
_UNSPACED = (
    (0x0E00, 0x0FFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x1950, 0x1AAF),
    (0xA9E0, 0xAA7F),
)  # no spaces between words
_HAN = ((0x3005, 0x3007), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFD))
# Which code points later versions of Unicode fill with visible characters: shown as a box until then.
_GROWING = ((0x1F000, 0x1FBFF), (0x20000, 0x3FFFD))
_MONGOLIAN = ((0x1820, 0x18AA),)
_SKIN = range(0x1F3FB, 0x1F400)
_TEXT_EMOJI = frozenset(
    "#*0123456789©®‼⁉™ℹ↔↕↖↗↘↙↩↪〰〽㊗㊙"
)  # varied by U+FE0F, and no symbol by their category or block


class Hidden(NamedTuple):
    """A hidden character and where it is (in characters of the text)."""

    position: int
    character: str

    @property
    def name(self) -> str:
        return name(self.character)


def find(text: str) -> list[Hidden]:
    """The hidden characters of a text, in order. Linear in its length; quick where there is nothing to look at."""
    return [Hidden(at, text[at]) for at in _suspects(text) if not _needed(text, at)]


def cleaned(text: str) -> str:
    """The text without its hidden characters, and without the harmless ones that nobody sees either. Line and
    paragraph separators become line ends."""
    pieces: list[str] = []
    end = 0
    for at in _suspects(text):
        character = text[at]
        if character not in (_SHY, _BOM) and _needed(text, at):
            continue
        pieces.append(text[end:at])
        if character in _BREAKS:
            pieces.append("\n")
        end = at + 1
    return "".join((*pieces, text[end:])) if pieces else text


def marked(text: str) -> str:
    """The text with a mark like ``‹U+202E›`` in place of each hidden character. Safe to print on a terminal: no
    control character but line ends and tabs is left; what would only move the cursor is marked, too."""
    pieces: list[str] = []
    end = 0
    for at in _suspects(text):
        if not _needed(text, at):
            pieces += (text[end:at], mark(text[at]))
            end = at + 1
    shown = "".join((*pieces, text[end:])) if pieces else text
    return shown.replace("\r\n", "\n").replace("\r", mark("\r"))


def mark(character: str) -> str:
    return f"‹U+{ord(character):04X}›"


def name(character: str) -> str:
    """``U+202E RIGHT-TO-LEFT OVERRIDE``; for what has no name, what kind of character it is."""
    kinds = {"Cc": "CONTROL", "Co": "PRIVATE USE", "Cs": "SURROGATE"}
    known = unicodedata.name(character, "") or kinds.get(unicodedata.category(character), "UNASSIGNED")
    return f"U+{ord(character):04X} {known}"


def names(texts: Iterable[str], *, most: int = 10) -> list[str]:
    """Which hidden characters texts have, each once, the most frequent first: ``U+202E RIGHT-TO-LEFT OVERRIDE (2)``;
    at most so many, then how many others."""
    counts = Counter(hidden.character for text in texts for hidden in find(text))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{name(character)} ({count})" for character, count in ordered[:most]]
    return [*shown, f"… (+{len(ordered) - most})"] if len(ordered) > most else shown


def _suspects(text: str) -> Iterable[int]:
    """Where a character may be hidden. Beyond U+FFFF every character is looked at: a set of ranges there is slow."""
    if text.isascii() and text.isprintable():
        return ()
    return (match.start() for match in _pattern().finditer(text) if _hideable(match[0]))


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    below = [code for code in range(0x10000) if chr(code) not in _WHITE and _hideable(chr(code))]
    return re.compile("[" + "".join(f"\\u{code:04x}" for code in below) + "\U00010000-\U0010ffff]")


def _hideable(character: str) -> bool:
    """Whether it is hidden unless its neighbours need it."""
    code = ord(character)
    if character in _BLANK or code in _SELECTORS or code in _MORE_SELECTORS:
        return True
    category = unicodedata.category(character)
    if category in ("Zl", "Zp"):
        return True
    if category == "Cn":
        return code & 0xFFFE == 0xFFFE or not _in(code, _GROWING)
    return category[0] == "C" and character not in _VISIBLE_SIGNS


def _needed(text: str, at: int) -> bool:
    """Whether real text needs this character here, or it is harmless here."""
    character = text[at]
    before = text[at - 1] if at else ""
    after = text[at + 1] if at + 1 < len(text) else ""
    code = ord(character)
    if character == _BOM:
        return at == 0
    if character == _SHY:
        return before.isalpha() and after.isalpha()
    if character in (_ZWJ, _ZWNJ):
        if _among(before, _JOINED) and _is_letter(before):
            return character == _ZWJ or (_among(after, _JOINED) and _is_letter(after))
        return character == _ZWJ and _ends_emoji(text, at) and _is_emoji(after)
    if character == _ZWSP:
        return _among(before, _UNSPACED) and _among(after, _UNSPACED)
    if code in _SELECTORS:
        return _is_varied(before, code)
    if code in _MORE_SELECTORS:
        return _among(before, _HAN)
    if code in _TAGS:
        return _is_in_flag(text, at)
    if character in "\u180b\u180c\u180d\u180f":
        return _among(before, _MONGOLIAN)
    if character in "\u115f\u1160":
        return _is_jamo(character, before, after)
    return False


def _is_varied(before: str, selector: int) -> bool:
    """Whether the character before has this variant: text or emoji style, and the standardised ones of Han and of
    mathematical signs."""
    if selector in (0xFE0E, 0xFE0F):
        return _is_emoji(before) or before in _TEXT_EMOJI
    if selector <= 0xFE02 and _among(before, _HAN):
        return True
    return selector == 0xFE00 and before != "" and unicodedata.category(before) == "Sm"


def _is_emoji(character: str) -> bool:
    if not character or character in _BLANK:
        return False
    code = ord(character)
    if 0x1F000 <= code <= 0x1FBFF:
        return True
    return 0x2190 <= code <= 0x2BFF and unicodedata.category(character) in ("So", "Sm")


def _ends_emoji(text: str, at: int) -> bool:
    """Whether an emoji ends before this place: with its style, if it has one; a skin tone is an emoji, too."""
    before = text[at - 1] if at else ""
    if before == "\ufe0f" and at > 1:
        before = text[at - 2]
    return _is_emoji(before)


def _is_in_flag(text: str, at: int) -> bool:
    start = text.rfind("\U0001f3f4", max(0, at - 6), at)
    return start >= 0 and any(text.startswith(flag, start) for flag in _FLAGS)


def _is_jamo(filler: str, before: str, after: str) -> bool:
    """A filler in place of the consonant or the vowel of an old Korean syllable."""
    if filler == "\u115f":
        return "\u1161" <= after <= "\u11a7" if after else False
    return "\u1100" <= before <= "\u115e" if before else False


def _is_letter(character: str) -> bool:
    return character != "" and unicodedata.category(character)[0] in "LM" and character not in _BLANK


def _among(character: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    return character != "" and _in(ord(character), ranges) and not _hideable(character)


def _in(code: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= code <= last for first, last in ranges)
