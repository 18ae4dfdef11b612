"""Joins the parts. This is the only place that knows which implementation each protocol has.

``Parts`` builds each part at its first use, so that ``errata user add`` opens a database and nothing else. Web, worker,
commands, scripts and tests all start here; tests pass a small chat model and embedder.
"""

from __future__ import annotations

import logging
import math
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.errors import BotError
from retrieval.scope import EVERYTHING

if TYPE_CHECKING:
    import threading

    from langchain_core.language_models import BaseChatModel

    from bot.answering.answer import Answerer
    from bot.answering.profile import Profile
    from bot.answering.values import Matcher, Reader
    from bot.llm.gate import Gate
    from bot.llm.writer import ChatWriter
    from bot.models.spec import ResolvedModel
    from bot.models.store import ModelStore
    from bot.retention import AnonymousBudget
    from bot.same_questions import SameQuestions
    from bot.settings import Settings
    from bot.turn import Turns
    from bot.worker import Handler, Worker
    from knowledge.correcting.curation import Curation
    from knowledge.correcting.proof import Tools
    from knowledge.db import Database
    from knowledge.log import KnowledgeLog
    from retrieval.embed import Embedder
    from retrieval.reading.span_reader import SpanReader
    from retrieval.scope import Scope
    from retrieval.search import Searcher

_log = logging.getLogger(__name__)


