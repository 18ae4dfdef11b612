"""Deleting a conversation, with what the system noted of it without being asked to: its refused questions.

A complaint is a frozen copy that a person handed in, and stays. A refused question was only noted, so it goes with its
conversation, unless a curator has worked on it already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot import conversations, unanswered
from bot.tables import Answer
from knowledge.correcting import complaints
from knowledge.tables import Unanswered

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from bot.tables import Conversation


def delete_conversation(session: Session, conversation: Conversation) -> None:
    """Deletes a conversation and its refused questions; a correction that only they had brought into the queue leaves
    it."""
    answer_ids = sa.select(Answer.id).where(Answer.conversation_id == conversation.id)
    rows = session.scalars(sa.select(Unanswered).where(Unanswered.answer_id.in_(answer_ids))).all()
    conversations.delete(session, conversation)
    for row in rows:
        if row.correction_id is None or complaints.forget_unanswered(session, row.correction_id, row.answer_id):
            unanswered.remove(session, row)
