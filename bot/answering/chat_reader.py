"""The reader with a chat model: it condenses follow-ups, judges whether the passages state the answer, and writes.

It joins condense, prompt, doubt and reply with the model's place in the line (``values.Writer``).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from bot.answering import prompt, spans
from bot.answering.condense import condense
from bot.answering.reply import PreparedPrompt, reply

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from bot.answering.condense import Condensed, EarlierTurn
    from bot.answering.profile import Profile
    from bot.answering.values import Material, ModelAccess, Reply, Ticket, Writer


class ChatReader:
    """A ``Reader`` with a chat model and its reading profile."""

    def __init__(self, writer: Writer, profile: Profile) -> None:
        self._writer = writer
        self._profile = profile

    def join(self, asker: str, network: str | None = None) -> Ticket:
        """Takes a place in the line before the model. Raises Busy, TooManyWaiting."""
        return self._writer.join(asker, network)

    @contextmanager
    def reading(
        self,
        ticket: Ticket | None,
        *,
        on_position: Callable[[int], None],
        on_silence: Callable[[int], None],
        stop: threading.Event,
        background: bool,
    ) -> Iterator[ChatReading]:
        """The work on one question. It waits for the model when it first needs it."""
        with self._writer.place(
            ticket, on_position=on_position, on_silence=on_silence, stop=stop, background=background
        ) as place:
            yield ChatReading(place, self._profile)


class ChatReading:
    """One question before the model."""

    def __init__(self, place: ModelAccess, profile: Profile) -> None:
        self._place = place
        self._profile = profile

    def condense(self, question: str, history: Sequence[EarlierTurn]) -> Condensed:
        """The follow-up as the model rewrites it, where the rewriting passes the checks (condense)."""
        return condense(
            question,
            history,
            lambda messages, *, max_tokens: self._place.write(messages, max_tokens=max_tokens).text,
            self._profile.condensing,
        )

    def read(self, material: Material, on_text: Callable[[str], None]) -> Reply:
        """The model's verified answer (reply)."""
        prepared = PreparedPrompt(
            prompt.build(material.question, material.hits, material.language, self._profile.form),
            material.question,
            material.language,
            material.sources,
            form=self._profile.form,
            limit=self._limit(material),
            sure=self._profile.limits.sure,
            quotable=material.quotable,
            corrected=material.corrected,
            fresh=material.fresh,
            sentence=self._sentence(material),
        )
        return reply(prepared, self._place, on_text)

    def _limit(self, material: Material) -> float | None:
        """The doubt, in log-odds, above which the passages are assumed to lack the answer; None: the model does not
        judge."""
        limits = self._profile.limits
        return limits.limit(
            limits.foreign if material.coverage is None else material.coverage,
            sum(len(hit.passage.text.encode()) for hit in material.hits),
            corrected="erratum" in material.hits[0].stages,
        )

    def _sentence(self, material: Material) -> tuple[int, str] | None:
        """The sentence that answers by the span reader, and its passage's number; None where it is not sure enough."""
        return spans.sure_sentence(material.readings, material.hits, self._profile.limits.quoting)
