"""Proofs: fixed, not fixed, regressed; which actions they block, how they end, and that they leave no trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from knowledge.correcting import approval, corrections, publication
from knowledge.errors import Invalid, NotAllowed, NotFixed, ProofRunning, Regression
from knowledge.tables import Proof
from retrieval.scope import EVERYTHING
from tests.knowledge.world import RETURNS, World


@pytest.fixture(autouse=True)
def documents(world: World) -> None:
    world.put("returns", RETURNS)


def outcomes(item: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(replayed["role"], replayed["question"], replayed["outcome"]) for replayed in item["proof"]["items"]]


def running(world: World, correction_id: int, *, since: timedelta = timedelta(0)) -> None:
    """A proof that another process began, and that is running or was interrupted."""
    revision = world.curation.item(correction_id)["revision"]
    row = {"correction_id": correction_id, "revision": revision, "state": "running", "report": {}}
    with world.database.write() as session:
        session.execute(sa.insert(Proof), [{**row, "started_at": datetime.now(UTC) - since}])


def test_a_draft_that_is_found_by_its_questions_is_fixed(world: World) -> None:
    correction_id = world.draft(
        "How long may goods be returned?",
        "Goods may be returned within 30 days.",
        paraphrases=["Within how many days may goods be returned?"],
    )
    item = world.curation.prove(correction_id)
    assert (item["state"], item["proof"]["state"], item["proof"]["verdict"]) == ("drafted", "done", "fixed")
    assert outcomes(item) == [
        ("complaint", "How long may goods be returned?", "fixed"),
        ("paraphrase", "Within how many days may goods be returned?", "fixed"),
    ]
    complaint = item["proof"]["items"][0]
    assert complaint["before"]["answer"] == "It was so."  # as it was answered when somebody complained
    assert (complaint["after"]["status"], complaint["after"]["answer"]) == (
        "curated",
        "Goods may be returned within 30 days.",
    )
    first = complaint["after"]["sources"][0]
    assert (first["n"], first["document_id"], first["curated"]) == (1, f"erratum-{correction_id}", True)


def test_a_draft_that_its_question_does_not_find_is_not_fixed_and_needs_an_override(world: World) -> None:
    asked = "How long may goods be returned?"
    for number in range(6):
        world.put(f"other-{number}", f"{asked} Nobody knows {number}.", title="How long returned?")
    correction_id = world.draft(asked, "Ein Monat.", question="Zzz qqq?", paraphrases=[asked])
    item = world.curation.prove(correction_id)
    assert (item["proof"]["verdict"], outcomes(item)[0][2]) == ("not_fixed", "not_fixed")
    with pytest.raises(
        NotFixed, match=r"would not fix 1 question\(s\).*: How long may goods be returned\? \(a search"
    ) as refused:
        world.curation.approve(correction_id, actor="ann")
    assert (refused.value.code, refused.value.values["count"]) == ("not_fixed", 1)
    assert world.state(correction_id) == ("drafted", False)
    item = world.curation.approve(correction_id, actor="root", override=True, reason="they ask in German")
    assert item["history"][-1]["reason"] == "in spite of 1 question(s) that are not fixed: they ask in German"


def test_a_draft_that_takes_a_golden_question_away_has_regressed(world: World) -> None:
    world.publish("When does money come back?", "Within 5 days.")
    correction_id = world.draft(
        "How long may goods be returned?", "30 days.", paraphrases=["when does money come back"]
    )
    item = world.curation.prove(correction_id)
    assert item["proof"]["verdict"] == "regressed"
    assert outcomes(item)[2:] == [("golden", "when does money come back", "regressed")]
    golden = item["proof"]["items"][-1]
    assert [(golden[side]["status"], golden[side]["answer"]) for side in ("before", "after")] == [
        ("curated", "Within 5 days."),
        ("curated", "30 days."),
    ]
    assert golden["reason"] == "correction 1 answers this question; supersede erratum-1 to take its place"


@pytest.mark.parametrize("taken", [{"question": "refunds when"}, {"paraphrases": ["“Refunds – when?”"]}, {}])
def test_a_draft_that_takes_any_question_of_another_correction_has_regressed(
    world: World, taken: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when that question is no golden one, is far from the draft's, or is the question of a complaint."""
    monkeypatch.setattr("knowledge.correcting.proof.NEIGHBOURS", 0)
    world.publish("When does money come back?", "Within 5 days.", paraphrases=["Refunds: when?"])
    correction_id = world.draft("How long may goods be returned?" if taken else "Refunds, when?", "30 days.", **taken)
    item = world.curation.prove(correction_id)
    assert (item["proof"]["verdict"], outcomes(item)[-1][::2]) == ("regressed", ("golden", "regressed"))
    with pytest.raises(Regression, match=r"correction 1 answers this question; supersede erratum-1"):
        world.curation.approve(correction_id, actor="ann")


