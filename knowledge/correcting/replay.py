"""Replays one question: which passages would readers get before and after a publication?

A ``Trial`` has the knowledge of one moment twice: as it is, and with the publication in place. It compares the passages
that an answer would be made from, and uses no chat model. Each replayed question becomes an item of the proof's
report: ``{role, question, before, after, outcome, reason, code, values}``.

Outcomes: *fixed* / *not_fixed* for the questions of the correction itself; *regressed* where a confirmed answer would
be lost; *changed* where other passages would be read; *same*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from knowledge.correcting import matching
from retrieval.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from knowledge.correcting.matching import Match
    from knowledge.correcting.publication import Publication
    from retrieval.embed import Embedder
    from retrieval.passage import Change, Hit
    from retrieval.search import Candidate, Searcher

Item = dict[str, Any]
MAX_LOST = 12  # words of an answer that a reason names

# The reasons of outcomes, by code; pages have them in both languages under ``proof.reason.<code>``.
REASONS: Mapping[str, str] = {
    "question_taken": "correction {number} answers this question; supersede {document} to take its place",
    "erratum_lost": "{document} answers this question and would no longer be found",
    "answer_lost": "the answer was given from passages that say this, and those read afterwards do not: {words}",
    "passage_gone": "a passage that the answer cites would no longer be read; its words are in the others",
    "not_served": "it is not among the wordings that get this text: add it to them, or move it to another correction",
    "not_found": "a search for this question would not find the correction among the passages that are read",
}


@dataclass(frozen=True, slots=True)
class Graded:
    """A golden question and the document that answers it."""

    id: int
    question: str
    answer: str
    document_id: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A question that people got an answer to. ``sources``: as they were stored with the answer; ``citations``: the
    numbers of those that it cites; ``graded``: somebody rated the answer as right."""

    question: str
    answer: str
    sources: tuple[Mapping[str, Any], ...]
    citations: tuple[int, ...]
    graded: bool


class Reading(Protocol):
    """How an answer's passages are chosen from the hits of a search."""

    @property
    def depth(self) -> int:
        """How many hits a search returns."""

    def choose(self, hits: Sequence[Hit]) -> Sequence[Hit]:
        """The hits that an answer is made from."""

    def lost(self, answer: str, before: str, after: str) -> Sequence[str]:
        """The numbers, names and words of an answer that are in the text before and not in the text after."""


@dataclass(frozen=True, slots=True)
class Read:
    """The hits that are read for a question, before and after. ``ids``: the passages of all hits of both searches;
    ``reach``: the cosine that a passage must have to be considered."""

    before: Sequence[Hit]
    after: Sequence[Hit]
    ids: frozenset[int]
    reach: float


class Trial:
    """A publication beside the knowledge of one moment (``seq`` of the log). Not for several threads at once."""

    def __init__(
        self,
        publication: Publication,
        searcher: Searcher,
        embedder: Embedder,
        reading: Reading,
        *,
        before: Candidate,
        after: Candidate,
    ) -> None:
        self.publication = publication
        self.lost = reading.lost
        self._searcher = searcher
        self._embedder = embedder
        self._reading = reading
        self._before = before
        self._after = after
        self._read: dict[str, Read] = {}

    @classmethod
    def of(cls, publication: Publication, searcher: Searcher, embedder: Embedder, reading: Reading) -> Trial:
        """A trial on the newest knowledge. It uses the database: call it without an open session."""
        before = searcher.candidate()
        after = searcher.candidate(hide=publication.hidden, add=publication.shown, base=before.index)
        return cls(publication, searcher, embedder, reading, before=before, after=after)

    @property
    def seq(self) -> int:
        return self._before.index.seq

    @property
    def scope(self) -> Scope:
        """What a proof may see: the collection of the correction."""
        return Scope.of(self.publication.collection)

    def read(self, question: str) -> Read:
        """The passages before and after. It uses the database: call it without an open session."""
        read = self._read.get(question)
        if read is None:
            depth = self._reading.depth
            sides = [
                self._searcher.search(question, depth, scope=self.scope, candidate=candidate)
                for candidate in (self._before, self._after)
            ]
            read = self._read[question] = Read(
                before=self._reading.choose(sides[0].hits),
                after=self._reading.choose(sides[1].hits),
                ids=frozenset(hit.passage.id for side in sides for hit in side.hits),
                reach=min(side.reach for side in sides),
            )
        return read

    def followed(self, changes: Sequence[Change]) -> tuple[Trial, frozenset[str]]:
        """The trial after later steps of the log, which do not change the documents of the publication; and the
        questions that may read other passages now. It does not use the database, so it may be called inside a write
        transaction.

        A new passage that is farther from the question than every passage that the ranking by meaning considers is
        taken to change nothing: a passage does not reach an answer by its words alone.
        """
        before = replace(self._before, index=self._before.index.apply(*changes))
        after = replace(self._after, index=self._after.index.apply(*changes))
        hidden = frozenset(id_ for change in changes for id_ in change.hidden)
        vectors = [row.vector for change in changes for row in change.added if row.collection in self.scope]
        moved = frozenset(
            question
            for question, read in self._read.items()
            if hidden & read.ids
            or (self._comes_near(question, read, vectors) and self._reranked(question, before, after))
        )
        later = Trial(self.publication, self._searcher, self._embedder, self._reading, before=before, after=after)
        later._read = {question: read for question, read in self._read.items() if question not in moved}
        return later, moved

    def _comes_near(self, question: str, read: Read, vectors: Sequence[Any]) -> bool:
        if not vectors:
            return False
        return bool(np.max(np.stack(vectors) @ self._embedder.query(question)) >= read.reach)

    def _reranked(self, question: str, before: Candidate, after: Candidate) -> bool:
        pairs = ((self._before, before), (self._after, after))
        ranking, depth = self._searcher.ranking, self._reading.depth
        return any(
            ranking(question, depth, self.scope, candidate) != ranking(question, depth, self.scope, other)
            for candidate, other in pairs
        )


