"""Vectors of questions are stored, so that proofs find the nearest ones; also answered questions with the passages that
their answers were made from, and the proof that an approval was based on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_BATCH = 500  # answers read at once: an answer with its prompt has some kilobytes


def upgrade() -> None:
    op.add_column("entries", sa.Column("proof_id", sa.Integer(), nullable=True))
    op.add_column("golden", sa.Column("sha256", sa.String(64), server_default=sa.text("''"), nullable=False))
    op.create_table(
        "question_vectors",
        sa.Column("fingerprint", sa.String(128), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "sha256", name=op.f("pk_question_vectors")),
    )
    op.create_table(
        "answered_questions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("answer_id", sa.String(32), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("collection", sa.String(64), nullable=True),
        sa.ForeignKeyConstraint(
            ["answer_id"], ["answers.id"], name=op.f("fk_answered_questions_answer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answered_questions")),
        sa.UniqueConstraint("answer_id", name=op.f("uq_answered_questions_answer_id")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "answer_sources",
        sa.Column("answer_id", sa.String(32), nullable=False),
        sa.Column("passage_id", sa.Integer(), nullable=False),
        sa.Column("cited", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["answer_id"], ["answers.id"], name=op.f("fk_answer_sources_answer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("answer_id", "passage_id", name=op.f("pk_answer_sources")),
    )
    op.create_index(op.f("ix_answer_sources_passage_id"), "answer_sources", ["passage_id"], unique=False)
    connection = op.get_bind()
    _fill_golden(connection)
    _fill_answered(connection)


def _fill_golden(connection: sa.Connection) -> None:
    golden = sa.table("golden", sa.column("id"), sa.column("question"), sa.column("sha256"))
    rows = connection.execute(sa.select(golden.c.id, golden.c.question)).all()
    for row in rows:
        done = golden.update().where(golden.c.id == row.id).values(sha256=_sha256(row.question))
        connection.execute(done)


def _fill_answered(connection: sa.Connection) -> None:
    """Copies what earlier versions stored with each answer to the tables that proofs read."""
    answers = sa.table(
        "answers",
        *map(sa.column, ("id", "question", "condensed_question", "status", "sources", "citations", "created_at")),
    )
    questions = sa.table("answered_questions", *map(sa.column, ("answer_id", "question", "sha256", "collection")))
    passages = sa.table("answer_sources", *map(sa.column, ("answer_id", "passage_id", "cited")))
    answered = sa.select(answers.c.id).where(answers.c.status == "answered")
    ids = list(connection.scalars(answered.order_by(answers.c.created_at, answers.c.id)))
    for start in range(0, len(ids), _BATCH):
        batch = ids[start : start + _BATCH]
        rows = {row.id: row for row in connection.execute(sa.select(answers).where(answers.c.id.in_(batch)))}
        asked: list[dict[str, Any]] = []
        given: list[dict[str, Any]] = []
        for answer_id in batch:
            row = rows[answer_id]
            question = row.condensed_question or row.question
            cited = set(_json(row.citations))
            read: dict[int, bool] = {}
            for source in _json(row.sources):
                id_ = source.get("passage_id")
                if isinstance(id_, int) and id_ > 0:
                    read[id_] = read.get(id_, False) or source.get("n") in cited
            known = {"answer_id": answer_id, "question": question, "sha256": _sha256(question)}
            asked.append(known | {"collection": "main" if read else None})  # there was no other collection
            given += [{"answer_id": answer_id, "passage_id": id_, "cited": one} for id_, one in read.items()]
        connection.execute(questions.insert(), asked)
        if given:
            connection.execute(passages.insert(), given)


def _json(value: Any) -> list[Any]:
    return (json.loads(value) if isinstance(value, str) else value) or []


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
