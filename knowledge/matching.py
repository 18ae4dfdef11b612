"""Is this question a corrected question?

Today: the same words after normalisation (width, case, traditional/simplified, punctuation). A false match
serves a wrong answer with authority, so likeness in meaning has to earn its place with data first; until then
a question in other words finds the erratum through retrieval, like any document.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge.log import head
from knowledge.tables import Entry, EntryQuestion
from retrieval.text import normalise

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Match:
    """The live entry that a question asks for."""

    entry_id: int
    correction_id: int
    question: str
    answer: str
    document_id: str
    document_version: int


def key(question: str) -> str:
    """The form under which questions are compared: normalised, without punctuation and white space at the ends
    of words. Symbols (+, %, €) and digits stay: "C" is not "C++"."""
    kept = "".join(
        " " if unicodedata.category(character).startswith("P") and character not in "#%&*@\\/-_." else character
        for character in normalise(question)
    )
    words = (word.strip(".-_") for word in kept.split())
    return " ".join(word for word in words if word)


def match(session: Session, question: str, *, now: datetime, excluded: frozenset[int] = frozenset()) -> Match | None:
    """The newest live entry with this very question; negatives, expired and ``excluded`` entries do not match."""
    wanted = key(question)
    if not wanted:
        return None
    negative = (
        sa.select(EntryQuestion.id)
        .where(EntryQuestion.entry_id == Entry.id, EntryQuestion.role == "negative", EntryQuestion.normalised == wanted)
        .exists()
    )
    entry = session.scalar(
        sa.select(Entry)
        .join(EntryQuestion, EntryQuestion.entry_id == Entry.id)
        .where(
            Entry.live,
            EntryQuestion.role != "negative",
            EntryQuestion.normalised == wanted,
            sa.or_(Entry.valid_until.is_(None), Entry.valid_until > now),
            Entry.id.not_in(excluded),
            ~negative,
        )
        .order_by(Entry.id.desc())
        .limit(1)
    )
    if entry is None:
        return None
    return Match(entry.id, entry.correction_id, entry.question, entry.answer, entry.document_id, entry.document_version)


def knowledge_version(session: Session) -> int:
    """The newest seq of the log, in the same view as the match."""
    return head(session)
