"""The curator's desk: every action on a correction, each in its transaction. Used by the page, the API and the
command line alike. Joins corrections, drafts, proof and publish; knows nothing of the web or of chat models.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from knowledge import jobs
from knowledge.correcting import corrections, drafts, merging, proof, publish
from knowledge.correcting.corrections import State
from knowledge.correcting.items import item
from knowledge.correcting.publication import prepare, prepare_withdrawal
from knowledge.db import utc_now
from knowledge.errors import Conflict, Invalid, NotAllowed, ProofRunning, Regression, Stale
from knowledge.log import head
from knowledge.tables import Correction, Entry, Proof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from knowledge.correcting.proof import Reading
    from knowledge.correcting.publication import Publication
    from knowledge.db import Database
    from retrieval.embed import Embedder
    from retrieval.scope import Scope
    from retrieval.search import Searcher

ATTEMPTS = 10  # how often a step is prepared anew when the knowledge changes meanwhile
MAX_REASON = 4_000
PROOF_LIMIT = timedelta(minutes=10)  # a proof takes seconds: one that runs for longer lost its process


class Curation:
    """The desk of somebody who sees the corrections of one scope: all others are unknown to it.

    Actions return the item as it is afterwards (items). All raise NotFound and Conflict kinds.
    """

    def __init__(self, database: Database, searcher: Searcher, embedder: Embedder, read: Reading, scope: Scope) -> None:
        """``read``: the passages that answers stand on, chosen as people's answers choose them; proofs judge by it."""
        self._scope = scope
        self._database = database
        self._searcher = searcher
        self._embedder = embedder
        self._read = read

    def item(self, correction_id: int, *, prompts: bool = False) -> dict[str, Any]:
        """See items.item."""
        with self._database.read() as session:
            correction = corrections.get(session, correction_id, self._scope)
            return item(session, correction, self._scope, prompts=prompts)

    def start(
        self, question: str, *, actor: str, answer: str | None = None, collection: str | None = None
    ) -> tuple[dict[str, Any], bool]:
        """Begins a correction without a complaint, with ``answer`` as its draft where there is one. Returns the item,
        and whether it is new: of an open one about the same question nothing is changed. Raises Invalid."""
        asked = drafts.question_of(question)
        with self._database.write() as session:
            correction, new = corrections.start(session, asked, self._scope, actor=actor, collection=collection)
            if new and answer is not None:
                draft = drafts.revise(None, {"answer": answer}, question=asked)
                changes = {"draft": draft.to_json()}
                corrections.advance(session, correction, "draft", actor=actor, changes=changes)
            return item(session, correction, self._scope), new

    def draft(
        self, correction_id: int, changes: Mapping[str, Any], *, actor: str, revision: int | None = None
    ) -> dict[str, Any]:
        """Writes the draft; what ``changes`` leave out stays. Raises Invalid for input that cannot be used."""
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
        """Replays the present draft on a candidate and stores the report; changes nothing that readers see.

        Raises ProofRunning, and what ``publication.prepare`` raises.
        """
        with self._database.read() as session:
            correction = corrections.get(session, correction_id, self._scope)
            _check_revision(correction, revision)
            publication = prepare(session, correction, self._embedder)
        self._prove(publication)
        return self.item(correction_id)

    def approve(
        self,
        correction_id: int,
        *,
        actor: str,
        reason: str | None = None,
        revision: int | None = None,
        override: bool = False,
    ) -> dict[str, Any]:
        """Publishes the draft if its proof finds no regression; proves it first where that was not done, or was done
        on an older state of the knowledge.

        ``override``: publish in spite of a regression (administrators, with a reason, on the record).
        """
        said = _reason(reason)
        if override and not (said or "").strip():
            raise Invalid("Approving in spite of a regression needs a reason.")
        for _attempt in range(ATTEMPTS):
            publication, report = self._proved(correction_id, revision)
            broken = [_loss(one) for one in report["items"] if one["outcome"] == "regressed"]
            if broken and not override:
                raise Regression(
                    f"Approving would break {len(broken)} answer(s) that are right now: {'; '.join(broken)[:600]}. "
                    "Change the draft, or let an administrator override this with a reason."
                )
            why = f"in spite of {len(broken)} regression(s): {said}" if broken else said
            with self._database.write() as session:
                if head(session) == publication.seq:  # what is published is what was proved
                    fingerprint = self._embedder.fingerprint
                    publish.approve(session, publication, fingerprint=fingerprint, actor=actor, reason=why)
                    return item(session, corrections.get(session, correction_id, self._scope), self._scope)
        raise Stale("The knowledge kept changing while this was being proved. Approve it again.")

    def _proved(self, correction_id: int, revision: int | None) -> tuple[Publication, Mapping[str, Any]]:
        """What approving would write now, with its proof. Raises Stale, NotAllowed, ProofRunning."""
        with self._database.read() as session:
            correction = corrections.get(session, correction_id, self._scope)
            _check_revision(correction, revision)
            if (State(correction.state), "approve") not in corrections.TRANSITIONS and correction.state != State.QUEUED:
                raise NotAllowed(f"Correction {correction_id} is {correction.state}: it cannot be approved.")
            publication = prepare(session, correction, self._embedder)
            report = self._report(session, publication)
        return publication, self._prove(publication) if report is None else report

    def reject(
        self, correction_id: int, *, actor: str, reason: str | None, revision: int | None = None
    ) -> dict[str, Any]:
        """Decides that nothing is to be corrected. The reason is required."""
        if not (reason or "").strip():
            raise Invalid("Rejecting needs a reason.")
        return self._step(correction_id, "reject", actor, reason, revision)

    def reopen(
        self, correction_id: int, *, actor: str, reason: str | None = None, revision: int | None = None
    ) -> dict[str, Any]:
        return self._step(correction_id, "reopen", actor, reason, revision)

    def claim(
        self, correction_id: int, *, actor: str, reason: str | None = None, revision: int | None = None
    ) -> dict[str, Any]:
        """Says who works on it; nobody is kept out by it."""
        return self._step(correction_id, "claim", actor, reason, revision, {"claimed_by": actor})

    def rollback(
        self, correction_id: int, *, actor: str, reason: str | None = None, revision: int | None = None
    ) -> dict[str, Any]:
        """Takes the publication back; readers see the state before it with the next question."""
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
        """Ends a publication whose time is over: what the job does that waits for that moment (publish.EXPIRE).

        False when it ended before, by a rollback or a newer publication. Raises Stale when others keep changing the
        same documents.
        """
        for _attempt in range(ATTEMPTS):
            with self._database.read() as session:
                entry = session.get(Entry, entry_id)
                if entry is None or not entry.live:
                    return False
                withdrawal = prepare_withdrawal(session, entry, self._embedder, forced=True)
            with suppress(Conflict), self._database.write() as session:  # somebody was first: see what is left
                correction = corrections.get(session, entry.correction_id, self._scope)
                publish.expire(session, correction, withdrawal, fingerprint=self._embedder.fingerprint)
                return True
        raise Stale(f"What entry {entry_id} changed kept changing.")

    def recheck(
        self, correction_id: int, *, actor: str, reason: str | None = None, revision: int | None = None
    ) -> dict[str, Any]:
        """Has the questions of a published correction asked again. Until that is done a verified one is approved."""
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
            assert entry is not None  # what is approved or verified is published
            jobs.cancel(session, publish.RECHECK, "correction_id", correction_id)
            payload = {"correction_id": correction_id, "entry_id": entry.id}
            jobs.enqueue(session, publish.RECHECK, payload, actor=actor)
            return item(session, correction, self._scope)

    def merge(self, ids: Sequence[int], *, actor: str) -> dict[str, Any]:
        """Makes one item of several; the first keeps the complaints of all."""
        with self._database.write() as session:
            return item(session, merging.merge(session, ids, self._scope, actor=actor), self._scope)

    def fail_interrupted(self) -> int:
        """On start: proofs that were running when the machine stopped. Returns how many."""
        with self._database.write() as session:
            return _fail_running(session, sa.true())

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

    def _report(self, session: Session, publication: Publication) -> Mapping[str, Any] | None:
        """The finished proof of this very draft on the present knowledge. Raises ProofRunning."""
        latest = session.scalar(
            sa.select(Proof)
            .where(Proof.correction_id == publication.correction_id, Proof.revision == publication.revision)
            .order_by(Proof.id.desc())
            .limit(1)
        )
        if latest is None:
            return None
        if latest.state == "running" and latest.started_at > utc_now() - PROOF_LIMIT:
            raise ProofRunning("A proof of this draft is running. Approve again when it is finished.")
        return latest.report if latest.state == "done" and latest.report["seq"] == publication.seq else None

    def _prove(self, publication: Publication) -> Mapping[str, Any]:
        try:
            with self._database.write() as session:
                _fail_running(session, Proof.started_at <= utc_now() - PROOF_LIMIT)
                row = Proof(
                    correction_id=publication.correction_id, revision=publication.revision, state="running", report={}
                )
                session.add(row)
                session.flush()
                proof_id = row.id
        except IntegrityError:  # one_running_proof_per_correction
            raise ProofRunning("A proof of this correction is running already. Wait for it.") from None
        report: Mapping[str, Any] | None = None
        try:
            with self._database.read() as session:
                report = proof.prove(session, publication, self._searcher, self._embedder, self._read)
        finally:
            with self._database.write() as session:
                session.execute(
                    sa.update(Proof)
                    .where(Proof.id == proof_id)
                    .values(
                        state="done" if report is not None else "failed",
                        report=dict(report or {}),
                        finished_at=utc_now(),
                    )
                )
        return report


def _fail_running(session: Session, which: sa.ColumnElement[bool]) -> int:
    """Ends proofs that no longer run. Returns how many."""
    ended = sa.update(Proof).where(Proof.state == "running", which).values(state="failed", finished_at=utc_now())
    return int(session.execute(ended).rowcount)  # type: ignore[attr-defined]


def _loss(item: Mapping[str, Any]) -> str:
    """An item of a proof that regressed, in words; reports of earlier versions have no reason."""
    return f"{item['question']} ({item['reason']})" if item.get("reason") else str(item["question"])


def _check_revision(correction: Correction, revision: int | None) -> None:
    if revision is not None and correction.revision != revision:
        raise Stale(
            f"Correction {correction.id} was changed meanwhile; it is {correction.state} now. Reload it.",
            revision=correction.revision,
            state=correction.state,
        )


def _reason(reason: str | None) -> str | None:
    if reason is not None and len(reason) > MAX_REASON:
        raise Invalid(f"A reason has at most {MAX_REASON:,} characters.")
    return reason
