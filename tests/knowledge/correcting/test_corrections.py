"""Corrections: every transition that is allowed and every one that is not, revisions, history, one open item each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from knowledge.correcting import corrections
from knowledge.correcting.corrections import TRANSITIONS, State
from knowledge.errors import Invalid, NotAllowed, NotFound, Stale
from retrieval.scope import EVERYTHING
from tests.knowledge.world import advance, bring_to, history

if TYPE_CHECKING:
    from tests.knowledge.world import World

ACTIONS = (
    "draft", "claim", "approve", "verify", "not_verified", "not_checked", "recheck", "reopen", "reject", "merge",
    "split", "rollback", "expire",
)  # fmt: skip
ALLOWED = {
    State.QUEUED: {"draft": "drafted", "claim": "queued", "reject": "rejected", "merge": "merged"},
    State.DRAFTED: {
        "draft": "drafted", "claim": "drafted", "approve": "approved", "reject": "rejected", "merge": "merged"
    },
    State.APPROVED: {
        "verify": "verified", "not_verified": "approved", "not_checked": "approved", "recheck": "approved",
        "reopen": "reopened", "rollback": "rolled_back", "expire": "rolled_back",
    },
    State.VERIFIED: {
        "recheck": "approved", "reopen": "reopened", "rollback": "rolled_back", "expire": "rolled_back"
    },
    State.REOPENED: {
        "draft": "reopened", "claim": "reopened", "approve": "approved", "reject": "rejected", "merge": "merged"
    },
    State.REJECTED: {"reopen": "reopened"},
    State.MERGED: {"split": "reopened"},
    State.ROLLED_BACK: {"reopen": "reopened"},
}  # fmt: skip
LIVE_REOPENED = {
    "draft": "reopened", "claim": "reopened", "approve": "approved", "rollback": "rolled_back", "expire": "reopened"
}  # fmt: skip


def test_the_table_of_transitions_is_the_one_written_here() -> None:
    written = {(state, action): State(target) for state, row in ALLOWED.items() for action, target in row.items()}
    for action in ("rollback", "expire"):  # of one that was published and is live still
        written[State.REOPENED, action] = State(LIVE_REOPENED[action])
    assert dict(TRANSITIONS) == written


@pytest.mark.parametrize("state", State)
def test_every_action_in_every_state(world: World, state: State) -> None:
    correction_id = bring_to(world, state)
    for action in ACTIONS:
        before = world.rows("corrections", "correction_events")
        target = ALLOWED[state].get(action)
        with world.database.write() as session:
            correction = corrections.get(session, correction_id, EVERYTHING)
            assert correction.state == state
            if target is None:
                with pytest.raises(NotAllowed):
                    corrections.advance(session, correction, action, actor="bob")
            else:
                done = corrections.advance(session, correction, action, actor="bob", reason="because")
                assert (done.state, done.revision) == (target, before_revision(before, correction_id) + 1)
            session.rollback()
        assert world.rows("corrections", "correction_events") == before


def before_revision(rows: dict[str, list[dict[str, Any]]], correction_id: int) -> int:
    (revision,) = [row["revision"] for row in rows["corrections"] if row["id"] == correction_id]
    return int(revision)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_reopened_correction_that_is_live_can_be_rolled_back_and_not_dropped(world: World, action: str) -> None:
    correction_id = bring_to(world, State.APPROVED)
    world.curation.reopen(correction_id, actor="ann")
    assert world.state(correction_id) == ("reopened", True)
    if action in LIVE_REOPENED:
        advance(world, correction_id, action)
        assert world.state(correction_id)[0] == LIVE_REOPENED[action]
    else:
        with pytest.raises(NotAllowed, match="Roll it back first" if action in ("reject", "merge") else "it cannot"):
            advance(world, correction_id, action)


def test_a_refusal_names_the_possible_actions(world: World) -> None:
    correction_id = bring_to(world, State.APPROVED)
    with pytest.raises(NotAllowed, match=r"is approved: it cannot reject\. Possible now: recheck, reopen, rollback\."):
        world.curation.reject(correction_id, actor="ann", reason="no")


def test_a_correction_that_was_never_published_cannot_be_rolled_back(world: World) -> None:
    correction_id = bring_to(world, State.REOPENED)
    with pytest.raises(NotAllowed, match="Nothing of correction 1 is published"):
        advance(world, correction_id, "rollback")
    with pytest.raises(NotAllowed, match="nothing of it is published"):
        world.curation.rollback(correction_id, actor="ann")


def test_a_revision_that_is_not_the_newest_is_refused_and_says_who_was_first(world: World) -> None:
    correction_id = world.complain("Returns?")
    world.curation.draft(correction_id, {"answer": "30 days."}, actor="ann", revision=1)
    with pytest.raises(Stale, match=r"changed by ann \(draft\) meanwhile; it is drafted now") as error:
        world.curation.draft(correction_id, {"answer": "31 days."}, actor="bob", revision=1)
    assert (error.value.revision, error.value.state) == (2, "drafted")
    assert world.curation.item(correction_id)["draft"]["answer"] == "30 days."
    world.curation.draft(correction_id, {"answer": "31 days."}, actor="bob", revision=2)


@pytest.mark.parametrize("action", ["claim", "reject", "approve", "rollback", "reopen"])
def test_every_action_of_the_desk_checks_the_revision(world: World, action: str) -> None:
    state = {"rollback": State.APPROVED, "reopen": State.APPROVED}.get(action, State.DRAFTED)
    correction_id = bring_to(world, state)
    before = world.rows()
    with pytest.raises(Stale):
        getattr(world.curation, action)(correction_id, actor="bob", reason="r", revision=1)
    assert world.rows() == before


def test_history_has_a_row_for_every_change(world: World) -> None:
    correction_id = world.complain("Returns?", comment="nonsense")
    world.curation.claim(correction_id, actor="ann")
    world.curation.draft(correction_id, {"answer": "30 days."}, actor="ann")
    world.curation.approve(correction_id, actor="bob", reason="checked")
    advance(world, correction_id, "verify")
    world.complain("Returns?", who="carl", comment="wrong again")
    world.curation.rollback(correction_id, actor="ann", reason="was right before")
    assert history(world, correction_id) == [
        ("report", None, "queued", "visitor", "nonsense"),
        ("claim", "queued", "queued", "ann", None),
        ("draft", "queued", "drafted", "ann", None),
        ("approve", "drafted", "approved", "bob", "checked"),
        ("verify", "approved", "verified", "bob", None),
        ("reopen", "verified", "reopened", "carl", "wrong again"),
        ("rollback", "reopened", "rolled_back", "ann", "was right before"),
    ]
    assert world.curation.item(correction_id)["revision"] == 7


def test_a_claim_says_who_works_on_it_and_keeps_nobody_out(world: World) -> None:
    correction_id = world.complain("Returns?")
    assert world.curation.claim(correction_id, actor="ann")["claimed_by"] == "ann"
    assert world.curation.claim(correction_id, actor="bob")["claimed_by"] == "bob"
    world.curation.draft(correction_id, {"answer": "30 days."}, actor="carl")
    assert world.curation.approve(correction_id, actor="carl")["claimed_by"] is None


@pytest.mark.parametrize("correction_id", [1, 0, -5, 10**30])
def test_an_unknown_correction_is_not_found(world: World, correction_id: int) -> None:
    with pytest.raises(NotFound, match=f"no correction {correction_id}"):
        world.curation.item(correction_id)


def test_rejecting_needs_a_reason(world: World) -> None:
    with pytest.raises(Invalid, match="needs a reason"):
        world.curation.reject(world.complain("Returns?"), actor="ann", reason=" ")


def test_a_reason_has_bounds(world: World) -> None:
    with pytest.raises(Invalid, match="at most 4,000"):
        world.curation.reject(world.complain("Returns?"), actor="ann", reason="x" * 4001)
