"""Proves a draft, and publishes exactly what was proved, even if the knowledge changes meanwhile.

A proof takes seconds, and the knowledge is not locked during it. So an approval follows the changes that others write
during a proof: the questions that are read differently after them are judged anew, and only then is the draft
published.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from knowledge.correcting import corrections, drafts, proof, publish
from knowledge.correcting.corrections import State
from knowledge.correcting.items import item
from knowledge.correcting.publication import prepare
from knowledge.correcting.reasons import Reason
from knowledge.db import utc_now
from knowledge.errors import Invalid, NotAllowed, NotFixed, ProofRunning, Regression, Stale
from knowledge.tables import Proof

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from knowledge.correcting.publication import Publication
    from knowledge.db import Database
    from retrieval.embed import Embedder
    from retrieval.scope import Scope

ATTEMPTS = 10  # how often an approval is prepared anew when the knowledge changes meanwhile
APPROVING_SECONDS = 300.0  # how long an approval waits for earlier ones of this process
MAX_NAMED = 600  # characters of the questions that a refusal names
PROOF_LIMIT = timedelta(minutes=10)  # a proof takes seconds: if it runs for longer, its process has ended


@dataclass(frozen=True, slots=True)
class _Basis:
    """A finished proof: the id of its row and its report. If the proof was made just now, also the proof in memory,
    which can follow the changes of others."""

    proof_id: int
    report: Mapping[str, Any]
    proved: proof.Proved | None


class Approval:
    """Proves and approves drafts for somebody who sees the corrections of one scope."""

    def __init__(self, database: Database, embedder: Embedder, tools: proof.Tools, scope: Scope) -> None:
        """``tools``: what proofs work with; one for everybody, because it remembers."""
        self._database = database
        self._embedder = embedder
        self._tools = tools
        self._scope = scope

    def prove(self, correction_id: int, *, revision: int | None) -> None:
        """Replays the questions with the present draft on a candidate and stores the report. Readers see no change.

        Raises ProofRunning, and the errors of ``publication.prepare``.
        """
        with self._database.read() as session:
            correction = corrections.get(session, correction_id, self._scope)
            corrections.check_revision(session, correction, revision)
            publication = prepare(session, correction, self._embedder)
        self._prove(publication)

    def approve(
        self,
        correction_id: int,
        *,
        actor: str,
        reason: str | None,
        revision: int | None,
        override: bool,
        allow_invisible: bool = False,
    ) -> dict[str, Any]:
        """Publishes the draft if its proof finds all its questions fixed and no regression. Proves the draft first if
        there is no proof of it, or only one on an older state of the knowledge.

        The published texts are those that were proved: the proof follows the changes of others, and the questions that
        are read differently after them are judged anew. ``override``: publish in spite of the proof (administrators,
        with a reason, on the record). ``allow_invisible``: publish characters that nobody sees, too. Returns the item
        as it is afterwards (items). Raises Invalid, Regression, NotFixed, Stale, NotAllowed, ProofRunning.
        """
        if override and not (reason or "").strip():
            raise Invalid("Approving in spite of the proof needs a reason.", code="override_without_reason")
        with self._tools.approving.turn(APPROVING_SECONDS):  # without its turn it may have to prove more than once
            for _attempt in range(ATTEMPTS):
                publication, basis = self._prepare_with_proof(correction_id, revision, allow_invisible=allow_invisible)
                approved = self._publish(publication, basis, actor=actor, reason=reason, override=override)
                if approved is not None:
                    return approved
        raise Stale(
            "The knowledge that the proof is about kept changing while it was proved. Approve it again.",
            code="knowledge_moving",
        )

    def fail_interrupted(self) -> int:
        """On start: marks proofs as failed that were running when the machine stopped. Returns how many."""
        with self._database.write() as session:
            return _fail_running(session, sa.true())

    def _publish(
        self, publication: Publication, basis: _Basis, *, actor: str, reason: str | None, override: bool
    ) -> dict[str, Any] | None:
        """Publishes what was proved. Returns None if a change came meanwhile after which it must be proved anew."""
        fingerprint = self._embedder.fingerprint
        for _attempt in range(ATTEMPTS):
            with self._database.read() as session:
                later = proof.since(session, publication, basis.report["seq"], self._tools.log)
            caught_up = self._follow(basis, later)
            if caught_up is None:
                return None
            basis = caught_up
            why = _reason_to_keep(basis.report, reason, override=override)
            with self._database.write() as session:
                # Nobody else writes now. Few changes came since: no search is needed to see if they affect the proof.
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
    def _follow(basis: _Basis, later: proof.Since) -> _Basis | None:
        """The proof after the changes that came since. None: the proof cannot follow them."""
        if later.decisive or (later.changes and basis.proved is None):
            return None
        if basis.proved is None:
            return basis
        proved, moved = proof.follow(basis.proved, later.changes)
        proved = proof.judged_anew(proved, moved)
        return replace(basis, proved=proved, report=proved.report)

    def _prepare_with_proof(
        self, correction_id: int, revision: int | None, *, allow_invisible: bool
    ) -> tuple[Publication, _Basis]:
        """What an approval would write now, with its proof. Raises Stale, NotAllowed, ProofRunning, Invalid."""
        answers = self._tools.answers.state()
        with self._database.read() as session:
            correction = corrections.get(session, correction_id, self._scope)
            corrections.check_revision(session, correction, revision)
            if (State(correction.state), "approve") not in corrections.TRANSITIONS and correction.state != State.QUEUED:
                raise NotAllowed(
                    "Correction {number} is {state}: it cannot be approved.",
                    code="not_approvable",
                    number=correction_id,
                    state=correction.state,
                )
            publication = prepare(session, correction, self._embedder)
            if not allow_invisible:
                drafts.refuse_hidden(publication.draft)
            stored = self._stored_proof(session, publication, answers)
        return publication, stored or self._prove(publication)

    def _stored_proof(self, session: Session, publication: Publication, answers: str) -> _Basis | None:
        """The finished proof of exactly this draft on the present knowledge, with the present answers and ratings.
        Raises ProofRunning."""
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
    """Marks proofs as failed that no longer run. Returns how many."""
    ended = sa.update(Proof).where(Proof.state == "running", which).values(state="failed", finished_at=utc_now())
    return int(session.execute(ended).rowcount)  # type: ignore[attr-defined]


def _reason_to_keep(report: Mapping[str, Any], reason: str | None, *, override: bool) -> str | Reason | None:
    """The reason that the history keeps. Raises Regression, NotFixed where the proof forbids the approval."""
    broken = [_describe(item) for item in report["items"] if item["outcome"] == "regressed"]
    unfixed = [_describe(item) for item in report["items"] if item["outcome"] == "not_fixed"]
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


def _describe(item: Mapping[str, Any]) -> str:
    """An item of a proof in words."""
    return f"{item['question']} ({item['reason']})" if item.get("reason") else str(item["question"])