@pytest.mark.parametrize("why", ["excluded", "rolled back", "expired", "its own"])
def test_a_question_that_nobody_loses_is_not_taken(world: World, why: str) -> None:
    asked = "When does money come back?"
    first = world.publish(asked, "Within 5 days.")
    parts: dict[str, Any] = {"paraphrases": [asked]}
    if why == "excluded":
        parts = {"negatives": [asked]}
    elif why == "rolled back":
        world.curation.rollback(first, actor="ann")
    elif why == "expired":
        with world.database.write() as session:
            session.execute(sa.text("update entries set valid_until = '2020-01-01 00:00:00.000000'"))
    second = world.draft("Refunds?", "At once.", **parts)
    if why == "its own":  # taken already, on the record
        world.curation.approve(second, actor="root", override=True, reason="the newer is right")
        world.curation.reopen(second, actor="ann")
        world.curation.draft(second, {"answer": "At once, in cash."}, actor="ann")
    assert "regressed" not in {outcome for _, _, outcome in outcomes(world.curation.prove(second))}


def test_a_draft_may_take_the_questions_of_a_correction_that_it_supersedes(world: World) -> None:
    asked = "When does money come back?"
    first = world.publish(asked, "Within 5 days.")
    second = world.draft("Refunds?", "At once.", paraphrases=[asked], supersedes=[{"document_id": f"erratum-{first}"}])
    item = world.curation.prove(second)
    assert (item["proof"]["verdict"], outcomes(item)[-1]) == ("fixed", ("golden", asked, "changed"))
    assert world.curation.approve(second, actor="ann")["state"] == "approved"


def test_a_draft_that_hides_the_document_of_a_golden_question_has_regressed(world: World) -> None:
    first = world.publish("When does money come back?", "Within 5 days.")
    correction_id = world.draft("Refunds?", "At once.", supersedes=[{"document_id": f"erratum-{first}"}])
    assert outcomes(world.curation.prove(correction_id))[-1] == ("golden", "When does money come back?", "regressed")


def test_a_draft_is_judged_by_the_hits_that_readers_get(world: World) -> None:
    world.put("hours", "The shop opens at nine.")
    first = world.publish("When does money come back?", "Within 5 days.")
    correction_id = world.draft(
        "How long may goods be returned?", "Goods may be returned within 30 days.", paraphrases=["When opens the shop?"]
    )
    assert [outcome for _, _, outcome in outcomes(world.curation.prove(correction_id))] == ["fixed", "fixed", "changed"]
    world.passages = 1
    item = world.curation.prove(correction_id)
    assert [(replayed["outcome"], [source["document_id"] for source in replayed["after"]["sources"]])
            for replayed in item["proof"]["items"]] == [
        ("fixed", [f"erratum-{correction_id}"]),
        ("not_fixed", ["hours"]),
        ("same", [f"erratum-{first}"]),
    ]  # fmt: skip


def test_a_golden_question_whose_passages_change_warns_only(world: World) -> None:
    world.publish("When does money come back?", "Within 5 days.")
    correction_id = world.draft("How long may goods be returned?", "Goods may be returned within 30 days.")
    item = world.curation.prove(correction_id)
    assert (item["proof"]["verdict"], outcomes(item)[-1][2]) == ("fixed", "changed")


@pytest.mark.parametrize("ended", ["rolled back", "expired"])
def test_a_golden_question_that_is_no_longer_valid_is_not_replayed(world: World, ended: str) -> None:
    first = world.publish("When does money come back?", "Within 5 days.")
    if ended == "rolled back":
        world.curation.rollback(first, actor="ann")
    else:
        with world.database.write() as session:
            session.execute(sa.text("update entries set valid_until = '2020-01-01 00:00:00.000000'"))
    correction_id = world.draft("Refunds?", "At once.", paraphrases=["When does money come back?"])
    item = world.curation.prove(correction_id)
    assert item["proof"]["verdict"] == "fixed"
    assert "golden" not in {role for role, _, _ in outcomes(item)}


def test_a_correction_is_not_measured_by_its_own_golden_question(world: World) -> None:
    correction_id = world.publish("When does money come back?", "Within 5 days.")
    world.curation.reopen(correction_id, actor="ann")
    world.curation.draft(correction_id, {"answer": "Within 6 days."}, actor="ann")
    assert outcomes(world.curation.prove(correction_id)) == [("complaint", "When does money come back?", "fixed")]


def test_only_the_nearest_golden_questions_are_replayed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.correcting.proof.NEIGHBOURS", 1)
    world.publish("When does money come back?", "Within 5 days.")
    world.publish("Who wrote the handbook?", "We did.")
    correction_id = world.draft("When does the money come?", "Soon.")
    asked = [question for role, question, _ in outcomes(world.curation.prove(correction_id)) if role == "golden"]
    assert asked == ["When does money come back?"]


def test_proving_changes_nothing_that_readers_see(world: World) -> None:
    correction_id = world.draft(
        "How long may goods be returned?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")]
    )
    before = world.seen(), world.rows("log", "passages", "documents", "corrections", "entries", "edits")
    world.curation.prove(correction_id)
    assert (world.seen(), world.rows("log", "passages", "documents", "corrections", "entries", "edits")) == before


