"""How two rankings become one, and where errata come in it: the numbers that belong to one embedding model, as a value.

Knows hits and fusion; knows nothing about indexes, embedders or where passages come from.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.fuse import RANK_CONSTANT, fuse
from retrieval.passage import Hit
from retrieval.text import normalise

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Ranking:
    """``depth``: how many passages each ranking contributes; ``dense_weight`` and ``keyword_weight``: how much each
    counts; ``rank_constant``: see fuse; ``erratum_weight``, ``erratum_like`` and ``erratum_margin`` (across languages):
    see bonus; ``exact_most``: the most passages that may have a code for it to be rare; ``background_lead``: how much
    nearer than all others a passage of a background collection must be for that collection to take part in a search.

    The defaults were tuned with multilingual-e5-small on two FAQ collections (120 and 84 questions) and on questions
    about encyclopedia paragraphs in English and Chinese (92 and 108). nDCG@10 of dense alone: .736, .957, .972, .959;
    with equal weights and the usual rank constant of 60: .705, .938, .988, .968; with these: .746, .954, .995, .960.

    The bonus was chosen on two FAQ collections and English paragraphs, with the stale passages left in. Before, an
    erratum came first if its cosine was within .015 of the best one. Now it does so for 2 % instead of 5 % of the near
    misses in English and 2 % (2 %) in Chinese, and for 83 % (85 %) and 96 % (96 %) of the paraphrases. On data that did
    not choose it (CounterFact, MzsRE, XQuAD): for 8 % (10 %) and 7 % (11 %) of the near misses and 100 % (96 %) and
    100 % (100 %) of the paraphrases. Across languages the likeness means little: with it, 55 % instead of 79 % of
    Chinese questions about English errata found them, so the margin stays there.

    The lead was measured with the handbook as background, 116 questions about it, and two FAQ collections and XQuAD as
    the other documents. At .01 it takes part for 91 % of the questions about it in both languages, with all others
    present; for 0 and 1 % (English, Chinese) of questions that the others answer, and for 0 and 5 % of the same
    questions without their answer. At 0: 95 and 97 %; 0 and 2 %; 0 and 15 %. At .02: 88 and 81 %; 0 and 0 %; 0 and 2 %.
    """

    depth: int = 50
    dense_weight: float = 1.0
    keyword_weight: float = 0.5
    rank_constant: int = RANK_CONSTANT
    erratum_weight: float = 0.5
    erratum_like: float = 0.89
    erratum_margin: float = 0.015
    exact_most: int = 3
    background_lead: float = 0.01

    def bonus(self, likeness: float | None) -> float:
        """How much the cosine of an erratum rises, or falls, for a question. ``likeness``: the cosine of the question
        and the question that the erratum corrects; None: they are in different languages, so that it means little."""
        return self.erratum_margin if likeness is None else self.erratum_weight * (likeness - self.erratum_like)

    @property
    def most_for_errata(self) -> float:
        """The largest bonus: for the very question that an erratum corrects."""
        return max(self.bonus(None), self.bonus(1.0))

    def fused(
        self, dense: Sequence[tuple[int, float]], keyword: Sequence[tuple[int, float]]
    ) -> list[tuple[int, float]]:
        """Both rankings, each (id, score) best first, as one: (id, fused score) best first."""
        rankings = ((self.dense_weight, dense), (self.keyword_weight, keyword))
        return fuse(
            [(weight, [id_ for id_, _ in ranking]) for weight, ranking in rankings], constant=self.rank_constant
        )


RANKING = Ranking()


def errata_first(hits: Sequence[Hit], bonus: Mapping[int, float], best: float = -1.0) -> list[Hit]:
    """Moves each erratum that is about the question before the other passages.

    The rule: an erratum whose cosine and bonus (``Ranking.bonus``, by its id) together are at least the best cosine of
    the other passages (``best``, or that of a hit) comes before every hit that is not moved; the order inside both
    groups is kept. Its score rises
    by 2, above any other hit's, so that scores still order the hits, and it gets the stage ``erratum``. An erratum
    without a cosine or a bonus is not moved.
    """
    best = max((best, *(hit.stages.get("dense", -1.0) for hit in hits if not hit.passage.erratum)))
    first: list[Hit] = []
    rest: list[Hit] = []
    for hit in hits:
        more = bonus.get(hit.passage.id) if hit.passage.erratum else None
        if more is not None and hit.stages.get("dense", -3.0) + more >= best:
            first.append(Hit(hit.passage, hit.score + 2.0, {**hit.stages, "erratum": 1.0}))
        else:
            rest.append(hit)
    return first + rest


def exact_first(hits: Sequence[Hit], exact: Container[int]) -> list[Hit]:
    """Moves the hits with these ids, which alone have a rare code of the question, before the others; the order inside
    both groups is kept. Their scores rise by 1, above any fused score, and they get the stage ``exact``.

    Embedding models hardly tell one code from another, so that fifty rows of a table are nearer than the right one.
    """
    first = [Hit(hit.passage, hit.score + 1.0, {**hit.stages, "exact": 1.0}) for hit in hits if hit.passage.id in exact]
    return first + [hit for hit in hits if hit.passage.id not in exact]


def distinct(hits: Sequence[Hit]) -> list[Hit]:
    """Without each hit that has the same words as one before it: title, headings and text, whatever their case, spaces
    and marks. Copies of a document would otherwise take the place of other passages."""
    first: dict[tuple[str, ...], Hit] = {}
    for hit in hits:
        first.setdefault(tuple(_WORDS.findall(normalise(hit.passage.indexed_text))), hit)
    return list(first.values())
