"""Which passages of a document published corrections hide, and how one is known again in another version.

A passage is the same when its text is, and what says what it is about: the document's title, its headings, and for a
short one the end of the passage before it in its section. "It takes 14 days." below another heading is something
else, and readers see it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.tables import Supersession

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session

    from retrieval.passage import Passage

SHORT = 200  # UTF-8 bytes of a passage that says too little by itself
BEFORE = 300  # characters of the one before it that are kept


@dataclass(frozen=True, slots=True)
class Site:
    """A passage by what it says, wherever it is numbered. ``path``: title and headings."""

    path: tuple[str, ...]
    before: str
    text: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """What live entries hide of a document: all of it (``whole``), or the passages at these sites."""

    whole: bool = False
    sites: frozenset[Site] = field(default_factory=frozenset)

    def hides(self, site: Site) -> bool:
        return self.whole or site in self.sites

    def could_hide(self, passage: Passage) -> bool:
        """Whether this is said of a passage that is seen alone, without the one before it."""
        path = (passage.title, *passage.headings)
        return self.whole or any(site.path == path and site.text == passage.text for site in self.sites)

    def __or__(self, other: Superseded) -> Superseded:
        return Superseded(self.whole or other.whole, self.sites | other.sites)


def sites(title: str, passages: Iterable[tuple[Sequence[str], str]]) -> list[Site]:
    """The sites of all passages (headings, text) of a version, which come in order."""
    result: list[Site] = []
    headings_before: tuple[str, ...] | None = None
    text_before = ""
    for headings, text in passages:
        path = tuple(headings)
        near = path == headings_before and len(text.encode("utf-8", "surrogatepass")) < SHORT
        result.append(Site((title, *path), text_before[-BEFORE:] if near else "", text))
        headings_before, text_before = path, text
    return result


def to_json(of_passage: Iterable[Site]) -> list[dict[str, Any]]:
    """The sites of one passage text, as ``supersessions.sites`` keeps them."""
    ordered = sorted(of_passage, key=lambda site: (site.path, site.before))
    return [{"path": list(site.path), "before": site.before} for site in ordered]


def from_row(passage: str | None, stored: Sequence[dict[str, Any]] | None) -> Superseded:
    """What a row of ``supersessions`` hides."""
    if passage is None:
        return Superseded(whole=True)
    return Superseded(sites=frozenset(Site(tuple(one["path"]), one["before"], passage) for one in stored or ()))


def superseded(session: Session, document_id: str, *, without_entry: int | None = None) -> Superseded:
    """What live entries hide of a document. ``without_entry``: as if that entry hid nothing."""
    query = sa.select(Supersession.passage, Supersession.sites).where(
        Supersession.document_id == document_id, Supersession.active
    )
    if without_entry is not None:
        query = query.where(Supersession.entry_id != without_entry)
    total = Superseded()
    for passage, stored in session.execute(query):
        total |= from_row(passage, stored)
    return total
