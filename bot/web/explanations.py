"""Routes that tell how a stored answer was made: the asker in plain words, a curator in full.

An asker can only ask about their own answers. A curator gets the answer that a correction is about, as it was frozen
with the first complaint, and no other: conversations belong to those who had them.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from bot import conversations
from bot.explanations import Explanation, explain
from bot.web import explanation_responses as forms
from bot.web import problems
from bot.web.fields import AnswerId, Id
from bot.web.security import Curator, PartsDep, ScopeDep, Visitor
from knowledge.correcting import corrections, items
from knowledge.errors import NotFound

router = APIRouter(prefix="/api")


@router.get("/answers/{answer_id}/explanation", response_model=forms.Explanation, tags=["chat"])
def explain_own(answer_id: AnswerId, identity: Visitor, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """How an answer of the caller was made, in plain words."""
    with parts.database.read() as session:
        answer = conversations.get_answer(session, answer_id, identity.owner)
        return {"sentences": _sentences(explain(session, conversations.record(answer), scope))}


@router.get("/corrections/{correction_id:int}/explanation", response_model=forms.FullExplanation, tags=["corrections"])
def explain_reported(correction_id: Id, _identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """How the answer was made that the first complaint is about: every passage that was found, with its scores."""
    with parts.database.read() as session:
        record = items.reported_answer(session, corrections.get(session, correction_id, scope))
        if record is None:
            raise NotFound("No answer was reported with this correction.", code="no_reported_answer")
        explanation = explain(session, record, scope)
        return {"sentences": _sentences(explanation), **explanation.detail}


def _sentences(explanation: Explanation) -> list[str]:
    """The sentences in the reader's language."""
    return [problems.words(f"server.explain.{sentence.key}", **sentence.values) for sentence in explanation.sentences]
