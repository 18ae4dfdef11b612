"""The reader without a model: it answers with the sentences of the passages that fit the question best.

It is used to measure everything around a model in minutes, and on machines that are too small for a model. When no
sentence shares enough words with the question, it refuses.

The fewer passages contain a word, the more the word counts. Words are retrieval's tokens, so Chinese is compared by
words too.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bot.answering import citations
from bot.answering.condense import condense
from bot.answering.values import Reason, Reply
from retrieval import invisible
from retrieval.text import tokens

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from bot.answering.condense import Condensed, EarlierTurn
    from bot.answering.values import Material, Ticket

# Share of the question's weight that the best sentence, with its title, must have. On 480 questions of XQuAD, CMRC
# and SQuAD2 with three near passages: 0.25 gives the right sentence to 82 %, wrongly refuses 8 %, and answers 28 %
# (zh) and 42 % (en) of the unanswerable.
ENOUGH: Final = 0.25
CLOSE: Final = 0.8  # further sentences, as a share of the best one's score
MOST: Final = 3  # sentences in an answer
# The share of its weight that a word has in the title, or in the sentence before, when the sentence lacks it.
TITLE: Final = 0.6
BEFORE: Final = 0.4

_SENTENCE = re.compile(r"[^.!?。！？；;\n]*(?:[.!?](?!\s|$)[^.!?。！？；;\n]*)*[.!?。！？；;]*[”’」』\")）]*")
_COMMON_WORDS = (
    "a an and are as at be been by can could did do does for from had has have how i if in into is it its many may me "
    "much my of on or shall should so such that the their them there these they this those to was we were what when "
    "where which who whom whose why will with would you your 什么 哪里 哪个 哪些 多少 怎么 怎样 如何 为什么 是否 可以 "
    "我们 你们 他们 一个 没有 几个 请问 吗 呢 的 了 是 在 有"
)
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered passage."""

    number: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ScoredSentence:
    """A sentence that could be the answer. `place` is (passage, sentence), both from 0."""

    score: float
    place: tuple[int, int]
    text: str


class ExtractiveReader:
    """A ``Reader`` without a line: every question is answered at once. Deterministic. It rewrites no follow-up; a short
    one is joined with the question before it."""

    def join(self, asker: str, network: str | None = None) -> Ticket:
        """A ticket for anybody at any time."""
        return _TicketWithoutLine()

    @contextmanager
    def reading(
        self,
        ticket: Ticket | None,
        *,
        on_position: Callable[[int], None],
        on_silence: Callable[[int], None],
        stop: threading.Event,
        background: bool,
    ) -> Iterator[ExtractiveReading]:
        """The work on one question."""
        yield ExtractiveReading(stop)


class ExtractiveReading:
    """The work on one question, until ``stop`` is set."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop

    def condense(self, question: str, history: Sequence[EarlierTurn]) -> Condensed:
        """The follow-up, joined with the question before it where it is short."""
        return condense(question, history, lambda _messages, *, max_tokens: "")

    def read(self, material: Material, on_text: Callable[[str], None]) -> Reply:
        """The best sentences with their numbers, word by word. Tokens are words and single Chinese characters."""
        passages = [
            Passage(
                source.n,
                invisible.cleaned(" ".join((source.title, *source.headings))),
                invisible.cleaned(source.passage),
            )
            for source in material.sources
        ]
        text = answer(passages, material.question)
        if text is None:
            return Reply("refused", reason=Reason.SAID_SO)
        written: list[str] = []
        for piece in _pieces(text):
            if self._stop.is_set():
                break
            written.append(piece)
            on_text(piece)
        whole, cited = citations.verify("".join(written), [passage.text for passage in passages])
        return Reply(
            "stopped" if self._stop.is_set() else "answered",
            text=whole,
            citations=cited,
            completion_tokens=len(written),
        )


class _TicketWithoutLine:
    """A ticket that nobody has to wait with, because there is no line."""

    def wait(
        self, *, on_position: Callable[[int], None] | None = None, cancelled: threading.Event | None = None
    ) -> None: ...

    def leave(self) -> None: ...


def answer(passages: Sequence[Passage], question: str) -> str | None:
    """The best sentences, each followed by its passage's number; None where no sentence fits the question enough."""
    asked = set(terms(question))
    if not asked or not passages:
        return None
    passage_counts = Counter(
        term for passage in passages for term in asked & set(terms(f"{passage.title} {passage.text}"))
    )
    weights = {term: math.log(1 + (len(passages) + 1) / (passage_counts[term] + 0.5)) for term in asked}
    scored = sorted(_scored(passages, question, weights), key=lambda sentence: (-sentence.score, sentence.place))
    if not scored or scored[0].score < ENOUGH:
        return None
    chosen = [sentence for sentence in scored[:MOST] if sentence.score >= CLOSE * scored[0].score]
    chosen.sort(key=lambda sentence: (sentence.place[0] != scored[0].place[0], sentence.place))
    return " ".join(f"{sentence.text} [{passages[sentence.place[0]].number}]" for sentence in chosen)


def _scored(passages: Sequence[Passage], question: str, weights: dict[str, float]) -> Iterator[ScoredSentence]:
    """Every sentence with its score: the share of the question's weight that the sentence and its surroundings have.

    A sentence that is itself a question is never an answer. The sentence after it gets all its words, because lists of
    questions and answers are written like that.
    """
    total = sum(weights.values())
    same = tokens(question)
    for row, passage in enumerate(passages):
        title = set(terms(passage.title))
        previous: set[str] = set()
        asking = False
        for column, sentence in enumerate(split_sentences(passage.text)):
            own = set(terms(sentence))
            if sentence.endswith(("?", "？")) or tokens(sentence) == same:
                previous, asking = own, True
                continue
            share = 0.0
            for term, weight in weights.items():
                if term in own or (asking and term in previous):
                    share += weight
                elif term in title:
                    share += TITLE * weight
                elif term in previous:
                    share += BEFORE * weight
            yield ScoredSentence(share / total, (row, column), sentence)
            previous, asking = own, False


def split_sentences(text: str) -> list[str]:
    """Sentences and lines, without list marks and empty ones."""
    sentences = []
    for line in text.splitlines():
        for match in _SENTENCE.findall(line.strip().lstrip("#*->•| \t")):
            sentence = match.strip()
            if re.search(r"\w", sentence):
                sentences.append(sentence)
    return sentences


def terms(text: str) -> list[str]:
    """Retrieval's tokens without the commonest words; English words without a plural or past ending."""
    return [_stem(token) for token in tokens(text) if token not in _COMMON]


def _stem(word: str) -> str:
    if not word.isascii():
        return word
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _pieces(text: str) -> list[str]:
    """The text in the pieces that a stream shows: words with their space, single characters elsewhere."""
    return re.findall(r"\s*[a-zA-Z0-9_]+|\s*[^\sa-zA-Z0-9_]|\s+$", text)
