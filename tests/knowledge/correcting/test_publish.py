"""Publishing a correction: one step of the knowledge, whole or not at all; and publishing it anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from knowledge.correcting import corrections, matching, publication, publish
from knowledge.errors import Conflict, Invalid, NotAllowed, Regression, Stale
from knowledge.tables import Edit, Entry, EntryQuestion, Golden, Job, LogStep
from retrieval.scope import EVERYTHING
from tests.knowledge.world import QUERIES, RETURNS, SHIPPING, World, assert_index_follows

if TYPE_CHECKING:
    from knowledge.correcting.publication import Publication

WORDS = QUERIES[:2]  # the third shares no word with any passage, so that all are equally far from it


@pytest.fixture(autouse=True)
def documents(world: World) -> None:
    world.put("returns", RETURNS)
    world.put("shipping", SHIPPING)


def prepare(world: World, correction_id: int) -> Publication:
    with world.database.read() as session:
        return publication.prepare(session, corrections.get(session, correction_id, EVERYTHING), world.embedder)


def approve(world: World, prepared: Publication) -> None:
    with world.database.write() as session:
        publish.approve(session, prepared, fingerprint=world.embedder.fingerprint, actor="ann")


def rows(world: World, table: type[Any], *columns: Any) -> list[tuple[Any, ...]]:
    with world.database.read() as session:
        return [tuple(row) for row in session.execute(sa.select(*columns).order_by(table.id))]


# What approving writes


def test_an_answer_alone_becomes_an_erratum_document(world: World) -> None:
    before = world.live()
    correction_id = world.publish("How long?", "Goods may be returned within 30 days.", kind="outdated")
    assert world.live() == before | {"erratum-1": ["Goods may be returned within 30 days."]}
    hit = world.searcher.search("how long may goods be returned", scope=EVERYTHING).hits[0].passage
    assert (hit.document_id, hit.title, hit.erratum) == ("erratum-1", "How long?", True)
    assert_index_follows(world)
    item = world.curation.item(correction_id)
    assert (item["state"], item["live"], item["kind"], item["recheck"]) == (
        "approved",
        True,
        "outdated",
        {"state": "pending"},
    )
    published = {name: item["published"][name] for name in ("document_id", "version", "seq", "approved_by")}
    assert published == {"document_id": "erratum-1", "version": 1, "seq": 3, "approved_by": "ann"}


def test_approving_is_one_step_of_the_log(world: World) -> None:
    edits = [world.edit("returns", "14 days", "30 days")]
    supersedes = [{"document_id": "shipping"}]
    world.publish("How long?", "30 days.", edits=edits, supersedes=supersedes)
    with world.database.read() as session:
        entry = session.scalars(sa.select(LogStep).order_by(LogStep.seq.desc()).limit(1)).one()
        assert (entry.seq, entry.action, entry.actor, entry.document_id, entry.correction_id) == (
            3, "approve", "ann", "erratum-1", 1
        )  # fmt: skip
    assert world.live() == {
        "returns": ["Goods may be returned within 30 days.", "Money comes back within 5 days."],
        "erratum-1": ["30 days."],
    }
    assert_index_follows(world)


def test_an_edit_is_a_new_version_with_its_provenance(world: World) -> None:
    world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    with world.database.read() as session:
        versions = session.execute(
            sa.text(
                "select version, base_version, edits, actor, correction_id from document_versions "
                "where document_id = 'returns' order by version"
            )
        ).all()
    assert [tuple(row) for row in versions] == [(1, 1, "", "ann", None), (2, 1, "1", "ann", 1)]


def test_several_edits_of_several_documents(world: World) -> None:
    edits = [
        world.edit("returns", "14 days", "30 days"),
        world.edit("shipping", "3 days", "2 days"),
        world.edit("returns", "within 5 days", "at once"),
    ]
    correction_id = world.publish("How long?", "30 days.", edits=edits)
    assert world.live() == {
        "returns": ["Goods may be returned within 30 days.", "Money comes back at once."],
        "shipping": ["Parcels take 2 days."],
        "erratum-1": ["30 days."],
    }
    world.curation.rollback(correction_id, actor="ann")
    assert world.live() == {
        "returns": ["Goods may be returned within 14 days.", "Money comes back within 5 days."],
        "shipping": ["Parcels take 3 days."],
    }


def test_superseding_hides_a_passage_and_nothing_else(world: World) -> None:
    passage = "Goods may be returned within 14 days."
    world.publish("How long?", "30 days.", supersedes=[{"document_id": "returns", "passage": passage}])
    assert world.live()["returns"] == ["Money comes back within 5 days."]
    assert_index_follows(world)


def test_superseding_hides_a_document_whole(world: World) -> None:
    world.publish("How long?", "30 days.", supersedes=[{"document_id": "returns"}])
    assert "returns" not in world.live()
    world.put("returns", RETURNS + "\n\nAlways.")
    assert "returns" not in world.live()
    assert_index_follows(world)


def test_a_text_that_two_corrections_supersede_stays_hidden_until_both_are_rolled_back(world: World) -> None:
    first = world.publish("How long?", "30 days.", supersedes=[{"document_id": "shipping"}])
    second = world.publish("How fast?", "2 days.", supersedes=[{"document_id": "shipping"}])
    world.curation.rollback(first, actor="ann")
    assert "shipping" not in world.live()
    world.curation.rollback(second, actor="ann")
    assert world.live()["shipping"] == ["Parcels take 3 days."]


def test_the_entry_knows_its_questions_golden_question_and_recheck(world: World) -> None:
    first, second = world.complain("How long?"), world.complain("Until when?", answer_id="a2")
    world.curation.merge([first, second], actor="ann")
    world.curation.draft(
        first,
        {
            "answer": "30 days.",
            "question": "How long can goods be returned?",
            "paraphrases": ["Until when can I return goods?", "how long", "Until when?"],
            "negatives": ["How long does shipping take?"],
        },
        actor="ann",
    )
    world.curation.approve(first, actor="ann")
    assert rows(world, EntryQuestion, EntryQuestion.role, EntryQuestion.text, EntryQuestion.normalised) == [
        ("canonical", "How long can goods be returned?", "how long can goods be returned"),
        ("paraphrase", "Until when can I return goods?", "until when can i return goods"),
        ("paraphrase", "how long", "how long"),
        ("paraphrase", "Until when?", "until when"),
        ("negative", "How long does shipping take?", "how long does shipping take"),
    ]
    assert rows(world, Golden, Golden.question, Golden.answer, Golden.document_id, Golden.active) == [
        ("How long can goods be returned?", "30 days.", "erratum-1", True)
    ]
    assert rows(world, Job, Job.kind, Job.payload, Job.state) == [
        ("recheck", {"correction_id": 1, "entry_id": 1}, "queued")
    ]


# What approving refuses


def test_approving_needs_a_draft(world: World) -> None:
    with pytest.raises(NotAllowed, match="has no draft"):
        world.curation.approve(world.complain("How long?"), actor="ann")


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"edits": [{"document_id": "none", "version": 1, "find": "a", "replace": "b"}]}, "no document 'none'"),
        ({"edits": [{"document_id": "returns", "version": 1, "find": "15 days", "replace": "b"}]}, "do not occur"),
        ({"edits": [{"document_id": "returns", "version": 1, "find": "days", "replace": "b"}]}, "occur 2 times"),
        (
            {"edits": [{"document_id": "shipping", "version": 1, "find": "Parcels take 3 days.", "replace": ""}]},
            "nothing of",
        ),
        ({"supersedes": [{"document_id": "none"}]}, "no document 'none'"),
        ({"supersedes": [{"document_id": "returns", "passage": "Goods"}]}, "has no passage 'Goods'"),
        ({"valid_until": "2020-01-31"}, "has passed"),
    ],
)
def test_approving_refuses_a_draft_that_does_not_fit(world: World, parts: dict[str, Any], says: str) -> None:
    correction_id = world.draft("How long?", "30 days.", **parts)
    before = world.rows()
    with pytest.raises(Invalid, match=says):
        world.curation.approve(correction_id, actor="ann")
    assert world.rows() == before


def test_approving_refuses_to_edit_or_supersede_errata(world: World) -> None:
    world.publish("How fast?", "2 days.")
    edit = world.draft("How long?", "30 days.", edits=[world.edit("erratum-1", "2 days", "3 days")])
    with pytest.raises(Invalid, match="change the answer of its correction"):
        world.curation.approve(edit, actor="ann")
    world.curation.draft(edit, {"edits": [], "supersedes": [{"document_id": f"erratum-{edit}"}]}, actor="ann")
    world.curation.approve(world.draft("Third?", "3."), actor="ann")
    with pytest.raises(Invalid, match="no document 'erratum-2'"):
        world.curation.approve(edit, actor="ann")


def test_approving_refuses_an_edit_of_a_version_that_is_not_the_newest(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    world.put("returns", RETURNS.replace("5 days", "7 days"))
    with pytest.raises(Stale, match="is at version 2; the edit was made on version 1"):
        world.curation.approve(correction_id, actor="ann")
    world.curation.draft(correction_id, {"edits": [world.edit("returns", "14 days", "30 days")]}, actor="ann")
    world.curation.approve(correction_id, actor="ann")


def test_approving_refuses_a_removed_document(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    world.remove("returns")
    with pytest.raises(Invalid, match="no document 'returns' to edit"):
        world.curation.approve(correction_id, actor="ann")


@pytest.mark.parametrize("parts", [{"edits": True}, {"supersedes": [{"document_id": "returns"}]}], ids=["edit", "hide"])
def test_an_approval_changes_nothing_when_a_put_changed_the_document_first(world: World, parts: dict[str, Any]) -> None:
    if parts.get("edits"):
        parts = {"edits": [world.edit("returns", "14 days", "30 days")]}
    prepared = prepare(world, world.draft("How long?", "30 days.", **parts))
    world.put("returns", RETURNS + "\n\nAlways.")
    before = world.rows()
    with pytest.raises(Stale, match="changed"):
        approve(world, prepared)
    assert world.rows() == before


def test_an_approval_changes_nothing_when_another_draft_was_written_first(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.")
    prepared = prepare(world, correction_id)
    world.curation.draft(correction_id, {"answer": "31 days."}, actor="bob")
    before = world.rows()
    with pytest.raises(Stale, match=r"changed by bob \(draft\)"):
        approve(world, prepared)
    assert world.rows() == before


def test_an_approval_that_fails_late_leaves_nothing_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare(world, world.draft("How long?", "30 days.", edits=[world.edit("returns", "14", "30")]))
    before = world.rows(), world.seen()

    def full(*_args: object, **_more: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("knowledge.jobs.enqueue", full)
    with pytest.raises(OSError, match="disk full"):
        approve(world, prepared)
    assert (world.rows(), world.seen()) == before
    assert_index_follows(world)


# Questions that two corrections answer


def served(world: World, question: str) -> str | None:
    with world.database.read() as session:
        result = matching.match(session, question, EVERYTHING, now=datetime.now(UTC))
    return result.answer if result else None


def test_a_correction_that_loses_a_question_to_another_goes_back_to_the_queue(world: World) -> None:
    first = world.publish("How long?", "30 days.", paraphrases=["Until when?"])
    second = world.draft("Sending back?", "31 days.", paraphrases=["Until when?"])
    world.curation.approve(second, actor="root", override=True, reason="the newer is right")
    assert (served(world, "How long?"), served(world, "Until when?")) == ("30 days.", "31 days.")
    last = world.curation.item(first)["history"][-1]
    assert (last["action"], last["to"], last["actor"], last["reason"]) == (
        "reopen", "reopened", "system", f"correction {second} answers a question of it now: Until when?"
    )  # fmt: skip
    assert world.state(first) == ("reopened", True)
    world.curation.rollback(second, actor="ann")
    assert served(world, "Until when?") == "30 days."


def test_an_erratum_that_another_correction_supersedes_is_not_served_verbatim_either(world: World) -> None:
    first = world.publish("How long?", "30 days.", paraphrases=["Until when?"])
    hidden = [{"document_id": f"erratum-{first}"}]
    second = world.publish("Sending back?", "31 days.", paraphrases=["How long?"], supersedes=hidden)
    assert (served(world, "How long?"), served(world, "Until when?")) == ("31 days.", None)
    assert world.state(first) == ("reopened", True)
    assert world.curation.item(first)["history"][-1]["reason"] == f"correction {second} superseded its erratum"
    world.curation.rollback(second, actor="ann")
    assert (served(world, "How long?"), served(world, "Until when?")) == ("30 days.", "30 days.")


def test_a_new_question_alone_is_a_step_of_the_log(world: World) -> None:
    """Then a proof that was made before it is made again."""
    first = world.publish("How long?", "30 days.")
    second = world.draft("Sending back?", "31 days.", paraphrases=["Until when?"])
    assert world.curation.prove(second)["proof"]["verdict"] == "fixed"
    world.curation.reopen(first, actor="ann")
    world.curation.draft(first, {"paraphrases": ["Until when?"]}, actor="ann")
    before = world.source.head()
    world.curation.approve(first, actor="ann")
    assert world.source.head() == before + 1
    assert_index_follows(world)
    with pytest.raises(Regression, match=f"correction {first} answers this question"):
        world.curation.approve(second, actor="ann")


# Publishing anew


def test_a_reopened_correction_stays_published_until_its_new_draft_replaces_it(world: World) -> None:
    correction_id = world.publish(
        "How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")],
        supersedes=[{"document_id": "shipping"}],
    )  # fmt: skip
    world.curation.reopen(correction_id, actor="ann", reason="31")
    assert world.live()["erratum-1"] == ["30 days."]
    world.curation.draft(
        correction_id,
        {
            "answer": "31 days.",
            "edits": [{"document_id": "returns", "version": 1, "find": "14 days", "replace": "31 days"}],
            "supersedes": [],
        },
        actor="ann",
    )
    assert world.live()["erratum-1"] == ["30 days."]
    world.curation.approve(correction_id, actor="ann")
    assert world.live() == {
        "returns": ["Goods may be returned within 31 days.", "Money comes back within 5 days."],
        "shipping": ["Parcels take 3 days."],
        "erratum-1": ["31 days."],
    }
    assert rows(world, Entry, Entry.answer, Entry.live) == [("30 days.", False), ("31 days.", True)]
    assert rows(world, Edit, Edit.replace, Edit.active) == [("30 days", False), ("31 days", True)]
    assert rows(world, Golden, Golden.answer, Golden.active) == [("30 days.", False), ("31 days.", True)]
    assert rows(world, Job, Job.state) == [("failed",), ("queued",)]
    assert_index_follows(world)


def test_publishing_the_same_draft_anew_changes_nothing_for_readers(world: World) -> None:
    edits = [world.edit("returns", "14 days", "30 days")]
    correction_id = world.publish("How long?", "30 days.", edits=edits)
    before = world.live()
    world.curation.reopen(correction_id, actor="ann")
    world.curation.approve(correction_id, actor="ann")
    assert world.live() == before
    world.curation.rollback(correction_id, actor="ann")
    assert world.live()["returns"][0] == "Goods may be returned within 14 days."


def test_publishing_anew_after_a_rollback_brings_the_erratum_back(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.")
    before = world.seen()
    world.curation.rollback(correction_id, actor="ann")
    world.curation.reopen(correction_id, actor="ann", reason="was right after all")
    world.curation.approve(correction_id, actor="ann")
    assert world.seen() == before


def test_publishing_anew_refuses_when_another_correction_edited_the_old_words(world: World) -> None:
    first = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    second = world.publish("How long now?", "A month.", edits=[world.edit("returns", "30 days", "a month")])
    world.curation.reopen(first, actor="ann")
    world.curation.draft(
        first,
        {"edits": [{"document_id": "returns", "version": 1, "find": "14 days", "replace": "31 days"}]},
        actor="ann",
    )
    before = world.rows()
    with pytest.raises(Conflict, match=f"Correction {second} changed words that this one wrote"):
        world.curation.approve(first, actor="ann")
    assert world.rows() == before


def test_publishing_anew_does_not_bring_back_a_removed_document(world: World) -> None:
    correction_id = world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])
    world.remove("returns")
    assert world.state(correction_id) == ("reopened", True)
    world.curation.draft(correction_id, {"edits": []}, actor="ann")
    world.curation.approve(correction_id, actor="ann")
    assert "returns" not in world.live()
    world.put("returns", RETURNS)
    assert world.live()["returns"][0] == "Goods may be returned within 14 days."


# The candidate is what will be


def result(world: World, query: str, candidate: Any = None) -> list[tuple[str, str, float]]:
    hits = world.searcher.search(query, 10, candidate=candidate, scope=EVERYTHING).hits
    return sorted((hit.passage.document_id, hit.passage.text, hit.score) for hit in hits)


@pytest.mark.parametrize("anew", [False, True])
def test_a_candidate_finds_the_same_as_a_search_after_the_approval(world: World, anew: bool) -> None:
    world.publish(
        "Which money?", "Euros.", edits=[world.edit("shipping", "Parcels", "Letters")],
        supersedes=[{"document_id": "returns", "passage": "Money comes back within 5 days."}],
    )  # fmt: skip
    correction_id = world.draft(
        "How long may goods be returned?", "30 days.", supersedes=[{"document_id": "shipping"}],
        edits=[world.edit("returns", "14 days", "30 days")],
    )  # fmt: skip
    if anew:
        world.curation.approve(correction_id, actor="ann")
        world.curation.reopen(correction_id, actor="ann")
        world.curation.draft(correction_id, {"answer": "31 days.", "edits": [], "supersedes": []}, actor="ann")
    before = world.seen()
    prepared = prepare(world, correction_id)
    candidate = world.searcher.candidate(hide=prepared.hidden, add=prepared.shown)
    expected = [result(world, query, candidate) for query in WORDS]
    assert world.seen() == before
    approve(world, prepared)
    assert [result(world, query) for query in WORDS] == expected
    assert_index_follows(world)


def test_the_time_until_which_an_answer_is_valid_is_kept(world: World) -> None:
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=3)
    world.publish("Closed?", "Yes.", valid_until=until.isoformat())
    assert rows(world, Entry, Entry.valid_until) == [(until,)]
