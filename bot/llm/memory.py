"""Stores the text of each prompt and model in the database: the same prompt for the same model gets the same text.

Answers do not depend on it: if the database cannot store or read a text, this is logged and counted (bot.events), and
nothing else happens. A finished answer is valid even if it cannot be stored.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from bot.answering.values import Written
from bot.events import metrics
from bot.tables import Generation
from knowledge.db import utc_now
from knowledge.errors import KnowledgeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.answering.prompt import Message
    from knowledge.db import Database

log = structlog.get_logger()

MOST_GENERATIONS = 20_000  # the most texts in the memory, about 20 MB; the oldest are removed first


class Memory:
    """The stored texts. ``model`` identifies the chat model in the keys, so that another model has other keys."""

    def __init__(self, database: Database, model: str) -> None:
        self._database = database
        self._model = model

    def key(self, messages: Sequence[Message], limit: int, kind: str) -> str:
        """The SHA-256 of everything that determines the text. ``limit`` is in tokens."""
        plain = [asdict(message) for message in messages]
        content = json.dumps([self._model, kind, limit, plain], ensure_ascii=False)
        return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()

    def recall(self, key: str) -> Written | None:
        """The text under a key; None if there is none, or if the database cannot read it."""
        try:
            with self._database.read() as session:
                row = session.get(Generation, key)
        except (sa.exc.SQLAlchemyError, KnowledgeError) as error:
            log.warning("text_not_recalled", error=type(error).__name__)
            return None
        if row is None:
            return None
        return Written(row.text, row.prompt_tokens, row.completion_tokens, doubt=row.doubt, recalled=True)

    def keep(self, texts: Sequence[tuple[str, Written]]) -> None:
        """Stores texts under their keys. Raises no error: a failure is logged."""
        try:
            self._write(texts)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer that was written is good
            log.error("text_not_kept", error=type(error).__name__)
            metrics.count_failure("text_memory")

    def _write(self, texts: Sequence[tuple[str, Written]]) -> None:
        if not texts:
            return
        with self._database.write() as session:
            for key, written in texts:
                session.merge(
                    Generation(
                        key=key,
                        text=written.text,
                        doubt=written.doubt,
                        prompt_tokens=written.prompt_tokens,
                        completion_tokens=written.completion_tokens,
                        created_at=utc_now(),
                    )
                )
            session.flush()
            count = session.scalar(sa.select(sa.func.count()).select_from(Generation)) or 0
            if count > MOST_GENERATIONS:
                oldest = sa.select(Generation.key).order_by(Generation.created_at).limit(count - MOST_GENERATIONS)
                session.execute(sa.delete(Generation).where(Generation.key.in_(oldest)))
