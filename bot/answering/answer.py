"""The one path of a question: condense → curated match → search → evidence → reader → verified answer.

This module stores nothing and knows nothing of the web. ``Answerer.answer`` reports its progress through ``emit`` and
returns the outcome. The page, the command line and rechecks all take this path. A proof asks no model: it judges the
passages that this path would give to one (bot.wiring joins the two).
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot import texts
from bot.answering import citations, prompt, smalltalk, spans, trace
from bot.answering.condense import Condensed, How
from bot.answering.evidence import foreign
from bot.answering.trace import Trace
from bot.answering.values import Ask, Emit, Material, Outcome, Reason, Silent, Source, SourcesFound, Token, Waiting
from knowledge.correcting import matching
from knowledge.log import head
from retrieval.text import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.answering.profile import Profile
    from bot.answering.spans import PassageReader
    from bot.answering.values import Matcher, Reader, Reading, Ticket
    from knowledge.db import Database
    from retrieval.passage import Hit, Passage
    from retrieval.scope import Scope
    from retrieval.search import Searcher


class Answerer:
    """Answers each question from the knowledge as it is at that moment."""

    def __init__(
        self,
        database: Database,
        searcher: Searcher,
        reader: Reader,
        matcher: Matcher,
        profile: Profile,
        passage_reader: PassageReader | None = None,
    ) -> None:
        self._database = database
        self._searcher = searcher
        self._reader = reader
        self._matcher = matcher
        self._profile = profile
        self._passage_reader = passage_reader

    def answer(
        self,
        ask: Ask,
        emit: Emit = lambda _event: None,
        *,
        stop: threading.Event | None = None,
        background: bool = False,
        ticket: Ticket | None = None,
    ) -> Outcome:
        """Answers ``ask``. ``background``: people's questions go first; ``ticket``: the place from ``join``, which is
        given back at the end. Raises Busy (the line is full), bot.llm.errors (the engine failed), retrieval errors."""
        stop = stop or threading.Event()
        started = time.perf_counter()
        outcome = None if stop.is_set() else self._answer_without_model(ask, emit, started)
        if outcome is not None:
            if ticket is not None:
                ticket.leave()
            return outcome
        with self._reader.reading(
            ticket,
            on_position=lambda position: emit(Waiting(position)),
            on_silence=lambda seconds: emit(Silent(seconds)),
            stop=stop,
            background=background,
        ) as reading:
            return self._answer_with_reader(ask, emit, reading, stop, started)

    def join(self, asker: str, network: str | None = None) -> Ticket:
        """Takes a place in the line before the model, for a question that ``asker`` is about to ask; ``network``: of a
        person without an account. Raises Busy where no place is free, TooManyWaiting where the questions of the asker,
        or of the network, have all the places that one may have."""
        return self._reader.join(asker, network)

    def needs_no_model(
        self, question: str, scope: Scope, *, alone: bool, filters: Mapping[str, str] | None = None
    ) -> bool:
        """Whether the question can be answered without the model: it is small talk, or a corrected question that was
        asked without a history (``alone``). Callers check this before they refuse a question because the model is
        busy."""
        if smalltalk.kind_of(question) is not None:
            return True
        return alone and self._matcher.match(question, Ask(question, scope, filters=filters or {})) is not None

    def _answer_without_model(self, ask: Ask, emit: Emit, started: float) -> Outcome | None:
        """The outcome where no model is needed: a corrected question as it was asked, or else small talk. A greeting
        means the same in every conversation; a reaction ("ok", "?") does not."""
        kind = smalltalk.kind_of(ask.question)
        if ask.history and kind is None:
            return None  # it has to be condensed first
        condensed = ask.condensed or Condensed(ask.question, How.ALONE)
        is_reaction = bool(ask.history) and kind in smalltalk.REACTIONS
        if condensed.certain and not is_reaction:
            curated = self._serve_curated(ask, condensed, _language(ask), emit, started, started)
            if curated is not None:
                return curated
        return None if kind is None else self._answer_small_talk(ask, kind, emit, started)

    def _answer_small_talk(self, ask: Ask, kind: smalltalk.Kind, emit: Emit, started: float) -> Outcome | None:
        """The fixed reply. None where a curator wrote another reply that this ask excludes: then there is something to
        search for."""
        language = _language(ask)
        if ask.exclude_entries and self._matcher.match(ask.question, replace(ask, exclude_entries=frozenset())):
            return None
        with self._database.read() as session:
            seq = head(session)
        text = texts.text(f"server.no_question.{kind}", language)
        emit(SourcesFound((), seq))
        emit(Token(text))
        return Outcome(
            status="answered",
            answer=text,
            condensed_question=ask.question,
            condensed_how=How.ALONE,
            language=language,
            sources=(),
            citations=(),
            confidence=0.0,
            knowledge_version=seq,
            timings_ms={"first_token": _milliseconds_since(started), "total": _milliseconds_since(started)},
            reason=Reason.NO_QUESTION,
        )

    def _answer_with_reader(
        self, ask: Ask, emit: Emit, reading: Reading, stop: threading.Event, started: float
    ) -> Outcome:
        language = _language(ask)
        condensed = ask.condensed or reading.condense(ask.question, ask.history)
        if stop.is_set():
            return self._stopped(condensed, language, emit, started)
        searching = time.perf_counter()
        if ask.history and condensed.certain:
            curated = self._serve_curated(ask, condensed, language, emit, started, searching)
            if curated is not None:
                return curated
        result = self._searcher.search(
            condensed.text, self._profile.selection.depth, scope=ask.scope, filters=ask.filters or None
        )
        weighed = prompt.weigh(result.hits, self._profile.selection)
        chosen = [hit for hit, use in weighed if use is prompt.Use.READ]
        timings = {"retrieval": _milliseconds_since(searching)}
        spoken = language_of(condensed.text)
        asked = condensed.asked or condensed.text
        enough = self._profile.evidence.enough(result, spoken)
        reading_passages = time.perf_counter()
        readings = spans.read(self._passage_reader, asked, chosen) if enough else ()
        if readings:
            timings["passages"] = _milliseconds_since(reading_passages)
        quoted = spans.sure_sentence(readings, chosen, self._profile.limits.quoting)
        sources = tuple(_source(n, hit, quoted) for n, hit in enumerate(chosen, start=1))
        emit(SourcesFound(sources, result.seq))
        made = trace.of_search(weighed, result, self._profile.evidence, spoken)
        common: dict[str, Any] = {
            "condensed_question": condensed.text,
            "condensed_how": condensed.how,
            "language": language,
            "sources": sources,
            "knowledge_version": result.seq,
            "profile": self._profile.name,
            "trace": made,
        }
        if not enough:
            empty = not chosen and not len(self._searcher.refresh().within(ask.scope))
            return _refused(Reason.NO_DOCUMENTS if empty else Reason.NOTHING_NEAR, common, timings, started)
        material = Material(
            asked,
            language,
            chosen,
            sources,
            coverage=None if foreign(result, spoken) else result.coverage,
            quotable=self._quotable(sources),
            corrected=self._profile.evidence.corrected(result),
            fresh=ask.fresh,
            readings=readings,
        )

        def on_text(text: str) -> None:
            timings.setdefault("first_token", _milliseconds_since(started))
            emit(Token(text))

        reply = reading.read(material, on_text)
        timings["total"] = _milliseconds_since(started)
        if reply.writing is not None:
            timings["writing"] = reply.writing
        common |= {
            "prompt": tuple(reply.messages),
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "trace": replace(made, reading=replace(reply.trace, spans=spans.traced(readings))),
        }
        if reply.reason is not None:
            return _refused(reply.reason, common, timings, started)
        return Outcome(
            status=reply.status,
            answer=reply.text,
            citations=reply.citations,
            confidence=citations.support(reply.text, [source.passage for source in sources], reply.citations),
            timings_ms=timings,
            **common,
        )

    def _quotable(self, sources: Sequence[Source]) -> frozenset[int]:
        """The numbers of the sources that contain the whole answer of a correction, in one passage."""
        curated = [source for source in sources if source.curated]
        if not curated:
            return frozenset()
        with self._database.read() as session:
            answers = {source.n: matching.answer_of(session, source.document_id) for source in curated}
        return frozenset(source.n for source in curated if (answers[source.n] or "").strip() == source.passage.strip())

    def _stopped(self, condensed: Condensed, language: str, emit: Emit, started: float) -> Outcome:
        """The outcome of a question that was stopped before the search."""
        seq = self._searcher.refresh().seq
        emit(SourcesFound((), seq))
        return Outcome(
            status="stopped",
            answer="",
            condensed_question=condensed.text,
            condensed_how=condensed.how,
            language=language,
            sources=(),
            citations=(),
            confidence=0.0,
            knowledge_version=seq,
            timings_ms={"total": _milliseconds_since(started)},
        )

    def _serve_curated(
        self, ask: Ask, condensed: Condensed, language: str, emit: Emit, started: float, searching: float
    ) -> Outcome | None:
        """The approved answer, word for word and without a model, when this is the corrected question; else None."""
        match = self._matcher.match(condensed.text, ask)
        if match is None:
            return None
        entry = match.entry
        source = Source(
            n=1,
            passage_id=0,
            document_id=entry.document_id,
            version=entry.document_version,
            title=entry.question,
            headings=(),
            url=None,
            passage=entry.answer,
            score=1.0,
            stages={"curated": 1.0},
            curated=True,
        )
        timings = {"retrieval": _milliseconds_since(searching)}
        emit(SourcesFound((source,), match.knowledge_version))
        timings["first_token"] = _milliseconds_since(started)
        emit(Token(entry.answer))
        timings["total"] = _milliseconds_since(started)
        return Outcome(
            status="curated",
            answer=entry.answer,
            condensed_question=condensed.text,
            condensed_how=condensed.how,
            language=language,
            sources=(source,),
            citations=(1,),
            confidence=1.0,
            knowledge_version=match.knowledge_version,
            entry_id=entry.entry_id,
            correction_id=entry.correction_id,
            match=match,
            trace=Trace(match=(match.how, match.probability)),
            timings_ms=timings,
        )


def _refused(reason: Reason, common: Mapping[str, Any], timings: dict[str, float], started: float) -> Outcome:
    """A refusal: its text says what happened and what the asker can do. The searched question and the nearest sources
    go with it as fields."""
    timings["total"] = _milliseconds_since(started)
    return Outcome(
        status="refused",
        answer=texts.text(f"server.refused.{reason}", common["language"]),
        citations=(),
        confidence=0.0,
        reason=reason,
        timings_ms=timings,
        **common,
    )


def _language(ask: Ask) -> str:
    """The language to answer in: the requested one, or else that of the question. A question without a letter has the
    language of its punctuation marks, or else of the conversation."""
    if ask.language:
        return "zh" if ask.language.lower().startswith("zh") else "en"
    if any(character.isalnum() for character in ask.question):
        return language_of(ask.question)
    earlier = "".join(turn.question for turn in ask.history[-1:])
    return smalltalk.language_of_marks(ask.question) or ask.spoken or language_of(earlier)


def _source(n: int, hit: Hit, quoted: tuple[int, str] | None) -> Source:
    passage: Passage = hit.passage
    return Source(
        n=n,
        passage_id=passage.id,
        document_id=passage.document_id,
        version=passage.version,
        title=passage.title,
        headings=passage.headings,
        url=passage.address,
        passage=passage.text,
        score=round(hit.score, 6),
        stages=dict(hit.stages),
        curated=passage.erratum,
        quote=quoted[1] if quoted is not None and quoted[0] == n else "",
        place=passage.place,
    )


def _milliseconds_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
