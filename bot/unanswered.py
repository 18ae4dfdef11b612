"""Unanswered questions. They wait in a list that curators can see. They reach the queue of corrections when two
different people asked the same, when somebody complained, or when a curator starts a correction of one.

A refused question is noted in the transaction that stores its answer (``note``). Questions with one normal form are
one group at once. Those with other words join the group of the nearest question in a job of the worker (``group``),
because comparing meanings takes an embedding. The result does not depend on time: questions are grouped in the order in
which they were asked, each is compared with the first question of every group, and of equally near groups the oldest
one is used.

Decision: grouping by meaning is strict (``bot.answering.profile.ALIKE``), and numbers and names must be equal. A group
that is too small leaves a question in the list for longer. A group that is too large puts two questions into one item;
of these only those that the curator confirms are answered word for word (knowledge.correcting.publication).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

from bot import conversations
from bot.answering.grounding import facts
from bot.tables import Answer
from knowledge import jobs
from knowledge.correcting import complaints, corrections
from knowledge.correcting.complaints import NewComplaint
from knowledge.correcting.corrections import State
from knowledge.correcting.matching import normal_form
from knowledge.db import contains, page
from knowledge.errors import NotFound
from knowledge.tables import Correction, Job, Unanswered
from knowledge.vectors import read
from retrieval.scope import EVERYTHING, Scope
from retrieval.text import language_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from knowledge.db import Database
    from retrieval.embed import Embedder

GROUP = "group_unanswered"  # the kind of the job that compares meanings
ENOUGH = 2  # different people who asked (_people), before a question is worth a curator's time
MOST = 10_000  # waiting questions that are kept, because anybody can ask any number
MOST_COMPARED = 5_000  # groups that a question is compared with, the newest: 8 MB of vectors
SHOWN = 20  # wordings of a group in the list
_IN_QUEUE = (State.QUEUED, State.DRAFTED, State.REOPENED)


def note(
    session: Session,
    answer: Answer,
    scope: Scope,
    *,
    asker: str,
    without: frozenset[int],
    network: str | None = None,
) -> None:
    """Notes a refused question. A question that one person asks again counts once. ``asker`` identifies the person and
    is stored as a hash; ``network``: a keyed hash, of a person without an account; ``without``: entries that the asker
    marked as "not my question". The question belongs to the default collection of the asker's scope, because it is
    about no document."""
    collection = scope.default
    question = answer.condensed_question
    form, who = normal_form(question), _hash(asker)
    key = _key(form)
    waiting = sa.and_(Unanswered.correction_id.is_(None), Unanswered.collection == collection)
    same_form = sa.and_(Unanswered.normalised == key, Unanswered.collection == collection)
    again = sa.select(Unanswered.id).where(waiting, same_form, Unanswered.asker == who).limit(1)
    if not form or session.scalar(again) is not None:
        return
    group_ids = sa.select(Unanswered.group_id).where(same_form, Unanswered.group_id.is_not(None))
    row = Unanswered(
        collection=collection,
        question=question,
        normalised=key,
        language=language_of(question),
        asker=who,
        answer_id=answer.id,
        without=sorted(without),
        group_id=session.scalar(group_ids.order_by(Unanswered.id).limit(1)),
        network=network,
    )
    session.add(row)
    session.flush()
    if row.group_id is not None:
        _queue_if_due(session, row.group_id)
        return
    existing = corrections.open_about(session, collection, form)
    if existing is not None and existing.state in _IN_QUEUE:
        _join(session, [row], existing)
    _group_later(session)


def group(database: Database, embedder: Embedder, alike: float) -> int:
    """Gives a group to every question without one, and queues groups that are due. Returns how many it grouped.
    ``alike``: cosine from which questions may be the same."""
    done = 0
    while True:
        with database.read() as session:
            row = session.scalar(_ungrouped().limit(1))
        if row is None:
            break
        vector = np.asarray(embedder.query(row.question), dtype="<f4")
        with database.write() as session:
            row = session.get(Unanswered, row.id)
            if row is not None and row.group_id is None:
                _choose_group(session, row, vector, embedder.fingerprint, alike)
                _queue_if_due(session, row.group_id or row.id)
                done += 1
    with database.write() as session:
        _forget_oldest(session)
    return done


def adopt(session: Session, correction: Correction, question: str) -> None:
    """Called when a correction of this question begins: the waiting questions of its groups join the correction."""
    key = _key(normal_form(question))
    inside = _waiting(Scope.of(correction.collection))
    groups = inside.with_only_columns(Unanswered.group_id).where(Unanswered.normalised == key).order_by(None)
    same = sa.or_(Unanswered.normalised == key, Unanswered.group_id.in_(groups))
    _join(session, session.scalars(inside.where(same)).all(), correction)


def start(session: Session, group_id: int, scope: Scope, *, actor: str) -> Correction:
    """Starts a correction of the first question of a group, for a curator. Raises NotFound."""
    rows = session.scalars(_waiting(scope).where(Unanswered.group_id == group_id)).all()
    if not rows:
        raise NotFound("There is no unanswered question {number}.", code="no_unanswered", number=group_id)
    first = rows[0]
    correction, _new = complaints.start(session, first.question, scope, actor=actor, collection=first.collection)
    _join(session, rows, correction)
    return correction


def remove(session: Session, row: Unanswered) -> None:
    """Removes a question. Where it was the first of its group, the others are grouped anew, because they were compared
    with it."""
    rest = sa.update(Unanswered).where(Unanswered.group_id == row.id, Unanswered.id != row.id)
    regrouped = session.execute(rest.values(group_id=None, fingerprint=None, vector=None))
    session.delete(row)
    session.flush()
    if regrouped.rowcount:  # type: ignore[attr-defined]
        _group_later(session)


def listing(
    session: Session, scope: Scope, *, q: str | None = None, limit: int = 50, offset: int = 0
) -> dict[str, Any]:
    """The waiting groups, those with most people first, then the newest: ``items`` and ``total``."""
    waiting = _waiting(scope).where(Unanswered.group_id.is_not(None))
    if q:
        waiting = waiting.where(contains(q, Unanswered.question))
    people, newest = _people(), sa.func.max(Unanswered.created_at)
    groups: Any = waiting.with_only_columns(
        Unanswered.group_id, people, sa.func.min(Unanswered.created_at), newest
    ).group_by(Unanswered.group_id)
    groups = groups.order_by(None).order_by(people.desc(), newest.desc(), Unanswered.group_id)
    rows = session.execute(page(groups, limit, offset)).all()
    ids = [row[0] for row in rows]
    wordings: dict[int, dict[str, Unanswered]] = {id_: {} for id_ in ids}
    for member in session.scalars(_waiting(scope).where(Unanswered.group_id.in_(ids))):
        assert member.group_id is not None
        wordings[member.group_id].setdefault(member.normalised, member)
    return {
        "items": [
            {
                "id": id_,
                "question": next(iter(wordings[id_].values())).question,
                "questions": [wording.question for wording in wordings[id_].values()][:SHOWN],
                "language": next(iter(wordings[id_].values())).language,
                "collection": next(iter(wordings[id_].values())).collection,
                "people": count,
                "first_at": first.isoformat(),
                "last_at": last.isoformat(),
            }
            for id_, count, first, last in rows
        ],
        "total": session.scalar(sa.select(sa.func.count()).select_from(groups.order_by(None).subquery())) or 0,
    }


def _waiting(scope: Scope) -> sa.Select[Unanswered]:
    """Questions that belong to no correction, the oldest first."""
    query = sa.select(Unanswered).where(Unanswered.correction_id.is_(None)).order_by(Unanswered.id)
    return query if scope.collections is None else query.where(Unanswered.collection.in_(scope.collections))


def _people() -> sa.ColumnElement[int]:
    """How many people asked, of a group of rows. Anybody can be many visitors, so that those of one network count as
    one person, and one visitor in several networks, too."""
    account = Unanswered.network.is_(None)
    accounts = sa.func.count(sa.distinct(sa.case((account, Unanswered.asker))))
    visitors = sa.func.count(sa.distinct(sa.case((~account, Unanswered.asker))))
    networks = sa.func.count(sa.distinct(Unanswered.network))
    return accounts + sa.case((visitors < networks, visitors), else_=networks)


def _group_later(session: Session) -> None:
    """Lets the worker compare meanings, once for all questions that wait for it."""
    queued = sa.select(Job.id).where(Job.kind == GROUP, Job.state == "queued").limit(1)
    if session.scalar(queued) is None:
        jobs.enqueue(session, GROUP, {}, actor="system")


def _ungrouped() -> sa.Select[Unanswered]:
    return sa.select(Unanswered).where(Unanswered.group_id.is_(None)).order_by(Unanswered.id)


def _choose_group(
    session: Session, row: Unanswered, vector: NDArray[np.float32], fingerprint: str, alike: float
) -> None:
    """Gives a question its group: that of the same words, that of the nearest first question, or a new one."""
    own = sa.select(Unanswered).where(Unanswered.collection == row.collection, Unanswered.group_id.is_not(None))
    same = session.scalar(own.where(Unanswered.normalised == row.normalised).order_by(Unanswered.id).limit(1))
    if same is not None:
        row.group_id = same.group_id
        return
    firsts = session.execute(
        sa.select(Unanswered.id, Unanswered.question, Unanswered.vector)
        .where(
            Unanswered.collection == row.collection,
            Unanswered.language == row.language,
            Unanswered.group_id == Unanswered.id,
            Unanswered.fingerprint == fingerprint,
        )
        .order_by(Unanswered.id.desc())
        .limit(MOST_COMPARED)
    ).all()
    firsts = [first for first in firsts if read(first.vector, len(vector)) is not None]  # a damaged one is left out
    row.group_id, row.fingerprint, row.vector = row.id, fingerprint, vector.tobytes()
    if firsts:
        cosines = np.stack([np.frombuffer(first.vector, dtype="<f4") for first in firsts]) @ vector
        own_facts = facts(row.question)
        alikes = [
            (-float(cosine), first.id)
            for cosine, first in zip(cosines, firsts, strict=True)
            if cosine >= alike and facts(first.question) == own_facts
        ]
        if alikes:
            row.group_id, row.fingerprint, row.vector = min(alikes)[1], None, None
    session.flush()


def _queue_if_due(session: Session, group_id: int) -> None:
    """Puts the waiting questions of a group into the queue, if it is there already or enough people asked."""
    rows = session.scalars(_waiting(EVERYTHING).where(Unanswered.group_id == group_id)).all()
    correction = _in_queue(session, group_id, rows)
    people = _waiting(EVERYTHING).with_only_columns(_people()).where(Unanswered.group_id == group_id).order_by(None)
    if correction is None and (session.scalar(people) or 0) >= ENOUGH:
        correction = _report(session, rows[0], None)
    if correction is not None:
        _join(session, rows, correction)


def _in_queue(session: Session, group_id: int, rows: Sequence[Unanswered]) -> Correction | None:
    """The correction in the queue that a question of this group belongs to."""
    of_group = sa.select(Unanswered.correction_id).where(Unanswered.group_id == group_id)
    query = sa.select(Correction).where(Correction.id.in_(of_group), Correction.state.in_(_IN_QUEUE))
    correction = session.scalar(query.order_by(Correction.id).limit(1))
    if correction is not None:
        return correction
    forms = dict.fromkeys((row.collection, normal_form(row.question)) for row in rows)
    opened = [corrections.open_about(session, collection, form) for collection, form in forms]
    return next((other for other in opened if other is not None and other.state in _IN_QUEUE), None)


def _join(session: Session, rows: Sequence[Unanswered], correction: Correction) -> None:
    """Reports waiting questions to a correction in the queue. For a published correction they go on waiting."""
    if correction.state not in _IN_QUEUE:
        return
    for row in rows:
        _report(session, row, correction)
        row.correction_id = correction.id
        answer = session.get(Answer, row.answer_id)
        if answer is not None and answer.correction_id is None:
            answer.correction_id = correction.id  # so that the asker is informed
    session.flush()


def _report(session: Session, row: Unanswered, correction: Correction | None) -> Correction:
    answer = session.get(Answer, row.answer_id)
    snapshot = conversations.snapshot(session, answer) if answer is not None else _snapshot_without_answer(row)
    complaint = NewComplaint(
        question=row.question,
        snapshot=snapshot,
        origin="unanswered",
        who="system",
        answer_id=row.answer_id,
        without=frozenset(row.without),
    )
    correction_id = correction.id if correction is not None else None
    return complaints.report(session, complaint, Scope.of(row.collection), correction_id=correction_id)


def _snapshot_without_answer(row: Unanswered) -> dict[str, Any]:
    """The snapshot of a refused answer whose conversation was deleted."""
    return {
        "question": row.question,
        "condensed_question": row.question,
        "language": row.language,
        "answer": "",
        "status": "refused",
        "sources": [],
        "citations": [],
        "answered_at": row.created_at.isoformat(),
    }


def _forget_oldest(session: Session) -> None:
    """Keeps the newest ``MOST`` waiting questions."""
    newest = sa.select(Unanswered.id).where(Unanswered.correction_id.is_(None)).order_by(Unanswered.id.desc())
    limit = session.scalar(newest.offset(MOST).limit(1))
    if limit is not None:
        session.execute(sa.delete(Unanswered).where(Unanswered.correction_id.is_(None), Unanswered.id <= limit))


def _key(form: str) -> str:
    """The hash by which questions of one normal form are found."""
    return hashlib.sha256(form.encode("utf-8", "surrogatepass")).hexdigest()


def _hash(asker: str) -> str:
    return hashlib.sha256(asker.encode("utf-8", "surrogatepass")).hexdigest()[:32]
