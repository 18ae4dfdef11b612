"""Conversations as their owner sees them: the list, and the turns of one with the corrections of its answers.

A person sees only their own conversations, and only sources and corrections that are inside their scope now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.tables import Answer, Conversation, Feedback
from knowledge import quoting
from knowledge.correcting.outcomes import CorrectionOutcome, outcomes
from knowledge.errors import NotFound
from knowledge.scoping import outside

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from retrieval.scope import Scope

PAGE = 50  # turns of a conversation that are shown at once, at most


def listing(session: Session, owner: str, scope: Scope, limit: int = 200) -> list[dict[str, Any]]:
    """The owner's conversations, newest first, with whether an answer in them was corrected since."""
    last = sa.select(sa.func.max(Answer.number)).where(Answer.conversation_id == Conversation.id).scalar_subquery()
    conversations = session.scalars(
        sa.select(Conversation)
        .where(Conversation.owner == owner)
        .order_by(sa.func.coalesce(last, 0).desc(), Conversation.updated_at.desc())
        .limit(limit)
    ).all()
    complained = session.execute(
        sa.select(Answer.conversation_id, Answer.correction_id, Answer.knowledge_version).where(
            Answer.conversation_id.in_([conversation.id for conversation in conversations]),
            Answer.correction_id.is_not(None),
        )
    ).all()
    corrections = outcomes(
        session, {correction_id for _, correction_id, _ in complained if correction_id is not None}, scope
    )
    corrected = {
        conversation_id
        for conversation_id, correction_id, version in complained
        if (outcome := corrections.get(correction_id or 0)) and _is_newer(outcome, version)
    }
    return [
        {
            "id": conversation.id,
            "title": conversation.title,
            "created_at": conversation.created_at,
            "updated_at": conversation.updated_at,
            "corrected": conversation.id in corrected,
        }
        for conversation in conversations
    ]


def transcript(
    session: Session, conversation: Conversation, scope: Scope, *, before: str | None = None, limit: int = PAGE
) -> dict[str, Any]:
    """The conversation as its owner sees it, with the corrections of its answers: a page of its turns, the newest ones,
    or those before the answer ``before``. ``earlier``: the ``before`` of the page before it, None where there is none.
    Only sources and corrections that are inside the scope now are shown. Raises NotFound."""
    answers, earlier = _page(session, conversation.id, before, max(1, min(limit, PAGE)))
    feedback = {
        row.answer_id: row
        for row in session.scalars(sa.select(Feedback).where(Feedback.answer_id.in_([answer.id for answer in answers])))
    }
    hidden = outside(session, {source["document_id"] for answer in answers for source in answer.sources}, scope)
    sources = quoting.whole_sources(session, *(answer.sources for answer in answers))
    correction_ids = {answer.correction_id for answer in answers if answer.correction_id is not None}
    corrections = outcomes(session, correction_ids, scope)
    return {
        "id": conversation.id,
        "title": conversation.title,
        "created_at": conversation.created_at,
        "updated_at": conversation.updated_at,
        "turns": [
            _turn(
                answer,
                [source for source in of_answer if source["document_id"] not in hidden],
                feedback.get(answer.id),
                corrections.get(answer.correction_id or 0),
            )
            for answer, of_answer in zip(answers, sources, strict=True)
        ],
        "earlier": earlier,
    }


def _page(session: Session, conversation_id: str, before: str | None, limit: int) -> tuple[list[Answer], str | None]:
    """The last ``limit`` answers (before another one), the oldest first, and the first of them if there are earlier
    ones."""
    query = sa.select(Answer).where(Answer.conversation_id == conversation_id)
    if before is not None:
        of_it = sa.select(Answer.number).where(Answer.id == before, Answer.conversation_id == conversation_id)
        number = session.scalar(of_it)
        if number is None:
            raise NotFound("There is no such answer.", code="answer_not_found")
        query = query.where(Answer.number < number)
    newest = session.scalars(query.order_by(Answer.number.desc()).limit(limit + 1)).all()
    answers = list(reversed(newest[:limit]))
    return answers, answers[0].id if len(newest) > limit else None


def _turn(
    answer: Answer,
    sources: list[dict[str, Any]],
    feedback: Feedback | None,
    outcome: CorrectionOutcome | None,
) -> dict[str, Any]:
    """One turn for the owner. ``sources``: those that are shown."""
    shown = {source["n"] for source in sources}
    return {
        "answer_id": answer.id,
        "question": answer.question,
        "condensed_question": answer.condensed_question,
        "status": answer.status,
        "reason": answer.reason,
        "answer": answer.answer,
        "sources": sources,
        "citations": [n for n in answer.citations if n in shown],
        "confidence": answer.confidence,
        "created_at": answer.created_at,
        "knowledge_version": answer.knowledge_version,
        "feedback": _feedback_json(feedback) if feedback else None,
        "correction": _correction(outcome, answer.knowledge_version) if outcome else None,
    }


def _feedback_json(feedback: Feedback) -> dict[str, Any]:
    return {
        "rating": feedback.rating,
        "reasons": feedback.reasons,
        "comment": feedback.comment,
        "suggested_answer": feedback.suggested_answer,
        "quote": feedback.quote,
        "stars": feedback.stars,
    }


def _correction(outcome: CorrectionOutcome, version: int) -> dict[str, Any]:
    """The information for the person who complained: whether the answer was corrected, and the new answer."""
    newer = _is_newer(outcome, version)
    return {
        "state": outcome.state,
        "corrected": newer,
        "corrected_at": outcome.approved_at if newer else None,
        "answer": outcome.answer if newer else None,
    }


def _is_newer(outcome: CorrectionOutcome, version: int) -> bool:
    """Whether the answer was made before the correction was published. ``version``: the newest step of the log that the
    answer knew. Times do not show it when the clock was set back."""
    return outcome.seq is not None and outcome.seq > version
