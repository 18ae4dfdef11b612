"""Proof before publish: the complaint and its neighbours, replayed on a candidate that nobody else sees.

The candidate is the present index with the draft's documents in place. Asked on it are

- the complaint and its paraphrases: *fixed* when the draft answers them and retrieval finds the erratum by itself;
- the draft's questions that another published correction answers now: *regressed*, because readers would lose a
  confirmed answer, unless the draft supersedes that correction's erratum, and so takes its place knowingly;
- the golden set's nearest questions: *regressed* when one whose document was found would no longer find it.

"Found" is what readers' answers would stand on: the caller hands in how that is chosen from the hits. The report
shows before and after, and the reason of every regression.

Decision: no chat model in a proof. What the model would write for a question that retrieval serves rightly is not
reproducible to the letter, and takes seconds each; what is proved is what it will be given. Costs: a neighbour
whose passages stay and whose wording the model would change is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import sqlalchemy as sa

from knowledge.correcting import matching
from knowledge.db import utc_now
from knowledge.tables import Complaint, Entry, Golden
from retrieval.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from knowledge.correcting.matching import Match
    from knowledge.correcting.publication import Publication
    from retrieval.embed import Embedder
    from retrieval.passage import Hit
    from retrieval.search import Candidate, Searcher

NEIGHBOURS = 20  # nearest golden questions that are replayed


class Reading(Protocol):
    """The passages inside a scope that an answer to a question would stand on: now (None), or on a candidate."""

    def __call__(self, question: str, candidate: Candidate | None, scope: Scope) -> Sequence[Hit]: ...


@dataclass(frozen=True, slots=True)
class Graded:
    """A golden question and the document that answers it."""

    question: str
    answer: str
    document_id: str


@dataclass(frozen=True, slots=True)
class _Trial:
    """A publication beside what stands."""

    publication: Publication
    candidate: Candidate
    read: Reading

    @property
    def scope(self) -> Scope:
        """What a proof may see: the collection of the correction."""
        return Scope.of(self.publication.collection)

    def before(self, question: str) -> Sequence[Hit]:
        return self.read(question, None, self.scope)

    def after(self, question: str) -> Sequence[Hit]:
        return self.read(question, self.candidate, self.scope)


def prove(
    session: Session, publication: Publication, searcher: Searcher, embedder: Embedder, read: Reading
) -> dict[str, Any]:
    """Replays and reports: ``{verdict, items, seq}``; verdict: fixed | not_fixed | regressed; seq: of the log."""
    trial = _Trial(publication, searcher.candidate(hide=publication.hidden, add=publication.shown), read)
    frozen = _frozen(session, publication.correction_id)
    items = [_complaint(trial, role, question, frozen.get(question)) for role, question in _asked(publication)]
    served = matching.served(session, publication.forms, trial.scope, now=utc_now())
    items += [
        _taken(trial, question, served[form])
        for form, question in publication.forms.items()
        if form in served and served[form].correction_id != publication.correction_id
    ]
    golden = _nearest(_golden(session, publication), publication.draft.question, embedder)
    items += [_graded(trial, one) for one in golden]
    outcomes = {item["outcome"] for item in items}
    verdict = "regressed" if "regressed" in outcomes else "not_fixed" if "not_fixed" in outcomes else "fixed"
    return {"verdict": verdict, "items": items, "seq": publication.seq}


def _asked(publication: Publication) -> list[tuple[str, str]]:
    roles: dict[str, str] = {}
    for question in publication.asked:
        roles.setdefault(question, "complaint")
    for question in (publication.draft.question, *publication.draft.paraphrases):
        roles.setdefault(question, "paraphrase")
    return [(role, question) for question, role in roles.items()]


def _complaint(trial: _Trial, role: str, question: str, before: Mapping[str, Any] | None) -> dict[str, Any]:
    hits = trial.after(question)
    curated = matching.normal_form(question) in trial.publication.forms
    found = any(hit.passage.document_id == trial.publication.erratum.document_id for hit in hits)
    return {
        "role": role,
        "question": question,
        "before": before or {"status": None, "answer": None, "sources": _sources(trial.before(question))},
        "after": {
            "status": "curated" if curated else "retrieved" if found else "not_found",
            "answer": trial.publication.draft.answer if curated else None,
            "sources": _sources(hits),
        },
        "outcome": "fixed" if found and curated else "not_fixed",
        "reason": None,
    }


def _taken(trial: _Trial, question: str, now: Match) -> dict[str, Any]:
    """A question that another correction answers now and this one would answer instead."""
    replaced = now.document_id in {one.document_id for one in trial.publication.draft.supersedes}
    why = f"correction {now.correction_id} answers this question; supersede {now.document_id} to take its place"
    return {
        "role": "golden",
        "question": question,
        "before": {"status": "curated", "answer": now.answer, "sources": _sources(trial.before(question))},
        "after": {
            "status": "curated",
            "answer": trial.publication.draft.answer,
            "sources": _sources(trial.after(question)),
        },
        "outcome": "changed" if replaced else "regressed",
        "reason": None if replaced else why,
    }


def _graded(trial: _Trial, graded: Graded) -> dict[str, Any]:
    before, after = trial.before(graded.question), trial.after(graded.question)
    was_found = any(hit.passage.document_id == graded.document_id for hit in before)
    is_found = any(hit.passage.document_id == graded.document_id for hit in after)
    lost = was_found and not is_found
    same = [hit.passage.text for hit in before] == [hit.passage.text for hit in after]
    return {
        "role": "golden",
        "question": graded.question,
        "before": {
            "status": "retrieved" if was_found else "not_found",
            "answer": graded.answer,
            "sources": _sources(before),
        },
        "after": {
            "status": "retrieved" if is_found else "not_found",
            "answer": graded.answer,
            "sources": _sources(after),
        },
        "outcome": "regressed" if lost else "same" if same else "changed",
        "reason": f"{graded.document_id} answers this question and would no longer be found" if lost else None,
    }


def _golden(session: Session, publication: Publication) -> list[Graded]:
    """The golden questions of other corrections of the collection that hold now, without those that this one asks for
    itself."""
    rows = session.execute(
        sa.select(Golden.question, Golden.answer, Golden.document_id)
        .join(Entry, Entry.id == Golden.entry_id)
        .where(
            Golden.active,
            Entry.live,
            Entry.collection == publication.collection,
            Entry.correction_id != publication.correction_id,
            sa.or_(Entry.valid_until.is_(None), Entry.valid_until > utc_now()),
        )
        .order_by(Golden.id)
    )
    return [Graded(*row) for row in rows if matching.normal_form(row.question) not in publication.forms]


def _nearest(golden: Sequence[Graded], question: str, embedder: Embedder) -> list[Graded]:
    """The golden questions nearest to the draft's; all of them when they are few."""
    if len(golden) <= NEIGHBOURS:
        return list(golden)
    vectors = np.stack([embedder.query(one.question) for one in golden])
    order = np.argsort(-(vectors @ embedder.query(question)), kind="stable")
    return [golden[int(index)] for index in order[:NEIGHBOURS]]


def _frozen(session: Session, correction_id: int) -> dict[str, Mapping[str, Any]]:
    """What was answered when people complained, by question."""
    complaints = session.scalars(sa.select(Complaint).where(Complaint.correction_id == correction_id))
    return {
        complaint.question: {key: complaint.snapshot.get(key) for key in ("status", "answer", "citations", "sources")}
        for complaint in complaints
    }


def _sources(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    return [
        {
            "n": n,
            "document_id": hit.passage.document_id,
            "version": hit.passage.version,
            "title": hit.passage.title,
            "url": hit.passage.url,
            "passage": hit.passage.text,
            "score": round(hit.score, 6),
            "curated": hit.passage.erratum,
        }
        for n, hit in enumerate(hits, start=1)
    ]
