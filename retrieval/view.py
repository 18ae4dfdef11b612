"""The part of an index that somebody may search: its rows inside a scope, with statistics of only these rows.

Uses rows, vectors, tokens and labels (collection and language); knows nothing about documents or how results are
fused. A view never changes; ``Index.within`` makes it.

A *scope* decides which rows exist for the search: document frequencies, lengths and ranks are those of the rows inside.
A *part* (a language, some ids) only restricts which rows may be found, and does not change the statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from retrieval.errors import VectorError
from retrieval.keywords import bm25, document_frequencies
from retrieval.vectors import DECIMALS, could_be_best, exact_scores

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from retrieval.keywords import SealedKeywords, Terms
    from retrieval.vectors import SealedVectors

    Label = tuple[str, str]  # (collection, language)


@dataclass(frozen=True, slots=True, eq=False)
class Sealed:
    """n rows in the order of their ids; a row's place is its ordinal. ``digests`` (n,) are hashes of the rows' texts
    and labels. The label of a row is ``labels[codes[ordinal]]``; ``labels`` are the labels in use, in code point
    order."""

    ids: NDArray[np.int64]
    digests: NDArray[np.uint64]
    labels: tuple[Label, ...]
    codes: NDArray[np.int32]
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
    label: Label
    terms: Terms


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The rows of a view that may be found: a mask of the sealed rows (n,) and the ids of fresh rows."""

    sealed: NDArray[np.bool_]
    fresh: frozenset[int]


class PassageView(Protocol):
    """What a search needs from the rows inside a scope; see ``View``."""

    def __len__(self) -> int: ...

    def part(self, *, language: str | None = None, allowed: frozenset[int] | None = None) -> Part | None: ...

    def dense(self, vector: NDArray[np.float32], k: int, part: Part | None = None) -> list[tuple[int, float]]: ...

    def keyword(self, query: Sequence[str], k: int, part: Part | None = None) -> list[tuple[int, float]]: ...

    def rarity(self, words: Iterable[str]) -> dict[str, float]: ...


class PassageIndex(Protocol):
    """What a search needs from an index: its sequence number, and the rows inside a scope. ``retrieval.index.Index``
    implements it; an index of another kind, or in another process, could do so too."""

    @property
    def seq(self) -> int: ...

    def within(self, scope: Container[str]) -> PassageView: ...


