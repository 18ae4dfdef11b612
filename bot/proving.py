"""Gives proofs the knowledge that only this package has: how the passages of an answer are chosen, which facts of an
answer a changed passage loses, and which questions people got an answer to. Implements the protocols of
knowledge.correcting.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import load_only

from bot.answering import grounding, prompt
from bot.tables import Answer, AnsweredQuestion, AnswerSource, Feedback
from knowledge import quoting
from knowledge.correcting.matching import normal_form
from knowledge.correcting.nearest import NearestQuestions, fill
from knowledge.correcting.proof import Replayable
from knowledge.correcting.replay import Answered
from knowledge.scoping import within
from knowledge.tables import Golden

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from bot.answering.prompt import Selection
    from knowledge.db import Database
    from retrieval.embed import Embedder
    from retrieval.passage import Hit
    from retrieval.scope import Scope

BATCH = 500  # below SQLite's limit of bound parameters
MOST_READ = 5_000  # nearest questions that are read to find those inside the scope
AT_ONCE = 16  # questions that are embedded together while people ask: a quarter of a second on two cores
SPARE = 20  # additional questions that are read, because some were asked in nearly the same words


@dataclass(frozen=True, slots=True)
class PromptReading:
    """Chooses passages like the prompt of an answer."""

    selection: Selection

    @property
    def depth(self) -> int:
        return self.selection.depth

    def choose(self, hits: Sequence[Hit]) -> Sequence[Hit]:
        return prompt.choose(hits, self.selection)

    def lost(self, answer: str, before: str, after: str) -> Sequence[str]:
        return grounding.lost_facts(answer, before, after)


@dataclass(frozen=True, slots=True)
class _Ranked:
    """An answered question with the values by which it is ranked, before the whole answer is read."""

    id: int
    sha256: str
    rating: str | None
    cites: bool


class StoredAnswers:
    """The answers of the conversations of all people. Called from several threads."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._questions = NearestQuestions(database, embedder, AnsweredQuestion.__table__)

    def state(self) -> str:
        rated = sa.select(sa.func.count(), sa.func.max(Feedback.created_at)).where(Feedback.rating == "up")
        with self._database.read() as session:
            newest = session.scalar(sa.select(sa.func.max(AnsweredQuestion.id))) or 0
            count, at = session.execute(rated).one()
        return f"{newest}/{count}/{at.isoformat() if at else ''}"

    def on_passages(
        self, passages: Collection[int], scope: Scope, *, without: Collection[str], most: int
    ) -> Replayable:
        ids = sorted(passages)
        questions: dict[int, _Ranked] = {}
        with self._database.read() as session:
            for start in range(0, len(ids), BATCH):
                for row in session.execute(_select_by_passages(ids[start : start + BATCH], scope)):
                    earlier = questions.get(row.id)
                    cites = bool(row.cites) or (earlier is not None and earlier.cites)
                    questions[row.id] = _Ranked(row.id, row.sha256, row.rating, cites)
            ranked = sorted(questions.values(), key=lambda row: (row.rating != "up", not row.cites, -row.id))
            answers, left_out = _choose(session, ranked, without, most)
            return Replayable(tuple(answers), left_out)

    def nearest(self, vector: NDArray[Any], scope: Scope, *, without: Collection[str], most: int) -> Replayable:
        waiting = self._questions.follow()
        ranked = list(self._questions.ranked(vector))
        needed = most + len(without) + SPARE
        with self._database.read() as session:
            up = set(
                session.scalars(
                    _select_questions(scope).with_only_columns(AnsweredQuestion.id).where(Feedback.rating == "up")
                )
            )
            near_up = list(islice((id_ for id_ in ranked if id_ in up), needed))
            graded, _ = _choose(session, _load_ranked(session, near_up, scope), without, most // 2)
            excluded = {*without, *(normal_form(answer.question) for answer in graded)}
            near: list[_Ranked] = []
            for start in range(0, min(len(ranked), MOST_READ), BATCH):
                near += _load_ranked(session, ranked[start : start + BATCH], scope)
                if len(near) >= needed:
                    break
            others, _ = _choose(session, near[:needed], excluded, most - len(graded))
            different = sa.func.count(AnsweredQuestion.sha256.distinct())
            not_down = _select_questions(scope).where(Feedback.rating.is_distinct_from("down"))
            total = session.scalar(not_down.with_only_columns(different)) or 0
            late = sorted(waiting)[-BATCH:]
            unready = session.scalar(not_down.with_only_columns(different).where(AnsweredQuestion.id.in_(late))) or 0
            left = max(0, total - len(graded) - len(others) - unready)
            return Replayable((*graded, *others), {"limit": left, "waiting": unready})


def embed_questions(database: Database, embedder: Embedder, *, most: int = AT_ONCE) -> int:
    """Embeds up to ``most`` of the questions that proofs look through and that have no vector of this model, so that no
    proof has to. Returns how many."""
    tables = (Golden.__table__, AnsweredQuestion.__table__)
    return sum(fill(database, embedder, table, most=most) for table in tables)


def _select_questions(scope: Scope) -> sa.Select[int, str, str]:
    """(id, sha256, rating) of the questions whose answers were given from inside the scope."""
    return (
        sa.select(AnsweredQuestion.id, AnsweredQuestion.sha256, Feedback.rating)
        .outerjoin(Feedback, Feedback.answer_id == AnsweredQuestion.answer_id)
        .where(within(scope, AnsweredQuestion.collection))
    )


def _load_ranked(session: Session, ids: Sequence[int], scope: Scope) -> list[_Ranked]:
    """The questions of these ids that are inside the scope, in this order; deleted ones are left out."""
    rows = {row.id: row for row in session.execute(_select_questions(scope).where(AnsweredQuestion.id.in_(ids)))}
    return [_Ranked(id_, rows[id_].sha256, rows[id_].rating, cites=True) for id_ in ids if id_ in rows]


def _select_by_passages(passages: Sequence[int], scope: Scope) -> sa.Select[Any, Any, Any, Any]:
    return (
        _select_questions(scope)
        .add_columns(sa.func.max(AnswerSource.cited).label("cites"))
        .join(AnswerSource, AnswerSource.answer_id == AnsweredQuestion.answer_id)
        .where(AnswerSource.passage_id.in_(passages))
        .group_by(AnsweredQuestion.id, AnsweredQuestion.sha256, Feedback.rating)
    )


def _choose(
    session: Session, ranked: Sequence[_Ranked], without: Collection[str], most: int
) -> tuple[list[Answered], dict[str, int]]:
    """The first ``most`` of the ranked questions, each once, with their answers; and how many were left out."""
    best: dict[str, _Ranked] = {}
    down = set()
    for question in ranked:
        if question.rating == "down":
            down.add(question.sha256)
        else:
            best.setdefault(question.sha256, question)
    candidates = list(best.values())
    chosen: list[tuple[Answer, bool]] = []
    seen = set(without)
    position = 0
    while len(chosen) < most and position < len(candidates):
        batch = candidates[position : position + most + SPARE]
        position += len(batch)
        loaded = _load(session, [candidate.id for candidate in batch])
        for number, candidate in enumerate(batch):
            row = loaded.get(candidate.id)
            text = row.condensed_question if row else ""
            if row is None or normal_form(text) in seen:
                continue
            if len(chosen) == most:
                position -= len(batch) - number
                break
            seen.add(normal_form(text))
            chosen.append((row, candidate.rating == "up"))
    sources = quoting.whole_sources(session, *(row.sources for row, _ in chosen))
    answers = [
        Answered(row.condensed_question, row.answer, tuple(whole), tuple(row.citations), graded=graded)
        for (row, graded), whole in zip(chosen, sources, strict=True)
    ]
    return answers, {"limit": len(candidates) - position, "rated_down": len(down - best.keys())}


def _load(session: Session, ids: Sequence[int]) -> dict[int, Answer]:
    rows = session.execute(
        sa.select(AnsweredQuestion.id, Answer)
        .join(Answer, Answer.id == AnsweredQuestion.answer_id)
        .options(load_only(Answer.question, Answer.condensed, Answer.answer, Answer.sources, Answer.citations))
        .where(AnsweredQuestion.id.in_(ids))
    )
    return {row.id: row.Answer for row in rows}
