"""THE path of a question: condense → curated match → search → evidence → prompt → model judges → model answers →
citations verified.

Nothing is stored here and nothing is known of the web: ``Answerer.answer`` tells what happens through ``emit`` and
returns the outcome. The page, the command line and rechecks all take this path. A proof asks no model: it judges the
passages that this path would give one (bot.wiring joins the two).
"""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any

from bot import citations, doubt, prompt, texts
from bot.condense import condense
from bot.evidence import foreign
from bot.exchange import Ask, Emit, Found, Outcome, Source, Token, Waiting
from bot.grounding import invented
from bot.prompt import NO_ANSWER
from knowledge import matching
from knowledge.db import utc_now
from knowledge.log import head
from retrieval.text import language_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.evidence import Evidence
    from bot.exchange import Place, Ticket, Writer
    from knowledge.db import Database
    from retrieval.passage import Hit, Passage
    from retrieval.search import Searcher, SearchResult

_SENTINEL = re.compile(r"[\"'`*\[\s]*NO[_ ]ANSWER\b", re.IGNORECASE)
_WORD = re.compile(r"\w")
# The mark of corrections in a prompt, copied into an answer: at its end, or before a marker or the end of a sentence.
_MARK = re.compile(r"\s*[(（]corrected[)）](?=\s*(?:[\[【［.。,，;；]|$))")
SEARCH_DEPTH = 8  # hits that a search gives; the prompt takes fewer, the page shows those of the prompt


class Answerer:
    """Answers questions from the knowledge of one moment."""

    def __init__(
        self,
        database: Database,
        searcher: Searcher,
        writer: Writer,
        evidence: Evidence,
        *,
        passages: int,
        intercept: float | None = None,
    ) -> None:
        """``passages``: most in a prompt; ``intercept``: how much the model may doubt (bot.doubt); None: it is not
        asked."""
        self._intercept = intercept
        self._database = database
        self._searcher = searcher
        self._writer = writer
        self._evidence = evidence
        self._passages = passages

    def answer(
        self,
        ask: Ask,
        emit: Emit = lambda _event: None,
        *,
        stop: threading.Event | None = None,
        background: bool = False,
        ticket: Ticket | None = None,
    ) -> Outcome:
        """Answers ``ask``. ``background``: people go first; ``ticket``: from ``join``, given back at the end. Raises
        Busy (queue full), bot.llm.errors (engine down), retrieval errors."""
        stop = stop or threading.Event()
        with self._writer.place(
            ticket, on_position=lambda position: emit(Waiting(position)), stop=stop, background=background
        ) as place:
            return self._answer(ask, emit, place, stop)

    def join(self) -> Ticket:
        """A place before the model, for a question that is to be answered soon. Raises Busy where there is none."""
        return self._writer.join()

    def needs_no_model(self, question: str) -> bool:
        """Whether the answer is there already: a corrected question, asked without a history. For those who would
        have to turn a question away because the model is busy."""
        with self._database.read() as session:
            return matching.match(session, question, now=utc_now()) is not None

    def _answer(self, ask: Ask, emit: Emit, place: Place, stop: threading.Event) -> Outcome:
        started = time.perf_counter()
        language = _language(ask)
        condensed = condense(
            ask.question,
            ask.history,
            lambda messages, *, max_tokens: place.write(messages, max_tokens=max_tokens).text,
        )
        if stop.is_set():
            return self._stopped(condensed, language, emit, started)
        searching = time.perf_counter()
        # A question that was only joined with the one before may be a corrected one in its own right.
        own = [ask.question] if condensed != ask.question and condensed.endswith(ask.question) else []
        for question in (condensed, *own):
            served = self._serve_curated(ask, question, language, emit, started, searching)
            if served is not None:
                return served
        result = self._searcher.search(condensed, SEARCH_DEPTH, filters=ask.filters or None)
        chosen = prompt.choose(result.hits, self._passages)
        sources = tuple(_source(n, hit) for n, hit in enumerate(chosen, start=1))
        timings = {"retrieval": _since(searching)}
        emit(Found(sources, result.seq))
        common: dict[str, Any] = {
            "condensed_question": condensed,
            "language": language,
            "sources": sources,
            "knowledge_version": result.seq,
        }
        if not self._evidence.enough(result, language_of(condensed)):
            return _refused("no_evidence" if chosen else "no_documents", common, timings, started)
        messages = prompt.build(condensed, chosen, language)
        common["prompt"] = tuple(messages)
        if self._intercept is not None:
            judged = place.judge(prompt.judging(messages))
            common["prompt_tokens"] = judged.prompt_tokens
            if judged.stopped:
                return _unwritten("stopped", "", common, timings, started)
            if judged.doubt is not None and judged.doubt > self._most_doubt(condensed, result, chosen):
                return _refused("model", common, timings, started)
        stream = _Stream(emit, timings, started)
        written = place.write(messages, on_text=stream.take, fresh=ask.fresh)
        timings["total"] = _since(started)
        if not written.recalled and "first_token" in timings:
            timings["writing"] = timings["total"] - timings["first_token"]
        common |= {"prompt_tokens": written.prompt_tokens, "completion_tokens": written.completion_tokens}
        readable = [f"{source.title}\n{source.passage}" for source in sources]
        text = written.text if written.stopped else self._in_words(written.text, sources)
        if not written.stopped and (is_refusal(text) or invented(text, condensed, readable)):
            return _refused("model", common, timings, started)
        texts_of_sources = [source.passage for source in sources]
        said = "" if is_sentinel_so_far(text) else text.replace(NO_ANSWER, "")
        answer, cited = citations.verify(said, texts_of_sources)
        if not written.stopped and not cited:  # nobody could check it
            return _refused("model", common, timings, started)
        return Outcome(
            status="stopped" if written.stopped else "answered",
            answer=answer,
            citations=cited,
            confidence=citations.support(answer, texts_of_sources, cited),
            timings_ms=timings,
            **common,
        )

    def _most_doubt(self, question: str, result: SearchResult, chosen: Sequence[Hit]) -> float:
        """The doubt above which the passages are taken to lack what is asked."""
        assert self._intercept is not None
        coverage = doubt.FOREIGN if foreign(result, language_of(question)) else result.coverage
        length = sum(len(hit.passage.text.encode()) for hit in chosen)
        return doubt.limit(self._intercept, coverage, length, corrected="erratum" in chosen[0].stages)

    def _in_words(self, text: str, sources: Sequence[Source]) -> str:
        """What a model wrote, without our mark of corrections, and with what a correction says in place of its bare
        number: a small model likes to point instead of answering, and what a curator wrote can stand as the answer,
        where it is short enough to be one passage."""
        if not any(source.curated for source in sources):
            return text
        text = _MARK.sub("", text)
        _, cited = citations.verify(text, [source.passage for source in sources])
        if _WORD.search(citations.bare(text)) or len(cited) != 1:
            return text
        source = sources[cited[0] - 1]
        with self._database.read() as session:
            whole = matching.answer_of(session, source.document_id)
        return f"{source.passage} [{source.n}]" if whole and whole.strip() == source.passage.strip() else text

    def _stopped(self, condensed: str, language: str, emit: Emit, started: float) -> Outcome:
        """Nothing was looked for yet."""
        seq = self._searcher.refresh().seq
        emit(Found((), seq))
        return Outcome(
            status="stopped",
            answer="",
            condensed_question=condensed,
            language=language,
            sources=(),
            citations=(),
            confidence=0.0,
            knowledge_version=seq,
            timings_ms={"total": _since(started)},
        )

    def _serve_curated(
        self, ask: Ask, condensed: str, language: str, emit: Emit, started: float, searching: float
    ) -> Outcome | None:
        """The approved answer, verbatim and without a model, when this is the corrected question."""
        with self._database.read() as session:
            found = matching.match(session, condensed, now=utc_now(), excluded=ask.exclude_entries)
            if found is None:
                return None
            seq = head(session)
        source = Source(
            n=1,
            passage_id=0,
            document_id=found.document_id,
            version=found.document_version,
            title=found.question,
            headings=(),
            url=None,
            passage=found.answer,
            score=1.0,
            stages={"curated": 1.0},
            curated=True,
        )
        timings = {"retrieval": _since(searching)}
        emit(Found((source,), seq))
        timings["first_token"] = _since(started)
        emit(Token(found.answer))
        timings["total"] = _since(started)
        return Outcome(
            status="curated",
            answer=found.answer,
            condensed_question=condensed,
            language=language,
            sources=(source,),
            citations=(1,),
            confidence=1.0,
            knowledge_version=seq,
            entry_id=found.entry_id,
            correction_id=found.correction_id,
            timings_ms=timings,
        )


