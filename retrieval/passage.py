"""The values that retrieval passes around: a passage, a row of the index, a change to it, a hit.

Knows nothing about files, databases or models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrieval import invisible, place
from retrieval.scope import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from retrieval.place import Place

    Vector = NDArray[np.float32]


LANGUAGE = "language"  # the filter of this name compares the language of a passage, not metadata


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of one version of a document, as it is shown, cited and put into the prompt.

    ``id`` is a stable int64 from the knowledge log; passages that exist only on a candidate
    have negative ids. ``position`` counts the passages of a document version from 0. ``place``: where it stands in its
    file, if that is known; nobody searches for it, and no prompt has it.
    """

    id: int
    document_id: str
    version: int
    position: int
    title: str
    headings: tuple[str, ...]
    text: str
    language: str
    url: str | None = None
    erratum: bool = False
    collection: str = MAIN
    properties: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)  # what filters compare
    place: Place | None = None

    @property
    def address(self) -> str | None:
        """The address of the document, which opens at the place of the passage if it can."""
        return place.address(self.url, self.place)

    def fulfils(self, filters: Mapping[str, str]) -> bool:
        """Whether the passage matches the filters, by the same rule as ``PassageLog.select`` for stored passages."""
        return all(value in self.properties.get(key, ()) for key, value in filters.items())

    @property
    def indexed_text(self) -> str:
        """The text that is embedded and tokenised."""
        return indexed_text(self.title, self.headings, self.text)


def indexed_text(title: str, headings: Iterable[str], text: str) -> str:
    """The text of a passage that is embedded and tokenised: title and heading path give the text its context. Without
    characters that nobody sees."""
    lead = " › ".join(dict.fromkeys(part for part in (title, *headings) if part))
    return invisible.cleaned(f"{lead}\n{text}" if lead else text)


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """The data of a passage in an index: its id, the text to tokenise, its unit vector (dimension,), and its
    collection and language, which decide who can find it."""

    id: int
    text: str
    vector: Vector
    collection: str = MAIN
    language: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One step of the knowledge log: the index at ``seq`` is the index at ``seq - 1`` without the
    ``hidden`` ids and with the ``added`` rows. The two never share an id."""

    seq: int
    added: tuple[Row, ...] = ()
    hidden: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that a search found. ``score`` orders the hits; ``stages`` shows where the score comes from:
    ``dense`` (cosine), ``dense_rank``, ``keyword`` (BM25), ``keyword_rank``, ``fused``. A stage that did
    not find the passage is absent."""

    passage: Passage
    score: float
    stages: Mapping[str, float] = field(default_factory=dict)
