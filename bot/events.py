"""The metrics of /metrics, for operators. They contain counts and times only, never text of people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.answering.values import Outcome

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120)
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter("errata_requests", "HTTP requests", ("method", "route", "status"), registry=registry)
        self.questions = Counter("errata_questions", "Questions asked", registry=registry)
        self.answers = Counter("errata_answers", "Answers by status", ("status",), registry=registry)
        self.unanswered = Counter(
            "errata_unanswered",
            "Questions without an answer from the documents, by reason",
            ("reason",),
            registry=registry,
        )
        self.ratings = Counter("errata_ratings", "Ratings by direction", ("rating",), registry=registry)
        self.first_token = Histogram(
            "errata_first_token_seconds", "Time to first token", buckets=SECONDS, registry=registry
        )
        self.total = Histogram("errata_answer_seconds", "Time to a whole answer", buckets=SECONDS, registry=registry)
        self.retrieval = Histogram("errata_retrieval_seconds", "Search", buckets=QUICK, registry=registry)
        self.speed = Histogram(
            "errata_tokens_per_second",
            "Tokens per second while writing",
            buckets=(1, 2, 5, 10, 20, 40, 80),
            registry=registry,
        )
        self.tokens = Counter("errata_tokens", "Tokens read and written", ("kind",), registry=registry)
        self.afterwards = Counter(
            "errata_failures_after_answers",
            "What failed when an answer was finished; the answer counts all the same",
            ("what",),
            registry=registry,
        )
        self.queue = Gauge("errata_queue_length", "Questions waiting for the chat model", registry=registry)
        self.corrections = Gauge("errata_corrections", "Corrections by state", ("state",), registry=registry)
        self.knowledge_version = Gauge(
            "errata_knowledge_version", "Newest step of the knowledge log", registry=registry
        )
        self.memory = Gauge("errata_memory_bytes", "Resident memory of the server", registry=registry)

    def count_request(self, method: str, route: str, status: int) -> None:
        """Counts a request. Clients can send any text as method, so all unknown methods share one label."""
        self.requests.labels(method if method in METHODS else "OTHER", route, status).inc()

    def count_failure(self, what: str) -> None:
        """Counts a failure that happened after an answer was finished."""
        self.afterwards.labels(what).inc()

    def set_corrections(self, counts: Mapping[str, int]) -> None:
        """Sets the number of corrections of every state."""
        for state, count in counts.items():
            self.corrections.labels(state).set(count)

    def count_answer(self, outcome: Outcome) -> None:
        """Counts a finished answer."""
        timings = outcome.timings_ms
        self.answers.labels(outcome.status).inc()
        if outcome.reason is not None:
            self.unanswered.labels(outcome.reason).inc()
        self.retrieval.observe(timings.get("retrieval", 0) / 1000)
        self.total.observe(timings.get("total", 0) / 1000)
        self.tokens.labels("prompt").inc(outcome.prompt_tokens)
        self.tokens.labels("completion").inc(outcome.completion_tokens)
        if "first_token" in timings:
            self.first_token.observe(timings["first_token"] / 1000)
        if outcome.completion_tokens > 1 and timings.get("writing"):
            self.speed.observe((outcome.completion_tokens - 1) / timings["writing"] * 1000)

    def text(self) -> bytes:
        """All metrics in Prometheus' text form."""
        return generate_latest(self.registry)


metrics = Metrics()