def is_refusal(text: str) -> bool:
    """Whether the model wrote that the passages lack the answer: the sentinel at the start, or nothing but markers."""
    return not _WORD.search(citations.bare(text)) or _SENTINEL.match(text) is not None


def is_sentinel_so_far(text: str) -> bool:
    """Whether a text that is still being written may become the sentinel."""
    return NO_ANSWER.startswith(text.lstrip("\"'`*[ \n").upper()[: len(NO_ANSWER)])


class _Stream:
    """Passes text on, but holds back a beginning that may still become the sentinel."""

    def __init__(self, emit: Emit, timings: dict[str, float], started: float) -> None:
        self._emit = emit
        self._timings = timings
        self._started = started
        self._held = ""
        self._open = False

    def take(self, text: str) -> None:
        self._timings.setdefault("first_token", _since(self._started))
        if self._open:
            self._emit(Token(text))
            return
        self._held += text
        if not is_sentinel_so_far(self._held):
            self._open = True
            self._emit(Token(self._held))


def _refused(reason: str, common: Mapping[str, Any], timings: dict[str, float], started: float) -> Outcome:
    """A designed answer: it says why; what was looked for and the nearest documents go with it as fields."""
    return _unwritten("refused", texts.text(f"server.refused.{reason}", common["language"]), common, timings, started)


def _unwritten(
    status: str, answer: str, common: Mapping[str, Any], timings: dict[str, float], started: float
) -> Outcome:
    timings["total"] = _since(started)
    return Outcome(status=status, answer=answer, citations=(), confidence=0.0, timings_ms=timings, **common)


def _language(ask: Ask) -> str:
    """The language to answer in: what was asked for, else that of the question."""
    if ask.language:
        return "zh" if ask.language.lower().startswith("zh") else "en"
    return language_of(ask.question)


def _source(n: int, hit: Hit) -> Source:
    passage: Passage = hit.passage
    return Source(
        n=n,
        passage_id=passage.id,
        document_id=passage.document_id,
        version=passage.version,
        title=passage.title,
        headings=passage.headings,
        url=passage.url,
        passage=passage.text,
        score=round(hit.score, 6),
        stages=dict(hit.stages),
        curated=passage.erratum,
    )


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