def test_proving_needs_a_draft(world: World) -> None:
    with pytest.raises(NotAllowed, match="has no draft"):
        world.curation.prove(world.complain("How long?"))


# Approving and proofs


def proofs(world: World) -> list[tuple[int, str]]:
    return [(row["revision"], row["state"]) for row in world.rows("proofs")["proofs"]]


def test_approving_proves_by_itself(world: World) -> None:
    item = world.curation.approve(world.draft("How long?", "30 days."), actor="ann")
    assert (item["state"], item["proof"]["verdict"], proofs(world)) == ("approved", "fixed", [(2, "done")])


def test_approving_uses_the_proof_of_exactly_this_draft(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.")
    world.curation.prove(correction_id)
    world.curation.approve(correction_id, actor="ann")
    assert proofs(world) == [(2, "done")]


def test_approving_another_draft_proves_it(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.")
    world.curation.prove(correction_id)
    world.curation.draft(correction_id, {"answer": "31 days."}, actor="ann")
    world.curation.approve(correction_id, actor="ann")
    assert proofs(world) == [(2, "done"), (3, "done")]


def test_approving_on_a_newer_state_of_the_knowledge_proves_again(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.", paraphrases=["When does money come back?"])
    assert world.curation.prove(correction_id)["proof"]["verdict"] == "fixed"
    world.publish("When does money come back?", "Within 5 days.")
    with pytest.raises(Regression, match=r"break 1 answer\(s\) that are right now: When does money come back\?"):
        world.curation.approve(correction_id, actor="ann")
    assert world.state(correction_id) == ("drafted", False)


def test_a_regression_blocks_the_approval_until_it_is_overridden(world: World) -> None:
    world.publish("When does money come back?", "Within 5 days.")
    correction_id = world.draft("Refunds?", "At once.", paraphrases=["When does money come back?"])
    before = world.live()
    with pytest.raises(Regression):
        world.curation.approve(correction_id, actor="ann")
    with pytest.raises(Invalid, match="needs a reason"):
        world.curation.approve(correction_id, actor="root", override=True, reason=" ")
    assert (world.live(), world.state(correction_id)) == (before, ("drafted", False))
    item = world.curation.approve(correction_id, actor="root", override=True, reason="the new one is right")
    assert item["history"][-1]["reason"] == "in spite of 1 regression(s): the new one is right"
    assert (item["state"], item["live"]) == ("approved", True)


def test_a_running_proof_blocks_approving_and_proving(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.")
    running(world, correction_id)
    with pytest.raises(ProofRunning, match="Approve again"):
        world.curation.approve(correction_id, actor="ann")
    with pytest.raises(ProofRunning, match="Wait for it"):
        world.curation.prove(correction_id)
    assert world.state(correction_id) == ("drafted", False)


def test_a_proof_of_an_older_draft_that_runs_still_blocks_too(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.")
    running(world, correction_id)
    world.curation.draft(correction_id, {"answer": "31 days."}, actor="ann")
    with pytest.raises(ProofRunning):
        world.curation.approve(correction_id, actor="ann")


def test_an_interrupted_proof_is_freed_at_the_next_start(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.")
    running(world, correction_id)
    assert world.curation.fail_interrupted() == 1
    assert world.curation.item(correction_id)["proof"]["state"] == "failed"
    assert world.curation.approve(correction_id, actor="ann")["state"] == "approved"


def test_an_interrupted_proof_is_freed_after_a_while(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.")
    running(world, correction_id, since=approval.PROOF_LIMIT)
    assert world.curation.approve(correction_id, actor="ann")["state"] == "approved"
    assert proofs(world) == [(2, "failed"), (2, "done")]


def test_a_failed_proof_is_marked_as_failed_and_can_be_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    correction_id = world.draft("How long?", "30 days.")

    def broken(_text: str) -> object:
        raise RuntimeError("the model is gone")

    with monkeypatch.context() as patched:
        patched.setattr(world.embedder, "query", broken)
        with pytest.raises(RuntimeError, match="the model is gone"):
            world.curation.approve(correction_id, actor="ann")
    item = world.curation.item(correction_id)
    assert (item["state"], item["proof"]["state"], item["proof"]["verdict"]) == ("drafted", "failed", None)
    assert world.curation.approve(correction_id, actor="ann")["state"] == "approved"


def test_the_candidate_of_a_proof_is_prepared_from_the_present_knowledge(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.", supersedes=[{"document_id": "returns"}])
    with world.database.read() as session:
        prepared = publication.prepare(session, corrections.get(session, correction_id, EVERYTHING), world.embedder)
    assert prepared.hidden == frozenset(world.source.ids())
    assert [(passage.id, passage.document_id, passage.text, passage.erratum) for passage in prepared.shown] == [
        (-1, f"erratum-{correction_id}", "30 days.", True)
    ]
