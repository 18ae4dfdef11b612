"""Measures the model's doubt, before it answers, that the passages contain the answer.

A small model writes far too rarely that its passages lack the answer. When it is asked whether they state the answer
(``prompt.judging``), it still writes YES nearly always. But the probability of NO separates the two cases well, better
than anything in the answer itself. This question costs only the reading of its own few words, because the engine keeps
the passages in its cache for the answer, and a refusal needs no further text.

How much doubt is too much depends on two things that are known before. Where the passages contain all words of a
question (``SearchResult.coverage``) the model may doubt; where they contain few, it must be sure. And the longer the
passages are, the more often the model writes YES. ``Limits`` has the numbers. They belong to one model and its prompt,
in both languages, and are part of its reading profile (bot.answering.profile). A model that was not calibrated does not
judge: it refuses only by writing the sentinel.

A model whose doubt is far below the limit (``Limits.sure``) and that refuses in words all the same is mostly wrong, and
is asked once more (bot.answering.reply). In English all 12 such refusals were of questions whose answer is in the
passages, and the second try answered 10 of them rightly. Nearer to the limit, as many refusals are right as wrong. In
Chinese there were no such refusals.

The defaults were chosen on 2026-11-22 over 315 questions about articles, FAQ and single sentences. For half of them the
answering passage was missing, or they were near misses. Of the unanswerable questions 15 % still get an answer in
Chinese and 16 % in English; 4 and 5 % of the right answers are lost (without a second try). scripts/RESULTS.md has the
figures for other questions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

YES, NO = "YES", "NO"
ALTERNATIVES = 20  # candidates for the first token that are requested: the most that servers give


@dataclass(frozen=True, slots=True)
class Limits:
    """How much doubt is too much, in log-odds. ``intercept`` None: the model was not calibrated and does not judge.

    ``coverage``: added where the passages contain all of the question's words; ``foreign``: the coverage that is
    assumed for a question in another language than the passages; ``length``: subtracted for each doubling of the
    passages' length over ``typical`` (UTF-8 bytes); ``corrected``: added where a correction comes first; ``sure``: how
    far below the limit a model counts as sure.

    ``quoting``: the log-odds of the span reader from which its sentence is quoted while the model writes, and is the
    answer where the model writes none.
    """

    intercept: float | None = None
    coverage: float = 1.5
    foreign: float = 0.75
    length: float = 0.25
    typical: int = 1_500
    corrected: float = 0.25
    sure: float = 0.6
    quoting: float = math.inf

    def limit(self, coverage: float, length: int, *, corrected: bool = False) -> float | None:
        """The doubt above which the passages are assumed to lack the answer. ``coverage``: 0 to 1; ``length``: of all
        passages together, in UTF-8 bytes; ``corrected``: a correction comes first. None: the model does not judge."""
        if self.intercept is None:
            return None
        return self.intercept + self.offset(coverage, length, corrected=corrected)

    def offset(self, coverage: float, length: int, *, corrected: bool = False) -> float:
        """The part of the limit that depends on the passages."""
        longer = math.log2(max(1, length) / self.typical)
        return self.coverage * coverage - self.length * longer + self.corrected * corrected


def log_odds(doubt: float) -> float:
    """The log-odds of a probability; bounded, because engines do not report unlikely words."""
    bounded = min(max(doubt, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def probability_of(odds: float) -> float:
    """The probability of log-odds."""
    return 1 / (1 + math.exp(-odds))


def from_metadata(metadata: Mapping[str, Any]) -> float | None:
    """The probability of NO as a share of YES and NO, 0 to 1, from the metadata of the first chunk (LangChain's
    ``response_metadata``). None where the engine gave no probabilities, or only those of other words."""
    content: Sequence[Mapping[str, Any]] = (metadata.get("logprobs") or {}).get("content") or ()
    candidates = content[0].get("top_logprobs") or () if content else ()
    probability = {YES: 0.0, NO: 0.0}
    for candidate in candidates:
        token = candidate["token"].strip().upper() if candidate.get("logprob") is not None else ""
        for word in probability:
            if token and word.startswith(token):
                probability[word] += math.exp(candidate["logprob"])
    return probability[NO] / sum(probability.values()) if any(probability.values()) else None


def from_judgement(probability: float | None, text: str) -> float | None:
    """The doubt of a judgement, 0 to 1: the probability of NO. Where the engine gives no probabilities, the text
    decides: 1 for NO, 0 for YES, None for a text that begins with neither word."""
    if probability is not None:
        return probability
    word = text.strip().upper()
    if not word:
        return None
    return 1.0 if NO.startswith(word[:2]) else 0.0 if YES.startswith(word[:3]) else None
