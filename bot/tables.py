"""The tables of people and conversations: accounts, sessions, keys, conversations, answers, feedback, signals.

Secrets are stored as hashes only. Who owns a conversation is one text, the *owner*: ``visitor:<hash>`` for the
holder of a visitor cookie, ``user:<name>`` for an account, ``key:<id>`` for an API key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column

from knowledge.db import Base, utc_now


class User(Base):
    __tablename__ = "users"
    __table_args__ = (sa.CheckConstraint("role IN ('curator', 'admin')", name="known_role"),)

    username: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    role: Mapped[str] = mapped_column(sa.String(16))
    password_hash: Mapped[str]
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class LoginSession(Base):
    """A signed-in browser; its cookie contains the token, this row the token's SHA-256."""

    __tablename__ = "sessions"

    token_sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    username: Mapped[str] = mapped_column(sa.ForeignKey("users.username", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    expires_at: Mapped[datetime]


class ApiKey(Base):
    __tablename__ = "api_keys"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(sa.String(16))  # program | curator | admin
    token_sha256: Mapped[str] = mapped_column(sa.String(64), unique=True)
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    revoked_at: Mapped[datetime | None]
    collection: Mapped[str | None] = mapped_column(sa.String(64))  # the only one that it may see (null: all)


class Conversation(Base):
    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    title: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)  # of its last question
    stored_bytes: Mapped[int] = mapped_column(default=0, server_default=sa.text("0"))  # about what it takes on the disk


_answers = sa.table("answers", sa.column("number", sa.Integer))
_next_number = sa.select(sa.func.coalesce(sa.func.max(_answers.c.number), 0) + 1).scalar_subquery()


class Answer(Base):
    """A question and its answer, with everything that is needed to explain the answer later."""

    __tablename__ = "answers"

    id: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(sa.ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    question: Mapped[str]
    condensed: Mapped[str] = mapped_column("condensed_question")  # empty: as ``question``
    language: Mapped[str] = mapped_column(sa.String(16))
    status: Mapped[str] = mapped_column(sa.String(16))  # running | answered | curated | refused | stopped | failed
    answer: Mapped[str] = mapped_column(default="")
    sources: Mapped[list[Any]] = mapped_column(default=list)  # short: knowledge.quoting has their texts
    citations: Mapped[list[Any]] = mapped_column(default=list)
    confidence: Mapped[float | None]
    prompt: Mapped[list[Any]] = mapped_column(default=list, deferred=True)  # short, as ``sources``
    model: Mapped[str]
    knowledge_version: Mapped[int]
    entry_id: Mapped[int | None]  # the entry that was served verbatim
    timings_ms: Mapped[dict[str, Any]] = mapped_column(default=dict)
    prompt_tokens: Mapped[int] = mapped_column(default=0)
    completion_tokens: Mapped[int] = mapped_column(default=0)
    correction_id: Mapped[int | None] = mapped_column(sa.ForeignKey("corrections.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    profile: Mapped[str | None]  # the reading profile that was used (bot.answering.profile)
    condensed_how: Mapped[str | None] = mapped_column(sa.String(16))  # bot.answering.condense.How; None: older answers
    reason: Mapped[str | None] = mapped_column(sa.String(16))  # of a refusal (bot.answering.values.Reason)
    # The order of the questions: times do not have it when the clock was set back.
    number: Mapped[int] = mapped_column(default=_next_number, server_default=sa.text("0"), index=True)
    # How it was made, as ids and numbers (bot.answering.trace); None: an older answer.
    trace: Mapped[dict[str, Any] | None]

    @hybrid_property
    def condensed_question(self) -> str:
        """The question, understandable without its conversation."""
        return self.condensed or self.question

    @condensed_question.inplace.setter
    def _set_condensed_question(self, text: str) -> None:
        self.condensed = "" if text == self.question else text

    @condensed_question.inplace.expression
    @classmethod
    def _condensed_question_in_sql(cls) -> sa.ColumnElement[str]:
        return sa.case((cls.condensed == "", cls.question), else_=cls.condensed)


class AnsweredQuestion(Base):
    """A question that was answered from passages, in the order of the answers. Proofs read this table, so that they
    need not read whole answers."""

    __tablename__ = "answered_questions"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[str] = mapped_column(sa.ForeignKey("answers.id", ondelete="CASCADE"), unique=True)
    question: Mapped[str]  # condensed: understandable without its conversation
    sha256: Mapped[str] = mapped_column(sa.String(64))  # of the question's words
    collection: Mapped[str | None] = mapped_column(sa.String(64))  # of all its sources (null: of several, or none)


class AnswerSource(Base):
    """A passage that the answer was read from; ``cited``: the answer cites it."""

    __tablename__ = "answer_sources"

    answer_id: Mapped[str] = mapped_column(sa.ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True)
    passage_id: Mapped[int] = mapped_column(primary_key=True, index=True)
    cited: Mapped[bool]


class Feedback(Base):
    """A person's rating of an answer; a second rating replaces the first."""

    __tablename__ = "feedback"

    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[str | None] = mapped_column(sa.ForeignKey("answers.id", ondelete="CASCADE"), unique=True)
    rating: Mapped[str] = mapped_column(sa.String(8))
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    comment: Mapped[str | None]
    suggested_answer: Mapped[str | None]
    quote: Mapped[str | None]
    stars: Mapped[int | None]
    who: Mapped[str]
    correction_id: Mapped[int | None] = mapped_column(sa.ForeignKey("corrections.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Signal(Base):
    """An action of a person with an answer: copied it, stopped it, opened a source."""

    __tablename__ = "signals"

    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[str] = mapped_column(sa.ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(32))
    value: Mapped[float | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Survey(Base):
    __tablename__ = "surveys"

    conversation_id: Mapped[str] = mapped_column(
        sa.ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    )
    stars: Mapped[int]
    comment: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Generation(Base):
    """Text that a model wrote for a prompt: the same prompt gets the same text, byte for byte."""

    __tablename__ = "generations"

    key: Mapped[str] = mapped_column(sa.String(64), primary_key=True)  # SHA-256 of model, settings and prompt
    text: Mapped[str]
    prompt_tokens: Mapped[int]
    completion_tokens: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)
    doubt: Mapped[float | None]  # of a judgement (bot.answering.doubt)