class Parts:
    """The parts of one running Errata. Close it when done."""

    def __init__(
        self, settings: Settings, *, embedder: Embedder | None = None, chat: BaseChatModel | None = None
    ) -> None:
        self.settings = settings
        self.serving = False  # whether people's questions are answered at the same time
        self._given_embedder = embedder
        self._given_chat = chat

    @property
    def _cores(self) -> int:
        """Processor threads for the models: a container or a scheduler often gives fewer cores than the machine has."""
        return self.settings.threads or _usable_cores()

    @cached_property
    def database(self) -> Database:
        from bot import folders, marker
        from knowledge import wal
        from knowledge.db import open_database

        folders.require(self.settings.data, "ERRATA_DATA")
        folders.require_file(self.settings.database, "ERRATA_DATA")
        marker.check_file(self.settings)
        wal.check(self.settings.database)
        try:
            database = open_database(self.settings.database)
            marker.check_content(self.settings, database)
            marker.keep(self.settings, database)
        except OSError as error:
            raise BotError(
                "The data folder {data} cannot be written ({problem}). Set ERRATA_DATA to a folder that this "
                "user may write.",
                code="data_not_writable",
                data=self.settings.data,
                problem=error.strerror,
            ) from error
        return database

    @cached_property
    def network_key(self) -> bytes:
        """For hashes of network addresses."""
        from bot import networks

        return networks.key_of(self.settings.data)

    @cached_property
    def store(self) -> ModelStore:
        from bot import folders
        from bot.models.fetch import Origins
        from bot.models.store import ModelStore

        folders.require(self.settings.models, "ERRATA_MODELS")
        sources = Origins(hub=self.settings.models_hub, mirror=self.settings.models_mirror)
        return ModelStore(self.settings.models, sources=sources)

    @cached_property
    def chat_model(self) -> ResolvedModel:
        """Which chat model is in use. Raises ModelError when it is not in the store."""
        return self.store.resolve(self.settings.chat_model, "chat")

    @property
    def chat_name(self) -> str:
        """The chat model's name, as answers record it."""
        return "given" if self._given_chat is not None else self.chat_model.name

    @property
    def chat_fingerprint(self) -> str:
        """The identity of the chat model: it changes with the model and its file."""
        return self.chat_name if self._given_chat is not None else self.chat_model.fingerprint

    @property
    def embedding_name(self) -> str:
        """The embedding model's name, as profiles record it."""
        return self.settings.embedding_model if self._given_embedder is None else "given"

    @cached_property
    def embedder(self) -> Embedder:
        if self._given_embedder is not None:
            return self._given_embedder
        from retrieval.embed import SentenceTransformerEmbedder

        resolved = self.store.resolve(self.settings.embedding_model, "embedding")
        assert resolved.path is not None
        # In the server half the cores: the chat model needs the others. A command may use them all.
        threads = max(1, self._cores // 2) if self.serving else self._cores
        return SentenceTransformerEmbedder(resolved.path, fingerprint=resolved.fingerprint, threads=threads)

    @cached_property
    def source(self) -> KnowledgeLog:
        from knowledge.log import KnowledgeLog

        return KnowledgeLog(self.database, self.embedder.fingerprint)

    @cached_property
    def searcher(self) -> Searcher:
        from bot import folders
        from bot.answering.profile import ranking_for
        from retrieval.scope import HANDBOOK
        from retrieval.search import Searcher
        from retrieval.snapshot import Snapshots

        folders.require(self.settings.snapshots, "ERRATA_DATA")
        return Searcher(
            self.source,
            self.embedder,
            snapshots=Snapshots(self.settings.snapshots),
            ranking=ranking_for(self.embedding_name),
            background=frozenset({HANDBOOK}),
        )

    @cached_property
    def chat(self) -> BaseChatModel:
        if self._given_chat is not None:
            return self._given_chat
        from bot.llm.factory import open_chat_model

        key = self.settings.chat_api_key
        return open_chat_model(
            self.chat_model,
            threads=self._cores,
            # One more than parallel generations, so that one prompt prefix stays; others are kept in the prompt cache.
            slots=self.settings.parallel + 1,
            context=self.settings.context_tokens,
            max_tokens=self.settings.answer_tokens,
            api_key=key.get_secret_value() if key else None,
            timeout=self.settings.model_silence_seconds,
        )

    @cached_property
    def gate(self) -> Gate:
        from bot.llm.gate import Gate

        return Gate(
            self.settings.parallel,
            self.settings.queue,
            per_asker=self.settings.queue_per_asker,
            per_network=self.settings.queue_per_network,
        )

    @cached_property
    def writer(self) -> ChatWriter:
        from bot.llm.listening import Patience
        from bot.llm.writer import ChatWriter

        return ChatWriter(
            self.chat,
            self.gate,
            self.database,
            model=self.chat_fingerprint,
            max_tokens=self.settings.answer_tokens,
            patience=Patience.up_to(self.settings.model_silence_seconds),
        )

    @cached_property
    def profile(self) -> Profile:
        """The reading profile of the pair of models in use, fitted to the settings."""
        from bot.answering.profile import shipped
        from bot.calibration import store

        embedding = self.embedding_name
        profile = shipped(self.chat_name, embedding, reads_spans=self.span_reader is not None)
        stored = store.load(self.settings.data, self.chat_fingerprint, self.embedder.fingerprint)
        if stored is not None:
            calibration, measured_at = stored
            profile = calibration.applied(profile, f"{self.chat_name}+{embedding}/calibrated-{measured_at}")
        return profile.fitted(
            passages=self.settings.passages,
            context=self.settings.context_tokens,
            answer=self.settings.answer_tokens,
        )

    @property
    def has_chat_model(self) -> bool:
        """Whether a chat model reads; the extractive reader does without one."""
        return self._given_chat is not None or self.chat_model.engine != "extractive"

    @cached_property
    def reader(self) -> Reader:
        """The part that makes answers from questions and passages."""
        from bot.answering.chat_reader import ChatReader
        from bot.answering.extractive import ExtractiveReader

        return ChatReader(self.writer, self.profile) if self.has_chat_model else ExtractiveReader()

    @cached_property
    def answerer(self) -> Answerer:
        from bot.answering.answer import Answerer

        return Answerer(self.database, self.searcher, self.reader, self.matcher, self.profile, self.span_reader)

    @cached_property
    def span_reader(self) -> SpanReader | None:
        """The span reader that ships with Errata; None where the embedding model is another one than it was trained
        on, and for the extractive reader, which uses no readings: they would take most of its time."""
        from retrieval.errors import SpanReaderError
        from retrieval.reading.span_reader import SpanReader
        from retrieval.reading.weights import SHIPPED

        embedder: Any = self.embedder
        if not self.has_chat_model or not hasattr(embedder, "trunk"):
            return None
        try:
            return SpanReader(embedder, SHIPPED)
        except SpanReaderError as error:
            _log.warning("%s", error)
            return None

    @cached_property
    def matcher(self) -> Matcher:
        """The part that knows whether a question is a corrected question."""
        from bot.answering.same_words import SameWords

        return SameWords(self.database)

    def load_chat_model(self) -> None:
        """Loads the chat model now, if it has to be loaded. Raises EngineError."""
        load = getattr(self.chat, "load", None) if self.has_chat_model else None
        if load is not None:
            load()

    @cached_property
    def budget(self) -> AnonymousBudget:
        """What people without an account may store."""
        from bot.retention import AnonymousBudget

        return AnonymousBudget(self.settings.anonymous_mb * 1_000_000)

    @cached_property
    def turns(self) -> Turns:
        from bot.turn import Turns

        return Turns(self.database, self.answerer, model=self.chat_name, budget=self.budget)

    def curation(self, scope: Scope) -> Curation:
        """The curation actions of a person who may see this scope."""
        from knowledge.correcting.curation import Curation

        return Curation(self.database, self.embedder, self.proving, scope)

    @cached_property
    def proving(self) -> Tools:
        from bot.proving import PromptReading, StoredAnswers
        from knowledge.correcting.proof import Tools

        reading = PromptReading(self.profile.selection)
        answers = StoredAnswers(self.database, self.embedder)
        return Tools.of(self.database, self.source, self.searcher, self.embedder, reading, answers)

    @cached_property
    def same_questions(self) -> SameQuestions:
        from bot.same_questions import SameQuestions

        return SameQuestions(self.embedder, self.profile.alike)

    @cached_property
    def worker(self) -> Worker:
        from bot import retention
        from bot.recheck import give_up
        from bot.worker import Worker
        from knowledge.correcting.publish import RECHECK
        from knowledge.uploads import INGEST, discard_upload

        def note_unchecked(payload: dict[str, Any]) -> None:
            give_up(self.database, payload)

        def end_upload(payload: dict[str, Any]) -> None:
            discard_upload(self.database, payload, uploads=self.settings.uploads)

        def go_on_tomorrow(_payload: dict[str, Any]) -> None:
            with self.database.write() as session:
                retention.schedule(session, after=retention.EVERY)

        after = {INGEST: end_upload, RECHECK: note_unchecked, retention.HOUSEKEEPING: go_on_tomorrow}
        return Worker(self.database, self._handlers(), after=after, spare=self._embed_questions)

    def _embed_questions(self) -> bool:
        """Embeds some of the questions that proofs will look through; False when all are."""
        from bot.proving import embed_questions

        return embed_questions(self.database, self.embedder) > 0

    def _handlers(self) -> dict[str, Handler]:
        from bot import retention, unanswered
        from bot.recheck import recheck
        from knowledge.correcting.publish import EXPIRE, RECHECK
        from knowledge.uploads import INGEST, ingest_uploads

        def do_recheck(payload: dict[str, Any], report: Any) -> None:
            recheck(
                self.database,
                self.answerer,
                self.searcher,
                correction_id=payload["correction_id"],
                entry_id=payload["entry_id"],
                on_progress=report,
            )

        def do_expire(payload: dict[str, Any], _report: object) -> None:
            self.curation(EVERYTHING).expire(payload["entry_id"])

        def do_ingest(payload: dict[str, Any], report: Any) -> dict[str, Any]:
            return ingest_uploads(
                self.database,
                self.embedder,
                payload,
                uploads=self.settings.uploads,
                report=report,
                so_far=report.so_far,
            )

        def do_group(_payload: dict[str, Any], _report: object) -> dict[str, Any]:
            return {"grouped": unanswered.group(self.database, self.embedder, self.profile.alike)}

        def keep_house(_payload: dict[str, Any], report: Any) -> dict[str, Any]:
            days, megabytes = self.settings.keep_days, self.settings.anonymous_mb
            return dict(retention.keep_house(self.database, days=days, most=megabytes * 1_000_000, report=report))

        return {
            RECHECK: do_recheck,
            EXPIRE: do_expire,
            INGEST: do_ingest,
            unanswered.GROUP: do_group,
            retention.HOUSEKEEPING: keep_house,
        }

    def recover(self) -> dict[str, int]:
        """Called when the server starts: ends interrupted work, and starts again rechecks that were given up. Returns
        counts by kind."""
        from bot import conversations, recheck, retention
        from knowledge import uploads
        from knowledge.correcting import publish

        with self.database.write() as session:
            answers = conversations.fail_interrupted(session)
            expiries = publish.await_expiries(session)
            rechecks = recheck.take_up(session)
            retention.schedule(session)
        return {
            "answers": answers,
            "proofs": self.curation(EVERYTHING).fail_interrupted(),
            "expiries": expiries,
            "rechecks": rechecks,
            "uploads": uploads.discard_forgotten(self.database, self.settings.uploads),
        }

    def warm_up(self, stop: threading.Event) -> None:
        """Has the chat model read the common beginnings of all prompts. Ends soon after ``stop`` is set."""
        from bot.answering import condense, prompt

        if not self.has_chat_model:
            return
        languages = sorted(prompt.LANGUAGES, reverse=self.settings.language == "zh-CN")
        beginnings = [build("", (), language) for language in languages for build in (prompt.build, condense.build)]
        self.writer.warm_up(beginnings, stop)

    def close(self) -> None:
        """Waits for the background work and closes the database."""
        built = self.__dict__
        if "worker" in built:
            self.worker.stop(timeout=10)
        if "searcher" in built:
            self.searcher.close()
        if "database" in built:
            self.database.close()


def _usable_cores(limit: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """The cores that this process may use: its affinity, and the quota of its container (cgroup v2) rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = limit.read_text("ascii").split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max": no quota
        return cores
