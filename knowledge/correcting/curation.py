"""The curator's desk: every action on a correction, each in its transaction. Used by the page, the API and the
command line alike. Joins corrections, drafts, proof and publish; knows nothing of the web or of chat models.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from knowledge import jobs
from knowledge.correcting import corrections, drafts, merging, proof, publish
from knowledge.correcting.corrections import State
from knowledge.correcting.items import item
from knowledge.correcting.publication import prepare, prepare_withdrawal
from knowledge.correcting.reasons import Reason
from knowledge.db import utc_now
from knowledge.errors import Conflict, Invalid, NotAllowed, NotFixed, ProofRunning, Regression, Stale
from knowledge.tables import Correction, Entry, Proof

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from knowledge.correcting.publication import Publication
    from knowledge.db import Database
    from retrieval.embed import Embedder
    from retrieval.scope import Scope

ATTEMPTS = 10  # how often a step is prepared anew when the knowledge changes meanwhile
MAX_REASON = 4_000
MAX_NAMED = 600  # characters of the questions that a refusal names
PROOF_LIMIT = timedelta(minutes=10)  # a proof takes seconds: one that runs for longer lost its process


@dataclass(frozen=True, slots=True)
class _Basis:
    """A finished proof: its row, its report, and, where it was made just now, the proof itself, which can follow what
    others write."""

    proof_id: int
    report: Mapping[str, Any]
    proved: proof.Proved | None


class Curation:
    """The desk of somebody who sees the corrections of one scope: all others are unknown to it.

    Actions return the item as it is afterwards (items). All raise NotFound and Conflict kinds.
    """

    def __init__(self, database: Database, embedder: Embedder, tools: proof.Tools, scope: Scope) -> None:
        """``tools``: what proofs work with; one for all desks, because it remembers."""
        self._database = database
        self._embedder = embedder
        self._tools = tools
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
        """Publishes the draft if its proof finds all its questions fixed and no regression; proves it first where that
        was not done, or was done on an older state of the knowledge.

        What is published is what was proved: what others write meanwhile is followed, and the questions that are read
        differently after it are judged anew. ``override``: publish in spite of the proof (administrators, with a
        reason, on the record). Raises Regression, NotFixed, Stale, NotAllowed, ProofRunning.
        """
        why = _reason(reason)
        if override and not (why or "").strip():
            raise Invalid("Approving in spite of the proof needs a reason.", code="override_without_reason")
        for _attempt in range(ATTEMPTS):
            publication, basis = self._proved(correction_id, revision)
            approved = self._publish(publication, basis, actor=actor, reason=why, override=override)
            if approved is not None:
                return approved
        raise Stale(
            "The knowledge that the proof is about kept changing while it was proved. Approve it again.",
            code="knowledge_moving",
        )

    def _publish(
        self, publication: Publication, basis: _Basis, *, actor: str, reason: str | None, override: bool
    ) -> dict[str, Any] | None:
        """Publishes what was proved. None: something came meanwhile after which it must be proved anew."""
        fingerprint = self._embedder.fingerprint
        for _attempt in range(ATTEMPTS):
            with self._database.read() as session:
                later = proof.since(session, publication, basis.report["seq"], self._tools.log)
            caught_up = self._followed(basis, later)
            if caught_up is None:
                return None
            basis = caught_up
            why = _in_spite(basis.report, reason, override=override)
            with self._database.write() as session:
                # Nobody else writes now. What came since is little: whether it changes what was proved takes no search.
                later = proof.since(session, publication, basis.report["seq"], self._tools.log)
                if later.decisive or (later.changes and basis.proved is None):
                    return None
                if basis.proved is not None and proof.follow(basis.proved, later.changes)[1]:
                    continue
                entry = publish.approve(session, publication, fingerprint=fingerprint, actor=actor, reason=why)
                entry.proof_id = basis.proof_id
                if basis.proved is not None:
                    stored = sa.update(Proof).where(Proof.id == basis.proof_id)
                    session.execute(stored.values(report={**basis.report, "seq": later.seq}))
                return item(session, corrections.get(session, publication.correction_id, self._scope), self._scope)
        return None

    @staticmethod
    def _followed(basis: _Basis, later: proof.Since) -> _Basis | None:
        """The proof after what came since; None: it cannot be followed."""
        if later.decisive or (later.changes and basis.proved is None):
            return None
        if basis.proved is None:
            return basis
        proved, moved = proof.follow(basis.proved, later.changes)
        proved = proof.judged_anew(proved, moved)
        return replace(basis, proved=proved, report=proved.report)

    def _proved(self, correction_id: int, revision: int | None) -> tuple[Publication, _Basis]:
        """What approving would write now, with its proof. Raises Stale, NotAllowed, ProofRunning."""
        answers = self._tools.answers.state()
        with self._database.read() as session:
            correction = corrections.get(session, correction_id, self._scope)
            _check_revision(correction, revision)
            if (State(correction.state), "approve") not in corrections.TRANSITIONS and correction.state != State.QUEUED:
                raise NotAllowed(
                    "Correction {number} is {state}: it cannot be approved.",
                    code="not_approvable",
                    number=correction_id,
                    state=correction.state,
                )
            publication = prepare(session, correction, self._embedder)
            stored = self._stored(session, publication, answers)
        return publication, stored or self._prove(publication)

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
        raise Stale("What entry {entry_id} changed kept changing.", code="publication_changing", entry_id=entry_id)

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

    def _stored(self, session: Session, publication: Publication, answers: str) -> _Basis | None:
        """The finished proof of this very draft on the present knowledge, with the present answers and ratings. Raises
        ProofRunning."""
        latest = session.scalar(
            sa.select(Proof)
            .where(Proof.correction_id == publication.correction_id, Proof.revision == publication.revision)
            .order_by(Proof.id.desc())
            .limit(1)
        )
        if latest is None:
            return None
        if latest.state == "running" and latest.started_at > utc_now() - PROOF_LIMIT:
            raise ProofRunning(
                "A proof of this draft is running. Approve again when it is finished.", code="draft_proof_running"
            )
        if latest.state != "done" or latest.report["seq"] != publication.seq:
            return None
        if latest.report.get("answers") != answers:  # an earlier version replayed less and kept none
            return None
        return _Basis(latest.id, latest.report, None)

    def _prove(self, publication: Publication) -> _Basis:
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
            raise ProofRunning(
                "A proof of this correction is running already. Wait for it.", code="proof_running"
            ) from None
        proved: proof.Proved | None = None
        try:
            proved = proof.prove(publication, self._tools)
        finally:
            with self._database.write() as session:
                session.execute(
                    sa.update(Proof)
                    .where(Proof.id == proof_id)
                    .values(
                        state="done" if proved is not None else "failed",
                        report=dict(proved.report) if proved is not None else {},
                        finished_at=utc_now(),
                    )
                )
        return _Basis(proof_id, proved.report, proved)


def _fail_running(session: Session, which: sa.ColumnElement[bool]) -> int:
    """Ends proofs that no longer run. Returns how many."""
    ended = sa.update(Proof).where(Proof.state == "running", which).values(state="failed", finished_at=utc_now())
    return int(session.execute(ended).rowcount)  # type: ignore[attr-defined]


def _in_spite(report: Mapping[str, Any], reason: str | None, *, override: bool) -> str | Reason | None:
    """The reason that the history keeps. Raises Regression, NotFixed where the proof forbids the approval."""
    broken = [_named(one) for one in report["items"] if one["outcome"] == "regressed"]
    unfixed = [_named(one) for one in report["items"] if one["outcome"] == "not_fixed"]
    if broken and not override:
        raise Regression(
            "Approving would break {count} answer(s) that are right now: {questions}. Change the draft, or let an "
            "administrator override this with a reason.",
            code="regression",
            count=len(broken),
            questions="; ".join(broken)[:MAX_NAMED],
        )
    if unfixed and not override:
        raise NotFixed(
            "Approving would not fix {count} question(s) of this correction: {questions}. Change the draft, take the "
            "questions out that ask something else, or let an administrator override this with a reason.",
            code="not_fixed",
            count=len(unfixed),
            questions="; ".join(unfixed)[:MAX_NAMED],
        )
    if broken and unfixed:
        return Reason.of(
            "in spite of {count} regression(s) and {unfixed} question(s) that are not fixed: {words}",
            code="in_spite_of_both",
            count=len(broken),
            unfixed=len(unfixed),
            words=reason or "",
        )
    if unfixed:
        return Reason.of(
            "in spite of {count} question(s) that are not fixed: {words}",
            code="in_spite_of_unfixed",
            count=len(unfixed),
            words=reason or "",
        )
    if broken:
        return Reason.of(
            "in spite of {count} regression(s): {words}",
            code="in_spite_of_regressions",
            count=len(broken),
            words=reason or "",
        )
    return reason


def _named(item: Mapping[str, Any]) -> str:
    """An item of a proof in words."""
    return f"{item['question']} ({item['reason']})" if item.get("reason") else str(item["question"])


def _check_revision(correction: Correction, revision: int | None) -> None:
    if revision is not None and correction.revision != revision:
        raise Stale(
            "Correction {number} was changed meanwhile; it is {state} now. Look at it again.",
            code="correction_changed",
            number=correction.id,
            revision=correction.revision,
            state=correction.state,
        )


def _reason(reason: str | None) -> str | None:
    if reason is not None and len(reason) > MAX_REASON:
        raise Invalid("A reason has at most {limit:,} characters.", code="reason_too_long", limit=MAX_REASON)
    return reason
