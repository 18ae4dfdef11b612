"""Measures the limits of a reading profile for any chat model (``errata calibrate``).

``questions.jsonl`` is part of Errata: short documents in English and Chinese, each with questions that it answers and
near questions that it does not answer. ``measure`` asks the chat model whether the passages state the answer, for these
questions and for the installation's own confirmed questions. ``fit`` computes limits from its judgements. ``store``
saves them in the data folder, where bot.wiring finds them at the next start.

Decision: only the intercept of the limit is fitted (bot.answering.doubt), by the share of answerable questions that may
be lost. The weights beside it need hundreds of questions, an intercept needs some dozens, so that a model is calibrated
in minutes. Costs: a model whose doubt depends on length or coverage in another way keeps the weights of the default.
"""
