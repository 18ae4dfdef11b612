"""Do the passages lack what is asked? The model is asked before it answers, and its hesitation is measured.

A small model says far too rarely that its passages lack the answer. Asked whether they state it (``prompt.judging``)
it still writes YES nearly always, but how likely NO was instead separates the two well, better than anything in the
answer itself. The question costs the reading of its own few words, because the passages are in the engine's cache for
the answer anyway, and where it ends in a refusal nothing is written at all.

How much doubt is too much depends on how much of the question the passages hold (``SearchResult.coverage``): where
they hold all of its words the model may hesitate, where they hold few it must be sure. In log-odds the limit is a
line: ``intercept + SLOPE * coverage``. The intercepts hold for one model and its prompt (bot.prompt). A model that
was not measured is not asked: it refuses by writing the sentinel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

YES, NO = "YES", "NO"
ALTERNATIVES = 20  # candidates for the first token that are asked for: the most that servers give
SLOPE = 2.0
FOREIGN = 0.75  # stands for the coverage of a question in another language than the passages
INTERCEPTS: Mapping[str, Mapping[str, float]] = {
    "qwen2.5-coder-1.5b-instruct-q4_k_m": {"en": -2.0, "zh": -1.7},
}


def intercepts_for(model: str) -> Mapping[str, float]:
    """The intercepts of a model by language of the prompt; none for a model that was not measured."""
    return INTERCEPTS.get(model, {})


def limit(intercept: float, coverage: float) -> float:
    """The doubt, 0 to 1, above which the passages are taken to lack the answer. ``coverage``: 0 to 1."""
    return 1 / (1 + math.exp(-(intercept + SLOPE * coverage)))


def of(metadata: Mapping[str, Any]) -> float | None:
    """The probability, 0 to 1, of NO where the text begins with YES or NO, from the metadata of its first chunk
    (LangChain's ``response_metadata``); None where the engine gave no probabilities, or of other words."""
    content: Sequence[Mapping[str, Any]] = (metadata.get("logprobs") or {}).get("content") or ()
    likely = content[0].get("top_logprobs") or () if content else ()
    found = {YES: 0.0, NO: 0.0}
    for one in likely:
        token = one["token"].strip().upper()
        for word in found:
            if token and word.startswith(token):
                found[word] += math.exp(one["logprob"])
    return found[NO] / sum(found.values()) if any(found.values()) else None
