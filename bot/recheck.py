"""Asks the corrected questions again after an approval, by the same path as people's questions
(bot.answering.answer). Each is asked in two ways, and both results are stored:

- *verbatim*: as it is. The answer must be the approved text, and search may not find a superseded passage any more.
- *retrieved*: without serving the approved text (``Ask.exclude_entries``), as for a reader who words the question
  differently. Search must find the erratum, and the answer must cite it and contain the names and numbers of the
  approved text. It must not say yes where the approved text says no, or the other way round.

Decision: a correction is *verified* only when both are right. Where only *retrieved* is wrong, it stays *approved* with
the result *partly*. Readers who ask exactly this question get the approved text, so nothing has to be done at once. The
curator sees which part is missing, can add wordings or edit the source, and can have it checked again. The correction
does not go back to the queue, because a small chat model may fail here with any text of a curator. Where *verbatim* is
wrong, readers do not get the approved text: the correction is *reopened*.

Runs in the worker. ``give_up`` notes a correction that could not be checked, ``take_up`` starts its recheck again when
the server starts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.answering.grounding import missing_facts, says_opposite
from bot.answering.values import Ask
from knowledge import jobs
from knowledge.correcting import corrections
from knowledge.correcting.corrections import State
from knowledge.correcting.publish import RECHECK
from knowledge.correcting.reasons import Reason
from knowledge.db import utc_now
from knowledge.superseding import Superseded, from_row
from knowledge.tables import Correction, Entry, EntryQuestion, Job, Supersession
from retrieval.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.answering.answer import Answerer
    from bot.answering.values import Outcome
    from knowledge.correcting.corrections import RecheckState
    from knowledge.db import Database
    from retrieval.search import Searcher

ACTOR = "recheck"
MOST_RETRIEVED = 5  # questions of one entry that the chat model answers: each takes seconds of a processor
PENDING: Mapping[str, Any] = {"state": "pending"}


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that is not right, and why."""

    question: str
    answer: str
    reason: Reason

    def to_json(self) -> dict[str, Any]:
        return {"question": self.question, "answer": self.answer, **self.reason.to_json()}


@dataclass(frozen=True, slots=True)
class _Checked:
    """A published entry with all that its answers are compared with."""

    entry: Entry
    questions: tuple[str, ...]  # the one that the curator wrote first
    hidden: Mapping[str, Superseded]  # what it supersedes, by document


def recheck(
    database: Database,
    answerer: Answerer,
    searcher: Searcher,
    *,
    correction_id: int,
    entry_id: int,
    on_progress: Callable[[dict[str, Any]], None] = lambda _progress: None,
) -> bool:
    """Asks the questions of the entry again and advances its correction. ``on_progress`` hears after each question.

    Returns whether all were right. Does nothing when the entry was rolled back or replaced meanwhile (True). Raises
    what the answer path raises.
    """
    with database.read() as session:
        entry = session.get(Entry, entry_id)
        correction = session.get(Correction, correction_id)
        if entry is None or correction is None or not entry.live or correction.state != State.APPROVED:
            return True
        checked = _read(session, entry)
    verbatim: list[Problem] = []
    retrieved: list[Problem] = []
    for n, question in enumerate(checked.questions, start=1):
        verbatim += _verbatim(answerer, searcher, checked, question)
        if n <= MOST_RETRIEVED:
            retrieved += _retrieved(answerer, checked, question)
        on_progress({"done": n, "total": len(checked.questions)})
    with database.write() as session:
        correction = corrections.get(session, correction_id, EVERYTHING)
        if correction.state != State.APPROVED or not session.get_one(Entry, entry_id).live:
            return True  # rolled back or reopened while we asked
        _conclude(session, correction, checked, verbatim, retrieved)
    return not verbatim and not retrieved


def give_up(database: Database, payload: Mapping[str, Any]) -> None:
    """When a recheck has ended: where it was given up, the correction says that it could not be checked, and why."""
    with database.write() as session:
        correction = session.get(Correction, payload["correction_id"])
        entry = session.get(Entry, payload["entry_id"])
        if correction is None or entry is None or not entry.live or correction.state != State.APPROVED:
            return
        if dict(correction.recheck or {}) != PENDING or correction.id in _waiting(session):
            return
        failed = session.scalars(sa.select(Job).where(Job.kind == RECHECK, Job.state == "failed").order_by(Job.id))
        errors = [jobs.error_of(job) for job in failed if job.payload.get("entry_id") == entry.id]
        if errors and errors[-1] is not None:
            why = Reason.of("It could not be checked: {problem}", code="not_checked", problem=errors[-1])
        else:
            why = Reason.of("It could not be checked.", code="not_checked_at_all")
        problem = Problem(entry.question, "", why)
        result = {"state": "failed", "at": utc_now().isoformat(), **problem.to_json()}
        corrections.advance(
            session, correction, "not_checked", actor=ACTOR, reason=problem.reason, changes={"recheck": result}
        )