@dataclass(frozen=True, slots=True)
class Case:
    """A question to replay. ``judge`` makes the item of the report from it, and can do so again after a step of the
    log."""

    role: str
    question: str
    judge: Callable[[Trial], Item]


def asked(role: str, question: str, frozen: Mapping[str, Any] | None) -> Case:
    """A question of the correction itself: *fixed* when readers get the text of the correction, and a search finds its
    erratum by itself, too. ``frozen``: the answer that somebody complained about."""

    def judge(trial: Trial) -> Item:
        read, publication = trial.read(question), trial.publication
        served = matching.normal_form(question) in publication.forms
        retrieved = any(hit.passage.document_id == publication.erratum.document_id for hit in read.after)
        return _item(
            role,
            question,
            frozen or {"status": None, "answer": None, "sources": _sources(read.before)},
            {
                "status": "curated" if served else "retrieved" if retrieved else "not_found",
                "answer": publication.draft.answer if served else None,
                "sources": _sources(read.after),
            },
            "fixed" if retrieved and served else "not_fixed",
            None if retrieved and served else "not_found" if served else "not_served",
        )

    return Case(role, question, judge)


def taken(question: str, now: Match) -> Case:
    """A question that another correction answers now and this one would answer instead."""

    def judge(trial: Trial) -> Item:
        read, draft = trial.read(question), trial.publication.draft
        replaced = now.document_id in {item.document_id for item in draft.supersedes}
        return _item(
            "golden",
            question,
            {"status": "curated", "answer": now.answer, "sources": _sources(read.before)},
            {"status": "curated", "answer": draft.answer, "sources": _sources(read.after)},
            "changed" if replaced else "regressed",
            None if replaced else "question_taken",
            number=now.correction_id,
            document=now.document_id,
        )

    return Case("golden", question, judge)


def golden(graded: Graded) -> Case:
    """A confirmed question of another correction: if its erratum is found now, it must be found afterwards too."""

    def judge(trial: Trial) -> Item:
        read = trial.read(graded.question)
        was_found, is_found = (
            any(hit.passage.document_id == graded.document_id for hit in side) for side in (read.before, read.after)
        )
        lost = was_found and not is_found
        return _item(
            "golden",
            graded.question,
            {
                "status": "retrieved" if was_found else "not_found",
                "answer": graded.answer,
                "sources": _sources(read.before),
            },
            {
                "status": "retrieved" if is_found else "not_found",
                "answer": graded.answer,
                "sources": _sources(read.after),
            },
            "regressed" if lost else "same" if _texts(read.before) == _texts(read.after) else "changed",
            "erratum_lost" if lost else None,
            document=graded.document_id,
        )

    return Case("golden", graded.question, judge)


def answered(role: str, answer: Answered) -> Case:
    """A question that people got an answer to. A part of that answer is lost when it is in the cited passages now and
    would be in no passage that is read afterwards. The question is then *regressed* if somebody rated the answer as
    right. Otherwise it is *changed* where other passages are read, else *same*.

    If none of the cited passages is read now, all passages that are read now count instead.
    """

    def judge(trial: Trial) -> Item:
        read = trial.read(answer.question)
        cited = {
            (source.get("document_id"), source.get("passage"))
            for source in answer.sources
            if source["n"] in answer.citations
        }
        basis = [hit for hit in read.before if _identity(hit) in cited]
        after = "\n".join(hit.passage.indexed_text for hit in read.after)
        before = "\n".join(hit.passage.indexed_text for hit in (basis or read.before))
        lost = trial.lost(answer.answer, before, after)
        gone = {_identity(hit) for hit in basis} - {_identity(hit) for hit in read.after}
        same = _texts(read.before) == _texts(read.after)
        return _item(
            role,
            answer.question,
            {"status": "answered", "answer": answer.answer, "sources": [dict(source) for source in answer.sources]},
            {"status": None, "answer": None, "sources": _sources(read.after)},
            "regressed" if lost and answer.graded else "same" if same else "changed",
            "answer_lost" if lost else "passage_gone" if gone else None,
            words=", ".join(lost[:MAX_LOST]),
        ) | {"graded": answer.graded}

    return Case(role, answer.question, judge)


def _identity(hit: Hit) -> tuple[str, str]:
    return hit.passage.document_id, hit.passage.text


def _texts(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.text for hit in hits]


def _item(
    role: str,
    question: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    outcome: str,
    code: str | None,
    **values: object,
) -> Item:
    """An item of the report. ``values``: all values that the reasons of this kind of question may name."""
    named = {name: value for name, value in values.items() if code and "{" + name + "}" in REASONS[code]}
    return {
        "role": role,
        "question": question,
        "before": dict(before),
        "after": dict(after),
        "outcome": outcome,
        "reason": REASONS[code].format(**named) if code else None,
        "code": code,
        "values": named,
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


def judged(
    trial: Trial, cases: Sequence[Case], questions: Collection[str] | None, earlier: Sequence[Item]
) -> list[Item]:
    """The items of the cases, in order. ``questions``: only these are judged anew (None: all); the others keep their
    item in ``earlier``."""
    return [
        case.judge(trial) if questions is None or case.question in questions else earlier[place]
        for place, case in enumerate(cases)
    ]
