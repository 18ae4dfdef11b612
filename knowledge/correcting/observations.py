"""Observations on a published entry: a reader got it and reported that it does not answer their question.

One anonymous click proves nothing about the entry, so an observation changes no state. Curators see it with the item,
and a later comparison of questions with entries can learn from it. The reporter does not get the entry again in the
same conversation (bot.conversations). The number per reporter is limited, because anybody can make any number of
reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge.correcting.matching import normal_form
from knowledge.tables import Entry, Observation

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NOT_MY_QUESTION = "not_my_question"
MOST_PER_REPORTER = 20  # observations of one reporter that are kept
MOST_PER_ENTRY = 200
SHOWN = 20  # questions of an item


def observe(session: Session, entry_id: int, *, question: str, reporter: str, kind: str = NOT_MY_QUESTION) -> bool:
    """Notes that a reader got this entry for a question that it does not answer. Returns whether the observation is
    kept: it is not when the same reporter made it before, or when the reporter or the entry has too many already."""
    form = normal_form(question)
    mine = Observation.reporter == reporter
    same = sa.and_(mine, Observation.entry_id == entry_id, Observation.kind == kind, Observation.normalised == form)
    count = sa.select(sa.func.count()).select_from(Observation)
    if (
        session.scalar(count.where(same))
        or (session.scalar(count.where(mine)) or 0) >= MOST_PER_REPORTER
        or (session.scalar(count.where(Observation.entry_id == entry_id)) or 0) >= MOST_PER_ENTRY
    ):
        return False
    session.add(Observation(entry_id=entry_id, kind=kind, question=question, normalised=form, reporter=reporter))
    session.flush()
    return True


def summary(session: Session, correction_id: int) -> dict[str, Any]:
    """Summarises the observations on all entries of a correction: ``count``, ``readers`` (different ones) and
    ``questions``, each with its count and last time, the most frequent first."""
    of_correction = Observation.entry_id.in_(sa.select(Entry.id).where(Entry.correction_id == correction_id))
    total = session.execute(
        sa.select(sa.func.count(), sa.func.count(sa.distinct(Observation.reporter))).where(of_correction)
    ).one()
    number, newest = sa.func.count(), sa.func.max(Observation.created_at)
    rows = session.execute(
        sa.select(sa.func.min(Observation.question), Observation.kind, number, newest)
        .where(of_correction)
        .group_by(Observation.normalised, Observation.kind)
        .order_by(number.desc(), newest.desc(), Observation.normalised)
        .limit(SHOWN)
    )
    return {
        "count": total[0],
        "readers": total[1],
        "questions": [
            {"question": question, "kind": kind, "count": count, "last_at": last.isoformat()}
            for question, kind, count, last in rows
        ],
    }
