"""Proof before publication: replays the complaint and its neighbours on a candidate that nobody else sees.

The candidate is the present index with the draft's documents in place. These questions are replayed on it:

- ``complaint``, ``paraphrase``: all questions of the correction. *fixed* when the draft answers the question and
  retrieval finds the erratum by itself.
- ``golden``: all questions of the draft that another published correction answers now. *regressed*, because readers
  would lose a confirmed answer, unless the draft supersedes the erratum of that correction, and so knowingly takes its
  place. Also the golden questions nearest to the draft's question: *regressed* when retrieval finds the document of one
  now and would no longer find it.
- ``edited``: questions that people got an answer to from a passage that the draft edits or hides: those rated up
  first, then those that cite the passage, then the newest.
- ``neighbour``: the nearest of all questions that people got an answer to, those rated up first. Both are *regressed*
  when a part of an answer that was rated up would be in no passage that is read. For other answers this is a warning.

The report names the questions that were replayed, and how many were not, with the reason. It is about the knowledge of
one moment. ``follow`` brings it to a later moment; only the questions that are read differently there are judged anew.

Decision: no chat model in a proof. The text that a model writes for a question is not reproducible to the letter and
takes seconds each, so a proof checks the passages that the model will be given. Cost: a proof does not see a neighbour
whose passages stay the same and whose wording the model would change. Nor can it see whether the draft is true.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, get_args

import sqlalchemy as sa

from knowledge.correcting import matching
from knowledge.correcting.nearest import NearestQuestions
from knowledge.correcting.replay import Answered, Graded, Trial, answered, asked, golden, judged, taken
from knowledge.db import utc_now
from knowledge.fair import FairLock
from knowledge.log import load_passages
from knowledge.tables import Complaint, Entry, Golden, LogChange, LogStep, PassageRow
from retrieval.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from knowledge.correcting.publication import Publication
    from knowledge.correcting.replay import Case, Item, Reading
    from knowledge.db import Database
    from knowledge.log import KnowledgeLog
    from retrieval.embed import Embedder
    from retrieval.passage import Change
    from retrieval.search import Searcher

Verdict: TypeAlias = Literal["regressed", "not_fixed", "fixed"]  # the first that some outcome is decides
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
NEIGHBOURS = 20  # nearest golden questions that are replayed, and as many nearest answered ones
EDITED = 50  # questions answered from edited or hidden passages that are replayed
BATCH = 500  # below SQLite's limit of bound parameters


@dataclass(frozen=True, slots=True)
class Replayable:
    """Answered questions that are to be replayed, and how many were left out, by reason: ``limit`` (too many),
    ``waiting`` (no vector yet), ``rated_down`` (known to be wrong). Questions outside the scope are not counted."""

    questions: tuple[Answered, ...]
    left_out: Mapping[str, int]


class AnsweredQuestions(Protocol):
    """The questions that people got an answer to from passages inside the scope. Each method opens its own sessions
    and returns each question once. ``without``: normal forms of questions that are left out."""

    def state(self) -> str:
        """A text that changes whenever a question is answered or an answer is rated up."""

    def on_passages(
        self, passages: Collection[int], scope: Scope, *, without: Collection[str], most: int
    ) -> Replayable:
        """The questions whose answers were made from these passages: those rated up first, then those that cite one of
        the passages, then the newest."""

    def nearest(self, vector: NDArray[Any], scope: Scope, *, without: Collection[str], most: int) -> Replayable:
        """The questions nearest to a unit vector (dimension,): up to half of them rated up, then the others. ``limit``
        counts all answered questions that are not returned, for any reason."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What proofs work with."""

    database: Database
    log: KnowledgeLog
    searcher: Searcher
    embedder: Embedder
    reading: Reading
    answers: AnsweredQuestions
    golden: NearestQuestions
    approving: FairLock = field(default_factory=FairLock)  # each approval makes the proofs of all others outdated

    @classmethod
    def of(
        cls,
        database: Database,
        log: KnowledgeLog,
        searcher: Searcher,
        embedder: Embedder,
        reading: Reading,
        answers: AnsweredQuestions,
    ) -> Tools:
        golden = NearestQuestions(database, embedder, Golden.__table__)
        return cls(database, log, searcher, embedder, reading, answers, golden)


