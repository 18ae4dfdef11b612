"""BM25 over a sealed inverted index and an overlay of fresh passages. Uses tokens and ordinals, not ids or texts.

Decision: our own BM25 over numpy arrays instead of tantivy or another engine. A knowledge base is corrected, tested on
candidates and rolled back, and each result must rank exactly like a new index of the same passages.
Engines count deleted passages in the document frequencies until segments merge, so that scores depend on history.
They also have no private variant of an index with some passages hidden and others added. Here the number of passages N,
the document frequency of each term and the average length are always those of the live passages. Cost: a query reads
every posting of its terms, in numpy. Millions of passages would need block-max pruning.

The sealed part (compressed sparse rows: for each term the ordinals that have it, and how often) has one canonical form:
terms in code point order, ordinals ascending. A set of passages has this form whatever its history. The overlay maps
each fresh passage to its term counts. A query scans it; it stays small, because compaction folds it in.

A score is a sum of float64 in a fixed order, term by term, by the same formula for sealed and fresh passages.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

# The values of Lucene, Elasticsearch and the BEIR baselines. K1: how soon more repeats of a term stop adding to the
# score. B: how much a passage's length lowers its score; it matters little, because chunks are of similar size.
K1 = 1.2
B = 0.75


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """The data of a passage that BM25 uses: how often each term occurs, and the length in tokens."""

    counts: Mapping[str, int]
    length: int

    @classmethod
    def of(cls, tokens: Sequence[str]) -> Terms:
        return cls(Counter(tokens), len(tokens))


@dataclass(frozen=True, slots=True, eq=False)
class SealedKeywords:
    """An immutable inverted index of n passages with the ordinals 0 … n - 1.

    ``terms`` in code point order; the postings of term t are ``ordinals[starts[t]:starts[t + 1]]``, ascending, with
    ``counts`` beside them. ``lengths`` (n,) are the passages' lengths in tokens.
    """

    terms: list[str]
    starts: NDArray[np.int64]
    ordinals: NDArray[np.int32]
    counts: NDArray[np.int32]
    lengths: NDArray[np.int32]

    @classmethod
    def build(cls, passages: Iterable[Terms]) -> SealedKeywords:
        """Builds the index from passages in the order of their ordinals."""
        builder = KeywordsBuilder()
        for passage in passages:
            builder.add(passage)
        return builder.sealed(np.arange(len(builder), dtype=np.int32))

    def merged(self, new_ordinal: NDArray[np.int32], fresh: Mapping[int, Terms], size: int) -> SealedKeywords:
        """The same as building it from ``size`` passages: the kept ones and the fresh ones under their new ordinals.

        ``new_ordinal`` (n,) gives the new ordinals of the old passages, in the same order; -1 for a passage to remove.
        """
        moved = new_ordinal[self.ordinals]
        kept = moved >= 0
        old_rows = np.repeat(np.arange(len(self.terms), dtype=np.int32), np.diff(self.starts))[kept]
        used = np.bincount(old_rows, minlength=len(self.terms)) > 0
        remaining = {self.terms[row] for row in np.flatnonzero(used).tolist()}
        terms = sorted(remaining.union(*(passage.counts for passage in fresh.values())))
        row_of = {term: row for row, term in enumerate(terms)}
        old_rows = np.array([row_of.get(term, -1) for term in self.terms], dtype=np.int32)[old_rows]
        lengths = np.zeros(size, dtype=np.int32)
        lengths[new_ordinal[new_ordinal >= 0]] = self.lengths[new_ordinal >= 0]
        for ordinal, passage in fresh.items():
            lengths[ordinal] = passage.length
        added = sorted(
            (row_of[term], ordinal, count)
            for ordinal, passage in fresh.items()
            for term, count in passage.counts.items()
        )
        new_rows, ordinals, counts = np.array(added, dtype=np.int32).reshape(-1, 3).T
        # The kept postings are sorted already, so the fresh ones are inserted instead of sorting all of them.
        place = np.searchsorted(_keys(old_rows, moved[kept], size), _keys(new_rows, ordinals, size))
        return SealedKeywords(
            terms,
            _starts(np.bincount(old_rows, minlength=len(terms)) + np.bincount(new_rows, minlength=len(terms))),
            np.insert(moved[kept], place, ordinals),
            np.insert(self.counts[kept], place, counts),
            lengths,
        )

    def postings(self, term: str) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """(ordinals that have the term, how often each has it)."""
        row = bisect_left(self.terms, term)
        if row == len(self.terms) or self.terms[row] != term:
            return self.ordinals[:0], self.counts[:0]
        stretch = slice(self.starts[row], self.starts[row + 1])
        return self.ordinals[stretch], self.counts[stretch]


class KeywordsBuilder:
    """Collects passages one at a time, in any order, and needs a few bytes for each posting."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._rows, self._counts, self._sizes, self._lengths = array("i"), array("i"), array("i"), array("i")

    def __len__(self) -> int:
        return len(self._lengths)

    def add(self, passage: Terms) -> None:
        for term, count in passage.counts.items():
            self._rows.append(self._numbers.setdefault(term, len(self._numbers)))
            self._counts.append(count)
        self._sizes.append(len(passage.counts))
        self._lengths.append(passage.length)

    def sealed(self, ordinals: NDArray[np.int32]) -> SealedKeywords:
        """The index in which the i-th passage that was added has the ordinal ``ordinals[i]``."""
        terms = sorted(self._numbers)
        place = np.empty(len(terms), dtype=np.int32)
        place[[self._numbers[term] for term in terms]] = np.arange(len(terms), dtype=np.int32)
        rows = place[np.array(self._rows, dtype=np.int32)]
        posted = np.repeat(ordinals, np.array(self._sizes, dtype=np.int32))
        order = np.lexsort((posted, rows))
        lengths = np.empty(len(self), dtype=np.int32)
        lengths[ordinals] = self._lengths
        counts = np.array(self._counts, dtype=np.int32)[order]
        return SealedKeywords(terms, _starts(np.bincount(rows, minlength=len(terms))), posted[order], counts, lengths)


