"""Places new replacements of a curator in the text that they were made on.

The messages are for a curator who copied words from a document: each explains how to choose the words better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from knowledge.composition import occurrences
from knowledge.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from knowledge.composition import Anchor, Composition, Replacement
    from retrieval.place import Places


def place(
    document_id: str, composed: Composition, add: Sequence[Replacement], *, limit: int
) -> tuple[str, Places | None, tuple[Anchor, ...]]:
    """(the text with the new replacements, its places, where each of them belongs). Each is made on the text without
    the others.

    ``limit``: characters of the text. Raises Invalid (words that do not occur exactly once, replacements that overlap,
    a resulting text that is blank or too long).
    """
    before = composed.text
    anchors: list[Anchor] = []
    changes: list[tuple[int, int, str]] = []
    for new in add:
        start = _only_place(document_id, before, new.find)
        end = start + len(new.find)
        for earlier, (other_start, other_end, _) in zip(add, changes, strict=False):
            if start < other_end and other_start < end:
                raise Invalid(
                    "Two edits of {document_id!r} change the same words: {words!r} and {others!r}. Make one of them.",
                    code="edit_overlap",
                    document_id=document_id,
                    words=new.find[:80],
                    others=earlier.find[:80],
                )
        anchor = composed.anchor(start, end)
        if anchor is None:
            raise _too_many_places(document_id, new.find, before.count(new.find))
        anchors.append(anchor)
        changes.append((start, end, new.replace))
    text, places = composed.replace(changes)
    if add and not text.strip():
        raise Invalid(
            "The edits leave nothing of {document_id!r}: supersede the document instead.",
            code="edit_everything",
            document_id=document_id,
        )
    if len(text) > limit:
        raise Invalid(
            "The edits make {document_id!r} longer than {limit:,} characters.",
            code="edit_too_long",
            document_id=document_id,
            limit=limit,
        )
    return text, places, tuple(anchors)


def _only_place(document_id: str, text: str, words: str) -> int:
    places = occurrences(text, words)
    if not places:
        raise Invalid(
            "The words to replace do not occur in {document_id!r}: {words!r}. Copy them from the newest version, as it "
            "reads without this correction's own earlier edits, with enough words around them to be unique.",
            code="edit_missing",
            document_id=document_id,
            words=words[:80],
        )
    if len(places) > 1:
        raise _too_many_places(document_id, words, max(text.count(words), 2))
    return places[0]


def _too_many_places(document_id: str, words: str, times: int) -> Invalid:
    return Invalid(
        "The words to replace occur {count} times in {document_id!r}: {words!r}. Copy them from the newest version, as "
        "it reads without this correction's own earlier edits, with enough words around them to be unique.",
        code="edit_ambiguous",
        document_id=document_id,
        words=words[:80],
        count=times,
    )
