"""Decides whether a question is a corrected question.

The questions must have the same words after normalisation (width, case, traditional/simplified, punctuation). A false
match serves a wrong answer with authority, so questions are not matched by meaning before data shows that this is safe.
Until then a question that is worded differently finds the erratum through retrieval, like any document.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from knowledge.scoping import fulfils, within
from knowledge.tables import Document, DocumentVersion, Entry, EntryQuestion, Supersession
from retrieval.passage import LANGUAGE
from retrieval.text import normalise, primary

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from retrieval.scope import Scope

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HAN_SPACE = re.compile(f"(?<=[{_HAN}]) | (?=[{_HAN}])")
_POWER = re.compile("(?<=[0-9])(?=[\u2070\u00b9\u00b2\u00b3\u2074-\u207f])")  # NFKC would make 52 of 5²
_DOTS = re.compile(r"\.{2,}")


@dataclass(frozen=True, slots=True)
class Match:
    """The live entry that a question asks for."""

    entry_id: int
    correction_id: int
    question: str
    answer: str
    document_id: str
    document_version: int


def normal_form(question: str) -> str:
    """The form under which questions are compared: normalised, without the marks that make no difference.

    Symbols, signs and digits stay, and so does punctuation between digits: "C" is not "C++", -5 not 5, 1.5 not 15.
    White space beside Chinese characters goes, because it means nothing there.
    """
    text = _DOTS.sub(" ", normalise(_POWER.sub("^", question)))
    text = _HAN_SPACE.sub("", " ".join(_without(text, _is_bracket).split()))
    words = (word.rstrip(".") for word in _without(text, _is_mark).split())
    return " ".join(word for word in words if word not in ("", "-"))


def _without(text: str, unwanted: Callable[[str], bool]) -> str:
    """The text with spaces for the unwanted characters; those between digits stay."""
    return "".join(
        " "
        if unwanted(character) and not (text[place - 1 : place].isdigit() and text[place + 1 : place + 2].isdigit())
        else character
        for place, character in enumerate(text)
    )


def _is_bracket(character: str) -> bool:
    return character in "\"'`" or unicodedata.category(character) in ("Ps", "Pe", "Pi", "Pf")


def _is_mark(character: str) -> bool:
    """Whether a character only separates words. Other marks stay: %, ‰, §, #, &, @, / and more have a meaning."""
    return character in ",;:!?¿¡·•、。؟،" or (character != "-" and unicodedata.category(character) == "Pd")


def answer_of(session: Session, document_id: str) -> str | None:
    """The whole answer of a live erratum document; None for any other document."""
    return session.scalar(sa.select(Entry.answer).where(Entry.document_id == document_id, Entry.live))


def match(
    session: Session,
    question: str,
    scope: Scope,
    *,
    now: datetime,
    excluded: frozenset[int] = frozenset(),
    filters: Mapping[str, str] | None = None,
) -> Match | None:
    """The entry that is served verbatim for exactly this question, if there is one (see ``served``)."""
    form = normal_form(question)
    return served(session, [form], scope, now=now, excluded=excluded, filters=filters).get(form)


def served(
    session: Session,
    forms: Collection[str],
    scope: Scope,
    *,
    now: datetime,
    excluded: frozenset[int] = frozenset(),
    filters: Mapping[str, str] | None = None,
) -> dict[str, Match]:
    """For each of these normal forms the newest live entry inside the scope with that question; forms without one are
    absent. ``filters`` restrict the question to some documents: an entry answers it only if its erratum is one of them.

    An entry does not answer a question that is one of its negatives. It answers nothing when it has expired or is
    ``excluded``, nor when another correction supersedes (a part of) its erratum, because readers shall not see its
    answer any more.
    """
    other = aliased(EntryQuestion)
    negative = (
        sa.select(other.id)
        .where(other.entry_id == Entry.id, other.role == "negative", other.normalised == EntryQuestion.normalised)
        .exists()
    )
    superseded = sa.exists().where(Supersession.document_id == Entry.document_id, Supersession.active)
    restricted = filters or {}
    language = restricted.get(LANGUAGE)
    conditions = fulfils({key: value for key, value in restricted.items() if key != LANGUAGE})
    if language is not None:
        conditions.append(Entry.language == primary(language))
    rows = session.execute(
        sa.select(EntryQuestion.normalised, Entry)
        .join(Entry, Entry.id == EntryQuestion.entry_id)
        .join(Document, Document.id == Entry.document_id)
        .join(
            DocumentVersion,
            sa.and_(
                DocumentVersion.document_id == Entry.document_id, DocumentVersion.version == Entry.document_version
            ),
        )
        .where(
            Entry.live,
            within(scope, Entry.collection),
            *conditions,
            EntryQuestion.role != "negative",
            EntryQuestion.normalised.in_([form for form in forms if form]),
            sa.or_(Entry.valid_until.is_(None), Entry.valid_until > now),
            Entry.id.not_in(excluded),
            ~negative,
            ~superseded,
        )
        .order_by(Entry.id)
    )
    return {
        form: Match(
            entry.id, entry.correction_id, entry.question, entry.answer, entry.document_id, entry.document_version
        )
        for form, entry in rows
    }
