"""Do the passages lack what is asked? The model is asked before it answers, and its hesitation is measured.

A small model says far too rarely that its passages lack the answer. Asked whether they state it (``prompt.judging``)
it still writes YES nearly always, but how likely NO was instead separates the two well, better than anything in the
answer itself. The question costs the reading of its own few words, because the passages are in the engine's cache for
the answer anyway, and where it ends in a refusal nothing is written at all.

How much doubt is too much depends on two things that are known anyway. Where the passages hold all of a question's
words (``SearchResult.coverage``) the model may hesitate, where they hold few it must be sure. And the longer they are,
the more willing the model is to say YES. In log-odds the limit is
``intercept + COVERAGE * coverage - LENGTH * log2(length / TYPICAL)``, and CORRECTED more where an approved correction
leads the passages: it was written for a question like this one. The intercept holds for one model and its prompt
(prompt), in both languages. A model that was not measured is not asked: it refuses by writing the sentinel.

A model whose doubt is far below the limit (``SURE``) and that refuses in words all the same is mostly wrong, and is
asked once more (reply): all of 12 such refusals in English were of questions whose answer stood in the passages,
and 10 were answered rightly then. Nearer to the limit as many are right as wrong. In Chinese there was none.

Chosen on 2026-11-22 over 315 questions, half of them without the answering passage or near misses; articles, FAQ and
single sentences. On these 15 % of the unanswerable ones still get an answer in Chinese and 16 % in English, and 4 and
5 % of the right answers are lost (nothing asked again). What was held out stands in scripts/RESULTS.md.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

YES, NO = "YES", "NO"
ALTERNATIVES = 20  # candidates for the first token that are asked for: the most that servers give
INTERCEPTS: Mapping[str, float] = {"qwen2.5-coder-1.5b-instruct-q4_k_m": -1.8}
COVERAGE = 1.5
FOREIGN = 0.75  # stands for the coverage of a question in another language than the passages
CORRECTED = 0.25
LENGTH = 0.25
TYPICAL = 1_500  # UTF-8 bytes of the passages in a prompt
SURE = 0.6  # log-odds below the limit


def intercept_for(model: str) -> float | None:
    """The intercept of a model; None for one that was not measured."""
    return INTERCEPTS.get(model)


def limit(intercept: float, coverage: float, length: int, *, corrected: bool = False) -> float:
    """The doubt, in log-odds, above which the passages are taken to lack the answer. ``coverage``: 0 to 1; ``length``:
    of the passages together, in UTF-8 bytes; ``corrected``: a correction leads them."""
    return intercept + COVERAGE * coverage - LENGTH * math.log2(max(1, length) / TYPICAL) + CORRECTED * corrected


def log_odds(doubt: float) -> float:
    """The log-odds of a probability; bounded, because engines tell nothing of unlikely words."""
    bounded = min(max(doubt, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))


def of(metadata: Mapping[str, Any]) -> float | None:
    """The probability, 0 to 1, of NO where the text begins with YES or NO, from the metadata of its first chunk
    (LangChain's ``response_metadata``); None where the engine gave no probabilities, or of other words."""
    content: Sequence[Mapping[str, Any]] = (metadata.get("logprobs") or {}).get("content") or ()
    likely = content[0].get("top_logprobs") or () if content else ()
    found = {YES: 0.0, NO: 0.0}
    for one in likely:
        token = one["token"].strip().upper() if one.get("logprob") is not None else ""
        for word in found:
            if token and word.startswith(token):
                found[word] += math.exp(one["logprob"])
    return found[NO] / sum(found.values()) if any(found.values()) else None