@dataclass(frozen=True, slots=True)
class Proved:
    """A proof in memory, which can follow the log. ``report``: as it is stored, see ``prove``."""

    trial: Trial
    cases: tuple[Case, ...]
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Since:
    """The changes after a step of the log. ``decisive``: a proof cannot follow them, because a correction was published
    or ended, or a document of the publication was changed; the draft must be prepared and proved anew."""

    seq: int
    decisive: bool
    changes: tuple[Change, ...]


def prove(publication: Publication, tools: Tools) -> Proved:
    """Replays the questions and reports the results. Call it without an open session: it opens its own, one at a time.

    The report: ``{verdict, items, replayed: {role: count}, left_out: [{role, reason, count}], seq, answers}``.
    verdict: a Verdict; seq: the step of the log that the report is about; answers: the state of
    people's answers that it is about (``AnsweredQuestions.state``).
    """
    answers = tools.answers.state()
    trial = Trial.of(publication, tools.searcher, tools.embedder, tools.reading)
    cases, left_out = _cases(publication, tools)
    return Proved(trial, cases, _report(trial, judged(trial, cases, None, ()), left_out, answers))


def follow(proved: Proved, changes: Sequence[Change]) -> tuple[Proved, frozenset[str]]:
    """The proof after later steps of the log, and the questions that must be judged anew before its report is about
    these steps too. Does not use the database."""
    trial, moved = proved.trial.followed(changes)
    return replace(proved, trial=trial), moved


def judged_anew(proved: Proved, moved: Collection[str]) -> Proved:
    """The proof with these questions judged on the knowledge that it follows. Call it without an open session."""
    report, trial = proved.report, proved.trial
    items = judged(trial, proved.cases, moved, report["items"])
    return replace(proved, report=_report(trial, items, report["left_out"], report["answers"]))


def since(session: Session, publication: Publication, seq: int, log: KnowledgeLog) -> Since:
    """The changes after step ``seq`` of the log, for a proof of this publication."""
    steps = session.execute(
        sa.select(LogStep.seq, LogStep.correction_id).where(LogStep.seq > min(seq, publication.seq))
    ).all()
    newest = max((step.seq for step in steps), default=seq)
    if not steps:
        return Since(newest, False, ())
    changed = sa.select(LogChange.passage_id).where(LogChange.seq > min(seq, publication.seq))
    documents = set(session.scalars(sa.select(PassageRow.document_id).where(PassageRow.id.in_(changed)).distinct()))
    if any(step.correction_id is not None for step in steps) or documents & publication.documents:
        return Since(newest, True, ())
    return Since(newest, False, tuple(log.changes_in(session, seq)))


def _report(trial: Trial, items: list[Item], left_out: Sequence[Mapping[str, Any]], answers: str) -> dict[str, Any]:
    outcomes = {item["outcome"] for item in items}
    return {
        "verdict": next(verdict for verdict in VERDICTS if verdict in outcomes or verdict == "fixed"),
        "items": items,
        "replayed": dict(Counter(item["role"] for item in items)),
        "left_out": [dict(entry) for entry in left_out],
        "seq": trial.seq,
        "answers": answers,
    }


def _cases(publication: Publication, tools: Tools) -> tuple[tuple[Case, ...], list[dict[str, Any]]]:
    """The questions to replay, in the order of the report, and how many are left out, by role and reason."""
    scope = Scope.of(publication.collection)  # what a proof may see
    vector = tools.embedder.query(publication.draft.question)
    waiting = tools.golden.follow()
    ranked = tools.golden.ranked(vector)
    with tools.database.read() as session:
        frozen = _frozen(session, publication.correction_id)
        served = matching.served(session, publication.forms, scope, now=utc_now())
        eligible, expired = _golden(session, publication)
        near, left_golden = _nearest(session, publication, ranked, eligible)
        passages = _same_passages(session, publication)
    without = set(publication.forms)
    edited = tools.answers.on_passages(passages, scope, without=without, most=EDITED)
    without |= {matching.normal_form(answer.question) for answer in edited.questions}
    nearest = tools.answers.nearest(vector, scope, without=without, most=NEIGHBOURS)
    cases = [asked(role, question, frozen.get(question)) for role, question in _asked(publication)]
    cases += [
        taken(question, served[form])
        for form, question in publication.forms.items()
        if form in served and served[form].correction_id != publication.correction_id
    ]
    cases += [golden(graded) for graded in near]
    cases += [answered("edited", answer) for answer in edited.questions]
    cases += [answered("neighbour", answer) for answer in nearest.questions]
    unembedded = len(waiting & eligible)
    further = {**nearest.left_out, "limit": nearest.left_out.get("limit", 0) - len(edited.questions)}
    reasons = (
        ("golden", {"limit": left_golden - unembedded, "waiting": unembedded, "expired": expired}),
        ("edited", edited.left_out),
        ("neighbour", further),
    )
    left_out = [
        {"role": role, "reason": reason, "count": count}
        for role, counts in reasons
        for reason, count in counts.items()
        if count > 0
    ]
    return tuple(cases), left_out


