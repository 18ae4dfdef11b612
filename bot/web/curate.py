"""Routes of curators: the queue, drafts, proofs, decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from fastapi import APIRouter, Response
from pydantic import Field
from starlette.convertors import StringConvertor, register_url_convertor

from bot import feedback, unanswered
from bot.accounts import Identity
from bot.errors import Forbidden
from bot.web import curation_responses as forms
from bot.web import problems
from bot.web.fields import (
    SOMETHING,
    WHOLE,
    Body,
    Collection,
    Id,
    Limit,
    Name,
    Number,
    Offset,
    Priorities,
    Revision,
    States,
    Words,
    declared,
    names,
)
from bot.web.security import Curator, PartsDep, ScopeDep, writable
from bot.wiring import Parts
from knowledge.correcting import corrections, drafts, items
from knowledge.correcting.curation import Curation
from knowledge.errors import Conflict, DatabaseBusy, DiskFull, NotFound

Action = Literal["claim", "prove", "approve", "recheck", "reject", "reopen", "rollback"]


class _ActionConvertor(StringConvertor):
    """So that another word is no address at all, and ``/same`` of an item takes GET only."""

    regex = "|".join(get_args(Action))


register_url_convertor("action", _ActionConvertor())
router = APIRouter(prefix="/api/corrections", tags=["corrections"])
PROVING = ("prove", "approve")  # take seconds
PROOFS_AT_ONCE = 2
MOST_AT_ONCE = 500  # items of one decision
MAX_REASON = 4_000  # characters
_limiter: RunVar[CapacityLimiter] = RunVar("proofs")  # of the running event loop

# Parts of a draft, which knowledge.correcting.drafts checks
Answer = Annotated[str, declared(minLength=1, maxLength=drafts.MAX_ANSWER)]
Question = Annotated[str, declared(pattern=SOMETHING, maxLength=drafts.MAX_QUESTION)]
DocumentId = Annotated[str, declared(pattern=SOMETHING, maxLength=drafts.MAX_ID)]
Version = Annotated[int, declared(minimum=1, maximum=drafts.MAX_VERSION), WHOLE]
Questions = Annotated[list[Question], declared(maxItems=drafts.MAX_LIST)]


class EditBody(Body):
    document_id: DocumentId
    version: Version = Field(description="The version that the curator saw")
    find: Answer
    replace: Annotated[str, declared(maxLength=drafts.MAX_ANSWER)]


class SupersedesBody(Body):
    document_id: DocumentId
    passage: Answer | None = Field(None, description="The text of the passage; left out: the whole document")


class DraftBody(Body):
    """Fields that are left out do not change. The first draft needs an answer."""

    answer: Answer | None = None
    question: Question | None = None
    paraphrases: Questions | None = None
    negatives: Questions | None = None
    edits: Annotated[list[EditBody], declared(maxItems=drafts.MAX_LIST)] | None = None
    supersedes: Annotated[list[SupersedesBody], declared(maxItems=drafts.MAX_LIST)] | None = None
    kind: Annotated[str, names(drafts.KINDS)] | None = None
    valid_until: str | None = Field(
        None,
        description="When it ends: ISO 8601 with a zone (2027-01-31T12:00:00+08:00). Without a zone it is UTC; a date "
        "alone is the end of that day in UTC. The page sends the end of the day in the curator's own time zone.",
    )
    revision: Revision | None = None


class ActionBody(Body):
    reason: str | None = Field(None, max_length=MAX_REASON, description="reject needs one")
    revision: Revision | None = None
    override: bool = False
    allow_invisible: bool = Field(False, description="approve: publish characters that nobody sees, too")


class MergeBody(Body):
    ids: list[Number] = Field(min_length=2, max_length=200)


class SeveralBody(Body):
    """Items for one decision. ``revisions``: by id, those that the caller saw; an item that changed since is left."""

    ids: list[Number] = Field(min_length=1, max_length=MOST_AT_ONCE)
    revisions: dict[Annotated[Number, Field(strict=False)], Revision] = Field(  # the names in JSON are texts
        default_factory=dict,
        max_length=MOST_AT_ONCE,
        json_schema_extra={"propertyNames": {"pattern": "^[1-9][0-9]{0,14}$"}},
    )


class RejectBody(SeveralBody):
    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON), declared(pattern=SOMETHING)]


class ReopenBody(SeveralBody):
    reason: str | None = Field(None, max_length=MAX_REASON)


class NewBody(Body):
    question: Question
    answer: Answer | None = None
    collection: Collection | None = None


class SplitBody(Body):
    complaints: list[Number] = Field(min_length=1, max_length=1_000)
    revision: Revision | None = None


@router.get("", response_model=forms.Corrections)
def queue(
    _identity: Curator,
    scope: ScopeDep,
    parts: PartsDep,
    state: States = None,
    priority: Priorities = None,
    q: Words = None,
    collection: Name = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> dict[str, Any]:
    """The queue: urgent first, then the newest. ``state``: one or several, comma-separated."""
    with parts.database.read() as session:
        return items.listing(
            session, scope.only(collection), state=state, priority=priority, q=q, limit=limit, offset=offset
        )


@router.post(
    "",
    status_code=201,
    response_model=forms.Correction,
    responses={200: {"model": forms.Correction, "description": "An open correction asks the same."}, 409: {}},
)
def start(body: NewBody, identity: Curator, scope: ScopeDep, parts: PartsDep, response: Response) -> dict[str, Any]:
    """Starts a correction without a complaint. Returns 200 and the open item where one asks the same question."""
    desk = parts.curation(scope)
    item, new = desk.start(
        body.question, actor=identity.name, answer=body.answer, collection=writable(scope, body.collection)
    )
    if not new:
        response.status_code = 200
        return shown(item)
    with parts.database.write() as session:
        unanswered.adopt(session, corrections.get(session, item["id"], scope), body.question)
    return shown(desk.item(item["id"]))


@router.post("/merge", response_model=forms.Correction, responses={404: {}, 409: {}})
def merge(body: MergeBody, identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """Merges several items; the first one gets the complaints of all."""
    return shown(parts.curation(scope).merge(body.ids, actor=identity.name))


@router.post("/reject", response_model=forms.Decisions)
def reject(body: RejectBody, identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """Rejects several items, each by itself: what cannot be rejected has an ``error``, and the others are rejected."""
    return _decide(parts.curation(scope).reject, body, actor=identity.name, reason=body.reason)


@router.post("/reopen", response_model=forms.Decisions)
def reopen(body: ReopenBody, identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """Reopens several items, each by itself, as ``/reject`` rejects them: this takes a rejection back."""
    return _decide(parts.curation(scope).reopen, body, actor=identity.name, reason=body.reason)


def _decide(step: Callable[..., dict[str, Any]], body: SeveralBody, **request: Any) -> dict[str, Any]:
    """Carries out a step on each item. Raises Invalid."""
    results: list[dict[str, Any]] = []
    for correction_id in dict.fromkeys(body.ids):
        result: dict[str, Any] = {"id": correction_id, "state": None, "revision": None, "error": None}
        try:
            item = step(correction_id, revision=body.revisions.get(correction_id), **request)
            result |= {"state": item["state"], "revision": item["revision"]}
        except (Conflict, NotFound, DatabaseBusy, DiskFull) as error:
            result["error"] = problems.summary(error)
        results.append(result)
    return {"results": results}


@router.post("/{correction_id:int}/split", response_model=forms.Split, responses={409: {}})
def split(correction_id: Id, body: SplitBody, identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """Moves complaints into a new correction. ``kept``: the old correction; ``split``: the new one."""
    with parts.database.write() as session:
        remaining, new = feedback.split(
            session, correction_id, body.complaints, scope, actor=identity.name, revision=body.revision
        )
        return {
            "kept": shown(items.item(session, remaining, scope)),
            "split": shown(items.item(session, new, scope)),
        }


@router.get("/{correction_id:int}/same", response_model=forms.SameQuestions)
def same(correction_id: Id, _identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """The corrections in the queue that ask the same as this one and may be merged with it."""
    with parts.database.read() as session:
        return {"items": parts.same_questions.of(session, correction_id, scope)}


@router.get("/{correction_id:int}", response_model=forms.Correction)
def show(
    correction_id: Id, _identity: Curator, scope: ScopeDep, parts: PartsDep, prompts: bool = False
) -> dict[str, Any]:
    """Everything about one item. ``prompts``: also the prompt of the model in each snapshot; leave it out to poll."""
    return shown(parts.curation(scope).item(correction_id, prompts=prompts))


@router.put("/{correction_id:int}/draft", response_model=forms.Correction, responses={409: {}})
def draft(correction_id: Id, body: DraftBody, identity: Curator, scope: ScopeDep, parts: PartsDep) -> dict[str, Any]:
    """Writes the draft; fields that are left out do not change. ``valid_until``: ISO 8601 with a zone; a date alone is
    the end of that day in UTC."""
    changes = body.model_dump(exclude_unset=True, exclude={"revision"})
    return shown(parts.curation(scope).draft(correction_id, changes, actor=identity.name, revision=body.revision))


@router.post("/{correction_id:int}/{action:action}", response_model=forms.Correction, responses={409: {}})
async def act(
    correction_id: Id,
    action: Action,
    identity: Curator,
    scope: ScopeDep,
    parts: PartsDep,
    body: ActionBody | None = None,
) -> dict[str, Any]:
    """Does claim, prove, approve, recheck, reject, reopen or rollback. ``revision``: the one that the caller saw."""

    def done() -> dict[str, Any]:
        return shown(_act(parts.curation(scope), parts, identity, correction_id, action, body or ActionBody()))

    return await to_thread.run_sync(done, limiter=_proofs() if action in PROVING else None)


def _proofs() -> CapacityLimiter:
    """Limits the proofs and approvals that run at the same time. Others wait without a thread, so that threads are free
    for readers."""
    try:
        return _limiter.get()
    except LookupError:
        limiter = CapacityLimiter(PROOFS_AT_ONCE)
        _limiter.set(limiter)
        return limiter


def _act(
    curation: Curation, parts: Parts, identity: Identity, correction_id: int, action: Action, body: ActionBody
) -> dict[str, Any]:
    request: dict[str, Any] = {"actor": identity.name, "reason": body.reason, "revision": body.revision}
    if action == "approve":
        if body.override and not identity.administers:
            raise Forbidden("Only an administrator may approve in spite of the proof.", code="override_not_allowed")
        result = curation.approve(
            correction_id, override=body.override, allow_invisible=body.allow_invisible, **request
        )
        parts.worker.wake()
        return result
    if action == "recheck":
        result = curation.recheck(correction_id, **request)
        parts.worker.wake()
        return result
    if action == "prove":
        return curation.prove(correction_id, revision=body.revision)
    steps: dict[str, Callable[..., dict[str, Any]]] = {
        "claim": curation.claim,
        "reject": curation.reject,
        "reopen": curation.reopen,
        "rollback": curation.rollback,
    }
    return steps[action](correction_id, **request)


def shown(item: dict[str, Any]) -> dict[str, Any]:
    """The item, with the reasons of the system in the reader's language."""
    words = {**item, "history": [_translate_event(event) for event in item["history"]]}
    if item["proof"]:
        words["proof"] = {**item["proof"], "items": [_translate_replayed(row) for row in item["proof"]["items"]]}
    if item["recheck"]:
        words["recheck"] = _translate_recheck(item["recheck"])
    return words


def _translate_event(event: dict[str, Any]) -> dict[str, Any]:
    translated = _translate(event)
    return {name: value for name, value in translated.items() if name not in ("code", "values")}


def _translate(row: dict[str, Any]) -> dict[str, Any]:
    """The row with its reason in the reader's language. Reasons of people and of earlier versions have no code and do
    not change."""
    if not row.get("reason"):
        return row
    return {**row, "reason": problems.message(row.get("code"), row.get("values"), row["reason"])}


def _translate_replayed(row: dict[str, Any]) -> dict[str, Any]:
    """A replayed question of a proof with its reason translated; those of earlier versions have no code."""
    if not row.get("code"):
        return _translate(row)
    return {**row, "reason": problems.words(f"proof.reason.{row['code']}", **row["values"])}


def _translate_recheck(recheck: dict[str, Any]) -> dict[str, Any]:
    translated = _translate(recheck)
    for way in ("verbatim", "retrieved"):
        if recheck.get(way):
            faults = [_translate(problem) for problem in recheck[way]["problems"]]
            translated[way] = {**recheck[way], "problems": faults}
    return translated
