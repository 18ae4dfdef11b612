"""Sealed vectors and exact nearest neighbours among them. The only file that knows faiss.

Knows nothing about ids, texts or changes: a row is known by its ordinal, its place in the matrix. A sealed part
never changes; what is not to be found is named in a mask for each search.

Decision: faiss proposes, one formula decides. faiss adds float32 products in an order that depends on its version
and the machine's instructions. So it is asked for every row that could be among the best k, with room for its
rounding, and those few are scored again with products in float64 (exact for float32 factors) and a correctly
rounded sum. A score then depends on the two vectors alone, and equal scores are ordered by the caller. It costs about
10 microseconds a row.

Only flat indexes are built now. Another index type is another class with ``search`` and ``rows``; an approximate one
cannot promise to propose all of the best k, and would say so.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from retrieval.errors import VectorError

if TYPE_CHECKING:
    from numpy.typing import NDArray

DECIMALS = 6
# How far two float32 scores of unit vectors may be off, together: in any order of summation each error stays under
# n * 2**-24 times the sum of |products|, which is at most 1: 6e-5 for n = 1024, and about 1e-7 in practice.
_SLACK = 2e-4


def exact_scores(rows: NDArray[np.float32], query: NDArray[np.float32]) -> list[float]:
    """Inner products of rows (n, d) with a query (d,), correctly rounded, to six decimals."""
    products = rows.astype(np.float64) * query.astype(np.float64)
    return [round(math.fsum(row), DECIMALS) + 0.0 for row in products.tolist()]


def could_be_best(scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Positions of every approximate score that could belong to the best k once scored exactly."""
    if len(scores) <= k:
        return np.arange(len(scores))
    floor = np.partition(scores, len(scores) - k)[len(scores) - k] - _SLACK
    return np.flatnonzero(scores >= floor)


class SealedVectors:
    """An immutable matrix of unit vectors (n, d), searched by a flat faiss index that holds the only copy of it."""

    def __init__(self, matrix: NDArray[np.float32], dimension: int) -> None:
        import faiss

        if matrix.ndim != 2 or matrix.shape[1] != dimension:
            raise VectorError(f"vectors of shape {matrix.shape} in an index of dimension {dimension}")
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
        """Ordinals of every row that could be among the best k of those included (a mask (n,); None means all)."""
        import faiss

        available = len(self) if included is None else int(np.count_nonzero(included))
        if not available or k < 1:
            return np.empty(0, dtype=np.int64)
        # Always with a selector: without one, faiss 1.15 splits the scan for one question over OpenMP threads that wait
        # for each other. Measured on two busy cores at 100,000 x 384: 44 ms without, 7 ms with.
        bits = np.packbits(included, bitorder="little") if available < len(self) and included is not None else None
        members = faiss.IDSelectorAll() if bits is None else faiss.IDSelectorBitmap(len(self), faiss.swig_ptr(bits))
        selector = faiss.SearchParameters()
        selector.sel = members
        wanted = k + 16
        while True:
            wanted = min(wanted, available)
            scores, ordinals = self._index.search(query.reshape(1, -1), wanted, params=selector)
            chosen = could_be_best(scores[0], k)
            if len(chosen) < wanted or wanted == available:
                return np.asarray(ordinals[0][chosen], dtype=np.int64)
            wanted *= 4  # many rows as good as the k-th, such as copies of one text
