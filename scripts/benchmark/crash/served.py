"""Compares what a server serves with an index that is built anew from the database, and with what was promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from knowledge.db import Database
from knowledge.log import KnowledgeLog
from retrieval.scope import EVERYTHING
from retrieval.search import Searcher

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import httpx

    from retrieval.embed import Embedder
    from scripts.benchmark.crash.ledger import Ledger

HITS = 20
TRIES = 10  # the worker may change the knowledge between two searches
Found = tuple[int, list[tuple[int, str, float]]]  # the step of the log, and of each hit its id, text and score


def differences(
    http: httpx.Client, database: Path, embedder: Embedder, queries: Sequence[str], ledger: Ledger
) -> list[str]:
    """A sentence for each query whose hits are not those of a new index, and for each text that nobody promised."""
    opened = Database(f"sqlite:///{database}")
    try:
        rebuilt = Searcher(KnowledgeLog(opened, embedder.fingerprint), embedder)
        wrong: list[str] = []
        for query in queries:
            served, expected, documents = _both(http, rebuilt, query)
            wrong += unequal(query, served, expected)
            wrong += superseded(query, documents, ledger)
        return wrong
    finally:
        opened.close()


def unequal(query: str, served: Found, expected: Found) -> list[str]:
    """Where the hits of a query differ from those of a new index."""
    if served == expected:
        return []
    if served[0] != expected[0]:
        return [f"{query}: the server is at step {served[0]} of the log, the database at {expected[0]}"]
    pairs = zip([*served[1], None], [*expected[1], None], strict=False)
    n, (here, there) = next((n, pair) for n, pair in enumerate(pairs, start=1) if pair[0] != pair[1])
    return [f"{query}: hit {n} is {here}, a new index finds {there}"]


def superseded(query: str, hits: Sequence[tuple[str, str]], ledger: Ledger) -> list[str]:
    """The hits (document and text) whose text no promise has."""
    promised = {**ledger.of_kind("document"), **ledger.of_kind("upload")}
    return [
        f"{query}: {document} is served as {text!r}, promised was {promised[document]}"
        for document, text in hits
        if document in promised and not any(text in (value or "") for value in promised[document])
    ]


def _both(http: httpx.Client, rebuilt: Searcher, query: str) -> tuple[Found, Found, list[tuple[str, str]]]:
    for _ in range(TRIES):
        body = http.post("/api/search", json={"query": query, "k": HITS}).raise_for_status().json()
        served = _found(body["knowledge_version"], [(h["passage_id"], h["passage"], h["score"]) for h in body["hits"]])
        result = rebuilt.search(query, HITS, scope=EVERYTHING)
        expected = _found(result.seq, [(hit.passage.id, hit.passage.text, hit.score) for hit in result.hits])
        if served[0] == expected[0]:
            break
    return served, expected, [(hit["document_id"], hit["passage"]) for hit in body["hits"]]


def _found(seq: int, hits: list[tuple[Any, ...]]) -> Found:
    return seq, [(id_, text, round(score, 6)) for id_, text, score in hits]