def _starts(sizes: NDArray[np.intp]) -> NDArray[np.int64]:
    starts = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=starts[1:])
    return starts


def _keys(rows: NDArray[np.int32], ordinals: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """One number for each posting, so that sorting the numbers sorts the postings."""
    return rows.astype(np.int64) * max(size, 1) + ordinals


def document_frequencies(
    words: Iterable[str], sealed: SealedKeywords, live: NDArray[np.bool_] | None, fresh: Sequence[Terms]
) -> dict[str, int]:
    """In how many live passages each word occurs. ``live`` as in ``bm25``."""
    frequencies: dict[str, int] = {}
    for word in set(words):
        ordinals, _ = sealed.postings(word)
        in_sealed = len(ordinals) if live is None else int(np.count_nonzero(live[ordinals]))
        frequencies[word] = in_sealed + sum(word in passage.counts for passage in fresh)
    return frequencies


def bm25(
    query: Sequence[str], sealed: SealedKeywords, live: NDArray[np.bool_] | None, fresh: Sequence[Terms], total: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The BM25 scores of all live passages that share a token with the query, in no particular order.

    ``live`` is a mask over the sealed ordinals (None: all); ``total`` is the sum of the lengths of all live passages.
    Returns places (m,) and scores (m,): a place below ``len(sealed.lengths)`` is an ordinal; higher places number
    the fresh passages. A token that occurs twice in the query counts twice.
    """
    size = len(sealed.lengths)
    documents = (size if live is None else int(np.count_nonzero(live))) + len(fresh)
    average = total / documents if documents and total else 1.0
    all_places: list[NDArray[np.int64]] = []
    all_weights: list[NDArray[np.float64]] = []
    for term, repeats in sorted(Counter(query).items()):
        ordinals, counts = sealed.postings(term)
        if live is not None:
            alive = live[ordinals]
            ordinals, counts = ordinals[alive], counts[alive]
        fresh_matches = [(size + number, passage) for number, passage in enumerate(fresh) if term in passage.counts]
        places = np.concatenate((ordinals, [place for place, _ in fresh_matches])).astype(np.int64)
        if not len(places):
            continue
        frequency = np.concatenate((counts, [passage.counts[term] for _, passage in fresh_matches])).astype(np.float64)
        lengths = np.concatenate((sealed.lengths[ordinals], [passage.length for _, passage in fresh_matches]))
        rarity = math.log(1 + (documents - len(places) + 0.5) / (len(places) + 0.5))
        length_penalty = K1 * (1 - B + B * (lengths / average))
        all_places.append(places)
        all_weights.append((repeats * rarity * (K1 + 1)) * (frequency / (frequency + length_penalty)))
    if not all_places:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
    scores = np.bincount(np.concatenate(all_places), weights=np.concatenate(all_weights), minlength=size)
    scored = np.flatnonzero(scores).astype(np.int64)
    return scored, np.asarray(scores[scored], dtype=np.float64)