class View:
    """The rows inside a scope. ``live``: a mask of the sealed rows (None: all); ``total``: the sum of all lengths."""

    def __init__(self, sealed: Sealed, live: NDArray[np.bool_] | None, fresh: Mapping[int, Fresh], total: int) -> None:
        self._sealed = sealed
        self._live = live
        self._fresh = fresh
        self._total = total

    @cached_property
    def _size(self) -> int:
        sealed = len(self._sealed.ids) if self._live is None else int(np.count_nonzero(self._live))
        return sealed + len(self._fresh)

    def __len__(self) -> int:
        return self._size

    def part(self, *, language: str | None = None, allowed: frozenset[int] | None = None) -> Part | None:
        """The rows in a language and with one of these ids; None, which means all rows, when neither is restricted."""
        if language is None and allowed is None:
            return None
        mask = np.ones(len(self._sealed.ids), dtype=np.bool_) if self._live is None else self._live.copy()
        fresh = set(self._fresh)
        if language is not None:
            same = np.array([label[1] == language for label in self._sealed.labels], dtype=np.bool_)
            mask &= same[self._sealed.codes]
            fresh = {id_ for id_ in fresh if self._fresh[id_].label[1] == language}
        if allowed is not None:
            mask &= self._mask_of(allowed)
            fresh &= allowed
        return Part(mask, frozenset(fresh))

    def dense(self, vector: NDArray[np.float32], k: int, part: Part | None = None) -> list[tuple[int, float]]:
        """The k passages nearest to a unit vector (dimension,): (id, cosine), best first, ties by id."""
        dimension = self._sealed.vectors.dimension
        if vector.shape != (dimension,):
            raise VectorError(
                "The question's vector has shape {shape}, those of the index have length {dimension}.",
                code="question_vector_wrong",
                shape=vector.shape,
                dimension=dimension,
            )
        ordinals = self._sealed.vectors.search(vector, k, self._live if part is None else part.sealed)
        scores = exact_scores(self._sealed.vectors.matrix[ordinals], vector)
        scored = list(zip(self._sealed.ids[ordinals].tolist(), scores, strict=True))
        fresh_ids, matrix = self._fresh_matrix
        if part is not None:
            chosen = np.array([id_ in part.fresh for id_ in fresh_ids], dtype=np.bool_)
            fresh_ids, matrix = [id_ for id_ in fresh_ids if id_ in part.fresh], matrix[chosen]
        if fresh_ids and k > 0:
            near = could_be_best(matrix @ vector, k)
            scores = exact_scores(matrix[near], vector)
            scored.extend((fresh_ids[place], score) for place, score in zip(near.tolist(), scores, strict=True))
        return sorted(scored, key=lambda item: (-item[1], item[0]))[: max(k, 0)]

    def keyword(self, query: Sequence[str], k: int, part: Part | None = None) -> list[tuple[int, float]]:
        """The k passages that match the query's tokens best: (id, BM25), best first, ties by id.

        A passage without any of the tokens is never in the result.
        """
        fresh = [row.terms for row in self._fresh.values()]
        places, scores = bm25(query, self._sealed.keywords, self._live, fresh, self._total)
        if part is not None:
            fresh_part = np.fromiter((id_ in part.fresh for id_ in self._fresh), dtype=np.bool_, count=len(fresh))
            chosen = np.concatenate((part.sealed, fresh_part))[places]
            places, scores = places[chosen], scores[chosen]
        ids = self._ids_by_place[places]
        if k < 1 or not len(ids):
            return []
        scores = np.round(scores, DECIMALS)
        if len(scores) > k:
            best = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
            ids, scores = ids[best], scores[best]
        order = np.lexsort((ids, -scores))[:k]
        return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))

    def rarity(self, words: Iterable[str]) -> dict[str, float]:
        """How rare each word is: 1 for a word in no passage, nearly 0 for a word in all passages (idf)."""
        fresh = [row.terms for row in self._fresh.values()]
        frequencies = document_frequencies(words, self._sealed.keywords, self._live, fresh)
        highest = math.log(1 + (len(self) + 0.5) / 0.5)
        return {
            word: math.log(1 + (len(self) - count + 0.5) / (count + 0.5)) / highest
            for word, count in frequencies.items()
        }

    @cached_property
    def _fresh_matrix(self) -> tuple[list[int], NDArray[np.float32]]:
        rows = [row.vector for row in self._fresh.values()]
        matrix = np.stack(rows) if rows else np.empty((0, self._sealed.vectors.dimension), dtype=np.float32)
        return list(self._fresh), matrix

    @cached_property
    def _ids_by_place(self) -> NDArray[np.int64]:
        """Ids of the sealed ordinals, then of the fresh rows."""
        fresh = np.fromiter(self._fresh, dtype=np.int64, count=len(self._fresh))
        return np.concatenate((self._sealed.ids, fresh)) if len(fresh) else self._sealed.ids

    def _mask_of(self, ids: frozenset[int]) -> NDArray[np.bool_]:
        """A mask of the sealed rows with these ids."""
        sealed_ids = self._sealed.ids
        chosen_ids = np.fromiter(ids, dtype=np.int64, count=len(ids))
        mask = np.zeros(len(sealed_ids), dtype=np.bool_)
        if len(mask):
            places = np.minimum(np.searchsorted(sealed_ids, chosen_ids), len(mask) - 1)
            mask[places[sealed_ids[places] == chosen_ids]] = True
        return mask


def coded(labels: Sequence[Label]) -> tuple[tuple[Label, ...], NDArray[np.int32]]:
    """The labels in use, in code point order, and the place of each row's label among them (n,)."""
    names = tuple(sorted(set(labels)))
    code = {name: number for number, name in enumerate(names)}
    return names, np.fromiter((code[label] for label in labels), dtype=np.int32, count=len(labels))
