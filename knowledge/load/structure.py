"""Finds the structure of plain text that nobody marked: tables of contents, numbered headings, broken Chinese lines.

A line is a heading if it has a number of its own and stands alone, and text follows it. A table of contents is a run of
numbered lines that the text repeats further below. Knows nothing about files.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from knowledge.load.places import like

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADING_LINES = 3  # a long heading may be broken
HEADING_CHARACTERS = 200
ENTRY_LINES = 5  # an entry is narrower
LONGEST_LINE = 200  # characters of an entry
ENTRIES = 4  # of the smallest table of contents
REPEATED = 0.7  # of its entries stand in the text again; one that was worded differently is no reason to keep it
KEY = 24  # letters by which an entry and its heading are compared: both may be broken after them
FULL_LINE = 0.8  # of the longest lines that end with a wide character: the next line continues it
SHORTEST_FULL = 30  # columns: shorter lines are broken on purpose

_CHAPTER = (
    r"(?:(?:Chapter|Appendix|Part|Section|Article)\s+[\dA-Z]{1,4}[.:]?\s+\S"
    r"|(?:第\s*[一二三四五六七八九十百\d]{1,4}\s*[章节篇编部]|附录\s*[A-Z\d一二三四五六七八九十])\s*\S)"
)
_CHAPTERS = re.compile(_CHAPTER, re.IGNORECASE)
# "1." and not "1", which may count what follows; "A.1" and not "A.", which may be a name.
_NUMBERED = re.compile(r"(\d{1,3}(?=\.\s)|(?:\d{1,3}|[A-Z])(?:\.\d{1,3}){1,4})\.?[^\S\n]+[^\s\d]")
_BULLET = r"\s*(?:[-*•+]\s+)?"
_ENTRY = re.compile(rf"{_BULLET}(?:{_CHAPTER}|(?:\d{{1,3}}|[A-Z])(?:\.\d{{1,3}}){{0,4}}\.?\s+\S)", re.IGNORECASE)
# What stands before the words of an entry or heading: "Chapter 3.", "2.1", "Table 4:".
_LABEL = re.compile(
    rf"{_BULLET}(?:(?:chapter|appendix|part|section|article|table|figure|example)\s+[\w.]{{1,8}}[.:]?\s"
    r"|第\s*\S{1,4}\s*[章节篇编部]|附录\s*\S|[表图例]\s*[\d.]+|[A-Z](?:\.\d{1,3})*\.\s)?",
    re.IGNORECASE,
)
_LEADERS = re.compile(r"(?:[.·…]\s?){4,}\s*[\divxlc]{0,5}\s*$")
_TITLE = re.compile(
    r"\W*(?:(?:table of )?contents|list of (?:tables|figures|examples)"
    r"|目\s*[录錄]|内容目录|(?:表格|插图|图表?|范例)(?:清单|列表|目录))\W*$",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"[.。;；,，:：]\s*$")
_WIDE = r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f“”‘’—…]"
_WIDE_START, _WIDE_END = re.compile(rf"[ \t]*{_WIDE}"), re.compile(rf"{_WIDE}[ \t]*$")
_WIDES = re.compile(_WIDE)
_ITEM = re.compile(
    r"\s*(?:[-*•●○▪■◦·※+|>#]|\(?\d{1,3}[.)、）]|[(（][一二三四五六七八九十\d]{1,3}[)）]|[一二三四五六七八九十]{1,3}、)"
)
_COLUMNS = re.compile(r"\S[ ]{3,}\S|\t")


def without_contents(lines: Sequence[str]) -> tuple[list[str], int]:
    """The lines without tables of contents, and how many of these there were."""
    kept: list[str] = []
    count = at = 0
    keys = [_key(line) for line in lines]
    last = {key: number for number, key in enumerate(keys) if key}
    while at < len(lines):
        end, is_contents = _run(lines, keys, last, at) if _ENTRY.match(lines[at]) else (at + 1, False)
        if not is_contents:
            kept += lines[at:end]
            at = end
            continue
        while kept and (not kept[-1].strip() or _TITLE.match(kept[-1]) or last.get(_key(kept[-1]), -1) >= end):
            kept.pop()  # also entries without a number, such as "Preface"
        kept.append("")
        count += 1
        at = end
    return kept, count


def _run(lines: Sequence[str], keys: Sequence[str], last: dict[str, int], start: int) -> tuple[int, bool]:
    """(the line after the run of entries that begins at ``start``, whether it is a table of contents)."""
    entries: list[int] = []
    own: set[tuple[str, str]] = set()
    at, continued = start, 0
    while at < len(lines):
        if not lines[at].strip():
            continued = ENTRY_LINES  # a line below a blank one continues nothing
        elif _ENTRY.match(lines[at]) and (name := (_number(lines[at]), keys[at])) not in own:
            entries.append(at)
            own.add(name)
            continued = 0
        elif continued < ENTRY_LINES - 1 and not _ENTRY.match(lines[at]):
            continued += 1
        else:
            break
        at += 1
    end = at
    while len(entries) > 1 and not _is_repeated(entries[-1], keys, last, end):
        end = entries.pop()  # the first heading of the text that follows looks like an entry
    repeated = sum(
        _is_repeated(entry, keys, last, end) or bool(_LEADERS.search(lines[entry][-LONGEST_LINE:])) for entry in entries
    )
    is_contents = len(entries) >= ENTRIES and repeated >= REPEATED * len(entries)
    return end if is_contents else at, is_contents


def _number(line: str) -> str:
    match = re.search(r"\d+(?:\.\d+)*", line)
    return match[0] if match else ""


def _is_repeated(entry: int, keys: Sequence[str], last: dict[str, int], end: int) -> bool:
    return last.get(keys[entry], -1) >= end


def _key(line: str) -> str:
    """The first letters of an entry or heading, without its number and the page; "" for a long line."""
    if len(line) > LONGEST_LINE:
        return ""
    return re.sub(r"[\W\d_]+", "", _LABEL.sub("", _LEADERS.sub("", line), count=1)).lower()[:KEY]


def with_headings(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the lines with ``#`` headings for numbered lines that stand alone, the words of these headings)."""
    headings: dict[int, tuple[int, int, str]] = {}  # first line → (line after it, level, words)
    for at in range(len(lines)):
        if (at == 0 or not lines[at - 1].strip()) and (heading := _heading(lines, at)):
            headings[at] = heading
    written: list[str] = []
    words: list[str] = []
    at = 0
    while at < len(lines):
        if at in headings and _has_text_below(lines, headings, at):
            end, level, title = headings[at]
            written.append(like(lines[at], f"{'#' * min(level, 6)} {title}"))
            words.append(title)
            at = end
        else:
            written.append(lines[at])
            at += 1
    return written, words


