"""The reading profile: all values that are tuned for one pair of chat model and embedding model, frozen together.

bot.wiring chooses the profile, and every answer stores its name. The profile of the default pair was measured. Any
other pair starts without limits, so that its chat model refuses in words only, until ``errata calibrate`` measures the
limits and stores them in the data folder (bot.calibration). Knows nothing of settings, files or models.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from bot.answering.condense import CONDENSING, Condensing
from bot.answering.doubt import Limits
from bot.answering.evidence import Evidence
from bot.answering.prompt import FORM, Form, Selection
from retrieval.ranking import RANKING, Ranking

SAFE_BYTES_PER_TOKEN = 3.0  # for a model whose tokenizer was not measured: no common one needs more tokens than that
QUESTION_TOKENS = 300  # room for the question and what is asked about it
PASSAGE_TOKENS = 200  # of a full passage; more passages than usual need more room

# Cosines of multilingual-e5-small are between 0.7 and 1 for any two texts. Measured on 2026-11-22 with the nearest of
# 667 passages: the lowest hundredth of answerable questions is at .806 (English articles) and .857 to .878 (English
# FAQ, Chinese articles and FAQ); the median of questions about something else is at .82 (English) and .85 (Chinese).
# Between the languages cosines mean nothing: answerable questions have .74 to .84, others .77 to .84.
# Of paraphrases of corrected questions, 27 of 28 (English) have .89 or more. Of near misses whose first hit is a
# correction, none has (at most .87).
_EVIDENCE = {"multilingual-e5-small": Evidence({"en": 0.80, "zh": 0.82}, like=0.89)}
# The cosine from which two unanswered questions may be the same, if their numbers and names are equal too. Measured on
# 2026-11-26 on human-labelled pairs of near-duplicate questions (AFQMC, LCQMC, OPPO, QQP, COVID FAQ; up to 600 each).
# At .97, 31, 89, 46, 27 and 9 % of the pairs with one meaning are joined, and 17, 23, 11, 6 and 0 % of the others; at
# .95, 77, 97, 65, 50 and 28 % against 55, 52, 25, 13 and 0 %. No limit separates pairs with the same words in another
# order (PAWS-X): 66 % against 60 %. With a model that was not measured, only questions with equal words are the same.
ALIKE = {"multilingual-e5-small": 0.97}
# Only one embedding model was measured; others are ranked like it.
_RANKINGS = {"multilingual-e5-small": RANKING}
_LIMITS = {"qwen2.5-coder-1.5b-instruct-q4_k_m": Limits(intercept=-1.8)}
# The span reader's log-odds from which it is sure. Measured on 2026-11-27 with the weights that ship, on 198 questions
# that they were not trained on (SQuAD 2 near misses; XQuAD, CMRC and DRCD with and without the answering documents):
# its sentence has the answer in 29 of the 31 that have at least so much, a third of the 89 answerable questions. They
# chose the limit: expect somewhat less on others.
QUOTING = 3.0
_SHIPPED = "shipped-2026-11-27"


@dataclass(frozen=True, slots=True)
class Profile:
    """``name``: the pair and the measurement; ``calibrated``: whether the chat model's doubt was measured; ``alike``:
    cosine from which unanswered questions may be the same; ``condensing`` and ``ranking``: how follow-ups are rewritten
    and how passages are ranked."""

    name: str
    selection: Selection = field(default_factory=Selection)
    evidence: Evidence = field(default_factory=Evidence)
    limits: Limits = field(default_factory=Limits)
    form: Form = FORM
    alike: float = math.inf
    condensing: Condensing = CONDENSING
    ranking: Ranking = RANKING

    @property
    def calibrated(self) -> bool:
        return self.limits.intercept is not None

    def fitted(self, *, passages: int | None, context: int, answer: int) -> Profile:
        """The profile for a context of ``context`` tokens, of which ``answer`` are for the answer. ``passages``: the
        most passages in a prompt, where somebody set a number. A larger number also gets more tokens, and then no
        passage is left out because it is far below the best one."""
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
        """The tokens of every prompt before its passages, in the language where they are most."""
        size = max(
            len(self.form.system.encode()) + sum(len(text.encode()) for pair in pairs for text in pair)
            for pairs in self.form.examples.values()
        )
        return int(size / self.selection.bytes_per_token)


def ranking_for(embedding: str) -> Ranking:
    """How passages are ranked with an embedding model, whatever the chat model is."""
    return _RANKINGS.get(embedding, RANKING)


def shipped(chat: str, embedding: str, *, reads_spans: bool = False) -> Profile:
    """The profile of a pair as far as it was measured for this release: names as in ``errata models list``;
    ``reads_spans``: whether the span reader reads, too."""
    measured = _LIMITS.get(chat)
    limits = measured or Limits()
    if reads_spans:
        limits = replace(limits, quoting=QUOTING)
    selection = Selection() if measured else Selection(bytes_per_token=SAFE_BYTES_PER_TOKEN)
    return Profile(
        name=f"{chat}+{embedding}/{_SHIPPED if measured else 'uncalibrated'}",
        selection=selection,
        evidence=_EVIDENCE.get(embedding, Evidence()),
        limits=limits,
        ranking=ranking_for(embedding),
        alike=ALIKE.get(embedding, math.inf),
    )
