"""The values that go into the path of a question and come out of it: the ask, the events, the outcome. And the
protocols of its parts: the reader, the matcher, and the chat model that a reader uses. This module does not know how an
answer is found (answer) or where it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from bot.answering.trace import ReadingTrace, Trace

if TYPE_CHECKING:
    import threading
    from contextlib import AbstractContextManager

    from bot.answering.condense import Condensed, EarlierTurn, How
    from bot.answering.prompt import Message
    from knowledge.correcting.matching import Match
    from retrieval.passage import Hit
    from retrieval.place import Place
    from retrieval.reading.spans import SpanReading
    from retrieval.scope import Scope


Status: TypeAlias = Literal["answered", "curated", "refused", "stopped", "failed"]  # how a turn ended


class Reason(StrEnum):
    """Why there is no answer from the documents. All but the last one are refusals."""

    NO_DOCUMENTS = "no_documents"  # there is nothing to read
    NOTHING_NEAR = "nothing_near"  # no passage comes near the question
    DOUBT = "doubt"  # the model doubted that the passages state the answer, and wrote nothing
    SAID_SO = "said_so"  # the model wrote that the passages do not state the answer
    INVENTED = "invented"  # the model's text has names or numbers, and none of them is in a passage
    NOT_CITED = "not_cited"  # no passage supports the model's text
    NO_QUESTION = "no_question"  # the text asks nothing (smalltalk); the answer is a fixed reply


@dataclass(frozen=True, slots=True)
class Source:
    """A passage as the contract shows it; ``n`` is the number that citations use. ``quote``: its sentence in which the
    span reader is sure to see the answer; empty in all other passages. ``url`` opens at the ``place`` of the passage in
    its file if it can."""

    n: int
    passage_id: int
    document_id: str
    version: int
    title: str
    headings: tuple[str, ...]
    url: str | None
    passage: str
    score: float
    stages: Mapping[str, float]
    curated: bool
    quote: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class SourcesFound:
    """The sources from which the question will be answered. Emitted before the first token."""

    sources: tuple[Source, ...]
    knowledge_version: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The place in the line before the model: ``position`` 1 is next; 0: the waiting is over."""

    position: int


