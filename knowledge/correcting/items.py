"""A correction as curators see it: the queue's lines and the whole item, as plain JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import sqlalchemy as sa
from sqlalchemy.orm import defer

from knowledge import quoting
from knowledge.correcting import corrections, observations
from knowledge.correcting.drafts import confirmed_forms
from knowledge.correcting.matching import normal_form
from knowledge.db import contains, page, without_key
from knowledge.errors import Invalid
from knowledge.scoping import outside, within
from knowledge.tables import Complaint, Correction, CorrectionEvent, Document, Entry, PassageRow, Proof
from retrieval import orders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from retrieval.scope import Scope

Priority: TypeAlias = Literal["urgent", "important", "normal"]
PRIORITIES: tuple[Priority, ...] = get_args(Priority)
EXCERPT = 200  # characters of the answer in a queue line
Reported: TypeAlias = tuple[Complaint, "Mapping[str, Any]"]  # a complaint and its snapshot, as far as it is shown


def listing(
    session: Session,
    scope: Scope,
    *,
    state: str | None = None,
    priority: str | None = None,
    q: str | None = None,
    limit: int = 50,
    offset: int = 0,
) -> dict[str, Any]:
    """The queue of the scope: urgent first, then the newest. ``state``: one or several, comma-separated.

    Raises Invalid.
    """
    conditions = [within(scope, Correction.collection)]
    if state:
        states = [name.strip() for name in state.split(",") if name.strip()]
        unknown = set(states) - set(corrections.State)
        if unknown:
            raise Invalid(
                "state is one of {states}; not {given!r}.",
                code="state_unknown",
                states=", ".join(corrections.State),
                given=min(unknown),
            )
        conditions.append(Correction.state.in_(states))
    if priority:
        if priority not in PRIORITIES:
            raise Invalid(
                "priority is one of {priorities}; not {given!r}.",
                code="priority_unknown",
                priorities=", ".join(PRIORITIES),
                given=priority[:40],
            )
        conditions.append(Correction.priority == priority)
    if q:
        by_complaint = sa.select(Complaint.correction_id).where(contains(q, Complaint.comment, Complaint.question))
        conditions.append(sa.or_(contains(q, Correction.question), Correction.id.in_(by_complaint)))
    rank = sa.case({name: number for number, name in enumerate(PRIORITIES)}, value=Correction.priority)
    query = sa.select(Correction, Correction.recheck["state"].as_string())
    query = query.options(defer(Correction.draft), defer(Correction.recheck)).where(*conditions)
    query = query.order_by(rank, Correction.updated_at.desc(), Correction.id.desc())
    rows = session.execute(page(query, limit, offset)).all()
    ids = [row.id for row, _ in rows]
    complaints = _complaints(session, ids)
    live = set(session.scalars(sa.select(Entry.correction_id).where(Entry.live, Entry.correction_id.in_(ids))))
    counts = _counts(session, scope)
    return {
        "items": [_line(row, recheck, row.id in live, *complaints.get(row.id, (0, ""))) for row, recheck in rows],
        "total": session.scalar(sa.select(sa.func.count()).select_from(Correction).where(*conditions)) or 0,
        "counts": counts,
    }


def item(session: Session, correction: Correction, scope: Scope, *, prompts: bool = False) -> dict[str, Any]:
    """Everything about one correction. The answers under complaint are shown with the sources inside the scope only.
    ``prompts``: include the prompts of these answers. They are most of the item, and a page loads the item again and
    again.
    """
    session.refresh(correction)
    complaints = _complaints_of(session, correction.id, scope, prompts=prompts)
    entry = corrections.live_entry(session, correction.id)
    proof = session.scalar(
        sa.select(Proof).where(Proof.correction_id == correction.id).order_by(Proof.id.desc()).limit(1)
    )
    history = session.scalars(
        sa.select(CorrectionEvent).where(CorrectionEvent.correction_id == correction.id).order_by(CorrectionEvent.id)
    ).all()
    confirmed = confirmed_forms(correction.draft, correction.question)
    return {
        **_line(
            correction, (correction.recheck or {}).get("state"), entry is not None, len(complaints), _answer(complaints)
        ),
        "complaints": [
            _complaint(complaint, snapshot, normal_form(complaint.question) in confirmed)
            for complaint, snapshot in complaints
        ],
        "snapshot": _with_orders(complaints[0][1]) if complaints else None,
        "draft": correction.draft,
        "suggestions": suggestions(session, correction, complaints, confirmed, scope),
        "proof": _proof(session, proof, scope) if proof else None,
        "published": _published(entry) if entry else None,
        "recheck": correction.recheck,
        "observations": observations.summary(session, correction.id),
        "merged_into": correction.merged_into,
        "history": [
            {
                "at": _time(event.at),
                "actor": event.actor,
                "action": event.action,
                "from": event.from_state,
                "to": event.to_state,
                "reason": event.reason,
                "code": event.reason_code,
                "values": event.reason_values,
            }
            for event in history
        ],
    }


def reported_answer(session: Session, correction: Correction) -> Mapping[str, Any] | None:
    """The answer that the first complaint was about, frozen, with its trace and without its prompt; None without a
    complaint. Callers restrict what they show of it to their scope."""
    query = sa.select(without_key(Complaint.snapshot, "prompt")).where(Complaint.correction_id == correction.id)
    snapshot: Mapping[str, Any] | None = session.scalar(query.order_by(Complaint.id).limit(1))
    return snapshot


def _counts(session: Session, scope: Scope) -> dict[str, int]:
    """How many corrections of the scope are in each state."""
    query = sa.select(Correction.state, sa.func.count()).where(within(scope, Correction.collection))
    return dict(session.execute(query.group_by(Correction.state)).all())


def _visible(session: Session, snapshots: Sequence[Mapping[str, Any]], scope: Scope) -> list[Mapping[str, Any]]:
    """Frozen answers without the sources outside the scope. Where a source was removed, the prompt is removed too,
    because it quotes the source. Without the trace, which names passages of any scope (bot.explanations shows it)."""
    ids = {source["document_id"] for snapshot in snapshots for source in snapshot.get("sources") or ()}
    hidden = outside(session, ids, scope)
    shown: list[Mapping[str, Any]] = []
    for whole in snapshots:
        snapshot = {name: value for name, value in whole.items() if name != "trace"}
        sources = snapshot.get("sources") or []
        visible = [source for source in sources if source["document_id"] not in hidden]
        shown.append(
            snapshot
            if len(visible) == len(sources)
            else {**snapshot, "sources": visible, **({"prompt": []} if "prompt" in snapshot else {})}
        )
    return shown


def suggestions(
    session: Session,
    correction: Correction,
    complaints: Sequence[Reported],
    confirmed: frozenset[str],
    scope: Scope,
) -> dict[str, Any]:
    """Suggestions for the curator: the questions of complaints that are not ``confirmed`` (normal forms) as questions
    of this draft, and the passages that the answer cited and that readers still see."""
    others: dict[str, str] = {}
    for question in (correction.question, *(complaint.question for complaint, _ in complaints)):
        if normal_form(question) not in confirmed:
            others.setdefault(normal_form(question), question)
    cited: dict[tuple[str, str], None] = {}
    for _, snapshot in complaints:
        numbers = set(snapshot.get("citations") or ())
        for source in snapshot.get("sources") or ():
            if source.get("n") in numbers:
                cited[source["document_id"], source["passage"]] = None
    return {"edits": [], "paraphrases": list(others.values()), "conflicts": _still_live(session, list(cited), scope)}


def _still_live(session: Session, cited: Sequence[tuple[str, str]], scope: Scope) -> list[dict[str, Any]]:
    """Those of the passages (document, text) that readers still see, inside the scope."""
    if not cited:
        return []
    rows = session.execute(
        sa.select(Document.id, PassageRow.text, Document.current_version, Document.title)
        .join(PassageRow, PassageRow.document_id == Document.id)
        .where(
            PassageRow.live,
            within(scope, Document.collection),
            Document.id.in_({document_id for document_id, _ in cited}),
            PassageRow.text.in_({text for _, text in cited}),
        )
    )
    live = {(document_id, text): (version, title) for document_id, text, version, title in rows}
    return [
        {"document_id": key[0], "version": live[key][0], "title": live[key][1], "passage": key[1], "reason": "cited"}
        for key in cited
        if key in live
    ]


def _complaints_of(session: Session, correction_id: int, scope: Scope, *, prompts: bool) -> list[Reported]:
    snapshot = Complaint.snapshot if prompts else without_key(Complaint.snapshot, "prompt")
    rows = session.execute(
        sa.select(Complaint, snapshot)
        .options(defer(Complaint.snapshot))
        .where(Complaint.correction_id == correction_id)
        .order_by(Complaint.id)
    ).all()
    shown = _visible(session, [snapshot for _, snapshot in rows], scope)
    if prompts:
        shown = [_with_prompt(session, snapshot) for snapshot in shown]
    return [(complaint, snapshot) for (complaint, _), snapshot in zip(rows, shown, strict=True)]


def _with_prompt(session: Session, snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    """A frozen answer with the words of its prompt."""
    question = snapshot.get("condensed_question") or snapshot.get("question") or ""
    return {**snapshot, "prompt": quoting.whole_prompt(session, snapshot.get("prompt") or (), question)}


def _with_orders(snapshot: Mapping[str, Any]) -> Mapping[str, Any]:
    """A frozen answer in which ``orders`` marks the sources that tell a model what to do."""
    sources = snapshot.get("sources") or ()
    marked = [{**source, "orders": True} if orders.find(source.get("passage") or "") else source for source in sources]
    return {**snapshot, "sources": marked} if marked else snapshot


def _complaints(session: Session, ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """(how many complaints, the beginning of the answer that the first was about) by correction. The database takes
    the answer out of the snapshot, which is many times as long."""
    counts = session.execute(
        sa.select(Complaint.correction_id, sa.func.count(), sa.func.min(Complaint.id))
        .where(Complaint.correction_id.in_(ids))
        .group_by(Complaint.correction_id)
    ).all()
    answer = sa.func.substr(Complaint.snapshot["answer"].as_string(), 1, EXCERPT)
    first = sa.select(Complaint.id, answer).where(Complaint.id.in_([first for _, _, first in counts]))
    excerpts: dict[int, str | None] = dict(session.execute(first).all())
    return {correction_id: (count, excerpts[first] or "") for correction_id, count, first in counts}


def _answer(complaints: Sequence[Reported]) -> str:
    return str(complaints[0][1].get("answer") or "")[:EXCERPT] if complaints else ""


def _line(
    correction: Correction, recheck_state: str | None, live: bool, complaints: int, excerpt: str
) -> dict[str, Any]:
    """``recheck_state``: the result of asking the questions again (bot.recheck): pending | verified | partly |
    reopened | failed; None: there is no publication whose questions were asked."""
    return {
        "id": correction.id,
        "state": correction.state,
        "live": live,
        "recheck_state": recheck_state,
        "revision": correction.revision,
        "priority": correction.priority,
        "collection": correction.collection,
        "origin": correction.origin,
        "kind": correction.kind,
        "language": correction.language,
        "question": correction.question,
        "answer_excerpt": excerpt,
        "complaints": complaints,
        "claimed_by": correction.claimed_by,
        "created_at": _time(correction.created_at),
        "updated_at": _time(correction.updated_at),
    }


def _complaint(complaint: Complaint, snapshot: Mapping[str, Any], confirmed: bool) -> Mapping[str, Any]:
    """``confirmed``: the curator confirmed that the draft answers this question. Only then is it answered word for
    word."""
    return {
        "id": complaint.id,
        "created_at": _time(complaint.created_at),
        "question": complaint.question,
        "confirmed": confirmed,
        "merged_from": complaint.merged_from,
        "rating": complaint.rating,
        "reasons": complaint.reasons,
        "comment": complaint.comment,
        "suggested_answer": complaint.suggested_answer,
        "quote": complaint.quote,
        "stars": complaint.stars,
        "who": complaint.who,
        "snapshot": snapshot,
    }


def _proof(session: Session, proof: Proof, scope: Scope) -> dict[str, Any]:
    """A proof without the sources outside the scope: frozen answers may have some."""
    shown: list[Any] = proof.report.get("items", [])
    answers = [item[when] for item in shown for when in ("before", "after") if isinstance(item.get(when), dict)]
    sources = {source["document_id"] for answer in answers for source in answer.get("sources") or ()}
    hidden = outside(session, sources, scope)

    def visible(answer: Any) -> Any:
        if not isinstance(answer, dict) or not answer.get("sources"):
            return answer
        return {**answer, "sources": [source for source in answer["sources"] if source["document_id"] not in hidden]}

    if hidden:
        shown = [{**item, "before": visible(item.get("before")), "after": visible(item.get("after"))} for item in shown]
    return {
        "id": proof.id,
        "state": proof.state,
        "revision": proof.revision,
        "started_at": _time(proof.started_at),
        "finished_at": _time(proof.finished_at),
        "verdict": proof.report.get("verdict"),
        "items": shown,
        # None: the proof was made by a version that did not record it
        "replayed": proof.report.get("replayed"),
        "left_out": proof.report.get("left_out"),
    }


def _published(entry: Entry) -> dict[str, Any]:
    return {
        "entry_id": entry.id,
        "document_id": entry.document_id,
        "version": entry.document_version,
        "seq": entry.seq,
        "question": entry.question,
        "answer": entry.answer,
        "approved_by": entry.actor,
        "approved_at": _time(entry.created_at),
        "proof_id": entry.proof_id,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
