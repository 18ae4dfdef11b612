"""Which of people's answers a proof replays, which it leaves out, and how it follows the changes of others."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from bot.proving import embed_questions
from bot.tables import Answer, AnsweredQuestion, AnswerSource, Conversation, Feedback
from knowledge.correcting.nearest import fill
from knowledge.db import utc_now
from knowledge.errors import Regression
from knowledge.tables import Golden, PassageRow, Proof, question_sha256
from retrieval.scope import Scope
from tests.knowledge.world import World, assert_index_follows
from tests.statements import statements

FEES = "# Fees\n\nA lost card costs 7 euros, and a late book 2 euros a week.\n\n# Hours\n\nThe library opens at nine."
ASKED = "What does a lost card cost?"
SAID = "A lost card costs 7 euros [1]."


@pytest.fixture(autouse=True)
def documents(world: World) -> None:
    world.put("fees", FEES)


def answer(
    world: World, question: str, text: str, *, rating: str | None = None, document: str = "fees", position: int = 0
) -> None:
    """Somebody asked this and got that answer from one passage of a document, as it is now."""
    with world.database.write() as session:
        passage = session.scalars(
            sa.select(PassageRow)
            .where(PassageRow.document_id == document, PassageRow.live)
            .order_by(PassageRow.position)
        ).all()[position]
        number = session.scalar(sa.select(sa.func.count()).select_from(Answer))
        conversation = Conversation(id=f"c{number}", owner="visitor:a", title=question)
        session.add(conversation)
        session.flush()
        source = {"n": 1, "passage_id": passage.id, "document_id": document, "version": 1, "passage": passage.text}
        row = Answer(
            id=f"a{number}", conversation_id=conversation.id, question=question, condensed_question=question,
            language="en", status="answered", answer=text, sources=[source], citations=[1], model="m",
            knowledge_version=1,
        )  # fmt: skip
        session.add(row)
        session.flush()
        session.add(
            AnsweredQuestion(answer_id=row.id, question=question, sha256=question_sha256(question), collection="main")
        )
        session.add(AnswerSource(answer_id=row.id, passage_id=passage.id, cited=True))
        if rating:
            session.add(Feedback(answer_id=row.id, rating=rating, who="visitor", created_at=utc_now()))


def replayed(item: dict[str, Any], role: str) -> list[tuple[str, str, str | None]]:
    return [
        (replay["question"], replay["outcome"], replay["values"].get("words"))
        for replay in item["proof"]["items"]
        if replay["role"] == role
    ]


def deleting_the_fee(world: World) -> int:
    return world.draft(
        "When does the library open?", "The library opens at ten.",
        edits=[world.edit("fees", "A lost card costs 7 euros, and a late book", "A late book costs")],
    )  # fmt: skip


def test_an_edit_that_deletes_what_an_answer_was_given_from_warns(world: World) -> None:
    answer(world, ASKED, SAID)
    correction_id = deleting_the_fee(world)
    item = world.curation.prove(correction_id)
    assert item["proof"]["verdict"] == "fixed"
    assert replayed(item, "edited") == [(ASKED, "changed", "lost, card, 7")]
    assert world.curation.approve(correction_id, actor="ann")["state"] == "approved"


def test_an_edit_that_deletes_what_an_answer_that_was_rated_up_was_given_from_has_regressed(world: World) -> None:
    answer(world, ASKED, SAID, rating="up")
    correction_id = deleting_the_fee(world)
    item = world.curation.prove(correction_id)
    assert (item["proof"]["verdict"], replayed(item, "edited")) == (
        "regressed",
        [(ASKED, "regressed", "lost, card, 7")],
    )
    with pytest.raises(Regression, match=r"What does a lost card cost\?.*7"):
        world.curation.approve(correction_id, actor="ann")


def test_an_answer_that_is_rated_up_after_the_proof_is_not_lost_by_the_approval(world: World) -> None:
    answer(world, ASKED, SAID)
    correction_id = deleting_the_fee(world)
    assert world.curation.prove(correction_id)["proof"]["verdict"] == "fixed"
    with world.database.write() as session:
        session.add(Feedback(answer_id="a0", rating="up", who="visitor"))
    with pytest.raises(Regression, match="What does a lost card cost"):
        world.curation.approve(correction_id, actor="ann")


def test_an_answer_that_is_given_after_the_proof_is_replayed_before_the_approval(world: World) -> None:
    correction_id = deleting_the_fee(world)
    assert replayed(world.curation.prove(correction_id), "edited") == []
    answer(world, ASKED, SAID)
    assert replayed(world.curation.approve(correction_id, actor="ann"), "edited") == [
        (ASKED, "changed", "lost, card, 7")
    ]


def test_an_answer_that_was_rated_down_is_not_replayed_and_counted(world: World) -> None:
    answer(world, ASKED, SAID, rating="down")
    item = world.curation.prove(deleting_the_fee(world))
    assert replayed(item, "edited") == []
    assert {"role": "edited", "reason": "rated_down", "count": 1} in item["proof"]["left_out"]


def test_an_answer_from_another_passage_of_the_edited_document_is_only_a_neighbour(world: World) -> None:
    answer(world, "When is the library open?", "It opens at nine [1].", position=1, rating="up")
    item = world.curation.prove(deleting_the_fee(world))
    assert replayed(item, "edited") == []
    assert [question for question, _, _ in replayed(item, "neighbour")] == ["When is the library open?"]


def test_an_answer_from_an_earlier_version_with_the_same_passage_is_replayed(world: World) -> None:
    answer(world, ASKED, SAID, rating="up")
    world.put("fees", FEES.replace("nine", "ten"))
    assert replayed(world.curation.prove(deleting_the_fee(world)), "edited") == [(ASKED, "regressed", "lost, card, 7")]


def test_superseding_a_document_replays_the_answers_that_were_given_from_it(world: World) -> None:
    answer(world, ASKED, SAID, rating="up")
    correction_id = world.draft("Is there a library?", "No.", supersedes=[{"document_id": "fees"}])
    assert replayed(world.curation.prove(correction_id), "edited")[0][:2] == (ASKED, "regressed")


def test_an_answer_whose_question_the_draft_answers_itself_is_not_lost(world: World) -> None:
    answer(world, ASKED, SAID, rating="up")
    correction_id = world.draft(
        "A lost card costs what?", "8 euros.", paraphrases=[ASKED], edits=[world.edit("fees", "7 euros", "8 euros")]
    )
    item = world.curation.prove(correction_id)
    assert (replayed(item, "edited"), item["proof"]["verdict"]) == ([], "fixed")


def test_the_report_says_how_many_answers_were_too_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.correcting.proof.EDITED", 2)
    monkeypatch.setattr("knowledge.correcting.proof.NEIGHBOURS", 1)
    for number in range(5):
        answer(world, f"What does lost card {number} cost?", SAID, rating="up" if number == 1 else None)
    item = world.curation.prove(deleting_the_fee(world))
    # rated up first, then the newest
    assert [question for question, _, _ in replayed(item, "edited")] == [
        "What does lost card 1 cost?", "What does lost card 4 cost?"
    ]  # fmt: skip
    assert item["proof"]["replayed"] == {"complaint": 1, "edited": 2, "neighbour": 1}
    assert item["proof"]["left_out"] == [
        {"role": "edited", "reason": "limit", "count": 3},
        {"role": "neighbour", "reason": "limit", "count": 2},
    ]


def test_a_proof_replays_nothing_of_another_collection(world: World) -> None:
    answer(world, ASKED, SAID, rating="up")
    with world.database.write() as session:
        session.execute(sa.update(AnsweredQuestion).values(collection="secret"))
    item = world.curation.prove(deleting_the_fee(world))
    assert (item["proof"]["replayed"], item["proof"]["left_out"]) == ({"complaint": 1}, [])
    nearest = world.answers.nearest(world.embedder.query(ASKED), Scope.of("secret"), without=(), most=5)
    assert [answer.question for answer in nearest.questions] == [ASKED]  # it could have been found


def test_a_report_of_an_earlier_version_is_shown_and_is_no_basis_for_an_approval(world: World) -> None:
    correction_id = world.draft("How long?", "30 days.")
    world.curation.prove(correction_id)
    with world.database.write() as session:
        row = session.scalars(sa.select(Proof)).one()
        row.report = {name: row.report[name] for name in ("verdict", "items", "seq")}
    old = world.curation.item(correction_id)["proof"]
    assert (old["verdict"], old["replayed"], old["left_out"]) == ("fixed", None, None)
    item = world.curation.approve(correction_id, actor="ann")
    assert (item["proof"]["left_out"], item["published"]["proof_id"]) == ([], item["proof"]["id"])


# Others write meanwhile


def test_an_approval_does_not_wait_for_documents_that_keep_coming(world: World) -> None:
    correction_ids = [world.draft(f"How long is a loan of kind {n}?", f"{n} days, and no more.") for n in range(5)]
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            world.put(f"other-{number}", f"Parcel {number} goes to island {number * 7}.", title=f"Parcel {number}")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        states = [world.curation.approve(correction_id, actor="ann")["state"] for correction_id in correction_ids]
    finally:
        stop.set()
        writer.join()
    assert states == ["approved"] * 5
    assert_index_follows(world)


def test_a_document_that_comes_between_proof_and_approval_and_changes_what_is_read_is_judged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exactly what was proved is published: the later document takes the erratum's place among the passages."""
    world.passages = 1
    asked = "How long is a loan?"
    correction_id = world.draft("Loans: how long?", "30 days.", paraphrases=[asked])
    from knowledge.correcting import proof

    real = proof.prove

    def proved_and_then(*how: Any) -> proof.Proved:
        proved = real(*how)
        assert proved.report["verdict"] == "fixed"
        for number in range(3):
            world.put(f"late-{number}", f"{asked} {asked}", title=asked)
        return proved

    monkeypatch.setattr(proof, "prove", proved_and_then)
    with pytest.raises(Exception, match="not fix 1 question"):
        world.curation.approve(correction_id, actor="ann")
    assert world.state(correction_id) == ("drafted", False)


