"""The curator's desk: every action on a correction, each in its transaction. Used by the page, the API and the
command line alike. Joins complaints, corrections, drafts, approval and publish; knows nothing of the web or of chat
models.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from knowledge import jobs
from knowledge.correcting import complaints, corrections, drafts, merging, publish
from knowledge.correcting.approval import ATTEMPTS, Approval
from knowledge.correcting.items import item
from knowledge.correcting.publication import prepare_withdrawal
from knowledge.errors import Conflict, Invalid, Stale
from knowledge.tables import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from knowledge.correcting.proof import Tools
    from knowledge.db import Database
    from retrieval.embed import Embedder
    from retrieval.scope import Scope

MAX_REASON = 4_000


class Curation:
    """The desk of somebody who sees the corrections of one scope: all others are unknown to it.

    Actions return the item as it is afterwards (items). All raise NotFound and Conflict kinds.
    """

    def __init__(self, database: Database, embedder: Embedder, tools: Tools, scope: Scope) -> None:
        """``tools``: what proofs work with; one for all desks, because it remembers."""
        self._database = database
        self._embedder = embedder
        self._approval = Approval(database, embedder, tools, scope)
        self._scope = scope

    def item(self, correction_id: int, *, prompts: bool = False) -> dict[str, Any]:
        """See items.item."""
        with self._database.read() as session:
            correction = corrections.get(session, correction_id, self._scope)
            return item(session, correction, self._scope, prompts=prompts)

    def start(
        self, question: str, *, actor: str, answer: str | None = None, collection: str | None = None
    ) -> tuple[dict[str, Any], bool]:
        """Begins a correction without a complaint, with ``answer`` as its draft where there is one. Returns the item,
        and whether it is new. An open correction about the same question is returned unchanged. Raises Invalid."""
        asked = drafts.question_of(question)
        with self._database.write() as session:
            correction, new = complaints.start(session, asked, self._scope, actor=actor, collection=collection)
            if new and answer is not None:
                draft = drafts.revise(None, {"answer": answer}, question=asked)
                changes = {"draft": draft.to_json()}
                corrections.advance(session, correction, "draft", actor=actor, changes=changes)
            return item(session, correction, self._scope), new

    def draft(
        self, correction_id: int, changes: Mapping[str, Any], *, actor: str, revision: int | None = None
    ) -> dict[str, Any]:
        """Writes the draft. Fields that ``changes`` leave out stay as they are. Raises Invalid for unusable input."""
        with self._database.write() as session:
            correction = corrections.get(session, correction_id, self._scope)
            draft = drafts.revise(correction.draft, changes, question=correction.question)
            corrections.advance(
                session,
                correction,
                "draft",
                actor=actor,
                revision=revision,
                changes={"draft": draft.to_json(), "kind": draft.kind},
            )
            return item(session, correction, self._scope)

    def prove(self, correction_id: int, *, revision: int | None = None) -> dict[str, Any]:
        """Replays the present draft and stores the report; changes nothing that readers see: see Approval.prove."""
        self._approval.prove(correction_id, revision=revision)
        return self.item(correction_id)

    def approve(
        self,
        correction_id: int,
        *,
        actor: str,
        reason: str | None = None,
        revision: int | None = None,
        override: bool = False,
        allow_invisible: bool = False,
    ) -> dict[str, Any]:
        """Publishes the draft if its proof allows it, or in spite of the proof with ``override``; characters that
        nobody sees only with ``allow_invisible``: see Approval.approve. Raises Invalid, Regression, NotFixed, Stale,
        NotAllowed, ProofRunning."""
        return self._approval.approve(
            correction_id,
            actor=actor,
            reason=_reason(reason),
            revision=revision,
            override=override,
            allow_invisible=allow_invisible,
        )

    def reject(
        self, correction_id: int, *, actor: str, reason: str | None, revision: int | None = None
    ) -> dict[str, Any]:
        """Decides that nothing is to be corrected. The reason is required."""
        if not (reason or "").strip():
            raise Invalid("Rejecting needs a reason.", code="reject_without_reason")
        return self._step(correction_id, "reject", actor, reason, revision)

    def reopen(
        self, correction_id: int, *, actor: str, reason: str | None = None, revision: int | None = None
    ) -> dict[str, Any]:
        return self._step(correction_id, "reopen", actor, reason, revision)

    def claim(
        self, correction_id: int, *, actor: str, reason: str | None = None, revision: int | None = None
    ) -> dict[str, Any]:
        """Notes who works on the correction. Others may work on it nevertheless."""
        return self._step(correction_id, "claim", actor, reason, revision, {"claimed_by": actor})

    def rollback(
        self, correction_id: int, *, actor: str, reason: str | None = None, revision: int | None = None
    ) -> dict[str, Any]:
        """Takes the publication back. From the next question on, readers see the state before it."""
        with self._database.read() as session:
            correction = corrections.get(session, correction_id, self._scope)
            withdrawal = publish.prepare_rollback(session, correction, self._embedder)
        with self._database.write() as session:
            correction = corrections.get(session, correction_id, self._scope)
            publish.rollback(
                session,
                correction,
                withdrawal,
                fingerprint=self._embedder.fingerprint,
                actor=actor,
                reason=_reason(reason),
                revision=revision,
            )
            return item(session, correction, self._scope)

    def expire(self, entry_id: int) -> bool:
        """Ends a publication whose time is over; called by the job that waits for that moment (publish.EXPIRE).

        Returns False when the publication had ended before, by a rollback or a newer publication. Raises Stale when
        others keep changing the same documents.
        """
        for _attempt in range(ATTEMPTS):
            with self._database.read() as session:
                entry = session.get(Entry, entry_id)
                if entry is None or not entry.live:
                    return False
                withdrawal = prepare_withdrawal(session, entry, self._embedder, forced=True)
            with suppress(Conflict), self._database.write() as session:  # after a change by others: prepare it again
                correction = corrections.get(session, entry.correction_id, self._scope)
                publish.expire(session, correction, withdrawal, fingerprint=self._embedder.fingerprint)
                return True
        raise Stale("What entry {entry_id} changed kept changing.", code="publication_changing", entry_id=entry_id)

    def recheck(
        self, correction_id: int, *, actor: str, reason: str | None = None, revision: int | None = None
    ) -> dict[str, Any]:
        """Queues the job that asks the questions of a published correction again. Until it is done, a verified
        correction is only approved."""
        with self._database.write() as session:
            correction = corrections.get(session, correction_id, self._scope)
            corrections.advance(
                session,
                correction,
                "recheck",
                actor=actor,
                reason=_reason(reason),
                revision=revision,
                changes={"recheck": {"state": "pending"}},
            )
            entry = corrections.live_entry(session, correction_id)
            assert entry is not None  # an approved or verified correction is published
            jobs.cancel(session, publish.RECHECK, "correction_id", correction_id)
            payload = {"correction_id": correction_id, "entry_id": entry.id}
            jobs.enqueue(session, publish.RECHECK, payload, actor=actor)
            return item(session, correction, self._scope)

    def merge(self, ids: Sequence[int], *, actor: str) -> dict[str, Any]:
        """Makes one item of several. The first one gets the complaints of all."""
        with self._database.write() as session:
            return item(session, merging.merge(session, ids, self._scope, actor=actor), self._scope)

    def fail_interrupted(self) -> int:
        """On start: marks proofs as failed that were running when the machine stopped. Returns how many."""
        return self._approval.fail_interrupted()

    def _step(
        self,
        correction_id: int,
        action: str,
        actor: str,
        reason: str | None,
        revision: int | None,
        changes: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        with self._database.write() as session:
            correction = corrections.get(session, correction_id, self._scope)
            corrections.advance(
                session, correction, action, actor=actor, reason=_reason(reason), revision=revision, changes=changes
            )
            return item(session, correction, self._scope)


def _reason(reason: str | None) -> str | None:
    if reason is not None and len(reason) > MAX_REASON:
        raise Invalid("A reason has at most {limit:,} characters.", code="reason_too_long", limit=MAX_REASON)
    return reason
