"""Errata for programs that others build with LangChain: the whole of it as a ``Runnable``, and a retriever that knows
the corrections. bot.wiring has the parts that they are made of; knowledge.langchain has the vector store.

``ErrataRunnable`` answers by the same path as the page and ``errata ask``, and like ``errata ask`` it stores no
conversation. ``FeedbackRetriever`` leaves the writing to another model, and gives it corrected answers first.
Both are restricted to the scope that they are made with.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from dataclasses import asdict, replace
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeAlias

import sqlalchemy as sa
from langchain_core.documents import Document
from langchain_core.messages import convert_to_messages
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import AddableDict, Runnable
from pydantic import ConfigDict, Field, SkipValidation

from bot import conversations
from bot.answering.condense import Condensed, How, earlier_turns
from bot.answering.values import Ask, Matcher, SourcesFound, Token
from knowledge.db import Database  # noqa: TC001 (pydantic reads the annotation at run time)
from knowledge.errors import Invalid
from knowledge.tables import Correction
from retrieval.langchain import document_of
from retrieval.passage import LANGUAGE
from retrieval.scope import Scope  # noqa: TC001 (as above)
from retrieval.search import Searcher  # noqa: TC001 (as above)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.runnables import RunnableConfig

    from bot.answering.answer import Answerer
    from bot.answering.values import Event, Matched, Outcome
    from retrieval.passage import Hit

Question: TypeAlias = "str | dict[str, Any]"
_FIELDS = {"question", "history", "filter"}
_ROLES = {"human": "user", "ai": "assistant"}
_END = object()


class FeedbackRetriever(BaseRetriever):
    """The ``k`` best passages for a question, corrected answers first: where the question is a corrected question, the
    approved answer, word for word; then what the search finds.

    The metadata are those of ``retrieval.langchain.ErrataRetriever``, and ``correction``: None for a passage of a
    document; for a corrected answer its ``id``, ``state``, and ``found_by``: ``same_words`` or ``search``.
    ``filters`` are Errata's own (document_id, source, kind, or a key of the metadata).
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    database: Database
    searcher: Searcher
    matcher: SkipValidation[Matcher]
    scope: Scope
    k: int = Field(default=5, ge=1)
    language: str | None = None
    filters: dict[str, str] = Field(default_factory=dict)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        most = k or self.k
        language = {LANGUAGE: self.language} if self.language else {}
        filters = {**self.filters, **language}
        matched = self.matcher.match(query, Ask(query, self.scope, filters=filters))
        result = self.searcher.search(query, most, scope=self.scope, filters=filters)
        corrections = {hit.passage.id: _correction_of(hit) for hit in result.hits}
        ids = {id_ for id_ in corrections.values() if id_ is not None}
        states = self._states(ids | ({matched.entry.correction_id} if matched else set()))
        documents = [] if matched is None else [_curated(matched, states)]
        for hit in result.hits:
            if matched is not None and hit.passage.document_id == matched.entry.document_id:
                continue
            document = document_of(hit, result.seq)
            correction_id = corrections[hit.passage.id]
            document.metadata["correction"] = (
                None if correction_id is None else _correction(correction_id, states, "search")
            )
            documents.append(document)
        return documents[:most]

    def _states(self, ids: set[int]) -> dict[int, str]:
        if not ids:
            return {}
        with self.database.read() as session:
            query = sa.select(Correction.id, Correction.state).where(Correction.id.in_(ids))
            return dict(session.execute(query).all())


def _correction_of(hit: Hit) -> int | None:
    """The correction that wrote the passage; None for a passage of a document."""
    numbers = hit.passage.properties.get("correction", ()) if hit.passage.erratum else ()
    return next((int(number) for number in numbers), None)


def _correction(correction_id: int, states: dict[int, str], found_by: str) -> dict[str, Any]:
    return {"id": correction_id, "state": states.get(correction_id), "found_by": found_by}


def _curated(matched: Matched, states: dict[int, str]) -> Document:
    entry = matched.entry
    return Document(
        id=entry.document_id,
        page_content=entry.answer,
        metadata={
            "passage_id": None,
            "document_id": entry.document_id,
            "version": entry.document_version,
            "title": entry.question,
            "headings": [],
            "url": None,
            "language": None,
            "erratum": True,
            "place": None,
            "score": 1.0,
            "stages": {"curated": matched.probability},
            "knowledge_version": matched.knowledge_version,
            "correction": _correction(entry.correction_id, states, matched.how),
        },
    )


