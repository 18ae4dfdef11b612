"""The index: a persistent value that finds passages by meaning and by words, at one sequence number.

Knows ids, vectors and tokens; knows nothing about documents, where rows come from, or how results are fused.

``apply`` gives a new index and leaves the old one as it is. Readers need no lock: they hold a reference. A candidate
for a proof is ``index.apply(change)`` that nobody else sees.

An index is a sealed part, which never changes, and an overlay: which sealed rows are hidden, and the fresh rows.
``apply`` costs O(change + overlay), ``compacted`` folds the overlay into a new sealed part.

Invariant: what is found, in which order and with which score depends on the live rows alone, not on the way to them.
An index that was applied, rolled back, compacted or restored equals one that was built from its live rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from retrieval.errors import ChangeError, VectorError
from retrieval.keywords import KeywordsBuilder, SealedKeywords, Terms, bm25, document_frequencies
from retrieval.text import tokens
from retrieval.vectors import DECIMALS, SealedVectors, could_be_best, exact_scores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from retrieval.passage import Change, Row

_UNIT = 1e-3  # how far the square of a vector's length may be from 1: float32 rounding stays far below, NaN does not


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """n rows in the order of their ids; a row's place is its ordinal. ``digests`` (n,) stand for the rows' texts."""

    ids: NDArray[np.int64]
    digests: NDArray[np.uint64]
    vectors: SealedVectors
    keywords: SealedKeywords

    def ordinal(self, id_: int) -> int | None:
        place = int(np.searchsorted(self.ids, id_))
        return place if place < len(self.ids) and int(self.ids[place]) == id_ else None


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """A row of the overlay."""

    vector: NDArray[np.float32]
    digest: int
    terms: Terms


class Index:
    """Live rows at ``seq``. ``fingerprint`` names the embedding model that made the vectors."""

    def __init__(
        self,
        *,
        seq: int,
        fingerprint: str,
        sealed: Sealed,
        fresh: Mapping[int, Fresh] | None = None,
        hidden: frozenset[int] = frozenset(),
        total: int | None = None,
    ) -> None:
        """For ``build``, ``apply`` and snapshots. ``hidden`` are ordinals; ``total`` is the sum of live lengths."""
        self.seq = seq
        self.fingerprint = fingerprint
        self.sealed = sealed
        self._fresh: Mapping[int, Fresh] = fresh or {}
        self._hidden = hidden
        self._total = int(sealed.keywords.lengths.sum(dtype=np.int64)) if total is None else total

    @classmethod
    def build(cls, rows: Iterable[Row], *, seq: int, fingerprint: str, dimension: int) -> Index:
        """From rows in any order. Raises ``ChangeError`` for an id that comes twice, ``VectorError``."""
        ids: list[int] = []
        digests: list[int] = []
        vectors: list[NDArray[np.float32]] = []
        keywords = KeywordsBuilder()
        for row in rows:
            ids.append(row.id)
            digests.append(digest(row.text))
            vectors.append(_checked(row, dimension))
            keywords.add(Terms.of(tokens(row.text)))
        order = np.argsort(np.array(ids, dtype=np.int64), kind="stable")
        sorted_ids = np.array(ids, dtype=np.int64)[order]
        if len(sorted_ids) > 1 and not np.all(np.diff(sorted_ids)):
            raise ChangeError("The log lists a passage twice among its live rows. Run: errata doctor")
        ordinals = np.empty(len(ids), dtype=np.int32)
        ordinals[order] = np.arange(len(ids), dtype=np.int32)
        matrix = np.empty((len(ids), dimension), dtype=np.float32)
        for ordinal, vector in zip(ordinals.tolist(), vectors, strict=True):
            matrix[ordinal] = vector
        sealed = Sealed(
            ids=sorted_ids,
            digests=np.array(digests, dtype=np.uint64)[order],
            vectors=SealedVectors(matrix, dimension),
            keywords=keywords.sealed(ordinals),
        )
        return cls(seq=seq, fingerprint=fingerprint, sealed=sealed)

    @property
    def dimension(self) -> int:
        return self.sealed.vectors.dimension

    @property
    def overlay(self) -> int:
        """How many rows are fresh or hidden: what a compaction would fold in."""
        return len(self._fresh) + len(self._hidden)

    def __len__(self) -> int:
        return len(self.sealed.ids) - len(self._hidden) + len(self._fresh)

    def __contains__(self, id_: int) -> bool:
        if id_ in self._fresh:
            return True
        ordinal = self.sealed.ordinal(id_)
        return ordinal is not None and ordinal not in self._hidden

    def ids(self) -> NDArray[np.int64]:
        """The live ids (n,), ascending."""
        live = self.sealed.ids if self._live is None else self.sealed.ids[self._live]
        return np.sort(np.concatenate((live, np.fromiter(self._fresh, dtype=np.int64, count=len(self._fresh)))))

    def digests(self) -> dict[int, int]:
        """A digest of the text of each live id, to compare the index with its source row by row."""
        live = slice(None) if self._live is None else self._live
        found = dict(zip(self.sealed.ids[live].tolist(), self.sealed.digests[live].tolist(), strict=True))
        return found | {id_: row.digest for id_, row in self._fresh.items()}

    def apply(self, *changes: Change) -> Index:
        """The index after steps of the log, oldest first. Costs O(changes + overlay), never O(index).

        A row that was hidden and comes back unchanged is un-hidden. Raises ``ChangeError`` for a step that is older
        than the index, hides what is not live, or adds what is; ``VectorError`` for a vector that does not fit.
        """
        seq, total = self.seq, self._total
        fresh, hidden = dict(self._fresh), set(self._hidden)
        for change in changes:
            if change.seq < seq:
                raise ChangeError(f"Step {change.seq} of the log is older than the index, which is at {seq}.")
            seq = change.seq
            for id_ in change.hidden:
                total -= self._hide(id_, seq, fresh, hidden)
            for row in change.added:
                if row.id in change.hidden:
                    raise ChangeError(f"Step {seq} of the log both adds and hides passage {row.id}.")
                total += self._add(row, seq, fresh, hidden)
        return Index(
            seq=seq,
            fingerprint=self.fingerprint,
            sealed=self.sealed,
            fresh=fresh,
            hidden=frozenset(hidden),
            total=total,
        )

    def _hide(self, id_: int, seq: int, fresh: dict[int, Fresh], hidden: set[int]) -> int:
        """Hides one id in the overlay that is being made; returns the length that goes."""
        if gone := fresh.pop(id_, None):
            return gone.terms.length
        ordinal = self.sealed.ordinal(id_)
        if ordinal is None or ordinal in hidden:
            raise ChangeError(f"Step {seq} of the log hides passage {id_}, which is not in the index.")
        hidden.add(ordinal)
        return int(self.sealed.keywords.lengths[ordinal])

    def _add(self, row: Row, seq: int, fresh: dict[int, Fresh], hidden: set[int]) -> int:
        """Adds one row to the overlay that is being made; returns the length that comes."""
        ordinal = self.sealed.ordinal(row.id)
        if row.id in fresh or (ordinal is not None and ordinal not in hidden):
            raise ChangeError(f"Step {seq} of the log adds passage {row.id}, which is in the index already.")
        vector = _checked(row, self.dimension)
        if ordinal is not None and self._is_sealed(ordinal, vector, digest(row.text)):
            hidden.discard(ordinal)
            return int(self.sealed.keywords.lengths[ordinal])
        fresh[row.id] = Fresh(vector, digest(row.text), Terms.of(tokens(row.text)))
        return fresh[row.id].terms.length

    def compacted(self) -> Index:
        """The same live rows in one sealed part, equal to the last array element to one built from them."""
        if not self.overlay:
            return self
        old = self.sealed
        kept = np.ones(len(old.ids), dtype=np.bool_) if self._live is None else self._live
        fresh_ids = np.array(sorted(self._fresh), dtype=np.int64)
        ids = np.concatenate((old.ids[kept], fresh_ids))
        order = np.argsort(ids, kind="stable")
        place = np.empty(len(ids), dtype=np.int32)  # where each of the kept and the fresh rows goes
        place[order] = np.arange(len(ids), dtype=np.int32)
        new_ordinal = np.full(len(old.ids), -1, dtype=np.int32)
        new_ordinal[kept] = place[: len(ids) - len(fresh_ids)]
        fresh_places = place[len(ids) - len(fresh_ids) :].tolist()
        fresh = [self._fresh[id_] for id_ in fresh_ids.tolist()]
        matrix = np.empty((len(ids), self.dimension), dtype=np.float32)
        matrix[new_ordinal[kept]] = old.vectors.matrix[kept]
        digests = np.empty(len(ids), dtype=np.uint64)
        digests[new_ordinal[kept]] = old.digests[kept]
        for position, row in zip(fresh_places, fresh, strict=True):
            matrix[position] = row.vector
            digests[position] = row.digest
        terms = {position: row.terms for position, row in zip(fresh_places, fresh, strict=True)}
        sealed = Sealed(
            ids=ids[order],
            digests=digests,
            vectors=SealedVectors(matrix, self.dimension),
            keywords=old.keywords.merged(new_ordinal, terms, len(ids)),
        )
        return Index(seq=self.seq, fingerprint=self.fingerprint, sealed=sealed, total=self._total)

    def dense(
        self, vector: NDArray[np.float32], k: int, *, allowed: frozenset[int] | None = None
    ) -> list[tuple[int, float]]:
        """The k live passages nearest to a unit vector (dimension,): (id, cosine), best first, ties by id.

        ``allowed`` leaves only these ids to be found; None means all.
        """
        if vector.shape != (self.dimension,):
            raise VectorError(f"The question's vector has shape {vector.shape}, the index holds {self.dimension}.")
        included = self._live if allowed is None else self._allowed(allowed)
        ordinals = self.sealed.vectors.search(vector, k, included)
        scores = exact_scores(self.sealed.vectors.matrix[ordinals], vector)
        found = list(zip(self.sealed.ids[ordinals].tolist(), scores, strict=True))
        fresh_ids, matrix = self._fresh_matrix
        if allowed is not None:
            chosen = np.array([id_ in allowed for id_ in fresh_ids], dtype=np.bool_)
            fresh_ids, matrix = [id_ for id_ in fresh_ids if id_ in allowed], matrix[chosen]
        if fresh_ids and k > 0:
            near = could_be_best(matrix @ vector, k)
            scores = exact_scores(matrix[near], vector)
            found.extend((fresh_ids[place], score) for place, score in zip(near.tolist(), scores, strict=True))
        return sorted(found, key=lambda item: (-item[1], item[0]))[: max(k, 0)]

    def keyword(
        self, query: Sequence[str], k: int, *, allowed: frozenset[int] | None = None
    ) -> list[tuple[int, float]]:
        """The k live passages that match the query's tokens best: (id, BM25), best first, ties by id.

        A passage without any of the tokens is not found. ``allowed`` as in ``dense``; it leaves the statistics alone.
        """
        fresh_ids = list(self._fresh)
        fresh = [self._fresh[id_].terms for id_ in fresh_ids]
        places, scores = bm25(query, self.sealed.keywords, self._live, fresh, self._total)
        ids = self._ids_by_place[places]
        if allowed is not None:
            chosen = np.isin(ids, np.fromiter(allowed, dtype=np.int64, count=len(allowed)))
            ids, scores = ids[chosen], scores[chosen]
        if k < 1 or not len(ids):
            return []
        scores = np.round(scores, DECIMALS)
        if len(scores) > k:
            best = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
            ids, scores = ids[best], scores[best]
        order = np.lexsort((ids, -scores))[:k]
        return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))

    def rarity(self, words: Iterable[str]) -> dict[str, float]:
        """How much each word tells: 1 for one that no live passage holds, towards 0 for one that all hold (idf)."""
        fresh = [row.terms for row in self._fresh.values()]
        frequencies = document_frequencies(words, self.sealed.keywords, self._live, fresh)
        highest = math.log(1 + (len(self) + 0.5) / 0.5)
        return {
            word: math.log(1 + (len(self) - count + 0.5) / (count + 0.5)) / highest
            for word, count in frequencies.items()
        }

    @cached_property
    def _live(self) -> NDArray[np.bool_] | None:
        """A mask of the sealed rows that are not hidden; None if none is. Made by the first search, not by apply."""
        if not self._hidden:
            return None
        live = np.ones(len(self.sealed.ids), dtype=np.bool_)
        live[list(self._hidden)] = False
        return live

    @cached_property
    def _fresh_matrix(self) -> tuple[list[int], NDArray[np.float32]]:
        rows = [row.vector for row in self._fresh.values()]
        matrix = np.stack(rows) if rows else np.empty((0, self.dimension), dtype=np.float32)
        return list(self._fresh), matrix

    @cached_property
    def _ids_by_place(self) -> NDArray[np.int64]:
        """Ids of the sealed ordinals, then of the fresh rows."""
        fresh = np.fromiter(self._fresh, dtype=np.int64, count=len(self._fresh))
        return np.concatenate((self.sealed.ids, fresh)) if len(fresh) else self.sealed.ids

    def _allowed(self, allowed: frozenset[int]) -> NDArray[np.bool_]:
        wanted = np.fromiter(allowed, dtype=np.int64, count=len(allowed))
        mask = np.zeros(len(self.sealed.ids), dtype=np.bool_)
        if len(mask):
            places = np.minimum(np.searchsorted(self.sealed.ids, wanted), len(mask) - 1)
            mask[places[self.sealed.ids[places] == wanted]] = True
        return mask if self._live is None else mask & self._live

    def _is_sealed(self, ordinal: int, vector: NDArray[np.float32], digest: int) -> bool:
        same_text = int(self.sealed.digests[ordinal]) == digest
        return same_text and np.array_equal(self.sealed.vectors.matrix[ordinal], vector)


def digest(text: str) -> int:
    """64 bits that stand for a text."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _checked(row: Row, dimension: int) -> NDArray[np.float32]:
    vector = np.asarray(row.vector, dtype=np.float32)
    if vector.shape != (dimension,) or not abs(float(vector @ vector) - 1) < _UNIT:
        raise VectorError(
            f"Passage {row.id} has a vector of shape {vector.shape} and length {float(np.linalg.norm(vector)):.4f}; "
            f"the index holds vectors of shape ({dimension},) and length 1. Run: errata reindex"
        )
    return vector
