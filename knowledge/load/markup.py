"""Counts the tags and attributes of HTML before its parser sees them.

For each attribute of a tag, the parser compares all earlier ones of the same tag: 200,000 attributes take it minutes.
This scan takes time in proportion to the text.
"""

from __future__ import annotations

import re

from knowledge.load.errors import TooLarge

MOST_TAGS = 2_000_000  # start and end tags; the whole HTML specification has 1,000,000
MOST_ATTRIBUTES = 250  # of one tag; elements of real pages have fewer than 50

_SPACE = r" \t\r\n\f"
_VALUE = rf"[{_SPACE}]*+=[{_SPACE}]*+(?:\"[^\"]*+\"?|'[^']*+'?|[^{_SPACE}>\"'][^{_SPACE}>]*+)?"
_ATTRIBUTE = rf"[{_SPACE}/]*+[^{_SPACE}/>][^{_SPACE}/>=]*+(?:{_VALUE})?+"
_TAG = re.compile(
    rf"</?([A-Za-z][^{_SPACE}/>]*+)(?:(?P<many>(?:{_ATTRIBUTE}){{{MOST_ATTRIBUTES + 1}}})|(?:{_ATTRIBUTE})*+)|<!--"
)
_COMMENT_END = re.compile(r"-?>|(?:.*?)--!?>", re.DOTALL)
_RAW_END = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}


def check(html: str) -> None:
    """Raises TooLarge for more tags, or more attributes of one tag, than any page needs."""
    at, tags = 0, 0
    endless: set[str] = set()  # raw text whose end does not occur again: it is not searched for a second time
    while match := _TAG.search(html, at):
        at = match.end()
        if match["many"] is not None:
            raise TooLarge(
                "A tag of the page has more than {limit:,} attributes. Only files that are made to stop programs have "
                "that, so it is not read.",
                code="html_attributes",
                limit=MOST_ATTRIBUTES,
            )
        tags += 1
        if tags > MOST_TAGS:
            raise TooLarge(
                "The page has more than {limit:,} tags. Split it into several files.", code="html_tags", limit=MOST_TAGS
            )
        name = "!--" if match[1] is None else match[1].lower() if html[match.start() + 1] != "/" else ""
        end = _COMMENT_END if name == "!--" else _RAW_END.get(name)
        if end is None or name in endless:
            continue
        if after := end.match(html, at) if name == "!--" else end.search(html, at):
            at = after.end() if name == "!--" else after.start()
        else:
            endless.add(name)