def take_up(session: Session) -> int:
    """On start: has every published correction asked again whose recheck no job waits to do any more, because it was
    given up or lost; and what an earlier version called verified, which asked only whether the approved text comes.
    Returns how many."""
    only_verbatim = Reason.of(
        "an earlier version verified it; whether the answer is right without the approved text was not checked",
        code="verified_by_earlier_version",
    )
    for correction in session.scalars(sa.select(Correction).where(Correction.state == State.VERIFIED)).all():
        if "retrieved" not in (correction.recheck or {}):
            corrections.advance(session, correction, "recheck", actor=ACTOR, reason=only_verbatim)
    waiting = _waiting(session)
    approved = sa.select(Correction, Entry.id).join(Entry, Entry.correction_id == Correction.id)
    rows = session.execute(approved.where(Entry.live, Correction.state == State.APPROVED).order_by(Correction.id))
    lost = [
        (correction, entry_id)
        for correction, entry_id in rows
        if "retrieved" not in (correction.recheck or {}) and correction.id not in waiting
    ]
    for correction, entry_id in lost:
        correction.recheck = dict(PENDING)
        jobs.enqueue(session, RECHECK, {"correction_id": correction.id, "entry_id": entry_id}, actor=ACTOR)
    return len(lost)


def _waiting(session: Session) -> set[int]:
    """The corrections whose recheck is waiting or running."""
    payloads = session.scalars(sa.select(Job.payload).where(Job.kind == RECHECK, Job.state.in_(("queued", "running"))))
    return {payload["correction_id"] for payload in payloads}


def _read(session: Session, entry: Entry) -> _Checked:
    questions = session.execute(
        sa.select(EntryQuestion.text, EntryQuestion.role)
        .where(EntryQuestion.entry_id == entry.id, EntryQuestion.role != "negative")
        .order_by(EntryQuestion.role, EntryQuestion.id)  # canonical before paraphrase
    )
    hidden: dict[str, Superseded] = {}
    for row in session.scalars(sa.select(Supersession).where(Supersession.entry_id == entry.id, Supersession.active)):
        known = hidden.get(row.document_id, Superseded())
        hidden[row.document_id] = known | from_row(row.passage, row.sites)
    return _Checked(
        entry,
        tuple(question for question, _role in questions),
        hidden,
    )


def _verbatim(answerer: Answerer, searcher: Searcher, checked: _Checked, question: str) -> list[Problem]:
    """What is wrong with the answer to the very question."""
    scope = Scope.of(checked.entry.collection)
    outcome = answerer.answer(Ask(question, scope), background=True)
    if outcome.entry_id != checked.entry.id or outcome.answer != checked.entry.answer:
        why = Reason.of(
            "The question is not answered with the correction ({answer_status}).",
            code="not_curated",
            answer_status=outcome.status,
        )
        return [Problem(question, outcome.answer, why)]
    for hit in searcher.search(question, 8, scope=scope).hits:
        passage = hit.passage
        if checked.hidden.get(passage.document_id, Superseded()).could_hide(passage):
            document = repr(passage.document_id)
            why = Reason.of("A superseded passage of {document} is still found.", code="still_found", document=document)
            return [Problem(question, outcome.answer, why)]
    return []


def _retrieved(answerer: Answerer, checked: _Checked, question: str) -> list[Problem]:
    """What is wrong with the answer where the approved text cannot be served."""
    outcome = _without_curated(answerer, question, checked.entry)
    numbers = {source.n for source in outcome.sources if source.document_id == checked.entry.document_id}
    if not numbers:
        why = Reason.of("Without the approved text, search does not find the correction.", code="erratum_not_found")
        return [Problem(question, outcome.answer, why)]
    if outcome.status != "answered":
        why = Reason.of(
            "Without the approved text, the chat model finds no answer in the correction.", code="erratum_refused"
        )
        return [Problem(question, outcome.answer, why)]
    if numbers.isdisjoint(outcome.citations):
        why = Reason.of("Without the approved text, the answer does not cite the correction.", code="erratum_not_cited")
        return [Problem(question, outcome.answer, why)]
    if says_opposite(checked.entry.answer, outcome.answer):
        why = Reason.of("Without the approved text, the answer says yes for no, or no for yes.", code="opposite")
        return [Problem(question, outcome.answer, why)]
    facts = missing_facts(checked.entry.answer, question, outcome.answer)
    if facts:
        why = Reason.of(
            "Without the approved text, the answer lacks: {facts}.", code="facts_missing", facts=", ".join(facts)
        )
        return [Problem(question, outcome.answer, why)]
    return []


def _without_curated(answerer: Answerer, question: str, entry: Entry) -> Outcome:
    """The answer from the documents alone: no entry is served, neither this one nor another with the same question."""
    excluded = frozenset((entry.id,))
    while True:
        outcome = answerer.answer(Ask(question, Scope.of(entry.collection), exclude_entries=excluded), background=True)
        if outcome.entry_id is None or outcome.entry_id in excluded:
            return outcome
        excluded |= {outcome.entry_id}


def _conclude(
    session: Session,
    correction: Correction,
    checked: _Checked,
    verbatim: Sequence[Problem],
    retrieved: Sequence[Problem],
) -> None:
    action: str
    state: RecheckState
    action, state = ("reopen", "reopened") if verbatim else ("verify", "verified")
    if retrieved and not verbatim:
        action, state = "not_verified", "partly"
    first = next(iter([*verbatim, *retrieved]), None)
    asked = len(checked.questions)
    result: dict[str, Any] = {
        "state": state,
        "question": first.question if first else checked.questions[0],
        "answer": first.answer if first else checked.entry.answer,
        **(first.reason.to_json() if first else {"reason": None}),
        "questions": asked,
        "at": utc_now().isoformat(),
        "verbatim": _result(asked, verbatim),
        "retrieved": _result(min(asked, MOST_RETRIEVED), retrieved),
    }
    corrections.advance(
        session, correction, action, actor=ACTOR, reason=first.reason if first else None, changes={"recheck": result}
    )


def _result(questions: int, problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "right": not problems,
        "questions": questions,
        "problems": [problem.to_json() for problem in problems],
    }