@dataclass(frozen=True, slots=True)
class Silent:
    """The model was asked and has sent nothing for ``seconds``. It may still answer."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Token:
    text: str


Event = SourcesFound | Waiting | Silent | Token
Emit = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question with everything that affects its answer. ``scope``: the knowledge from which it may be answered.
    ``condensed``: the condensed question from the first time it was asked, so that it keeps its meaning. ``spoken``:
    the language of the conversation so far. ``exclude_entries``: entries that the asker marked as "not my question".
    ``fresh``: do not repeat the text that the model wrote for the same prompt before."""

    question: str
    scope: Scope
    history: tuple[EarlierTurn, ...] = ()
    condensed: Condensed | None = None
    spoken: str | None = None
    language: str | None = None
    filters: Mapping[str, str] = field(default_factory=dict)
    exclude_entries: frozenset[int] = frozenset()
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer. ``status``: any but failed; ``reason``: why the documents gave no answer.
    ``condensed_how``: how the condensed question was made. ``profile``: the reading profile that was used; empty where
    no passages were read. ``match``: why a curated answer was served; ``trace``: how the answer was made."""

    status: Status
    answer: str
    condensed_question: str
    condensed_how: How
    language: str
    sources: tuple[Source, ...]
    citations: tuple[int, ...]
    confidence: float
    knowledge_version: int
    prompt: tuple[Message, ...] = ()
    entry_id: int | None = None
    correction_id: int | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    reason: Reason | None = None
    profile: str = ""
    match: Matched | None = None
    trace: Trace | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The complete text that a model wrote."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    stopped: bool = False
    doubt: float | None = None  # of a judgement: how likely NO was (doubt); None where the engine does not report it
    recalled: bool = False  # from memory: the model was not asked


class ModelAccess(Protocol):
    """The use of the model by one question, during its place in the line."""

    def write(
        self,
        messages: Sequence[Message],
        *,
        on_text: Callable[[str], None] = ...,
        max_tokens: int | None = None,
        fresh: bool = False,
    ) -> Written: ...

    def judge(self, messages: Sequence[Message]) -> Written: ...


class Ticket(Protocol):
    """A place in the line before the model, kept until ``leave``."""

    def wait(
        self, *, on_position: Callable[[int], None] | None = ..., cancelled: threading.Event | None = ...
    ) -> None: ...

    def leave(self) -> None: ...


class Writer(Protocol):
    """A chat model with its queue and its memory (bot.llm.writer)."""

    def join(self, asker: str, network: str | None = None) -> Ticket: ...

    def place(
        self,
        ticket: Ticket | None = None,
        *,
        on_position: Callable[[int], None] = ...,
        on_silence: Callable[[int], None] = ...,
        stop: threading.Event | None = None,
        background: bool = False,
    ) -> AbstractContextManager[ModelAccess]: ...


@dataclass(frozen=True, slots=True)
class Material:
    """The input of a reader: a question that can be understood alone, and the passages chosen for it, best first
    (``hits``, and as ``sources`` with their numbers). ``coverage``: share of the question's words that one of the first
    passages contains (SearchResult), None where the passages are in another language and the share means nothing;
    ``quotable``: numbers of the sources that can be the answer themselves, because they contain the curator's whole
    answer; ``corrected``: the first source is a correction that was written for a question like this one; ``fresh``: as
    in ``Ask``; ``readings``: of the span reader, one for each hit, or none."""

    question: str
    language: str
    hits: Sequence[Hit]
    sources: tuple[Source, ...]
    coverage: float | None
    quotable: frozenset[int] = frozenset()
    corrected: bool = False
    fresh: bool = False
    readings: tuple[SpanReading, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of a reader. ``status``: answered, refused or stopped; a refusal has a reason and no text.
    ``messages`` (the prompt that the model read), the tokens and ``writing`` belong to the last text; ``writing``:
    milliseconds from the first piece to the last, None where the model wrote nothing now; ``trace``: what the reader
    measured."""

    status: Status
    messages: Sequence[Message] = ()
    text: str = ""
    citations: tuple[int, ...] = ()
    reason: Reason | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    writing: float | None = None
    trace: ReadingTrace = field(default_factory=ReadingTrace)


@dataclass(frozen=True, slots=True)
class Matched:
    """The curated answer to a question: its entry, the probability that the question is the corrected one (0 to 1),
    and the method of comparison (``how``: same_words). ``knowledge_version``: the newest step of the log at that
    time."""

    entry: Match
    probability: float
    how: str
    knowledge_version: int


class Matcher(Protocol):
    """Decides whether a question is a corrected question."""

    def match(self, question: str, ask: Ask) -> Matched | None:
        """The entry for this text, among those that ``ask`` may get (its scope, filters and excluded entries)."""
        ...


class Reading(Protocol):
    """A reader's work on one question."""

    def condense(self, question: str, history: Sequence[EarlierTurn]) -> Condensed: ...

    def read(self, material: Material, on_text: Callable[[str], None]) -> Reply:
        """The answer. ``on_text`` gets the text while it is written, also a text that is then refused. Raises Busy (the
        line is full), EngineError (the model failed)."""
        ...


class Reader(Protocol):
    """Makes an answer from a question and passages: with a chat model, or with the extractive reader."""

    def join(self, asker: str, network: str | None = None) -> Ticket:
        """Takes a place for a question that ``asker`` is about to ask. Raises Busy where no place is free,
        TooManyWaiting where the questions of the asker, or of the network, have all the places that one may have."""
        ...

    def reading(
        self,
        ticket: Ticket | None,
        *,
        on_position: Callable[[int], None],
        on_silence: Callable[[int], None],
        stop: threading.Event,
        background: bool,
    ) -> AbstractContextManager[Reading]:
        """The work on one question, with the place of ``ticket``, which is given back at the end."""
        ...
