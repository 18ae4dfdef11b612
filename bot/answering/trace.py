"""How an answer was made, as numbers: small enough to be stored with every answer (bot.explanations puts it in words).

A trace names passages by id and has none of their words, so it can be kept with the answer and with every complaint
about it. What was not measured is absent.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from bot.answering.doubt import probability_of
from bot.answering.evidence import foreign

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.answering.evidence import Evidence
    from bot.answering.prompt import Use
    from retrieval.passage import Hit
    from retrieval.search import SearchResult

MOST = 20  # candidates that a trace keeps
STAGES = 12  # … and scores of each


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that the search found. ``use``: whether the model got it to read, and if not, why."""

    passage_id: int
    score: float
    stages: Mapping[str, float]
    use: Use


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs that there is something to answer from, each with the value from which it is enough: ``nearest``, the
    cosine of the nearest passage, with ``floor``; ``coverage``, the share of the question's words in one passage, with
    ``covering``. ``foreign``: the best passage is in another language, and then neither means anything."""

    nearest: float
    floor: float
    coverage: float
    covering: float
    foreign: bool


@dataclass(frozen=True, slots=True)
class Span:
    """The part of passage ``n`` (characters ``start`` to ``end``) that may state the answer; ``score``: the log-odds
    that the passage answers."""

    n: int
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class ReadingTrace:
    """The reader's part. ``doubt``: the probability that the passages lack the answer, 0 to 1; ``limit``: the doubt (in
    log-odds) from which there is no answer; ``tries``: how often a model wrote; ``quoted``: the text is a correction's
    own; ``sentence``: it is the sentence in which the span reader sees the answer."""

    doubt: float | None = None
    limit: float | None = None
    tries: int = 0
    quoted: bool = False
    sentence: bool = False
    spans: tuple[Span, ...] = ()

    def to_json(self) -> dict[str, Any]:
        limit = None if self.limit is None else probability_of(self.limit)
        values: dict[str, Any] = {"tries": self.tries}
        values |= {
            name: _short(value) for name, value in (("doubt", self.doubt), ("limit", limit)) if value is not None
        }
        if self.quoted:
            values["quoted"] = True
        if self.sentence:
            values["sentence"] = True
        if self.spans:
            values["spans"] = [[span.n, span.start, span.end, _short(span.score)] for span in self.spans[:MOST]]
        return values


@dataclass(frozen=True, slots=True)
class Trace:
    """``candidates`` in the order of the search; ``match``: why a curated answer was served, as (how, probability)."""

    candidates: tuple[Candidate, ...] = ()
    signs: Signs | None = None
    reading: ReadingTrace = field(default_factory=ReadingTrace)
    match: tuple[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """The trace as it is stored."""
        values: dict[str, Any] = {}
        if self.candidates:
            values["candidates"] = [
                {
                    "id": candidate.passage_id,
                    "score": _short(candidate.score),
                    "use": str(candidate.use),
                    "stages": {name: _short(value) for name, value in list(candidate.stages.items())[:STAGES]},
                }
                for candidate in self.candidates
            ]
        if self.signs is not None:
            values["signs"] = {
                name: value if isinstance(value, bool) else _short(value) for name, value in asdict(self.signs).items()
            }
        if self.reading != ReadingTrace():
            values["reading"] = self.reading.to_json()
        if self.match is not None:
            values["match"] = {"how": self.match[0], "probability": _short(self.match[1])}
        return values


def of_search(weighed: Sequence[tuple[Hit, Use]], result: SearchResult, evidence: Evidence, language: str) -> Trace:
    """The trace of a search for a question in ``language``; ``weighed``: its hits, from ``prompt.weigh``."""
    candidates = tuple(Candidate(hit.passage.id, hit.score, dict(hit.stages), use) for hit, use in weighed[:MOST])
    if not candidates:
        return Trace()
    signs = Signs(
        nearest=result.best_dense,
        floor=evidence.floors[language],
        coverage=result.coverage,
        covering=evidence.coverage,
        foreign=foreign(result, language),
    )
    return Trace(candidates, signs)


def _short(value: float) -> float:
    return round(float(value), 4)
