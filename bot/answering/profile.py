"""The reading profile: everything that is tuned for one pair of chat model and embedding model, as one frozen value.

bot.wiring chooses it, every answer stores its name. The default pair has a profile that was measured; any other pair
starts without limits (the chat model then refuses in words only) until ``errata calibrate`` has measured them, which
stores them in the data folder (bot.calibration). Knows nothing of settings, files or models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from bot.answering.doubt import Limits
from bot.answering.evidence import Evidence
from bot.answering.prompt import FORM, Form, Selection

SAFE_BYTES_PER_TOKEN = 3.0  # for a model whose tokenizer was not measured: no common one needs more tokens than that
QUESTION_TOKENS = 300  # room for the question and what is asked about it
PASSAGE_TOKENS = 200  # of a full passage; more passages than usual need more room

# Cosines of multilingual-e5-small lie between 0.7 and 1 for any two texts. Measured on 2026-11-22 with the nearest of
# 667 passages: the lowest hundredth of answerable questions is at .806 (English articles), .857 to .878 (English FAQ,
# Chinese articles and FAQ); the median of questions about something else at .82 (English) and .85 (Chinese). Between
# the languages cosines tell nothing: answerable questions have .74 to .84, others .77 to .84.
# Of corrected questions that are worded differently 27 of 28 (English) are at .89 and above, of near misses that a
# correction leads none is (at most .87).
_EVIDENCE = {"multilingual-e5-small": Evidence({"en": 0.80, "zh": 0.82}, like=0.89)}
# From which cosine two unanswered questions may be the same, if their numbers and names are equal too. Measured on
# 2026-11-26 on human-labelled pairs of near-duplicate questions (AFQMC, LCQMC, OPPO, QQP, COVID FAQ; up to 600 each):
# at .97 31, 89, 46, 27 and 9 % of the same ones are joined, and 17, 23, 11, 6 and 0 % of the different ones; at .95 77,
# 97, 65, 50 and 28 % against 55, 52, 25, 13 and 0 %. Pairs with the same words in another order (PAWS-X) cannot be told
# apart by any limit: 66 % against 60 %. A model that was not measured: only equal words are the same.
ALIKE = {"multilingual-e5-small": 0.97}
_LIMITS = {"qwen2.5-coder-1.5b-instruct-q4_k_m": Limits(intercept=-1.8)}
_SHIPPED = "shipped-2026-11-22"


@dataclass(frozen=True, slots=True)
class Profile:
    """``name`` says which pair and which measurement; ``calibrated``: whether the chat model's doubt was measured;
    ``alike``: cosine from which unanswered questions may be the same."""

    name: str
    selection: Selection = field(default_factory=Selection)
    evidence: Evidence = field(default_factory=Evidence)
    limits: Limits = field(default_factory=Limits)
    form: Form = FORM
    alike: float = math.inf

    @property
    def calibrated(self) -> bool:
        return self.limits.intercept is not None

    def fitted(self, *, passages: int | None, context: int, answer: int) -> Profile:
        """The profile for a context of so many tokens, of which ``answer`` are for the answer. ``passages``: the most
        passages, where somebody set a number; then the room grows with it, and further passages are not left out for
        being further from the best one."""
        selection = self.selection
        if passages is not None and passages != selection.most:
            more = passages > selection.most
            selection = replace(
                selection,
                most=passages,
                tokens=max(selection.tokens, passages * PASSAGE_TOKENS),
                near=0.0 if more else selection.near,
            )
        room = context - answer - QUESTION_TOKENS - self._frame_tokens()
        return replace(self, selection=replace(selection, tokens=max(1, min(selection.tokens, room))))

    def _frame_tokens(self) -> int:
        """What every prompt costs before its passages, in the language where it costs most."""
        size = max(
            len(self.form.system.encode()) + sum(len(text.encode()) for pair in pairs for text in pair)
            for pairs in self.form.examples.values()
        )
        return int(size / self.selection.bytes_per_token)


def shipped(chat: str, embedding: str) -> Profile:
    """The profile of a pair as far as it was measured for this release: names as in ``errata models list``."""
    limits = _LIMITS.get(chat)
    selection = Selection() if limits else Selection(bytes_per_token=SAFE_BYTES_PER_TOKEN)
    return Profile(
        name=f"{chat}+{embedding}/{_SHIPPED if limits else 'uncalibrated'}",
        selection=selection,
        evidence=_EVIDENCE.get(embedding, Evidence()),
        limits=limits or Limits(),
        alike=ALIKE.get(embedding, math.inf),
    )
