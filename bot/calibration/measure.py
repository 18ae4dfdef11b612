"""Asks the chat model to judge questions of which we know whether the passages contain the answer.

The shipped questions are asked over the shipped documents, in a temporary knowledge base that the same code fills and
searches. The installation's confirmed questions are asked over its own knowledge: as it is, and on a candidate from
which the document that answers them is hidden.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot.answering import doubt, prompt
from bot.answering.evidence import foreign
from bot.calibration.fit import Observation
from knowledge import put
from knowledge.db import open_database
from knowledge.log import KnowledgeLog
from knowledge.tables import Edit, Entry, Golden, PassageRow
from knowledge.versions import Content
from retrieval.scope import EVERYTHING
from retrieval.search import Searcher
from retrieval.text import language_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.answering.profile import Profile
    from bot.answering.values import Writer
    from knowledge.db import Database
    from retrieval.embed import Embedder
    from retrieval.search import Candidate

MOST_CONFIRMED = 40  # of the installation's own questions: the newest; each is judged twice

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ShippedDocument:
    """A document of the shipped set with the questions that it answers and questions that nothing there answers."""

    id: str
    language: str
    title: str
    text: str
    answered: tuple[str, ...]
    unanswered: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Trial:
    question: str
    answerable: bool
    group: str
    searcher: Searcher
    candidate: Candidate | None = None


def shipped_documents() -> list[ShippedDocument]:
    lines = files("bot.calibration").joinpath("questions.jsonl").read_text("utf-8").splitlines()
    rows = (json.loads(line) for line in lines if line.strip())
    return [
        ShippedDocument(**(row | {"answered": tuple(row["answered"]), "unanswered": tuple(row["unanswered"])}))
        for row in rows
    ]


class Measuring:
    """Measures one pair of models on the shipped set and on the knowledge of ``database``."""

    def __init__(
        self, database: Database, searcher: Searcher, embedder: Embedder, writer: Writer, profile: Profile
    ) -> None:
        self._database = database
        self._searcher = searcher
        self._embedder = embedder
        self._writer = writer
        self._profile = profile

    def observe(self, on_progress: OnProgress = lambda _done, _total: None) -> list[Observation]:
        """Has every question judged once. Questions without hits, and those for which the model writes neither YES nor
        NO, are left out. Raises EngineError, retrieval errors."""
        with tempfile.TemporaryDirectory(prefix="errata-calibrate-") as folder:
            database = open_database(Path(folder) / "errata.db")
            try:
                trials = [*self._shipped(database), *self._confirmed()]
                observations: list[Observation] = []
                for number, trial in enumerate(trials, start=1):
                    on_progress(number - 1, len(trials))
                    observations += self._judged(trial)
                on_progress(len(trials), len(trials))
                return observations
            finally:
                database.close()

    def _shipped(self, database: Database) -> list[_Trial]:
        documents = shipped_documents()
        new = [
            put.NewDocument(document.id, Content(document.title, document.text), source="calibration")
            for document in documents
        ]
        put.put(database, self._embedder, new, actor="calibration")
        log = KnowledgeLog(database, self._embedder.fingerprint)
        searcher = Searcher(log, self._embedder, ranking=self._profile.ranking)
        return [
            _Trial(question, answerable, "shipped", searcher)
            for document in documents
            for answerable, questions in ((True, document.answered), (False, document.unanswered))
            for question in questions
        ]

    def _confirmed(self) -> Iterator[_Trial]:
        """Golden questions, each with its answer and without it, that is, without the erratum and the documents that
        its correction edited. Other documents may still answer them."""
        with self._database.read() as session:
            golden = session.execute(
                sa.select(Golden.question, Golden.document_id, Golden.entry_id)
                .join(Entry, Entry.id == Golden.entry_id)
                .where(Golden.active, Entry.live)
                .order_by(Golden.id.desc())
                .limit(MOST_CONFIRMED)
            ).all()
            answering = {
                row.entry_id: list(
                    session.scalars(
                        sa.select(PassageRow.id).where(
                            PassageRow.live,
                            sa.or_(
                                PassageRow.document_id == row.document_id,
                                PassageRow.document_id.in_(
                                    sa.select(Edit.document_id).where(Edit.entry_id == row.entry_id, Edit.active)
                                ),
                            ),
                        )
                    )
                )
                for row in golden
            }
        for question, _, entry_id in golden:
            yield _Trial(question, True, "confirmed", self._searcher)
            without = self._searcher.candidate(hide=answering[entry_id], add=())
            yield _Trial(question, False, "confirmed", self._searcher, without)

    def _judged(self, trial: _Trial) -> Sequence[Observation]:
        profile = self._profile
        depth = profile.selection.depth
        result = trial.searcher.search(trial.question, depth, scope=EVERYTHING, candidate=trial.candidate)
        chosen = prompt.choose(result.hits, profile.selection)
        if not chosen:
            return ()
        language = language_of(trial.question)
        messages = prompt.judging(prompt.build(trial.question, chosen, language, profile.form), profile.form)
        with self._writer.place(background=True) as place:
            written = place.judge(messages)
        probability = doubt.from_judgement(written.doubt, written.text)
        if probability is None or not written.prompt_tokens:
            return ()
        length = sum(len(hit.passage.text.encode()) for hit in chosen)
        coverage = profile.limits.foreign if foreign(result, language) else result.coverage
        size = sum(len(message.content.encode()) for message in messages)
        corrected = "erratum" in chosen[0].stages
        return (
            Observation(
                language=language,
                answerable=trial.answerable,
                doubt=probability,
                offset=profile.limits.offset(coverage, length, corrected=corrected),
                cosine=result.best_dense,
                bytes_per_token=size / written.prompt_tokens,
                group=trial.group,
            ),
        )
