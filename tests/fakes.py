"""Small real implementations for tests: they do the same work as the large ones, in a few lines and without files.

They implement the packages' protocols and are no mocks of our own code.
"""

from __future__ import annotations

import hashlib
import math
import re
import threading
from collections.abc import Callable  # noqa: TC003 - pydantic reads the field's type
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import ConfigDict, Field

from bot.llm.engine import LocalChatModel, Request, Step
from retrieval.passage import Change, Passage, Row
from retrieval.reading.spans import NOTHING, SpanReading, sentences_around
from retrieval.scope import MAIN
from retrieval.text import normalise, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from retrieval.reading.spans import Text


class HashingEmbedder:
    """Embeds a text by hashing its tokens and character trigrams, so that texts with common words are near each other.

    The result is the same on every machine. ``embedded`` counts the texts embedded so far.
    """

    def __init__(self, *, fingerprint: str = "hashing-1", dimension: int = 64) -> None:
        self.fingerprint = fingerprint
        self.dimension = dimension
        self.embedded = 0
        self._counting = threading.Lock()

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        with self._counting:
            self.embedded += len(texts)
        rows = [self._vector(text) for text in texts]
        return np.stack(rows) if rows else np.empty((0, self.dimension), dtype=np.float32)

    def query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.passages([text])[0]
        return vector

    def _vector(self, text: str) -> NDArray[np.float32]:
        whole = normalise(text)
        features = [(token, 1.0) for token in tokens(text)]
        features += [(whole[start : start + 3], 0.5) for start in range(len(whole) - 2)]
        vector = np.zeros(self.dimension)
        for feature, weight in features or [("", 1.0)]:
            hashed = int.from_bytes(
                hashlib.blake2b(feature.encode("utf-8", "replace"), digest_size=8).digest(), "little"
            )
            vector[hashed % self.dimension] += weight if hashed >> 63 else -weight
        length = float(np.linalg.norm(vector))
        if length == 0:
            vector[0], length = 1.0, 1.0
        return (vector / length).astype(np.float32)


class MemoryLog:
    """The log of a knowledge base in memory; implements ``retrieval.follow.PassageLog``.

    ``add`` and ``hide`` append to the log and return the new sequence number. Passages are never forgotten. ``read``
    has the ids of passages that were asked for.
    """

    def __init__(self, embedder: HashingEmbedder | None = None) -> None:
        self.embedder = embedder or HashingEmbedder()
        self._passages: dict[int, Passage] = {}
        self._rows: dict[int, Row] = {}
        self._live: set[int] = set()
        self._log: list[Change] = []
        self._lock = threading.RLock()
        self.read: list[int] = []

    def add(self, *passages: Passage, hide: Iterable[int] = ()) -> int:
        """Appends one step to the log: it adds passages (hidden ones again, too) and hides others."""
        with self._lock:
            for passage in passages:
                self._passages[passage.id] = passage
                vector = self.embedder.passages([passage.indexed_text])[0]
                self._rows[passage.id] = Row(
                    passage.id, passage.indexed_text, vector, passage.collection, passage.language
                )
            added = tuple(self._rows[passage.id] for passage in passages)
            change = Change(seq=self.head() + 1, added=added, hidden=frozenset(hide))
            self._live = (self._live - change.hidden) | {row.id for row in added}
            self._log.append(change)
            return change.seq

    def hide(self, *ids: int) -> int:
        return self.add(hide=ids)

    def head(self) -> int:
        return len(self._log)

    def rows(self) -> tuple[int, Iterator[Row]]:
        with self._lock:
            return self.head(), iter([self._rows[id_] for id_ in sorted(self._live)])

    def changes(self, after: int) -> Sequence[Change]:
        with self._lock:
            return self._log[after:]

    def passages(self, ids: Sequence[int]) -> Mapping[int, Passage]:
        self.read += ids
        return {id_: self._passages[id_] for id_ in ids if id_ in self._passages}

    def select(self, filters: Mapping[str, str]) -> frozenset[int]:
        """``filters`` compare attributes of the passage, such as ``document_id``."""
        return frozenset(
            id_
            for id_, passage in self._passages.items()
            if all(str(getattr(passage, name, None)) == value for name, value in filters.items())
        )


def passage(
    id_: int,
    text: str,
    *,
    title: str = "",
    language: str = "en",
    erratum: bool = False,
    collection: str = MAIN,
    **properties: str,
) -> Passage:
    """A passage in a separate document, for tests in which little more than the text matters."""
    return Passage(
        id=id_,
        document_id=f"document-{id_}",
        version=1,
        position=0,
        title=title,
        headings=(),
        text=text,
        language=language,
        erratum=erratum,
        collection=collection,
        properties={name: (value,) for name, value in properties.items()},
    )


class ScriptedChat(LocalChatModel):
    """Writes the result of ``script`` for the text of the last message, word by word; ``prompts`` collects these texts.

    With a ``gate``, the model waits for it before every word, so that a test decides when the model goes on.
    ``doubt`` gives the probability of NO instead of YES.
    """

    supports: ClassVar[frozenset[str]] = frozenset({"logprobs", "top_logprobs"})

    model: str = "scripted"
    doubt: Callable[[str], float] | None = None
    script: Callable[[str], str] = lambda _prompt: "NO_ANSWER"
    prompts: list[str] = Field(default_factory=list)
    gate: threading.Semaphore | None = None

    model_config = ConfigDict(arbitrary_types_allowed=True)

    def _steps(self, request: Request) -> Iterator[Step]:
        prompt = str(request.messages[-1].content)
        self.prompts.append(prompt)
        words = re.findall(r"\S+\s*|\s+", self.script(prompt))[: request.max_tokens]
        for count, word in enumerate(words, start=1):
            while self.gate is not None and not self.gate.acquire(timeout=0.02):
                if request.stop_event is not None and request.stop_event.is_set():
                    return
            if request.stop_event is not None and request.stop_event.is_set():
                return
            yield Step(word, self._doubts(request, prompt) if count == 1 else (), len(prompt.split()), count)
        yield Step(finish_reason="stop")

    def _doubts(self, request: Request, prompt: str) -> tuple[dict[str, Any], ...]:
        if self.doubt is None or request.top_logprobs is None:
            return ()
        likely = {"NO": self.doubt(prompt), "YES": 1 - self.doubt(prompt)}
        return ({"top_logprobs": [{"token": token, "logprob": math.log(p)} for token, p in likely.items() if p]},)


class Pointing:
    """A span reader: points to the first of its texts that a passage has, with the log-odds of that text (an underscore
    stands for a space)."""

    def __init__(self, **odds: float) -> None:
        self.odds = {words.replace("_", " "): value for words, value in odds.items()}
        self.asked: list[str] = []

    def read(self, question: str, passages: Sequence[Text]) -> list[SpanReading]:
        self.asked.append(question)
        return [self._reading(passage.text) for passage in passages]

    def _reading(self, text: str) -> SpanReading:
        for words, odds in self.odds.items():
            if words in text:
                start = text.index(words)
                end = start + len(words)
                return SpanReading(words, start, end, sentences_around(text, start, end), 1.0, odds)
        return NOTHING
