"""Sealed vectors and the exact nearest neighbours among them. The only file that uses faiss.

Knows nothing about ids, texts or changes: a row is identified by its ordinal, its place in the matrix. A sealed
part never changes; a mask for each search names the rows that may be found.

Decision: faiss proposes, one formula decides. faiss adds float32 products in an order that depends on its version
and the machine's instructions. So faiss returns every row that could be among the best k, with a margin for its
rounding. These few are scored again with products in float64 (exact for float32 factors) and a correctly rounded sum.
A score then depends only on the two vectors, and the caller orders equal scores. It costs about 10 microseconds a
row.

Only flat indexes are built now. Another index type would be another class with ``search`` and ``rows``. An approximate
one cannot promise to propose all of the best k, and its docstring must state that.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from retrieval.errors import VectorError

if TYPE_CHECKING:
    from numpy.typing import NDArray

DECIMALS = 6
# The largest error of two float32 scores of unit vectors together. In any order of summation each error stays below
# n * 2**-24 times the sum of |products|, which is at most 1: 6e-5 for n = 1024, and about 1e-7 in practice.
_SLACK = 2e-4


def exact_scores(rows: NDArray[np.float32], query: NDArray[np.float32]) -> list[float]:
    """Inner products of rows (n, d) with a query (d,), correctly rounded, to six decimals."""
    products = rows.astype(np.float64) * query.astype(np.float64)
    return [round(math.fsum(row), DECIMALS) + 0.0 for row in products.tolist()]


def could_be_best(scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Positions of every approximate score that could belong to the best k after exact scoring."""
    if len(scores) <= k:
        return np.arange(len(scores))
    floor = np.partition(scores, len(scores) - k)[len(scores) - k] - _SLACK
    return np.flatnonzero(scores >= floor)


class SealedVectors:
    """An immutable matrix of unit vectors (n, d), searched by a flat faiss index that has the only copy of it."""

    def __init__(self, matrix: NDArray[np.float32], dimension: int) -> None:
        import faiss

        if matrix.ndim != 2 or matrix.shape[1] != dimension:
            raise VectorError(
                "vectors of shape {shape} in an index of dimension {dimension}",
                code="vectors_wrong",
                shape=matrix.shape,
                dimension=dimension,
            )
        self.dimension = dimension
        self._index = faiss.IndexFlatIP(dimension)
        step = max(1, (16 << 20) // (4 * dimension))
        for start in range(0, len(matrix), step):  # in steps: a memory-mapped matrix is never in memory twice
            self._index.add(np.ascontiguousarray(matrix[start : start + step], dtype=np.float32))
        count = int(self._index.ntotal)
        if count:
            flat = faiss.rev_swig_ptr(self._index.get_xb(), count * dimension)
            self.matrix: NDArray[np.float32] = flat.reshape(count, dimension)
            self.matrix.flags.writeable = False
        else:
            self.matrix = np.empty((0, dimension), dtype=np.float32)

    def __len__(self) -> int:
        return len(self.matrix)

    def search(self, query: NDArray[np.float32], k: int, included: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Ordinals of every row that could be among the best k of the included rows (a mask (n,); None means all)."""
        import faiss

        available = len(self) if included is None else int(np.count_nonzero(included))
        if not available or k < 1:
            return np.empty(0, dtype=np.int64)
        # Always with a selector: without one, faiss 1.15 splits the scan for each question over OpenMP threads that
        # wait for each other. Measured on two busy cores at 100,000 x 384: 44 ms without, 7 ms with.
        bits = np.packbits(included, bitorder="little") if available < len(self) and included is not None else None
        members = faiss.IDSelectorAll() if bits is None else faiss.IDSelectorBitmap(len(self), faiss.swig_ptr(bits))
        selector = faiss.SearchParameters()
        selector.sel = members
        proposals = k + 16
        while True:
            proposals = min(proposals, available)
            scores, ordinals = self._index.search(query.reshape(1, -1), proposals, params=selector)
            chosen = could_be_best(scores[0], k)
            if len(chosen) < proposals or proposals == available:
                return np.asarray(ordinals[0][chosen], dtype=np.int64)
            proposals *= 4  # many rows as good as the k-th, such as copies of one text
