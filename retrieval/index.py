"""The index: a persistent value of the live passages at one sequence number, searched through its views.

Knows ids, vectors, tokens and labels (collection and language); knows nothing about documents, where rows come from,
or how results are fused.

``apply`` gives a new index and leaves the old one unchanged, so that readers need a reference and no lock. A candidate
for a proof is the result of ``index.apply(change)``, which nobody else sees.

An index has a sealed part, which never changes, and an overlay: the hidden sealed rows, and the fresh rows.
``apply`` costs O(change + overlay), ``compacted`` folds the overlay into a new sealed part. ``within`` gives the view
for a scope (retrieval.view), made once for each index and set of collections.

Invariant: search results, their order and their scores depend only on the live rows inside the scope. They depend
neither on the history of these rows nor on rows outside. An index after changes, a rollback, a compaction or a restart
equals one that was built from its live rows.
"""

from __future__ import annotations

import math
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from retrieval.errors import ChangeError, VectorError
from retrieval.keywords import KeywordsBuilder, Terms
from retrieval.text import tokens
from retrieval.vectors import SealedVectors
from retrieval.view import Fresh, Sealed, View, coded

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from numpy.typing import NDArray

    from retrieval.passage import Change, Row
    from retrieval.view import Label

_VIEWS = 64  # how many views of an index are kept; each has a mask of the rows
_UNIT = 1e-3  # how far the square of a vector's length may be from 1: far more than float32 rounding; NaN never passes