class ErrataRunnable(Runnable[Question, dict[str, Any]]):
    """Answers questions from the knowledge of the scope.

    Input: the question, or ``{"question", "history", "filter"}``: the messages before it in any form that LangChain
    knows, and Errata's own filters. Output: ``answer``, ``status`` (answered, curated, refused, stopped), ``reason`` of
    a refusal, ``citations`` and ``sources`` (passages with their documents), ``question`` as it was understood,
    ``confidence``, ``correction_id`` of a curated answer, ``knowledge_version``.

    A stream has the sources first, then pieces of ``text`` while it is written, then everything else. ``answer``
    replaces the text: it has been checked, and the text has not. The sum of the pieces is the output and the text. An
    answer that is no longer read stops.

    Raises Invalid (the input), Busy (the line before the model is full), EngineError (the model failed).
    """

    def __init__(self, answerer: Answerer, scope: Scope, *, language: str | None = None) -> None:
        self.name = "errata"
        self._answerer = answerer
        self._scope = scope
        self._language = language

    def invoke(
        self,
        input: Question,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        return self._call_with_config(self._answer, input, config, **kwargs)

    async def ainvoke(
        self,
        input: Question,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        return await self._acall_with_config(self._aanswer, input, config, **kwargs)

    def stream(
        self,
        input: Question,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[dict[str, Any]]:
        yield from self._transform_stream_with_config(iter((input,)), self._pieces, config, **kwargs)

    async def astream(
        self,
        input: Question,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[dict[str, Any]]:
        async def inputs() -> AsyncIterator[Question]:
            yield input

        async for piece in self._atransform_stream_with_config(inputs(), self._apieces, config, **kwargs):
            yield piece

    def _answer(self, question: Question) -> dict[str, Any]:
        outcome = self._answerer.answer(self._ask(question))
        return {"sources": _sources(outcome), **_rest(outcome)}

    async def _aanswer(self, question: Question) -> dict[str, Any]:
        whole = AddableDict()
        async for piece in self._one(question):
            whole += AddableDict(piece)
        whole.pop("text", None)
        return dict(whole)

    def _pieces(self, questions: Iterator[Question]) -> Iterator[dict[str, Any]]:
        for question in questions:
            queue: SimpleQueue[Any] = SimpleQueue()
            stop = self._start(self._ask(question), queue.put)
            try:
                while (piece := queue.get()) is not _END:
                    yield _raised(piece)
            finally:
                stop.set()

    async def _apieces(self, questions: AsyncIterator[Question]) -> AsyncIterator[dict[str, Any]]:
        async for question in questions:
            async for piece in self._one(question):
                yield piece

    async def _one(self, question: Question) -> AsyncIterator[dict[str, Any]]:
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Any] = asyncio.Queue()

        def put(piece: Any) -> None:
            with suppress(RuntimeError):  # the loop has ended: nobody reads any more
                loop.call_soon_threadsafe(queue.put_nowait, piece)

        stop = self._start(self._ask(question), put)
        try:
            while (piece := await queue.get()) is not _END:
                yield _raised(piece)
        finally:
            stop.set()

    def _start(self, ask: Ask, put: Callable[[Any], None]) -> threading.Event:
        """Answers in a thread of its own: ``put`` gets the pieces, or an exception, then the end. Returns the event
        that stops it."""
        stop = threading.Event()

        def emit(event: Event) -> None:
            if isinstance(event, SourcesFound):
                put(AddableDict(sources=_sources(event)))
            elif isinstance(event, Token):
                put(AddableDict(text=event.text))

        def run() -> None:
            try:
                put(AddableDict(_rest(self._answerer.answer(ask, emit, stop=stop))))
            except BaseException as error:  # noqa: BLE001 - raised again where the pieces are read
                put(error)
            put(_END)

        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(run,), name="errata-runnable", daemon=True).start()
        return stop

    def _ask(self, question: Question) -> Ask:
        """The question with its history. Raises Invalid."""
        fields: dict[str, Any] = {"question": question} if isinstance(question, str) else question
        text = fields.get("question")
        if not isinstance(text, str) or not _FIELDS.issuperset(fields):
            raise Invalid(
                "The input is a question, or a dictionary with question and, if you like, history and filter.",
                code="runnable_input",
            )
        asked = conversations.checked_question(text)
        messages = convert_to_messages(fields.get("history") or [])
        conversation = [(_ROLES[message.type], message.text) for message in messages if message.type in _ROLES]
        ask = Ask(
            asked,
            self._scope,
            history=earlier_turns(conversation, asked),
            language=self._language,
            filters={key: str(value) for key, value in (fields.get("filter") or {}).items()},
        )
        # Instructions are not read, but they may say what the question is about (bot.web.openai).
        introduced = len(conversation) < len(messages) and not ask.history
        return replace(ask, condensed=Condensed(asked, How.UNCHANGED)) if introduced else ask


def _raised(piece: Any) -> dict[str, Any]:
    """The piece, unless it is an error: that is raised."""
    if isinstance(piece, BaseException):
        raise piece
    chunk: dict[str, Any] = piece
    return chunk


def _sources(event: SourcesFound | Outcome) -> list[dict[str, Any]]:
    return [asdict(source) for source in event.sources]


def _rest(outcome: Outcome) -> dict[str, Any]:
    """The output without its sources."""
    return {
        "answer": outcome.answer,
        "status": outcome.status,
        "reason": None if outcome.reason is None else str(outcome.reason),
        "citations": [asdict(source) for source in outcome.sources if source.n in outcome.citations],
        "question": outcome.condensed_question,
        "confidence": outcome.confidence,
        "correction_id": outcome.correction_id,
        "knowledge_version": outcome.knowledge_version,
    }