def _heading(lines: Sequence[str], at: int) -> tuple[int, int, str] | None:
    """(the line after it, level, words) if a heading begins at this line."""
    numbered = _NUMBERED.match(lines[at])
    if not numbered and not _CHAPTERS.match(lines[at]):
        return None
    end = at
    while end < len(lines) and lines[end].strip() and end - at <= HEADING_LINES:
        end += 1
    block = [line.strip() for line in lines[at:end]]
    title = " ".join(block)
    broken = all(len(line) >= SHORTEST_FULL for line in block[:-1])
    if len(block) > HEADING_LINES or not broken or len(title) > HEADING_CHARACTERS or _SENTENCE.search(title):
        return None
    if not any(character.isalpha() for character in title):
        return None
    return end, numbered[1].count(".") + 1 if numbered else 1, title


def _has_text_below(lines: Sequence[str], headings: dict[int, tuple[int, int, str]], at: int) -> bool:
    """Whether text or a deeper heading follows: else it is an item of a list."""
    end, level, _ = headings[at]
    below = next((number for number in range(end, len(lines)) if lines[number].strip()), None)
    return below is not None and (below not in headings or headings[below][1] > level)


def joined(lines: Sequence[str]) -> list[str]:
    """The lines, with those joined that break Chinese words: no space belongs between the two parts."""
    width = _full_width(lines)
    written: list[str] = []
    before = ""  # the last line as it was, not what it was joined to
    for line in lines:
        if (
            _WIDE_END.search(before)
            and _WIDE_START.match(line)
            and _width(before) >= max(SHORTEST_FULL, FULL_LINE * width)
            and not _ITEM.match(line)
            and not _COLUMNS.search(before)
        ):
            written[-1] = like(written[-1], written[-1].rstrip() + line.strip())
        else:
            written.append(line)
        before = line
    return written


def _full_width(lines: Sequence[str]) -> int:
    """The width that few lines with wide characters exceed: that of the page."""
    widths = sorted(_width(line) for line in lines if _WIDE_END.search(line))
    return widths[len(widths) * 9 // 10] if widths else 0


def _width(line: str) -> int:
    line = line.rstrip()
    return len(line) + len(_WIDES.findall(line))
