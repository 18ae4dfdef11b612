"""Do the passages lack what is asked? The model is asked before it answers, and its doubt is measured.

A small model says far too rarely that its passages lack the answer. Asked whether they state it (``prompt.judging``)
it still writes YES nearly always, but how likely NO was instead separates the two well, better than anything in the
answer itself. The question costs the reading of its own few words, because the passages are in the engine's cache for
the answer anyway, and a refusal needs no further text at all.

How much doubt is too much depends on two things that are known anyway. Where the passages contain all of a question's
words (``SearchResult.coverage``) the model may doubt, where they contain few it must be sure. And the longer they are,
the more willing the model is to say YES. ``Limits`` has the numbers: they belong to one model and its prompt, in both
languages, and are part of its reading profile (bot.answering.profile). A model that was not calibrated is not asked:
it refuses by writing the sentinel.

A model whose doubt is far below the limit (``Limits.sure``) and that refuses in words all the same is mostly wrong, and
is asked once more (bot.answering.reply): all of 12 such refusals in English were of questions whose answer is in the
passages, and 10 were answered rightly then. Nearer to the limit as many are right as wrong. In Chinese there was none.

The defaults were chosen on 2026-11-22 over 315 questions, half of them without the answering passage or near misses;
articles, FAQ and single sentences. On these 15 % of the unanswerable questions still get an answer in Chinese and 16 %
in English, and 4 and 5 % of the right answers are lost (nothing asked again). scripts/RESULTS.md has what was measured
on other questions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

YES, NO = "YES", "NO"
ALTERNATIVES = 20  # candidates for the first token that are asked for: the most that servers give


@dataclass(frozen=True, slots=True)
class Limits:
    """How much doubt is too much, in log-odds. ``intercept`` None: the model was not calibrated and is not asked.

    ``coverage``: added where the passages contain all of the question's words; ``foreign``: what counts as coverage
    for a question in another language than the passages; ``length``: taken away for each doubling of the passages'
    length over ``typical`` (UTF-8 bytes); ``corrected``: added where a correction comes first; ``sure``: how far below
    the limit a model is sure.
    """

    intercept: float | None = None
    coverage: float = 1.5
    foreign: float = 0.75
    length: float = 0.25
    typical: int = 1_500
    corrected: float = 0.25
    sure: float = 0.6

    def limit(self, coverage: float, length: int, *, corrected: bool = False) -> float | None:
        """The doubt above which the passages are taken to lack the answer. ``coverage``: 0 to 1; ``length``: of the
        passages together, in UTF-8 bytes; ``corrected``: a correction comes first. None: the model is not asked."""
        if self.intercept is None:
            return None
        return self.intercept + self.offset(coverage, length, corrected=corrected)

    def offset(self, coverage: float, length: int, *, corrected: bool = False) -> float:
        """The part of the limit that depends on the passages."""
        longer = math.log2(max(1, length) / self.typical)
        return self.coverage * coverage - self.length * longer + self.corrected * corrected


def log_odds(doubt: float) -> float:
    """The log-odds of a probability; bounded, because engines tell nothing of unlikely words."""
    bounded = min(max(doubt, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def from_metadata(metadata: Mapping[str, Any]) -> float | None:
    """The probability, 0 to 1, of NO where the text begins with YES or NO, from the metadata of its first chunk
    (LangChain's ``response_metadata``); None where the engine gave no probabilities, or of other words."""
    content: Sequence[Mapping[str, Any]] = (metadata.get("logprobs") or {}).get("content") or ()
    likely = content[0].get("top_logprobs") or () if content else ()
    probability = {YES: 0.0, NO: 0.0}
    for candidate in likely:
        token = candidate["token"].strip().upper() if candidate.get("logprob") is not None else ""
        for word in probability:
            if token and word.startswith(token):
                probability[word] += math.exp(candidate["logprob"])
    return probability[NO] / sum(probability.values()) if any(probability.values()) else None


def from_judgement(probability: float | None, text: str) -> float | None:
    """The doubt of a judgement, 0 to 1: the probability of NO or, where the engine gives no probabilities, what the
    model wrote. None for a text that begins with neither word."""
    if probability is not None:
        return probability
    word = text.strip().upper()
    if not word:
        return None
    return 1.0 if NO.startswith(word[:2]) else 0.0 if YES.startswith(word[:3]) else None
