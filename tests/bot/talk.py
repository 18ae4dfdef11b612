"""A database in which people talk: questions with finished answers, without a model."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from bot import conversations, feedback, transcripts
from bot.answering.condense import How
from bot.answering.prompt import Selection
from bot.answering.values import Outcome, Source
from bot.feedback import Rating
from bot.proving import PromptReading, StoredAnswers
from bot.tables import Answer, Conversation
from knowledge.correcting.curation import Curation
from knowledge.correcting.proof import Tools
from knowledge.db import Database
from knowledge.log import KnowledgeLog, head
from retrieval.scope import EVERYTHING
from retrieval.search import Searcher
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SOURCE = Source(1, 7, "returns", 1, "Returns", ("Goods",), None, "Within 14 days.", 0.5, {"dense": 0.5}, curated=False)


class Talk:
    """Answers are given by hand; everything else is real."""

    def __init__(self, path: Path, template: Path) -> None:
        shutil.copyfile(template, path)
        self.database = Database(f"sqlite:///{path}")
        self.embedder = HashingEmbedder()
        self.searcher = Searcher(KnowledgeLog(self.database, self.embedder.fingerprint), self.embedder)
        reading, answers = PromptReading(Selection(near=0.0)), StoredAnswers(self.database, self.embedder)
        log = KnowledgeLog(self.database, self.embedder.fingerprint)
        tools = Tools.of(self.database, log, self.searcher, self.embedder, reading, answers)
        self.curation = Curation(self.database, self.embedder, tools, EVERYTHING)

    def close(self) -> None:
        self.searcher.close()
        self.database.close()

    def begin(self, question: str, *, owner: str = "visitor:a", conversation_id: str | None = None) -> tuple[str, str]:
        """(conversation, answer) of a question that is being answered."""
        with self.database.write() as session:
            answer = conversations.begin(
                session, owner=owner, question=question, conversation_id=conversation_id, model="scripted"
            )
            return answer.conversation_id, answer.id

    def finish(self, answer_id: str, **outcome: Any) -> None:
        with self.database.write() as session:
            question = conversations.get_answer(session, answer_id, self._owner(answer_id)).question
            values: dict[str, Any] = {
                "status": "answered",
                "answer": "Within 14 days.",
                "condensed_question": question,
                "condensed_how": How.ALONE,
                "language": "en",
                "sources": (SOURCE,),
                "citations": (1,),
                "confidence": 0.5,
                "knowledge_version": head(session),
            }
            made = Outcome(**values | outcome)
            conversations.finish(session, answer_id, made)
            if made.status == "answered":
                conversations.note_answered(session, answer_id)

    def ask(
        self, question: str, *, owner: str = "visitor:a", conversation_id: str | None = None, **outcome: Any
    ) -> tuple[str, str]:
        """(conversation, answer) of a question with its answer."""
        conversation_id, answer_id = self.begin(question, owner=owner, conversation_id=conversation_id)
        self.finish(answer_id, **outcome)
        return conversation_id, answer_id

    def rate(self, answer_id: str, rating: str, *, who: str = "visitor", **details: Any) -> int | None:
        """Returns the id of the correction that the rating leads to."""
        with self.database.write() as session:
            answer = conversations.get_answer(session, answer_id, self._owner(answer_id))
            return feedback.rate(session, answer, Rating(rating, **details), EVERYTHING, who=who).correction_id

    def unanswered(self, answer_id: str, *, network: str | None = None) -> None:
        with self.database.write() as session:
            feedback.report_unanswered(session, answer_id, EVERYTHING, network=network)

    def correct(self, correction_id: int, answer: str, *, paraphrases: Sequence[str] = ()) -> None:
        self.curation.draft(correction_id, {"answer": answer, "paraphrases": list(paraphrases)}, actor="ann")
        self.curation.approve(correction_id, actor="ann")

    def turn(self, conversation_id: str, *, owner: str = "visitor:a") -> dict[str, Any]:
        """The last turn as its owner sees it."""
        with self.database.read() as session:
            transcript = transcripts.transcript(session, conversations.get(session, conversation_id, owner), EVERYTHING)
        turn: dict[str, Any] = transcript["turns"][-1]
        return turn

    def state(self, correction_id: int) -> tuple[str, str, bool]:
        """(state, priority, live)"""
        item = self.curation.item(correction_id)
        return item["state"], item["priority"], item["live"]

    def _owner(self, answer_id: str) -> str:
        with self.database.read() as session:
            return session.get_one(Conversation, session.get_one(Answer, answer_id).conversation_id).owner
