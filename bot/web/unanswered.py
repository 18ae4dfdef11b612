"""Routes of curators: unanswered questions that wait outside the queue."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from bot import unanswered
from bot.web import curation_responses as forms
from bot.web.curate import shown
from bot.web.fields import Id, Limit, Offset, Words
from bot.web.security import Curator, PartsDep, ScopeDep
from knowledge.correcting import items

router = APIRouter(prefix="/api/unanswered", tags=["corrections"])


@router.get("", response_model=forms.Unanswered)
def waiting(
    _identity: Curator, scope: ScopeDep, parts: PartsDep, q: Words = None, limit: Limit = 50, offset: Offset = 0
) -> dict[str, Any]:
    """Groups of unanswered questions that are not in the queue yet, those of most people first."""
    with parts.database.read() as session:
        return unanswered.listing(session, scope, q=q, limit=limit, offset=offset)


@router.post("/{group_id:int}/correct", status_code=201, response_model=forms.Correction, responses={409: {}})
def correct(group_id: Id, identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """Starts a correction of a group's question; all people who asked it are informed of the correction."""
    with parts.database.write() as session:
        correction = unanswered.start(session, group_id, scope, actor=identity.name)
        return shown(items.item(session, correction, scope))
