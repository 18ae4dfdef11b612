"""The tables of the knowledge: documents, origins, passages, the log; corrections, entries, their parts; jobs.

The log decides the order of changes: the index at ``seq`` N follows from ``log_changes`` up to N.
``passages.live`` is the same fact for N = newest, written in the same transaction (knowledge.documents.settle
is the only writer of both). Rules that the database can check are constraints here, named in words.
Tables of people and conversations are in bot.tables.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from knowledge.db import Base, utc_now
from retrieval.scope import MAIN


def question_sha256(text: str) -> str:
    """The key of a question's vector: the hash of its exact words, because a model embeds these."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _sha256_of_question(context: Any) -> str:
    return question_sha256(context.get_current_parameters()["question"])


class Document(Base):
    """A document under its stable id. ``current_version``: the version that readers see (null: never settled);
    ``base_version``: the version that came from its source, without edits by corrections."""

    __tablename__ = "documents"

    id: Mapped[str] = mapped_column(sa.String(512), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(16))  # source | erratum
    title: Mapped[str]
    source: Mapped[str] = mapped_column(sa.String(1024), index=True)  # the folder, upload or interface it came from
    language: Mapped[str] = mapped_column(sa.String(16), index=True)
    base_version: Mapped[int | None]
    current_version: Mapped[int | None]
    retired_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    collection: Mapped[str] = mapped_column(sa.String(64), default=MAIN, server_default=MAIN, index=True)  # for ever
    retired_by: Mapped[str | None]
    # a person retired it: it does not come back because a file is there
    kept_out: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    # the file that its text was read from, and the version of the reader (knowledge.load.READER); null: from no file,
    # or read before these were stored
    file_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    reader: Mapped[int | None]


class Origin(Base):
    """Where the documents of one source come from. Two folders of the same name are two origins under two names."""

    __tablename__ = "origins"

    source: Mapped[str] = mapped_column(sa.String(1024), primary_key=True)  # documents.source of its documents
    # the folder's real absolute path; "upload"; null for a source of an older version, which did not write it down
    path: Mapped[str | None] = mapped_column(sa.String(4096), index=True)
    first_at: Mapped[datetime] = mapped_column(default=utc_now)
    last_at: Mapped[datetime] = mapped_column(default=utc_now)


class DocumentVersion(Base):
    """One text of a document, never changed after it was written. It was composed of ``base_version`` and ``edits``
    (ids, ascending). The same composition is the same version, which makes a rollback exact."""

    __tablename__ = "document_versions"
    __table_args__ = (sa.Index("one_version_per_composition", "document_id", "base_version", "edits", unique=True),)

    document_id: Mapped[str] = mapped_column(sa.ForeignKey("documents.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    base_version: Mapped[int]
    edits: Mapped[str] = mapped_column(default="")  # "3,17"
    title: Mapped[str]
    text: Mapped[str]
    sha256: Mapped[str] = mapped_column(sa.String(64))  # of all its content: unchanged means nothing to do
    url: Mapped[str | None]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    actor: Mapped[str]
    reason: Mapped[str | None]
    correction_id: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    typed: Mapped[dict[str, Any] | None]  # metadata as a program sent them (versions.Content)
    # of a base version: where its text stands in its file (retrieval.place.Places); changes when the file's lines move
    places: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))


class PassageRow(Base):
    """A chunk of a document version. ``live``: readers can find it now."""

    __tablename__ = "passages"
    __table_args__ = (
        sa.UniqueConstraint("document_id", "version", "position"),
        sa.ForeignKeyConstraint(
            ["document_id", "version"], ["document_versions.document_id", "document_versions.version"]
        ),
        sa.Index("live_passages", "live", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[str] = mapped_column(sa.String(512))
    version: Mapped[int]
    position: Mapped[int]
    headings: Mapped[list[Any]] = mapped_column(default=list)
    text: Mapped[str]
    sha256: Mapped[str] = mapped_column(
        sa.String(64), index=True
    )  # of the indexed text: equal text is not embedded twice
    language: Mapped[str] = mapped_column(sa.String(16))
    live: Mapped[bool] = mapped_column(default=False)
    # where it stands in the file of its document (retrieval.place.Place; null: not known)
    place: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))