class Index:
    """Live rows at ``seq``. ``fingerprint`` identifies the embedding model that made the vectors."""

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
        """For ``build``, ``apply`` and snapshots. ``hidden`` are ordinals; ``total`` is the sum of the live rows'
        lengths."""
        self.seq = seq
        self.fingerprint = fingerprint
        self.sealed = sealed
        self._fresh: Mapping[int, Fresh] = fresh or {}
        self._hidden = hidden
        self._total = int(sealed.keywords.lengths.sum(dtype=np.int64)) if total is None else total
        self._views: dict[frozenset[str], View] = {}  # by the collections that are inside

    @classmethod
    def build(cls, rows: Iterable[Row], *, seq: int, fingerprint: str, dimension: int) -> Index:
        """Builds an index from rows in any order.

        Raises ``ChangeError`` for an id that occurs twice, ``VectorError`` for a vector that does not fit.
        """
        ids: list[int] = []
        digests: list[int] = []
        labels: list[Label] = []
        vectors: list[NDArray[np.float32]] = []
        keywords = KeywordsBuilder()
        for row in rows:
            ids.append(row.id)
            digests.append(digest(row))
            labels.append((row.collection, row.language))
            vectors.append(_checked(row, dimension))
            keywords.add(Terms.of(tokens(row.text)))
        order = np.argsort(np.array(ids, dtype=np.int64), kind="stable")
        sorted_ids = np.array(ids, dtype=np.int64)[order]
        if len(sorted_ids) > 1 and not np.all(np.diff(sorted_ids)):
            raise ChangeError(
                "The log lists a passage twice among its live rows. Run: errata doctor", code="log_lists_twice"
            )
        ordinals = np.empty(len(ids), dtype=np.int32)
        ordinals[order] = np.arange(len(ids), dtype=np.int32)
        matrix = np.empty((len(ids), dimension), dtype=np.float32)
        for ordinal, vector in zip(ordinals.tolist(), vectors, strict=True):
            matrix[ordinal] = vector
        names, codes = coded(labels)
        sealed = Sealed(
            ids=sorted_ids,
            digests=np.array(digests, dtype=np.uint64)[order],
            labels=names,
            codes=codes[order],
            vectors=SealedVectors(matrix, dimension),
            keywords=keywords.sealed(ordinals),
        )
        return cls(seq=seq, fingerprint=fingerprint, sealed=sealed)

    @property
    def dimension(self) -> int:
        return self.sealed.vectors.dimension

    @property
    def overlay(self) -> int:
        """How many rows are fresh or hidden, and would be folded in by a compaction."""
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
        """The digest of each live row by id, to compare the index with its source row by row."""
        live = slice(None) if self._live is None else self._live
        digests = dict(zip(self.sealed.ids[live].tolist(), self.sealed.digests[live].tolist(), strict=True))
        return digests | {id_: row.digest for id_, row in self._fresh.items()}

    def apply(self, *changes: Change) -> Index:
        """The index after these steps of the log, oldest first. Costs O(changes + overlay), never O(index).

        A hidden row that comes back unchanged is no longer hidden. Raises ``ChangeError`` for a step that is older than
        the index, hides a row that is not live, or adds one that is live; ``VectorError`` for a vector that does not
        fit.
        """
        seq, total = self.seq, self._total
        fresh, hidden = dict(self._fresh), set(self._hidden)
        for change in changes:
            if change.seq < seq:
                raise ChangeError(
                    "Step {step} of the log is older than the index, which is at {index}.",
                    code="log_step_old",
                    step=change.seq,
                    index=seq,
                )
            seq = change.seq
            for id_ in change.hidden:
                total -= self._hide(id_, seq, fresh, hidden)
            for row in change.added:
                if row.id in change.hidden:
                    raise ChangeError(
                        "Step {seq} of the log both adds and hides passage {passage_id}.",
                        code="log_step_both",
                        seq=seq,
                        passage_id=row.id,
                    )
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
        """Hides a row in the overlay that is being made; returns its length in tokens."""
        if row := fresh.pop(id_, None):
            return row.terms.length
        ordinal = self.sealed.ordinal(id_)
        if ordinal is None or ordinal in hidden:
            raise ChangeError(
                "Step {seq} of the log hides passage {passage_id}, which is not in the index.",
                code="log_hides_missing",
                seq=seq,
                passage_id=id_,
            )
        hidden.add(ordinal)
        return int(self.sealed.keywords.lengths[ordinal])

    def _add(self, row: Row, seq: int, fresh: dict[int, Fresh], hidden: set[int]) -> int:
        """Adds a row to the overlay that is being made; returns its length in tokens."""
        ordinal = self.sealed.ordinal(row.id)
        if row.id in fresh or (ordinal is not None and ordinal not in hidden):
            raise ChangeError(
                "Step {seq} of the log adds passage {passage_id}, which is in the index already.",
                code="log_adds_again",
                seq=seq,
                passage_id=row.id,
            )
        vector = _checked(row, self.dimension)
        if ordinal is not None and self._is_sealed(ordinal, vector, digest(row)):
            hidden.discard(ordinal)
            return int(self.sealed.keywords.lengths[ordinal])
        label = (row.collection, row.language)
        fresh[row.id] = Fresh(vector, digest(row), label, Terms.of(tokens(row.text)))
        return fresh[row.id].terms.length

    def compacted(self) -> Index:
        """The same live rows in one sealed part, equal in every array element to an index that was built from them."""
        if not self.overlay:
            return self
        old = self.sealed
        kept = np.ones(len(old.ids), dtype=np.bool_) if self._live is None else self._live
        fresh_ids = np.array(sorted(self._fresh), dtype=np.int64)
        ids = np.concatenate((old.ids[kept], fresh_ids))
        order = np.argsort(ids, kind="stable")
        place = np.empty(len(ids), dtype=np.int32)  # the new ordinal of each kept and fresh row
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
        kept_labels = [old.labels[code] for code in old.codes[kept].tolist()]
        names, codes = coded([*kept_labels, *(row.label for row in fresh)])
        sealed = Sealed(
            ids=ids[order],
            digests=digests,
            labels=names,
            codes=codes[order],
            vectors=SealedVectors(matrix, self.dimension),
            keywords=old.keywords.merged(new_ordinal, terms, len(ids)),
        )
        return Index(seq=self.seq, fingerprint=self.fingerprint, sealed=sealed, total=self._total)

    def within(self, scope: Container[str]) -> View:
        """The rows of the index in these collections, as if no others existed. Costs nothing if all rows are inside."""
        inside = frozenset(name for name in self._collections if name in scope)
        view = self._views.get(inside)
        if view is None:
            view = self._view(None if len(inside) == len(self._collections) else inside)
            if len(self._views) >= _VIEWS:
                self._views.clear()
            self._views[inside] = view
        return view

    def _view(self, inside: frozenset[str] | None) -> View:
        """The view of these collections; None: of all collections."""
        sealed = self.sealed
        if inside is None:
            return View(sealed, self._live, self._fresh, self._total)
        chosen = np.array([collection in inside for collection, _ in sealed.labels], dtype=np.bool_)[sealed.codes]
        live = chosen if self._live is None else chosen & self._live
        fresh = {id_: row for id_, row in self._fresh.items() if row.label[0] in inside}
        total = int(sealed.keywords.lengths[live].sum(dtype=np.int64)) + sum(row.terms.length for row in fresh.values())
        return View(sealed, live, fresh, total)

    @cached_property
    def _collections(self) -> frozenset[str]:
        """The collections of all sealed rows (hidden ones too) and of the fresh rows."""
        sealed = frozenset(collection for collection, _ in self.sealed.labels)
        return sealed | {row.label[0] for row in self._fresh.values()}

    @cached_property
    def _live(self) -> NDArray[np.bool_] | None:
        """A mask of the sealed rows that are not hidden; None if none is hidden. The first search makes it, not
        ``apply``."""
        if not self._hidden:
            return None
        live = np.ones(len(self.sealed.ids), dtype=np.bool_)
        live[list(self._hidden)] = False
        return live

    def _is_sealed(self, ordinal: int, vector: NDArray[np.float32], digest: int) -> bool:
        same_row = int(self.sealed.digests[ordinal]) == digest
        return same_row and np.array_equal(self.sealed.vectors.matrix[ordinal], vector)


def digest(row: Row) -> int:
    """A 64-bit hash of a row's text, collection and language."""
    content = "\0".join((row.collection, row.language, row.text))
    return int.from_bytes(blake2b(content.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _checked(row: Row, dimension: int) -> NDArray[np.float32]:
    vector = np.asarray(row.vector, dtype=np.float32)
    with np.errstate(all="ignore"):  # the numbers of a damaged vector may be too large, or none
        square = float(np.vdot(vector, vector))
    if vector.shape != (dimension,) or not abs(square - 1) < _UNIT:
        raise VectorError(
            "Passage {passage_id} has a vector of shape {shape} and length {length:.4f}; the index has "
            "vectors of shape ({dimension},) and length 1. Run: errata reindex",
            code="passage_vector_wrong",
            passage_id=row.id,
            shape=vector.shape,
            length=math.sqrt(square),
            dimension=dimension,
        )
    return vector
