"""The one search of the product: by meaning and by words, at the newest state of the log, with the score of each stage.

Uses an index, an embedder and a ``PassageLog``; knows nothing about SQL, documents, prompts or people.

Decision: the two rankings are fused by rank, and the dense ranking counts more. Ranks need no calibration between
models and languages. With equal weights, results are worse than those of the dense ranking alone on question-and-answer
collections, where words of the question mislead. Cost: how *much* better a hit is than the next one does not count.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.follow import Follower, PassageLog
from retrieval.index import digest
from retrieval.nearest import Background, nearest
from retrieval.passage import Change, Hit, Row
from retrieval.ranking import RANKING, Ranking, distinct, errata_first, exact_first
from retrieval.restriction import NO_RESTRICTION, Restriction
from retrieval.text import codes, language_of, tokens
from retrieval.vectors import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from retrieval.embed import Embedder
    from retrieval.index import Index
    from retrieval.passage import Passage
    from retrieval.scope import Scope
    from retrieval.snapshot import Snapshots
    from retrieval.view import Part, PassageIndex, PassageView


_log = logging.getLogger(__name__)

COVERAGE_HITS = 3  # how many hits are searched for the question's words
_MOST_CODES = 8  # codes of a question that are looked up
_MOST_ERRATA = 8  # errata whose question is compared with the question of a search
_MOST_REMEMBERED = 200_000  # ids of passages that are known to be no errata: about 20 MB


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """Knowledge with a trial change: an index that nobody else sees, and the added passages, which the source does not
    have."""

    index: Index
    passages: Mapping[int, Passage]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """``hits`` best first, found at ``seq``; ``best_dense`` is the highest cosine of any passage, 0.0 if none.

    ``coverage`` is the largest share of the question's words that one of the first hits contains. The rarer a word is
    among the passages, the more it weighs: "who was the" covers nothing, an error number nearly all.
    ``reach`` is the cosine of the farthest passage that the ranking by meaning contains; -1.0 if it contains all.
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
    """The differences between an index and its source: ids that are missing, surplus, or differ in text or label."""

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

    ``background``: collections that take part in a search only where one of their passages is nearer to the question,
    by ``Ranking.background_lead``, than every passage of the other collections, or where there is no other passage.
    ``compact_after`` is how many fresh and hidden rows the index may have before they are folded in, in the background.
    ``ChangeError`` is never raised: if the log does not fit the index, it is rebuilt from the source's rows.
    """

    def __init__(
        self,
        source: PassageLog,
        embedder: Embedder,
        *,
        snapshots: Snapshots | None = None,
        compact_after: int = 2000,
        ranking: Ranking = RANKING,
        background: frozenset[str] = frozenset(),
    ) -> None:
        self._ranking = ranking
        self._background = Background(background, ranking.background_lead)
        self._source = source
        self._embedder = embedder
        self._ordinary: set[int] = set()  # ids of passages that are known to be no errata
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
        Passages with the same words are one hit: the best of them.

        Passages outside the scope have no influence at all. ``language`` (also as the filter of this name) and
        ``filters`` restrict what can be found, including a candidate's own passages. A question without a letter or
        digit finds nothing. Raises ``ValueError`` for k below 1.
        """
        if k < 1:
            raise ValueError(f"a search for {k} passages finds nothing")
        index: PassageIndex = candidate.index if candidate else self.refresh()
        started = time.perf_counter()
        words = tokens(query)
        if not words or not len(index.within(scope)):
            return SearchResult((), index.seq, 0.0, _milliseconds(started), 0.0, 0.0)
        vector = self._embedder.query(query)
        embed_ms = _milliseconds(started)
        started = time.perf_counter()
        own = candidate.passages.values() if candidate else ()
        restriction = Restriction.of(language, filters or {}, select=self._source.select, own=own)
        depth = max(self._ranking.depth, 2 * k)
        near = nearest(index, scope, vector, depth, restriction, self._background)
        dense, keyword = near.dense, near.view.keyword(words, depth, near.part)
        exact = _with_rare_code(near.view, query, self._ranking.exact_most, near.part)
        hits = self._ranked(query, vector, dense, keyword, exact, k, candidate)
        best_dense = dense[0][1] if dense else 0.0
        covered = _coverage(near.view, words, hits)
        reach = dense[-1][1] if len(dense) == depth else -1.0
        return SearchResult(hits, index.seq, embed_ms, _milliseconds(started), best_dense, covered, reach)

    def ranking(self, query: str, k: int, scope: Scope, candidate: Candidate) -> tuple[int, ...]:
        """The ids of the k passages inside the scope that are best in the fused ranking of a candidate. Errata are not
        moved to the front. Does not read the source, so that it may be called inside a transaction."""
        words = tokens(query)
        if not words or not len(candidate.index.within(scope)):
            return ()
        depth = max(self._ranking.depth, 2 * k)
        vector = self._embedder.query(query)
        near = nearest(candidate.index, scope, vector, depth, NO_RESTRICTION, self._background)
        keyword = near.view.keyword(words, depth, near.part)
        return tuple(id_ for id_, _ in self._ranking.fused(near.dense, keyword)[:k])

    def candidate(
        self, *, hide: Iterable[int] = (), add: Sequence[Passage] = (), base: Index | None = None
    ) -> Candidate:
        """An index (``base``, else the newest) with some passages hidden (ids that are not live are ignored) and others
        added and embedded. Without both, it keeps the knowledge of a moment for several searches.

        Added passages have negative ids, which no passage of the source has. Other calls do not see them.
        """
        if any(passage.id >= 0 for passage in add):
            raise ValueError("the passages of a candidate must have negative ids")
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

        Reads every row of the source: meant for readiness at start and for ``errata doctor``, not for each request.
        """
        index = self.refresh()
        seq, rows = self._source.rows()
        expected = {row.id: digest(row) for row in rows}
        index = index.apply(*(change for change in self._source.changes(index.seq) if change.seq <= seq))
        actual = index.digests()
        return Check(
            seq=seq,
            passages=len(actual),
            missing=tuple(sorted(expected.keys() - actual.keys())),
            surplus=tuple(sorted(actual.keys() - expected.keys())),
            different=tuple(sorted(id_ for id_ in expected.keys() & actual.keys() if expected[id_] != actual[id_])),
        )

    def close(self) -> None:
        """Waits for a compaction or snapshot that is running."""
        self._follower.close()

    def _ranked(
        self,
        query: str,
        vector: NDArray[np.float32],
        dense: list[tuple[int, float]],
        keyword: list[tuple[int, float]],
        exact: Sequence[int],
        k: int,
        candidate: Candidate | None,
    ) -> tuple[Hit, ...]:
        fused = self._ranking.fused(dense, keyword)
        ranked = {id_ for id_, _ in fused}
        fused += [(id_, 0.0) for id_ in exact if id_ not in ranked]
        stages: dict[int, dict[str, float]] = {id_: {} for id_, _ in fused}
        for name, ranking in (("dense", dense), ("keyword", keyword)):
            for rank, (id_, score) in enumerate(ranking, start=1):
                stages[id_] |= {name: score, f"{name}_rank": float(rank)}
        # An erratum further down may be moved to the front, so each passage near the best one is read, once.
        near = {id_: score for id_, score in dense if score >= dense[0][1] - self._ranking.most_for_errata}
        passages: dict[int, Passage | None] = {}
        chosen: list[Hit] = []
        for most in range(k, len(fused) + k, k):  # once, unless some passages have the same words
            first = [id_ for id_, _ in fused[:most]]
            unknown = [id_ for id_ in near if id_ not in self._ordinary]
            unread = [id_ for id_ in dict.fromkeys((*first, *exact, *unknown)) if id_ not in passages]
            read = self._passages(unread, candidate)
            passages |= {id_: read.get(id_) for id_ in unread}
            self._remember_ordinary(read)
            hits = [
                Hit(passage, score, {**stages[id_], "fused": score})
                for id_, score in fused
                if (passage := passages.get(id_)) is not None
            ]
            errata = [hit.passage for hit in hits if hit.passage.erratum and hit.passage.id in near]
            best = max((near[id_] for id_ in near if _is_ordinary(id_, passages)), default=-1.0)
            ordered = errata_first(exact_first(hits, exact), self._bonus(query, vector, errata), best)
            moved = {"erratum", "exact"}
            chosen = distinct([hit for hit in ordered if hit.passage.id in first or moved & hit.stages.keys()])
            if len(chosen) >= k:
                break
        return tuple(chosen[:k])

    def _remember_ordinary(self, passages: Mapping[int, Passage]) -> None:
        """Passages never change; a candidate's own, with negative ids, are forgotten with it."""
        if len(self._ordinary) > _MOST_REMEMBERED:
            self._ordinary.clear()
        self._ordinary.update(id_ for id_, passage in passages.items() if id_ >= 0 and not passage.erratum)

    def _bonus(self, query: str, vector: NDArray[np.float32], errata: Sequence[Passage]) -> dict[int, float]:
        """How much the cosine of each of these errata rises for a question, by id; that of the first ones only. The
        embedder remembers the vectors of questions, so that each is embedded once."""
        language = language_of(query)
        bonus: dict[int, float] = {}
        for erratum in errata[:_MOST_ERRATA]:
            same = language_of(erratum.title) == language
            likeness = round(float(vector @ self._embedder.query(erratum.title)), DECIMALS) if same else None
            bonus[erratum.id] = self._ranking.bonus(likeness)
        return bonus

    def _passages(self, ids: list[int], candidate: Candidate | None) -> Mapping[int, Passage]:
        own = candidate.passages if candidate else {}
        stored_ids = [id_ for id_ in ids if id_ not in own]
        passages = {**self._source.passages(stored_ids), **own}
        if missing := [id_ for id_ in stored_ids if id_ not in passages]:
            _log.error("passages %s are in the index but not in the database; run: errata doctor", missing)
        return passages


