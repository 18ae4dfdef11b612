"""Which passages of a document published corrections hide, and how such a passage is recognised in another version.

A passage is the same when its text is the same, and also what shows its subject: the document's title, its headings,
the introductions above it (surroundings), and for a short passage the end of the passage before it in its section. "It
takes 14 days." below another heading is another statement, and readers see it. A change of these rules needs a
migration that reads the stored sites anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.surroundings import Outline
from knowledge.tables import Supersession

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session

    from retrieval.passage import Passage

SHORT = 200  # UTF-8 bytes; a shorter passage is not clear without the one before it
BEFORE = 300  # characters of the one before it that are kept


@dataclass(frozen=True, slots=True)
class Site:
    """A passage by its content, whatever its number is. ``path``: title and headings; ``before``: the end of the
    passage before a short one; ``introductions``: the blocks further above that say what the passage is about."""

    path: tuple[str, ...]
    before: str
    text: str
    introductions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Superseded:
    """The part of a document that live entries hide: all of it (``whole``), or the passages at these sites."""

    whole: bool = False
    sites: frozenset[Site] = field(default_factory=frozenset)

    def hides(self, site: Site) -> bool:
        return self.whole or site in self.sites

    def could_hide(self, passage: Passage) -> bool:
        """Whether this may hide a passage that is seen alone, without the one before it."""
        path = (passage.title, *passage.headings)
        return self.whole or any(site.path == path and site.text == passage.text for site in self.sites)

    def __or__(self, other: Superseded) -> Superseded:
        return Superseded(self.whole or other.whole, self.sites | other.sites)


def sites(title: str, passages: Iterable[tuple[Sequence[str], str]]) -> list[Site]:
    """The sites of all passages (headings, text) of a version. The passages must come in their order."""
    result: list[Site] = []
    headings_before: tuple[str, ...] | None = None
    text_before = ""
    ordered = [(tuple(headings), text) for headings, text in passages]
    outline, starts = _outline(title, ordered)
    for (path, text), start in zip(ordered, starts, strict=True):
        near = path == headings_before and len(text.encode("utf-8", "surrogatepass")) < SHORT
        before = text_before[-BEFORE:] if near else ""
        result.append(Site((title, *path), before, text, outline.introductions(start)))
        headings_before, text_before = path, text
    return result


def _outline(title: str, passages: Sequence[tuple[tuple[str, ...], str]]) -> tuple[Outline, list[int]]:
    """(the passages as one text again, where each of them begins in it)"""
    parts: list[str] = []
    starts: list[int] = []
    above: tuple[str, ...] = ()
    length = 0
    for headings, text in passages:
        new = 0
        while new < len(headings) and headings[: new + 1] == above[: new + 1]:
            new += 1
        if headings != above and new == len(headings):
            new -= 1  # the same heading again
        head = "".join(f"{'#' * (depth + 1)} {headings[depth]}\n\n" for depth in range(max(new, 0), len(headings)))
        starts.append(length + len(head))
        parts.append(f"{head}{text}\n\n")
        length += len(parts[-1])
        above = headings
    return Outline(title, "".join(parts)), starts


def to_json(of_passage: Iterable[Site]) -> list[dict[str, Any]]:
    """The sites of one passage text, as ``supersessions.sites`` keeps them."""
    ordered = sorted(of_passage, key=lambda site: (site.path, site.before, site.introductions))
    return [
        {"path": list(site.path), "before": site.before, "introductions": list(site.introductions)} for site in ordered
    ]


def from_row(passage: str | None, stored: Sequence[dict[str, Any]] | None) -> Superseded:
    """The part of the document that a row of ``supersessions`` hides."""
    if passage is None:
        return Superseded(whole=True)
    return Superseded(
        sites=frozenset(
            Site(tuple(site["path"]), site["before"], passage, tuple(site["introductions"])) for site in stored or ()
        )
    )


def superseded(session: Session, document_id: str, *, without_entry: int | None = None) -> Superseded:
    """The part of a document that live entries hide. ``without_entry``: the supersessions of this entry do not
    count."""
    query = sa.select(Supersession.passage, Supersession.sites).where(
        Supersession.document_id == document_id, Supersession.active
    )
    if without_entry is not None:
        query = query.where(Supersession.entry_id != without_entry)
    total = Superseded()
    for passage, stored in session.execute(query):
        total |= from_row(passage, stored)
    return total
