"""How a stored answer was made: in plain words for the person who asked, in full for curators.

Works from what is stored with an answer, or frozen with a complaint about it (bot.conversations.record): its fields,
its sources and its trace (bot.answering.trace). Passages that are outside the caller's scope now are neither shown nor
counted. An answer of an earlier version has no trace: then only its sources and its result are known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bot import texts
from bot.answering.condense import How
from bot.answering.prompt import Use
from bot.answering.values import Reason
from knowledge.log import load_passages
from knowledge.scoping import outside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from retrieval.scope import Scope

MOST_PASSAGES = 50  # candidates that are shown
_BEFORE_READING = (Reason.NO_DOCUMENTS, Reason.NOTHING_NEAR)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence about an answer: the key of its text below ``server.explain``, and the values in it."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)

    def text(self, language: str) -> str:
        return texts.text(f"server.explain.{self.key}", language, **self.values)


@dataclass(frozen=True, slots=True)
class Explanation:
    """``sentences``: what happened, in order; ``detail``: all that is known, as plain JSON values, for curators."""

    sentences: tuple[Sentence, ...]
    detail: Mapping[str, Any]


def explain(session: Session, record: Mapping[str, Any], scope: Scope) -> Explanation:
    """The explanation of an answer, from ``conversations.record`` of it, or from what was frozen with a complaint."""
    trace = record.get("trace") or {}
    candidates = _candidates(session, record, trace, scope)
    return Explanation(tuple(_sentences(record, trace, candidates)), _detail(record, trace, candidates))


def _candidates(
    session: Session, record: Mapping[str, Any], trace: Mapping[str, Any], scope: Scope
) -> list[dict[str, Any]]:
    """The passages that the search found, in its order, as far as they are inside the scope."""
    sources = {source["passage_id"]: source for source in record.get("sources") or () if source.get("passage_id")}
    weighed = trace.get("candidates") or [
        {"id": id_, "score": source.get("score"), "use": Use.READ, "stages": source.get("stages") or {}}
        for id_, source in sources.items()
    ]
    weighed = weighed[:MOST_PASSAGES]
    passages = {passage.id: passage for passage in load_passages(session, [entry["id"] for entry in weighed])}
    hidden = outside(session, {passage.document_id for passage in passages.values()}, scope)
    citations = set(record.get("citations") or ())
    spans = {span[0]: span[1:] for span in (trace.get("reading") or {}).get("spans") or ()}
    shown = []
    for entry in weighed:
        passage = passages.get(entry["id"])
        if passage is None or passage.document_id in hidden:
            continue
        n = sources.get(entry["id"], {}).get("n")
        shown.append(
            {
                "passage_id": passage.id,
                "document_id": passage.document_id,
                "version": passage.version,
                "title": passage.title,
                "headings": list(passage.headings),
                "passage": passage.text,
                "curated": passage.erratum,
                "place": passage.place and passage.place.to_json(),
                "score": entry["score"],
                "stages": entry["stages"],
                "use": str(entry["use"]),
                "n": n,
                "cited": n in citations,
                "span": spans.get(n),
            }
        )
    return shown


def _detail(
    record: Mapping[str, Any], trace: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    reading = trace.get("reading") or {}
    return {
        "status": record.get("status"),
        "reason": record.get("reason"),
        "condensed_question": record.get("condensed_question"),
        "condensed_how": record.get("condensed_how"),
        "model": record.get("model"),
        "profile": record.get("profile"),
        "knowledge_version": record.get("knowledge_version"),
        "timings_ms": dict(record.get("timings_ms") or {}),
        "signs": trace.get("signs"),
        "doubt": reading.get("doubt"),
        "limit": reading.get("limit"),
        "tries": reading.get("tries"),
        "quoted": bool(reading.get("quoted")),
        "match": trace.get("match"),
        "candidates": list(candidates),
    }


def _sentences(
    record: Mapping[str, Any], trace: Mapping[str, Any], candidates: Sequence[Mapping[str, Any]]
) -> Iterator[Sentence]:
    status, reason = record.get("status"), record.get("reason")
    if status in (None, "running", "failed"):
        yield Sentence(str(status or "unknown"))
        return
    if reason == Reason.NO_QUESTION:
        yield Sentence("no_question")
        return
    yield from _understood(record)
    if status == "curated":
        yield Sentence("curated")
        return
    yield from _searched(candidates)
    if reason in _BEFORE_READING:
        yield Sentence(str(reason))
        return
    if trace and "reading" not in trace and reason == Reason.SAID_SO:  # without a chat model
        yield Sentence("no_sentence")
        return
    yield from _read(trace.get("reading") or {}, reason)
    if status == "stopped":
        yield Sentence("stopped")
    elif status == "answered":
        cited = [f"[{candidate['n']}]" for candidate in candidates if candidate["cited"]]
        if cited:
            yield Sentence("cited", {"numbers": ", ".join(cited)})


def _understood(record: Mapping[str, Any]) -> Iterator[Sentence]:
    condensed = record.get("condensed_question")
    if condensed and condensed != record.get("question"):
        joined = record.get("condensed_how") == How.JOINED
        yield Sentence("joined" if joined else "understood", {"question": condensed})


def _searched(candidates: Sequence[Mapping[str, Any]]) -> Iterator[Sentence]:
    if not candidates:
        yield Sentence("found_none")
        return
    uses = [candidate["use"] for candidate in candidates]
    yield Sentence("found", {"found": len(uses), "read": uses.count(Use.READ)})
    for use in (Use.FAR, Use.FULL):
        if use in uses:
            yield Sentence(f"left_out_{use}", {"n": uses.count(use)})
    if any(candidate["curated"] and candidate["use"] == Use.READ for candidate in candidates):
        yield Sentence("correction_read")


def _read(reading: Mapping[str, Any], reason: str | None) -> Iterator[Sentence]:
    """What the chat model did."""
    if reason == Reason.DOUBT:
        yield Sentence("doubt")
        return
    if reading.get("doubt") is not None and reading.get("limit") is not None:
        yield Sentence("sure")
    if reading.get("tries", 0) > 1:
        yield Sentence("tried_again")
    if reading.get("quoted"):
        yield Sentence("quoted")
    if reason is not None:
        yield Sentence(str(reason))
