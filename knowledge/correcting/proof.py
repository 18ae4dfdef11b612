"""Proof before publish: the complaint and its neighbours, replayed on a candidate that nobody else sees.

The candidate is the present index with the draft's documents in place. Replayed on it are

- ``complaint``, ``paraphrase``: the questions of the correction, all of them: *fixed* when the draft answers them and
  retrieval finds the erratum by itself;
- ``golden``: the draft's questions that another published correction answers now, all of them: *regressed*, because
  readers would lose a confirmed answer, unless the draft supersedes that correction's erratum, and so takes its place
  knowingly; and the golden questions nearest to the draft's: *regressed* when one whose document was found would no
  longer find it;
- ``edited``: questions that people got an answer to from a passage that the draft edits or hides, those rated up
  first, then those that cite it, then the newest;
- ``neighbour``: the nearest of all questions that people got an answer to, those rated up first. Both are *regressed*
  when something of an answer that was rated up would be in no passage that is read; for others that is a warning.

The report names what was replayed and what was not, with the reason. It is about the knowledge of one moment;
``follow`` brings it to a later one at the cost of the questions that are read differently there.

Decision: no chat model in a proof. What the model would write for a question that retrieval serves rightly is not
reproducible to the letter, and takes seconds each; what is proved is what it will be given. Costs: a neighbour
whose passages stay and whose wording the model would change is not seen. Nor can a proof see whether the draft is true.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import sqlalchemy as sa

from knowledge.correcting import matching
from knowledge.correcting.nearest import NearestQuestions
from knowledge.correcting.replay import Answered, Graded, Trial, answered, asked, golden, judged, taken
from knowledge.db import utc_now
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

NEIGHBOURS = 20  # nearest golden questions that are replayed, and as many nearest answered ones
EDITED = 50  # questions answered from edited or hidden passages that are replayed
BATCH = 500  # below SQLite's limit of bound parameters


@dataclass(frozen=True, slots=True)
class Found:
    """Answered questions that are to be replayed, and how many were left out, by reason: ``limit`` (too many),
    ``waiting`` (no vector yet), ``rated_down`` (known to be wrong). What is outside the scope is not counted."""

    questions: tuple[Answered, ...]
    left_out: Mapping[str, int]


class AnsweredQuestions(Protocol):
    """The questions that people got an answer to from passages inside the scope. Each method opens sessions of its own,
    and gives each question once. ``without``: normal forms of questions that are not wanted."""

    def state(self) -> str:
        """Another text whenever a question was answered or an answer rated up since."""

    def on_passages(self, passages: Collection[int], scope: Scope, *, without: Collection[str], most: int) -> Found:
        """Those whose answers were given from these passages: rated up first, then those that cite one, the newest
        first."""

    def nearest(self, vector: NDArray[Any], scope: Scope, *, without: Collection[str], most: int) -> Found:
        """Those nearest to a unit vector (dimension,): up to half of them rated up, then the others. ``limit`` counts
        all answered questions that are not given, whatever the reason."""


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
    """A proof in memory: it can follow the log. ``report``: as it is stored, see ``prove``."""

    trial: Trial
    cases: tuple[Case, ...]
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Since:
    """What came after a step of the log. ``decisive``: something that a proof cannot follow, because a correction was
    published or ended, or a document of the publication was changed: it must be prepared and proved anew."""

    seq: int
    decisive: bool
    changes: tuple[Change, ...]


def prove(publication: Publication, tools: Tools) -> Proved:
    """Replays and reports. Opens sessions of its own, one at a time: call it without one.

    The report: ``{verdict, items, replayed: {role: count}, left_out: [{role, reason, count}], seq, answers}``; verdict:
    fixed | not_fixed | regressed; seq: of the knowledge that it is about; answers: which of people's answers there were
    (``AnsweredQuestions.state``).
    """
    answers = tools.answers.state()
    trial = Trial.of(publication, tools.searcher, tools.embedder, tools.reading)
    cases, left_out = _cases(publication, tools)
    return Proved(trial, cases, _report(trial, judged(trial, cases, None, ()), left_out, answers))


def follow(proved: Proved, changes: Sequence[Change]) -> tuple[Proved, frozenset[str]]:
    """The proof after later steps of the log, and the questions that are to be judged anew before its report is about
    them. Asks no database."""
    trial, moved = proved.trial.followed(changes)
    return replace(proved, trial=trial), moved


def judged_anew(proved: Proved, moved: Collection[str]) -> Proved:
    """The proof with these questions judged on the knowledge that it follows. Call it without a session."""
    report, trial = proved.report, proved.trial
    items = judged(trial, proved.cases, moved, report["items"])
    return replace(proved, report=_report(trial, items, report["left_out"], report["answers"]))


def since(session: Session, publication: Publication, seq: int, log: KnowledgeLog) -> Since:
    """What came after step ``seq`` of the log, for a proof of this publication."""
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
        "verdict": "regressed" if "regressed" in outcomes else "not_fixed" if "not_fixed" in outcomes else "fixed",
        "items": items,
        "replayed": dict(Counter(item["role"] for item in items)),
        "left_out": [dict(one) for one in left_out],
        "seq": trial.seq,
        "answers": answers,
    }


def _cases(publication: Publication, tools: Tools) -> tuple[tuple[Case, ...], list[dict[str, Any]]]:
    """What is to be replayed, in the order of the report, and what is left out."""
    scope = Scope.of(publication.collection)  # what a proof may see
    vector = tools.embedder.query(publication.draft.question)
    waiting = tools.golden.follow()
    with tools.database.read() as session:
        frozen = _frozen(session, publication.correction_id)
        served = matching.served(session, publication.forms, scope, now=utc_now())
        eligible, expired = _golden(session, publication)
        near, left_golden = _nearest(session, publication, tools.golden.ranked(vector), eligible)
        passages = _same_passages(session, publication)
    without = set(publication.forms)
    edited = tools.answers.on_passages(passages, scope, without=without, most=EDITED)
    without |= {matching.normal_form(one.question) for one in edited.questions}
    nearest = tools.answers.nearest(vector, scope, without=without, most=NEIGHBOURS)
    cases = [asked(role, question, frozen.get(question)) for role, question in _asked(publication)]
    cases += [
        taken(question, served[form])
        for form, question in publication.forms.items()
        if form in served and served[form].correction_id != publication.correction_id
    ]
    cases += [golden(one) for one in near]
    cases += [answered("edited", one) for one in edited.questions]
    cases += [answered("neighbour", one) for one in nearest.questions]
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
    """The golden questions of other corrections of the collection that hold now, and how many expired."""
    held = (
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
    eligible = set(session.scalars(held.where(sa.or_(Entry.valid_until.is_(None), ~over))))
    return eligible, session.scalar(sa.select(sa.func.count()).select_from(held.where(over).subquery())) or 0


def _nearest(
    session: Session, publication: Publication, ranked: Any, eligible: Collection[int]
) -> tuple[list[Graded], int]:
    """The golden questions nearest to the draft's, and how many are left out; those that this correction asks for
    itself count as neither."""
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
    """The passages that the publication edits or hides: those with other words afterwards, and all of earlier versions
    of the document with the same words, which answers may have been given from."""
    kept = {(one.document_id, one.indexed_text) for one in publication.shown}
    gone = [
        one
        for one in load_passages(session, sorted(publication.hidden))
        if (one.document_id, one.indexed_text) not in kept
    ]
    found = {one.id for one in gone}
    ids = [one.id for one in gone]
    for start in range(0, len(ids), BATCH):
        other = sa.orm.aliased(PassageRow)
        found.update(
            session.scalars(
                sa.select(other.id)
                .join(
                    PassageRow,
                    sa.and_(PassageRow.sha256 == other.sha256, PassageRow.document_id == other.document_id),
                )
                .where(PassageRow.id.in_(ids[start : start + BATCH]))
            )
        )
    return found


def _frozen(session: Session, correction_id: int) -> dict[str, Mapping[str, Any]]:
    """What was answered when people complained, by question."""
    complaints = session.scalars(sa.select(Complaint).where(Complaint.correction_id == correction_id))
    return {
        complaint.question: {key: complaint.snapshot.get(key) for key in ("status", "answer", "citations", "sources")}
        for complaint in complaints
    }