def _asked(publication: Publication) -> list[tuple[str, str]]:
    roles: dict[str, str] = {}
    for question in publication.asked:
        roles.setdefault(question, "complaint")
    for question in (publication.draft.question, *publication.draft.paraphrases):
        roles.setdefault(question, "paraphrase")
    return [(role, question) for question, role in roles.items()]


def _golden(session: Session, publication: Publication) -> tuple[set[int], int]:
    """The ids of the golden questions of other corrections of the collection that are valid now, and how many have
    expired."""
    of_others = (
        sa.select(Golden.id)
        .join(Entry, Entry.id == Golden.entry_id)
        .where(
            Golden.active,
            Entry.live,
            Entry.collection == publication.collection,
            Entry.correction_id != publication.correction_id,
        )
    )
    over = Entry.valid_until <= utc_now()
    eligible = set(session.scalars(of_others.where(sa.or_(Entry.valid_until.is_(None), ~over))))
    return eligible, session.scalar(sa.select(sa.func.count()).select_from(of_others.where(over).subquery())) or 0


def _nearest(
    session: Session, publication: Publication, ranked: Any, eligible: Collection[int]
) -> tuple[list[Graded], int]:
    """The golden questions nearest to the draft's, and how many are left out. Questions of this correction itself are
    not counted."""
    spare = len(publication.forms)  # as many may be its own questions
    ids: list[int] = []
    for id_ in ranked:
        if len(ids) == NEIGHBOURS + spare:
            break
        if id_ in eligible:
            ids.append(id_)
    columns = (Golden.id, Golden.question, Golden.answer, Golden.document_id)
    rows = {row.id: Graded(*row) for row in session.execute(sa.select(*columns).where(Golden.id.in_(ids)))}
    others = [rows[id_] for id_ in ids if matching.normal_form(rows[id_].question) not in publication.forms]
    own = len(ids) - len(others)
    return others[:NEIGHBOURS], len(eligible) - own - len(others[:NEIGHBOURS])


def _same_passages(session: Session, publication: Publication) -> set[int]:
    """The ids of the passages that the publication edits or hides: those that have other words afterwards, and those of
    earlier versions of the document with the same words, because answers may have been made from these."""
    unchanged = {(passage.document_id, passage.indexed_text) for passage in publication.shown}
    ids = [
        passage.id
        for passage in load_passages(session, sorted(publication.hidden))
        if (passage.document_id, passage.indexed_text) not in unchanged
    ]
    same = set(ids)
    for start in range(0, len(ids), BATCH):
        other = sa.orm.aliased(PassageRow)
        same.update(
            session.scalars(
                sa.select(other.id)
                .join(
                    PassageRow,
                    sa.and_(PassageRow.sha256 == other.sha256, PassageRow.document_id == other.document_id),
                )
                .where(PassageRow.id.in_(ids[start : start + BATCH]))
            )
        )
    return same


def _frozen(session: Session, correction_id: int) -> dict[str, Mapping[str, Any]]:
    """The answers that people complained about, by question."""
    complaints = session.scalars(sa.select(Complaint).where(Complaint.correction_id == correction_id))
    return {
        complaint.question: {key: complaint.snapshot.get(key) for key in ("status", "answer", "citations", "sources")}
        for complaint in complaints
    }
