"""The passages that are nearest to a question in meaning, and which rows of the index take part in its search.

Knows views, vectors and collections; knows nothing about words, fusion or where passages come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from retrieval.restriction import Restriction
    from retrieval.scope import Scope
    from retrieval.view import Part, PassageIndex, PassageView


@dataclass(frozen=True, slots=True)
class _Except:
    """The collections of a scope without some."""

    scope: Scope
    names: frozenset[str]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self.scope and name not in self.names


@dataclass(frozen=True, slots=True)
class Background:
    """Collections that take part in a search only where one of their passages is nearer to the question, by ``lead``,
    than every passage of the other collections, or where there is no other passage."""

    names: frozenset[str]
    lead: float


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """``view``: the rows that take part in a search; ``part``: those of them that may be found (None: all); ``dense``:
    the nearest of these, (id, cosine), best first."""

    view: PassageView
    part: Part | None
    dense: list[tuple[int, float]]


def nearest(
    index: PassageIndex,
    scope: Scope,
    vector: NDArray[np.float32],
    depth: int,
    restriction: Restriction,
    background: Background,
) -> Nearest:
    """The ``depth`` passages inside the scope that are nearest to a unit vector (dimension,)."""
    whole = index.within(scope)
    behind = index.within(frozenset(name for name in background.names if name in scope))
    if len(behind):
        others = index.within(_Except(scope, background.names))
        part = restriction.part(others)
        dense = others.dense(vector, depth, part)
        best = behind.dense(vector, 1, restriction.part(behind))
        if dense and (not best or best[0][1] < dense[0][1] + background.lead):
            return Nearest(others, part, dense)
    part = restriction.part(whole)
    return Nearest(whole, part, whole.dense(vector, depth, part))
