"""One search for everybody: by meaning and by words, at the newest state of the log, with its reasons.

Knows an index, an embedder and a ``PassageLog``; knows nothing about SQL, documents, prompts or people.

Decision: the two rankings are fused by rank, dense counting more. Ranks need no calibration between models and
languages; but equal weights fall below the dense ranking alone on question-and-answer collections, where
words of the question mislead. Cost: how *much* better a hit is than the next one does not count.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.follow import Follower, PassageLog
from retrieval.fuse import fuse
from retrieval.index import digest
from retrieval.passage import LANGUAGE, Change, Hit, Row
from retrieval.text import primary, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retrieval.embed import Embedder
    from retrieval.index import Index
    from retrieval.passage import Passage
    from retrieval.scope import Scope
    from retrieval.snapshot import Snapshots
    from retrieval.view import Part, PassageIndex, PassageView


_log = logging.getLogger(__name__)

DEPTH = 50  # how many passages each ranking contributes
# Tuned with multilingual-e5-small on two FAQ collections (120 and 84 questions) and on questions about encyclopedia
# paragraphs in English and Chinese (92 and 108). nDCG@10 of dense alone: .736, .957, .972, .959; with equal weights
# and the usual rank constant of 60: .705, .938, .988, .968; with these and a constant of 10: .746, .954, .995, .960.
DENSE_WEIGHT = 1.0
KEYWORD_WEIGHT = 0.5
COVERAGE_HITS = 3  # how many hits are looked through for the question's words
# An erratum this near (in cosine) to the best passage is taken to be about the same thing as it. Measured on the same
# two FAQ collections, the stale passages left in: errata moved first for their own questions and paraphrases 94 % and
# 91 %, for near misses 2 % and 29 %. At .005 it is 91 and 75 % against 1 and 11 %, at .03 99 % against 6 and 57 %.
ERRATUM_MARGIN = 0.015


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """The knowledge as it would be: an index that nobody else sees, and its passages that the source does not have."""

    index: Index
    passages: Mapping[int, Passage]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """``hits`` best first, found at ``seq``; ``best_dense`` is the highest cosine of any passage, 0.0 if none.

    ``coverage`` is the largest share of the question's words that one of the first hits holds, each word weighing as
    much as it is rare among the passages: "who was the" covers nothing, an error number nearly all.
    ``reach`` is the cosine of the farthest passage that the ranking by meaning looked at; -1.0 where it looked at all.
    """

    hits: tuple[Hit, ...]
    seq: int
    embed_ms: float
    search_ms: float
    best_dense: float
    coverage: float
    reach: float = -1.0


@dataclass(frozen=True, slots=True)
class Check:
    """What an index has and its source does not: ids that are missing, surplus, or differ in text or label."""

    seq: int
    passages: int
    missing: tuple[int, ...]
    surplus: tuple[int, ...]
    different: tuple[int, ...]

    @property
    def ok(self) -> bool:
        return not (self.missing or self.surplus or self.different)


class Searcher:
    """Hybrid search over a source, always at the newest step of its log. Safe to call from several threads.

    ``compact_after`` is how many fresh and hidden rows the index carries before they are folded in, in the background.
    Raises ``ChangeError`` never: a log that does not fit the index leads to a rebuild from the source's rows.
    """

    def __init__(
        self, source: PassageLog, embedder: Embedder, *, snapshots: Snapshots | None = None, compact_after: int = 2000
    ) -> None:
        self._source = source
        self._embedder = embedder
        self._follower = Follower(
            source,
            fingerprint=embedder.fingerprint,
            dimension=embedder.dimension,
            snapshots=snapshots,
            compact_after=compact_after,
        )

    def refresh(self) -> Index:
        """The index at the newest step of the log. The first call restores a snapshot or builds the index."""
        return self._follower.refresh()

    def search(
        self,
        query: str,
        k: int = 5,
        *,
        scope: Scope,
        language: str | None = None,
        filters: Mapping[str, str] | None = None,
        candidate: Candidate | None = None,
    ) -> SearchResult:
        """The k best passages for a question inside the scope, at the newest state of the log or on a candidate.

        What is outside the scope has no influence at all. ``language`` (also as the filter of this name) and
        ``filters`` restrict what can be found, a candidate's own passages too. A question without a letter or digit
        finds nothing. Raises ``ValueError`` for k below 1.
        """
        if k < 1:
            raise ValueError(f"a search for {k} passages finds nothing")
        index: PassageIndex = candidate.index if candidate else self.refresh()
        started = time.perf_counter()
        words = tokens(query)
        view = index.within(scope)
        if not words or not len(view):
            return SearchResult((), index.seq, 0.0, _milliseconds(started), 0.0, 0.0)
        vector = self._embedder.query(query)
        embed_ms = _milliseconds(started)
        started = time.perf_counter()
        part = self._part(view, language, filters or {}, candidate)
        depth = max(DEPTH, 2 * k)
        dense = view.dense(vector, depth, part)
        keyword = view.keyword(words, depth, part)
        hits = self._ranked(dense, keyword, k, candidate)
        best_dense = dense[0][1] if dense else 0.0
        covered = _coverage(view, words, hits)
        reach = dense[-1][1] if len(dense) == depth else -1.0
        return SearchResult(hits, index.seq, embed_ms, _milliseconds(started), best_dense, covered, reach)

    def ranking(self, query: str, k: int, scope: Scope, candidate: Candidate) -> tuple[int, ...]:
        """The ids of the k passages inside the scope that are best in the fused ranking of a candidate, errata not
        moved. Asks the source nothing, so that whoever holds a transaction may call it."""
        words = tokens(query)
        view = candidate.index.within(scope)
        if not words or not len(view):
            return ()
        depth = max(DEPTH, 2 * k)
        dense = view.dense(self._embedder.query(query), depth, None)
        keyword = view.keyword(words, depth, None)
        return tuple(id_ for id_, _ in _fused(dense, keyword)[:k])

    def candidate(
        self, *, hide: Iterable[int] = (), add: Sequence[Passage] = (), base: Index | None = None
    ) -> Candidate:
        """An index (``base``, else the newest) with passages hidden (those not live are ignored) and others added,
        embedded here. Without either: the knowledge of one moment, to be asked more than once.

        Added passages carry negative ids, which no passage of the source has. Others see nothing of it.
        """
        if any(passage.id >= 0 for passage in add):
            raise ValueError("the passages of a candidate carry negative ids")
        index = base if base is not None else self.refresh()
        vectors = self._embedder.passages([passage.indexed_text for passage in add]) if add else ()
        rows = tuple(
            Row(passage.id, passage.indexed_text, vector, passage.collection, passage.language)
            for passage, vector in zip(add, vectors, strict=True)
        )
        hidden = frozenset(id_ for id_ in hide if id_ in index)
        changed = index.apply(Change(seq=index.seq, added=rows, hidden=hidden))
        return Candidate(changed, {passage.id: passage for passage in add})

    def check(self) -> Check:
        """Compares every id and text of the index with the source's live rows, at one sequence number.

        Reads every row of the source: for readiness at start and for ``errata doctor``, not for each request.
        """
        index = self.refresh()
        seq, rows = self._source.rows()
        expected = {row.id: digest(row) for row in rows}
        index = index.apply(*(change for change in self._source.changes(index.seq) if change.seq <= seq))
        found = index.digests()
        return Check(
            seq=seq,
            passages=len(found),
            missing=tuple(sorted(expected.keys() - found.keys())),
            surplus=tuple(sorted(found.keys() - expected.keys())),
            different=tuple(sorted(id_ for id_ in expected.keys() & found.keys() if expected[id_] != found[id_])),
        )

    def close(self) -> None:
        """Waits for a compaction or snapshot that is under way."""
        self._follower.close()

    def _part(
        self, view: PassageView, language: str | None, filters: Mapping[str, str], candidate: Candidate | None
    ) -> Part | None:
        spoken = {primary(one) for one in (language, filters.get(LANGUAGE)) if one is not None}
        if len(spoken) > 1:
            return view.part(allowed=frozenset())  # nothing is in two languages
        others = {key: value for key, value in filters.items() if key != LANGUAGE}
        allowed = None
        if others:
            own = candidate.passages.values() if candidate else ()
            allowed = self._source.select(others) | {one.id for one in own if one.fulfils(others)}
        return view.part(language=min(spoken, default=None), allowed=allowed)

    def _ranked(
        self, dense: list[tuple[int, float]], keyword: list[tuple[int, float]], k: int, candidate: Candidate | None
    ) -> tuple[Hit, ...]:
        fused = _fused(dense, keyword)
        stages: dict[int, dict[str, float]] = {id_: {} for id_, _ in fused}
        for name, ranking in (("dense", dense), ("keyword", keyword)):
            for rank, (id_, score) in enumerate(ranking, start=1):
                stages[id_] |= {name: score, f"{name}_rank": float(rank)}
        # An erratum further down may be about to come first, so that everything near the best is looked at.
        near = {id_ for id_, score in dense if score >= dense[0][1] - ERRATUM_MARGIN}
        chosen = [(id_, score) for rank, (id_, score) in enumerate(fused) if rank < k or id_ in near]
        passages = self._passages([id_ for id_, _ in chosen], candidate)
        hits = [Hit(passages[id_], score, {**stages[id_], "fused": score}) for id_, score in chosen if id_ in passages]
        return tuple(errata_first(hits)[:k])

    def _passages(self, ids: list[int], candidate: Candidate | None) -> Mapping[int, Passage]:
        own = candidate.passages if candidate else {}
        wanted = [id_ for id_ in ids if id_ not in own]
        found = {**self._source.passages(wanted), **own}
        if missing := [id_ for id_ in wanted if id_ not in found]:
            _log.error("passages %s are in the index but not in the database; run: errata doctor", missing)
        return found


def _fused(dense: list[tuple[int, float]], keyword: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return fuse([(DENSE_WEIGHT, [id_ for id_, _ in dense]), (KEYWORD_WEIGHT, [id_ for id_, _ in keyword])])


def _coverage(view: PassageView, words: Sequence[str], hits: Sequence[Hit]) -> float:
    weights = view.rarity(words)
    whole = sum(weights.values())
    held = [set(tokens(hit.passage.indexed_text)) for hit in hits[:COVERAGE_HITS]]
    shares = [sum(weight for word, weight in weights.items() if word in one) / whole for one in held if whole]
    return round(max(shares, default=0.0), 6)


def errata_first(hits: Sequence[Hit], margin: float = ERRATUM_MARGIN) -> list[Hit]:
    """An erratum outranks the passages that it may be correcting.

    The rule: an erratum whose cosine is within ``margin`` of the best cosine among the hits comes before every hit
    that is no erratum; within both groups the order stays. Its score rises by 1, above any fused score, so that scores
    still order the hits, and it carries the stage ``erratum``. An erratum found by words only stays where it is.
    """
    best = max((hit.stages["dense"] for hit in hits if "dense" in hit.stages), default=0.0)
    first: list[Hit] = []
    rest: list[Hit] = []
    for hit in hits:
        if hit.passage.erratum and hit.stages.get("dense", -2.0) >= best - margin:
            first.append(Hit(hit.passage, hit.score + 1.0, {**hit.stages, "erratum": 1.0}))
        else:
            rest.append(hit)
    return first + rest


def _milliseconds(started: float) -> float:
    return (time.perf_counter() - started) * 1000
