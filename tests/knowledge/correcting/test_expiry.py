"""A publication with an end is taken back at that time, as one step of the log, and the texts before it are back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from knowledge import jobs
from knowledge.correcting import matching
from knowledge.correcting import publish as publishing
from knowledge.correcting.publish import EXPIRE
from knowledge.errors import Invalid
from knowledge.tables import Entry, Job, LogStep
from retrieval.scope import EVERYTHING
from tests.knowledge.world import RETURNS, SHIPPING, World, assert_index_follows

UNTIL = datetime(2100, 1, 31, 23, 59, 59, tzinfo=UTC)
QUESTION = "How long may goods be returned?"


@pytest.fixture(autouse=True)
def documents(world: World) -> None:
    world.put("returns", RETURNS)
    world.put("shipping", SHIPPING)


def publish(world: World, asked: str = QUESTION, answer: str = "This week only: 30 days.", **parts: Any) -> int:
    return world.publish(asked, answer, valid_until="2100-01-31", **parts)


def publish_anew(world: World, correction_id: int, answer: str, **parts: Any) -> None:
    world.curation.reopen(correction_id, actor="ann")
    world.curation.draft(correction_id, {"answer": answer, "edits": [], "supersedes": [], **parts}, actor="ann")
    world.curation.approve(correction_id, actor="ann")


def pass_time(world: World, correction_id: int) -> int:
    """The time of a publication is over. Returns its entry."""
    with world.database.write() as session:
        (entry,) = session.scalars(sa.select(Entry).where(Entry.correction_id == correction_id, Entry.live))
        entry.valid_until = datetime.now(UTC)
        return entry.id


def served(world: World, question: str = QUESTION) -> str | None:
    with world.database.read() as session:
        match = matching.match(session, question, EVERYTHING, now=datetime.now(UTC))
    return match.answer if match else None


def waiting(world: World) -> list[tuple[dict[str, Any], datetime]]:
    with world.database.read() as session:
        rows = session.scalars(sa.select(Job).where(Job.kind == EXPIRE, Job.state == "queued").order_by(Job.id))
        return [(row.payload, row.run_after) for row in rows]


def test_a_publication_with_an_end_has_a_job_that_waits_for_it(world: World) -> None:
    publish(world)
    world.publish("How fast?", "2 days.")
    assert waiting(world) == [({"entry_id": 1}, UNTIL)]
    with world.database.write() as session:
        session.execute(sa.delete(Job).where(Job.kind != EXPIRE))
        assert jobs.claim(session, [EXPIRE], now=UNTIL - timedelta(seconds=1)) is None
        assert jobs.claim(session, [EXPIRE], now=UNTIL) is not None


def test_an_expired_publication_is_gone_and_the_texts_before_it_are_back(world: World) -> None:
    before = world.seen()
    edits = [world.edit("returns", "5 days", "7 days")]
    hidden = [{"document_id": "shipping"}]
    correction_id = publish(world, edits=edits, supersedes=hidden)
    assert world.searcher.search(QUESTION, scope=EVERYTHING).hits[0].passage.document_id == f"erratum-{correction_id}"
    assert world.curation.expire(pass_time(world, correction_id))
    assert world.seen() == before
    assert served(world) is None
    assert_index_follows(world)
    item = world.curation.item(correction_id)
    assert (item["state"], item["live"], item["published"], item["recheck"]) == ("rolled_back", False, None, None)
    last = item["history"][-1]
    assert (last["action"], last["from"], last["to"], last["actor"]) == ("expire", "approved", "rolled_back", "system")
    assert last["reason"].startswith("it was valid until 20")
    with world.database.read() as session:
        step = session.scalars(sa.select(LogStep).order_by(LogStep.seq.desc()).limit(1)).one()
        rechecks = session.scalars(sa.select(Job.state).where(Job.kind == "recheck")).all()
    assert (step.action, step.actor, step.correction_id, rechecks) == ("expire", "system", correction_id, ["failed"])


def test_expiring_twice_is_expiring_once(world: World) -> None:
    entry_id = pass_time(world, publish(world))
    assert world.curation.expire(entry_id)
    before = world.rows()
    assert not world.curation.expire(entry_id)
    assert not world.curation.expire(99)
    assert world.rows() == before


@pytest.mark.parametrize("ended", ["rolled back", "published anew"])
def test_the_expiry_of_an_ended_publication_changes_nothing(world: World, ended: str) -> None:
    correction_id = publish(world)
    if ended == "rolled back":
        world.curation.rollback(correction_id, actor="ann")
    else:
        publish_anew(world, correction_id, "30 days, always.", valid_until=None)
    before = world.rows()
    assert not world.curation.expire(1)
    assert world.rows() == before


def test_a_correction_that_is_being_worked_on_stays_in_the_queue(world: World) -> None:
    correction_id = publish(world)
    world.curation.reopen(correction_id, actor="ann")
    world.curation.draft(correction_id, {"answer": "30 days, always.", "valid_until": None}, actor="ann")
    world.curation.expire(pass_time(world, correction_id))
    assert world.state(correction_id) == ("reopened", False)
    world.curation.approve(correction_id, actor="ann")
    assert served(world) == "30 days, always."
    assert world.curation.rollback(correction_id, actor="ann")["state"] == "rolled_back"


def test_an_expired_correction_may_be_published_anew_with_another_end(world: World) -> None:
    correction_id = publish(world)
    world.curation.expire(pass_time(world, correction_id))
    world.curation.reopen(correction_id, actor="ann")
    with world.database.write() as session:
        session.execute(sa.text("update corrections set draft = replace(draft, '2100', '2020')"))
    with pytest.raises(Invalid, match="has passed"):
        world.curation.approve(correction_id, actor="ann")
    world.curation.draft(correction_id, {"valid_until": "2101-01-31"}, actor="ann")
    world.curation.approve(correction_id, actor="ann")
    assert served(world) == "This week only: 30 days."


def test_a_temporary_answer_gives_way_to_the_one_that_it_replaced(world: World) -> None:
    edits = [world.edit("returns", "14 days", "20 days")]
    correction_id = world.publish(QUESTION, "20 days.", edits=edits)
    before = world.seen()
    publish_anew(world, correction_id, "This week only: 30 days.", valid_until="2100-01-31")
    world.curation.expire(pass_time(world, correction_id))
    assert (world.seen(), served(world)) == (before, "20 days.")
    assert world.state(correction_id) == ("reopened", True)


def test_a_publication_that_expired_meanwhile_does_not_come_back(world: World) -> None:
    before = world.seen()
    correction_id = publish(world)
    pass_time(world, correction_id)  # and nobody came to end it
    publish_anew(world, correction_id, "20 days.", valid_until=None)
    assert world.curation.rollback(correction_id, actor="ann")["state"] == "rolled_back"
    assert world.seen() == before


def test_a_temporary_answer_that_comes_back_still_ends(world: World) -> None:
    before = world.seen()
    correction_id = publish(world)
    publish_anew(world, correction_id, "20 days.", valid_until=None)
    world.curation.rollback(correction_id, actor="ann")
    assert waiting(world)[-1] == ({"entry_id": 1}, UNTIL)
    assert world.curation.expire(pass_time(world, correction_id))
    assert world.seen() == before


def test_a_correction_that_edited_the_expired_words_goes_back_to_the_queue(world: World) -> None:
    first = publish(world, edits=[world.edit("returns", "14 days", "30 days")])
    second = world.publish("How many days?", "A month.", edits=[world.edit("returns", "30 days", "a month")])
    world.curation.expire(pass_time(world, first))
    assert world.live()["returns"][0] == "Goods may be returned within 14 days."
    assert (world.state(first)[0], world.state(second)) == ("rolled_back", ("reopened", True))
    passage = "Goods may be returned within 14 days."
    why = f"correction {first} changed the source where this one corrected it ({passage}): returns"
    assert world.curation.item(second)["history"][-1]["reason"] == why
    world.curation.rollback(second, actor="ann")
    assert world.live()["returns"][0] == "Goods may be returned within 14 days."
    assert_index_follows(world)


def test_an_expiry_is_prepared_anew_when_a_put_changed_the_document_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    correction_id = publish(world, edits=[world.edit("returns", "14 days", "30 days")])
    entry_id = pass_time(world, correction_id)
    embed, outrun = world.embedder.passages, []

    def slow(texts: Any) -> Any:
        if not outrun:
            outrun.append(True)
            world.put("returns", RETURNS.replace("5 days", "7 days"))
        return embed(texts)

    with world.database.write() as session:  # so that there is something to embed
        session.execute(sa.text("delete from embeddings where passage_id in (select id from passages where not live)"))
    monkeypatch.setattr(world.embedder, "passages", slow)
    assert world.curation.expire(entry_id)
    assert outrun
    assert world.live()["returns"] == ["Goods may be returned within 14 days.", "Money comes back within 7 days."]
    assert_index_follows(world)


@pytest.mark.parametrize("state", ["failed", "done", "queued", "running"])
def test_a_start_queues_the_expiry_of_publications_that_have_no_job(world: World, state: str) -> None:
    publish(world)
    publish(world, "How fast?")
    world.curation.rollback(2, actor="ann")
    with world.database.write() as session:
        session.execute(sa.update(Job).where(Job.kind == EXPIRE).values(state=state))
        forgotten = publishing.await_expiries(session)
    assert (forgotten, len(waiting(world))) == {"queued": (0, 2), "running": (0, 0)}.get(state, (1, 1))
    with world.database.write() as session:
        assert publishing.await_expiries(session) == 0