class Embedding(Base):
    """The unit vector (float32, little endian) of a passage under one model fingerprint."""

    __tablename__ = "embeddings"

    passage_id: Mapped[int] = mapped_column(sa.ForeignKey("passages.id", ondelete="CASCADE"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    vector: Mapped[bytes]


class LogStep(Base):
    """One step of the knowledge. Readers see its changes (LogChange) and nothing else of it."""

    __tablename__ = "log"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(sa.String(32))  # put | retire | approve | rollback | expire
    actor: Mapped[str]
    document_id: Mapped[str | None]
    correction_id: Mapped[int | None]
    reason: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(default=utc_now)


class LogChange(Base):
    __tablename__ = "log_changes"

    seq: Mapped[int] = mapped_column(sa.ForeignKey("log.seq"), primary_key=True)
    passage_id: Mapped[int] = mapped_column(sa.ForeignKey("passages.id"), primary_key=True)
    added: Mapped[bool]  # false: hidden


class Correction(Base):
    """An item of the queue, from the first complaint to the erratum. Its state is changed only by
    knowledge.correcting.corrections.advance."""

    __tablename__ = "corrections"
    __table_args__ = (
        sa.Index(
            "one_open_correction_per_question",
            "collection",
            "cluster",
            unique=True,
            sqlite_where=sa.text("state NOT IN ('rejected', 'merged', 'rolled_back')"),
            postgresql_where=sa.text("state NOT IN ('rejected', 'merged', 'rolled_back')"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(sa.String(16), index=True)
    revision: Mapped[int] = mapped_column(default=1)
    origin: Mapped[str] = mapped_column(sa.String(16))
    priority: Mapped[str] = mapped_column(sa.String(16), default="normal")
    cluster: Mapped[str]  # the normalised question: complaints about the same question are one item
    question: Mapped[str]
    language: Mapped[str] = mapped_column(sa.String(16))
    kind: Mapped[str | None]
    draft: Mapped[dict[str, Any] | None]
    recheck: Mapped[dict[str, Any] | None]
    merged_into: Mapped[int | None]
    claimed_by: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now)
    collection: Mapped[str] = mapped_column(sa.String(64), default=MAIN, server_default=MAIN, index=True)  # for ever


class CorrectionEvent(Base):
    """Who did what to a correction, when, and why."""

    __tablename__ = "correction_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    correction_id: Mapped[int] = mapped_column(sa.ForeignKey("corrections.id"), index=True)
    action: Mapped[str] = mapped_column(sa.String(32))
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    actor: Mapped[str]
    reason: Mapped[str | None]
    at: Mapped[datetime] = mapped_column(default=utc_now)
    reason_code: Mapped[str | None] = mapped_column(sa.String(64))  # of a reason that the system gave
    reason_values: Mapped[dict[str, Any] | None]


class Complaint(Base):
    """A report, frozen: the answer as it was given and what the person wrote about it."""

    __tablename__ = "complaints"

    id: Mapped[int] = mapped_column(primary_key=True)
    correction_id: Mapped[int] = mapped_column(sa.ForeignKey("corrections.id"), index=True)
    answer_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    question: Mapped[str]  # condensed: understandable without its conversation
    snapshot: Mapped[dict[str, Any]]
    rating: Mapped[str | None]
    reasons: Mapped[list[Any]] = mapped_column(default=list)
    comment: Mapped[str | None]
    suggested_answer: Mapped[str | None]
    quote: Mapped[str | None]
    stars: Mapped[int | None]
    who: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    reporter: Mapped[str | None]  # distinguishes people where ``who`` does not (null: nobody knows who it was)
    merged_from: Mapped[int | None]  # the correction that it belonged to before that one was merged into this
    network: Mapped[str | None] = mapped_column(sa.String(32))  # a keyed hash (null: an account, a key, or older)


class Entry(Base):
    """A publication: the corrected answer under its questions, and the document version that contains it."""

    __tablename__ = "entries"
    __table_args__ = (
        sa.Index(
            "one_live_entry_per_correction",
            "correction_id",
            unique=True,
            sqlite_where=sa.text("live"),
            postgresql_where=sa.text("live"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    correction_id: Mapped[int] = mapped_column(sa.ForeignKey("corrections.id"), index=True)
    revision: Mapped[int]  # of the correction whose draft this was
    question: Mapped[str]
    answer: Mapped[str]
    language: Mapped[str] = mapped_column(sa.String(16))
    kind: Mapped[str | None]
    document_id: Mapped[str] = mapped_column(sa.ForeignKey("documents.id"))
    document_version: Mapped[int]
    seq: Mapped[int | None] = mapped_column(sa.ForeignKey("log.seq"))  # known once the log entry is written
    live: Mapped[bool] = mapped_column(default=True)
    valid_until: Mapped[datetime | None]
    actor: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    replaces: Mapped[int | None]  # the entry of the same correction that was live before; a rollback revives it
    collection: Mapped[str] = mapped_column(sa.String(64), default=MAIN, server_default=MAIN)  # its correction's
    proof_id: Mapped[int | None]  # of the proof that the approval was based on (null: approved before they were kept)


class EntryQuestion(Base):
    """A question that an entry answers, or (negative) a similar question that it does not answer."""

    __tablename__ = "entry_questions"
    __table_args__ = (
        sa.UniqueConstraint("entry_id", "role", "normalised"),
        sa.CheckConstraint("role IN ('canonical', 'paraphrase', 'negative')", name="known_role"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(sa.ForeignKey("entries.id"), index=True)
    role: Mapped[str] = mapped_column(sa.String(16))
    text: Mapped[str]
    normalised: Mapped[str] = mapped_column(index=True)


class Observation(Base):
    """A reader got an entry and reported that it does not answer their question. Written by
    knowledge.correcting.observations."""

    __tablename__ = "observations"
    __table_args__ = (sa.UniqueConstraint("entry_id", "kind", "normalised", "reporter"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(sa.ForeignKey("entries.id"), index=True)
    kind: Mapped[str] = mapped_column(sa.String(32))  # not_my_question
    question: Mapped[str]  # condensed: understandable without its conversation
    normalised: Mapped[str]
    reporter: Mapped[str] = mapped_column(index=True)  # distinguishes people
    created_at: Mapped[datetime] = mapped_column(default=utc_now)


class Unanswered(Base):
    """A refused question, and the correction that it was reported to (null: it waits). Written by bot.unanswered."""

    __tablename__ = "unanswered"
    __table_args__ = (
        sa.Index("waiting_unanswered", "correction_id", "group_id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection: Mapped[str] = mapped_column(sa.String(64), server_default="main")
    question: Mapped[str]  # condensed: understandable without its conversation
    normalised: Mapped[str] = mapped_column(index=True)  # the hash of its normal form, which may be long
    language: Mapped[str] = mapped_column(sa.String(16))
    asker: Mapped[str] = mapped_column(sa.String(32))  # a hash: distinguishes people, names nobody
    answer_id: Mapped[str] = mapped_column(sa.String(32))
    without: Mapped[list[Any]] = mapped_column(default=list)  # entries that the asker reported as not the answer
    group_id: Mapped[int | None] = mapped_column(index=True)  # the first question of its group (null: not compared yet)
    fingerprint: Mapped[str | None] = mapped_column(sa.String(128))  # of the model of ``vector``
    vector: Mapped[bytes | None]  # unit vector (float32, little endian); the first question of a group has it
    correction_id: Mapped[int | None] = mapped_column(sa.ForeignKey("corrections.id"))
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    network: Mapped[str | None] = mapped_column(sa.String(32))  # a keyed hash (null: an account, a key, or older)


class Edit(Base):
    """Words of a source document that an entry replaces. ``active``: the entry is live and the source has the
    surroundings of the words. ``anchor``: these surroundings (knowledge.composition.Anchor; null: not known, because a
    version wrote the edit that stored none)."""

    __tablename__ = "edits"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(sa.ForeignKey("entries.id"), index=True)
    document_id: Mapped[str] = mapped_column(sa.ForeignKey("documents.id"), index=True)
    version: Mapped[int]  # the version that the curator saw
    find: Mapped[str]
    replace: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    anchor: Mapped[dict[str, Any] | None]


class Supersession(Base):
    """A document (passage null), or a passage of it, that an entry hides: the passage with this text at one of
    ``sites`` (knowledge.superseding.Site). There are several sites when the superseded version had the text several
    times."""

    __tablename__ = "supersessions"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(sa.ForeignKey("entries.id"), index=True)
    document_id: Mapped[str] = mapped_column(sa.ForeignKey("documents.id"), index=True)
    passage: Mapped[str | None]
    active: Mapped[bool] = mapped_column(default=True)
    sites: Mapped[list[Any] | None]


class Proof(Base):
    """A replay of questions on a candidate; at most one runs per correction."""

    __tablename__ = "proofs"
    __table_args__ = (
        sa.Index(
            "one_running_proof_per_correction",
            "correction_id",
            unique=True,
            sqlite_where=sa.text("state = 'running'"),
            postgresql_where=sa.text("state = 'running'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    correction_id: Mapped[int] = mapped_column(sa.ForeignKey("corrections.id"), index=True)
    revision: Mapped[int]
    state: Mapped[str] = mapped_column(sa.String(16))  # running | done | failed
    report: Mapped[dict[str, Any]] = mapped_column(default=dict)
    started_at: Mapped[datetime] = mapped_column(default=utc_now)
    finished_at: Mapped[datetime | None]


class Golden(Base):
    """A question whose right answer is known. Every approval adds one; a rollback makes it inactive."""

    __tablename__ = "golden"

    id: Mapped[int] = mapped_column(primary_key=True)
    entry_id: Mapped[int] = mapped_column(sa.ForeignKey("entries.id"), index=True)
    question: Mapped[str]
    answer: Mapped[str]
    document_id: Mapped[str]
    active: Mapped[bool] = mapped_column(default=True)
    sha256: Mapped[str] = mapped_column(
        sa.String(64), default=_sha256_of_question, server_default=sa.text("''")
    )  # of its words


class QuestionVector(Base):
    """The unit vector (float32, little endian) of a question's words under one model fingerprint. Proofs find the
    nearest questions with it. Derived data: ``errata reindex`` adds missing vectors."""

    __tablename__ = "question_vectors"

    fingerprint: Mapped[str] = mapped_column(sa.String(128), primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    vector: Mapped[bytes]


class Text(Base):
    """A text that many prompts have in common, under the hash of its words. Written by knowledge.quoting."""

    __tablename__ = "texts"

    sha256: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    text: Mapped[str]


class Job(Base):
    """Work for the worker, written in the transaction that makes it necessary."""

    __tablename__ = "jobs"
    __table_args__ = (sa.Index("waiting_jobs", "state", "run_after"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(32))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(sa.String(16), default="queued")  # queued | running | done | failed
    attempts: Mapped[int] = mapped_column(default=0)  # how often a worker started it
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    run_after: Mapped[datetime] = mapped_column(default=utc_now)
    heartbeat_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0, server_default=sa.text("0"))  # how often the work itself failed
    error_code: Mapped[str | None] = mapped_column(sa.String(64))  # of an error that other languages have, too
    error_values: Mapped[dict[str, Any] | None]
