"""How near was the model to saying that the passages lack the answer? Read from the first token that it writes.

A small model writes the sentinel far too rarely, but where the passages lack the answer it *nearly* writes it: the
probability that the answer begins with the sentinel separates the two far better than the text does. It is there
before a word is shown and costs nothing. The limits hold for one model and its prompt (bot.prompt): another example
in the prompt moves them by a factor of ten. A model that was not measured refuses by writing the sentinel.

Measured on 2026-11-22 over three near passages, half of the questions with the answering passage taken away or hard
near misses. Chinese (60 questions): at 0.15, 30 % of the unanswerable get an answer and 8 % of the right answers are
lost; with the written sentinel alone 50 and 0 %. English (56): at 0.22, 40 and 11 %; with the sentinel 47 and 11 %.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bot.prompt import NO_ANSWER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALTERNATIVES = 20  # candidates for the first token that are asked for: the most that servers give
LIMITS: Mapping[str, Mapping[str, float]] = {
    "qwen2.5-coder-1.5b-instruct-q4_k_m": {"en": 0.22, "zh": 0.15},
}


def limits_for(model: str) -> Mapping[str, float]:
    """The limits of a model by language of the prompt; none for a model that was not measured."""
    return LIMITS.get(model, {})


def of(metadata: Mapping[str, Any]) -> float:
    """The probability, 0 to 1, that the text begins with the sentinel, from the metadata of its first chunk
    (LangChain's ``response_metadata``); 0 where the engine gave no probabilities."""
    content: Sequence[Mapping[str, Any]] = (metadata.get("logprobs") or {}).get("content") or ()
    likely = content[0].get("top_logprobs") or () if content else ()
    return sum(
        math.exp(one["logprob"]) for one in likely if (token := one["token"].strip()) and NO_ANSWER.startswith(token)
    )