def _is_ordinary(id_: int, passages: Mapping[int, Passage | None]) -> bool:
    """Whether a passage is no erratum; one that was not read is none."""
    passage = passages.get(id_)
    return id_ not in passages or (passage is not None and not passage.erratum)


def _with_rare_code(view: PassageView, query: str, most: int, part: Part | None) -> tuple[int, ...]:
    """The ids of the passages in the part that have a code of the question which at most ``most`` passages have. The
    most exact form of a code that any passage has counts."""
    ids: dict[int, None] = {}
    for forms in codes(query)[:_MOST_CODES]:
        holders: Sequence[tuple[int, float]] = ()
        for form in forms:
            if holders := view.keyword((form,), most + 1, part):
                break
        if len(holders) <= most:
            ids |= dict.fromkeys(id_ for id_, _ in holders)
    return tuple(ids)


def _coverage(view: PassageView, words: Sequence[str], hits: Sequence[Hit]) -> float:
    weights = view.rarity(words)
    total = sum(weights.values())
    words_of_hits = [set(tokens(hit.passage.indexed_text)) for hit in hits[:COVERAGE_HITS]]
    shares = [
        sum(weight for word, weight in weights.items() if word in hit_words) / total
        for hit_words in words_of_hits
        if total
    ]
    return round(max(shares, default=0.0), 6)


def _milliseconds(started: float) -> float:
    return (time.perf_counter() - started) * 1000