def test_nothing_asks_for_a_second_connection_while_it_holds_one(world: World) -> None:
    answer(world, ASKED, SAID)
    open_now: dict[int, int] = {}
    most: list[int] = []

    def out(*_more: object) -> None:
        me = threading.get_ident()
        open_now[me] = open_now.get(me, 0) + 1
        most.append(open_now[me])

    def back(*_more: object) -> None:
        open_now[threading.get_ident()] -= 1

    sa.event.listen(world.database.engine, "checkout", out)
    sa.event.listen(world.database.engine, "checkin", back)
    correction_id = deleting_the_fee(world)
    world.curation.prove(correction_id)
    world.put("more", "Parcels take 3 days.")
    world.curation.approve(correction_id, actor="ann")
    world.curation.rollback(correction_id, actor="ann")
    assert max(most) == 1


# With many golden questions


def many_golden(world: World, count: int) -> None:
    entry_id = world.rows("entries")["entries"][0]["id"]
    rows = [
        {"entry_id": entry_id, "question": f"Question {n} about {n * 31}?", "answer": "Yes.", "document_id": "fees"}
        for n in range(count)
    ]
    with world.database.write() as session:
        session.execute(sa.insert(Golden), rows)
    while fill(world.database, world.embedder, Golden.__table__, most=1000):
        pass


def cost_of_a_proof(world: World, correction_id: int) -> tuple[int, int]:
    """(statements, texts embedded)"""
    before = world.embedder.embedded
    with statements(world.database) as seen:
        world.curation.prove(correction_id)
    return len(seen), world.embedder.embedded - before


def test_a_proof_costs_no_more_with_ten_thousand_golden_questions(world: World) -> None:
    world.publish("When does the library close?", "At eight.")
    correction_id = world.draft("How long?", "30 days.")
    many_golden(world, 30)
    world.curation.prove(correction_id)
    few = cost_of_a_proof(world, correction_id)
    many_golden(world, 10_000)
    asked = world.embedder.embedded
    assert embed_questions(world.database, world.embedder) == 0  # all have their vectors
    assert world.embedder.embedded == asked
    many = cost_of_a_proof(world, correction_id)
    assert many == cost_of_a_proof(world, correction_id)
    assert many[0] == few[0]
    assert many[1] <= few[1]  # the questions of the errata that are near differ
    left_out = world.curation.item(correction_id)["proof"]["left_out"]
    assert left_out == [{"role": "golden", "reason": "limit", "count": 10_031 - 20}]
