"""Stored vectors: float32, little endian, of length 1. A damaged one is recognised when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT = 1e-3  # how far the square of a length may be from 1: far more than float32 rounding; NaN is never within it


def read(blob: bytes, dimension: int) -> NDArray[np.float32] | None:
    """The vector, or None where the bytes are no unit vector of this dimension."""
    if len(blob) != 4 * dimension:
        return None
    vector = np.frombuffer(blob, dtype="<f4")
    with np.errstate(all="ignore"):
        square = float(vector @ vector)
    return vector if abs(square - 1) < UNIT else None
