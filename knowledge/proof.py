"""Proof before publish: the complaint and its neighbours, replayed on a candidate that nobody else sees.

The candidate is the present index with the draft's documents in place. Asked on it are the complaint, its
paraphrases (*fixed* when the draft answers them and retrieval finds the erratum by itself) and the golden set's
nearest questions (*regressed* when one that was right no longer is). The report shows before and after.

Decision: no chat model in a proof. What the model would write for a question that retrieval serves rightly is not
reproducible to the letter, and takes seconds each; what is proved is what it will be given. Costs: a neighbour
whose passages stay and whose wording the model would change is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from knowledge import matching
from knowledge.db import utc_now
from knowledge.tables import Complaint, Entry, Golden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from knowledge.publication import Publication
    from retrieval.embed import Embedder
    from retrieval.passage import Hit
    from retrieval.search import Candidate, Searcher

DEPTH = 4  # passages that readers' prompts take by default
NEIGHBOURS = 20  # nearest golden questions that are replayed


@dataclass(frozen=True, slots=True)
class Graded:
    """A golden question and the document that answers it."""

    question: str
    answer: str
    document_id: str


def prove(session: Session, publication: Publication, searcher: Searcher, embedder: Embedder) -> dict[str, Any]:
    """Replays and reports: ``{verdict, items, seq}``; verdict: fixed | not_fixed | regressed; seq: of the log."""
    candidate = searcher.candidate(hide=publication.hidden, add=publication.shown)
    served = {matching.key(q) for q in (publication.draft.question, *publication.asked, *publication.draft.paraphrases)}
    served -= {matching.key(q) for q in publication.draft.negatives}
    frozen = _frozen(session, publication.correction_id)
    items = [
        _complaint(role, question, publication, served, searcher, candidate, frozen.get(question))
        for role, question in _asked(publication)
    ]
    items += [
        _graded(graded, publication, served, searcher, candidate)
        for graded in _nearest(_golden(session, publication), publication.draft.question, embedder)
    ]
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


def _complaint(
    role: str,
    question: str,
    publication: Publication,
    served: set[str],
    searcher: Searcher,
    candidate: Candidate,
    before: Mapping[str, Any] | None,
) -> dict[str, Any]:
    hits = searcher.search(question, DEPTH, candidate=candidate).hits
    curated = matching.key(question) in served
    found = any(hit.passage.document_id == publication.erratum.document_id for hit in hits)
    return {
        "role": role,
        "question": question,
        "before": before
        or {"status": None, "answer": None, "sources": _sources(searcher.search(question, DEPTH).hits)},
        "after": {
            "status": "curated" if curated else "retrieved" if found else "not_found",
            "answer": publication.draft.answer if curated else None,
            "sources": _sources(hits),
        },
        "outcome": "fixed" if found and curated else "not_fixed",
    }


def _graded(
    graded: Graded,
    publication: Publication,
    served: set[str],
    searcher: Searcher,
    candidate: Candidate,
) -> dict[str, Any]:
    """*regressed*: the question would be answered by this correction instead of its own, or its document was found
    and would be no longer."""
    before = searcher.search(graded.question, DEPTH).hits
    after = searcher.search(graded.question, DEPTH, candidate=candidate).hits
    stolen = matching.key(graded.question) in served
    was_found = any(hit.passage.document_id == graded.document_id for hit in before)
    is_found = any(hit.passage.document_id == graded.document_id for hit in after)
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
            "status": "curated" if stolen else "retrieved" if is_found else "not_found",
            "answer": publication.draft.answer if stolen else graded.answer,
            "sources": _sources(after),
        },
        "outcome": "regressed" if stolen or (was_found and not is_found) else "same" if same else "changed",
    }


def _golden(session: Session, publication: Publication) -> list[Graded]:
    """The golden questions of other corrections that hold now."""
    rows = session.execute(
        sa.select(Golden.question, Golden.answer, Golden.document_id)
        .join(Entry, Entry.id == Golden.entry_id)
        .where(
            Golden.active,
            Entry.live,
            Entry.correction_id != publication.correction_id,
            sa.or_(Entry.valid_until.is_(None), Entry.valid_until > utc_now()),
        )
        .order_by(Golden.id)
    )
    return [Graded(*row) for row in rows]


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
