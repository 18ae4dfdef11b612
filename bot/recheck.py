"""After an approval the corrected questions are asked again, as people would ask them; the item becomes *verified*,
or *reopened* with the reason. Runs in the worker; takes THE path (bot.answering.answer), so it sees what people see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.answering.exchange import Ask
from knowledge.correcting import corrections
from knowledge.correcting.corrections import State
from knowledge.db import utc_now
from knowledge.tables import Correction, Entry, EntryQuestion, Supersession

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from bot.answering.answer import Answerer
    from knowledge.db import Database
    from retrieval.search import Searcher

ACTOR = "recheck"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one question gave. ``reason`` is empty when it was right."""

    question: str
    answer: str
    reason: str


def recheck(database: Database, answerer: Answerer, searcher: Searcher, *, correction_id: int, entry_id: int) -> bool:
    """Asks every question of the entry again and advances its correction.

    Returns whether all were right. Does nothing when the entry was rolled back or replaced meanwhile (True).
    """
    with database.read() as session:
        entry = session.get(Entry, entry_id)
        correction = session.get(Correction, correction_id)
        if entry is None or correction is None or not entry.live or correction.state != State.APPROVED:
            return True
        questions = list(
            session.scalars(
                sa.select(EntryQuestion.text)
                .where(EntryQuestion.entry_id == entry_id, EntryQuestion.role != "negative")
                .order_by(EntryQuestion.id)
            )
        )
        superseded = session.execute(
            sa.select(Supersession.document_id, Supersession.passage).where(
                Supersession.entry_id == entry_id, Supersession.active
            )
        )
        hidden = {(document_id, passage) for document_id, passage in superseded}
    findings = [_ask(answerer, searcher, entry, question, hidden) for question in questions]
    wrong = [finding for finding in findings if finding.reason]
    with database.write() as session:
        correction = corrections.get(session, correction_id)
        if correction.state != State.APPROVED or not session.get_one(Entry, entry_id).live:
            return True  # rolled back or reopened while we asked
        _conclude(session, correction, findings, wrong)
    return not wrong


def _ask(
    answerer: Answerer, searcher: Searcher, entry: Entry, question: str, hidden: set[tuple[str, str | None]]
) -> Finding:
    outcome = answerer.answer(Ask(question), background=True)
    if outcome.status != "curated" or outcome.answer != entry.answer:
        return Finding(
            question, outcome.answer, f"The question is not answered with the correction ({outcome.status})."
        )
    for hit in searcher.search(question, 8).hits:
        passage = hit.passage
        if (passage.document_id, None) in hidden or (passage.document_id, passage.text) in hidden:
            return Finding(question, outcome.answer, f"A superseded passage of {passage.document_id!r} is still found.")
    return Finding(question, outcome.answer, "")


def _conclude(session: Session, correction: Correction, findings: list[Finding], wrong: list[Finding]) -> None:
    first = wrong[0] if wrong else findings[0]
    result: dict[str, Any] = {
        "state": "reopened" if wrong else "verified",
        "question": first.question,
        "answer": first.answer,
        "reason": first.reason or None,
        "questions": len(findings),
        "at": utc_now().isoformat(),
    }
    corrections.advance(
        session,
        correction,
        "reopen" if wrong else "verify",
        actor=ACTOR,
        reason=first.reason or None,
        changes={"recheck": result},
    )
