"""Documents and corrections outside a scope are never found, served, replayed, listed or counted.

Two departments have a document each about the same things, and readers complain about both.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from knowledge import catalogue, put
from knowledge.correcting import complaints, items, matching
from knowledge.db import utc_now
from knowledge.documents import Content
from knowledge.errors import Conflict, Invalid, NotAllowed, NotFound
from knowledge.put import NewDocument
from knowledge.tables import Correction, Document
from retrieval.scope import EVERYTHING, Scope
from tests.knowledge.world import assert_index_follows, complaint

if TYPE_CHECKING:
    from tests.knowledge.world import World

SHOES, LOANS, BOTH, NONE = Scope.of("shoes"), Scope.of("loans"), Scope.of("shoes", "loans"), Scope.of("none")
QUESTION = "How long may it be kept?"


@pytest.fixture
def shop(world: World) -> World:
    world.put("shoes", "Shoes may be kept for 14 days.", collection="shoes")
    world.put("books", "Books may be kept for 20 days.", collection="loans")
    return world


def answered(*sources: str, cites: tuple[int, ...] = (1,)) -> dict[str, Any]:
    """The frozen answer that was given from these documents."""
    return {
        "answer": "It was so [1].",
        "prompt": [{"role": "user", "content": "all passages"}],
        "sources": [
            {"n": n, "document_id": document_id, "passage": f"{document_id}!"}
            for n, document_id in enumerate(sources, start=1)
        ],
        "citations": list(cites),
    }


def complain(
    world: World,
    question: str,
    *sources: str,
    cites: tuple[int, ...] = (1,),
    scope: Scope = EVERYTHING,
    correction_id: int | None = None,
) -> int:
    new = complaint(question, snapshot=answered(*sources, cites=cites))
    with world.database.write() as session:
        return complaints.report(session, new, scope, correction_id=correction_id).id


def publish(world: World, question: str, answer: str, *sources: str, **draft: Any) -> int:
    correction_id = complain(world, question, *sources)
    world.curation.draft(correction_id, {"answer": answer, **draft}, actor="ann")
    world.curation.approve(correction_id, actor="ann")
    return correction_id


def collection_of(world: World, correction_id: int) -> str:
    collection: str = world.curation.item(correction_id)["collection"]
    return collection


def found(world: World, scope: Scope, query: str = "kept for days") -> set[str]:
    return {hit.passage.document_id for hit in world.searcher.search(query, 50, scope=scope).hits}


def served(world: World, scope: Scope, question: str = QUESTION) -> str | None:
    with world.database.read() as session:
        match = matching.match(session, question, scope, now=datetime.now(UTC))
    return match.answer if match else None


def test_documents_are_found_in_their_collection_only(shop: World) -> None:
    assert (found(shop, SHOES), found(shop, LOANS), found(shop, BOTH), found(shop, NONE)) == (
        {"shoes"},
        {"books"},
        {"shoes", "books"},
        set(),
    )
    assert_index_follows(shop)


@pytest.mark.parametrize(
    ("sources", "cites", "scope", "expected"),
    [
        (("shoes",), (1,), EVERYTHING, "shoes"),
        (("shoes", "books"), (2, 1), EVERYTHING, "loans"),  # what the answer leaned on first
        (("shoes", "books"), (2,), EVERYTHING, "loans"),
        (("shoes",), (), EVERYTHING, "main"),  # nothing cited
        ((), (), LOANS, "loans"),
        ((), (), BOTH, "loans"),
        (("gone",), (1,), SHOES, "shoes"),
    ],
)
def test_a_correction_belongs_to_the_collection_of_the_documents_that_the_answer_cited(
    shop: World, sources: tuple[str, ...], cites: tuple[int, ...], scope: Scope, expected: str
) -> None:
    assert collection_of(shop, complain(shop, QUESTION, *sources, cites=cites, scope=scope)) == expected


def test_complaints_about_one_question_in_two_collections_are_two_items(shop: World) -> None:
    shoes, books = complain(shop, QUESTION, "shoes"), complain(shop, QUESTION, "books")
    assert shoes != books
    assert complain(shop, QUESTION, "shoes") == shoes
    assert complain(shop, QUESTION, "books") == books


def test_the_database_forbids_two_open_items_about_one_question_in_one_collection(shop: World) -> None:
    complain(shop, QUESTION, "shoes")
    with pytest.raises(IntegrityError), shop.database.write() as session:
        row = session.scalars(sa.select(Correction)).one()
        session.add(
            Correction(
                state="queued",
                origin="api",
                cluster=row.cluster,
                question=QUESTION,
                language="en",
                collection=row.collection,
            )
        )


def test_an_erratum_is_found_and_served_in_the_collection_of_the_corrected_documents(shop: World) -> None:
    number = publish(shop, QUESTION, "Shoes: 30 days.", "shoes")
    assert (served(shop, SHOES), served(shop, BOTH), served(shop, LOANS), served(shop, NONE)) == (
        "Shoes: 30 days.",
        "Shoes: 30 days.",
        None,
        None,
    )
    assert f"erratum-{number}" in found(shop, SHOES)
    assert found(shop, LOANS) == {"books"}
    assert_index_follows(shop)


def test_each_collection_serves_its_own_answer_to_one_question(shop: World) -> None:
    publish(shop, QUESTION, "Shoes: 30 days.", "shoes")
    second = publish(shop, QUESTION, "Books: 40 days.", "books")
    assert (served(shop, SHOES), served(shop, LOANS)) == ("Shoes: 30 days.", "Books: 40 days.")
    assert served(shop, BOTH) == "Books: 40 days."  # the newest of what they may see
    shop.curation.rollback(second, actor="ann")
    assert (served(shop, LOANS), served(shop, BOTH)) == (None, "Shoes: 30 days.")
    assert shop.state(1) == ("approved", True)  # neither took the other's place


def test_a_proof_replays_the_collection_of_the_correction_only(shop: World) -> None:
    publish(shop, QUESTION, "Books: 40 days.", "books")
    number = complain(shop, QUESTION, "shoes")
    shop.curation.draft(number, {"answer": "Shoes: 30 days."}, actor="ann")
    proof = shop.curation.prove(number)["proof"]
    assert proof["verdict"] == "fixed"
    # The golden question of the other correction is not replayed.
    assert [replayed["question"] for replayed in proof["items"]] == [QUESTION]
    seen = {source["document_id"] for replayed in proof["items"] for source in replayed["after"]["sources"]}
    assert seen == {"shoes", f"erratum-{number}"}


@pytest.mark.parametrize("field", ["edits", "supersedes"])
def test_a_correction_changes_documents_of_its_own_collection_only(shop: World, field: str) -> None:
    number = complain(shop, QUESTION, "shoes")
    change = shop.edit("books", "20 days", "21 days") if field == "edits" else {"document_id": "books"}
    shop.curation.draft(number, {"answer": "Shoes: 30 days.", field: [change]}, actor="ann")
    before = shop.rows("passages", "entries", "log")
    for action in (shop.curation.prove, lambda one: shop.curation.approve(one, actor="ann")):
        with pytest.raises(Invalid) as refused:
            action(number)
        assert refused.value.code == "document_outside_correction"
    assert shop.rows("passages", "entries", "log") == before


def test_corrections_of_two_collections_cannot_be_merged(shop: World) -> None:
    shoes, books = complain(shop, "How long, shoes?", "shoes"), complain(shop, "How long, books?", "books")
    with pytest.raises(NotAllowed) as refused:
        shop.curation.merge([shoes, books], actor="ann")
    assert refused.value.code == "merge_across_collections"
    assert [shop.state(correction_id)[0] for correction_id in (shoes, books)] == ["queued", "queued"]


def test_the_queue_of_a_scope_lists_and_counts_no_others(shop: World) -> None:
    shoes, books = complain(shop, QUESTION, "shoes"), complain(shop, QUESTION, "books")
    complain(shop, "And bags?", "books")
    with shop.database.read() as session:
        lists = {scope: items.listing(session, scope) for scope in (SHOES, LOANS, BOTH, NONE)}
    seen = {scope: ([line["id"] for line in lists[scope]["items"]], lists[scope]["total"]) for scope in lists}
    assert seen[SHOES] == ([shoes], 1)
    assert (sorted(seen[LOANS][0]), seen[LOANS][1]) == ([books, 3], 2)
    assert (seen[BOTH][1], seen[NONE]) == (3, ([], 0))
    assert [lists[scope]["counts"] for scope in (SHOES, LOANS, NONE)] == [{"queued": 1}, {"queued": 2}, {}]


def test_a_desk_knows_nothing_of_corrections_outside_its_scope(shop: World) -> None:
    number = publish(shop, QUESTION, "Books: 40 days.", "books")
    before = shop.rows()
    desk = shop.desk(SHOES)
    for action in (
        lambda: desk.item(number),
        lambda: desk.draft(number, {"answer": "x"}, actor="eve"),
        lambda: desk.prove(number),
        lambda: desk.approve(number, actor="eve"),
        lambda: desk.reject(number, actor="eve", reason="x"),
        lambda: desk.reopen(number, actor="eve"),
        lambda: desk.claim(number, actor="eve"),
        lambda: desk.recheck(number, actor="eve"),
        lambda: desk.rollback(number, actor="eve"),
        lambda: desk.merge([number, complain(shop, QUESTION, "shoes")], actor="eve"),
    ):
        with pytest.raises(NotFound) as refused:
            action()
        assert refused.value.code == "correction_not_found"
    assert shop.state(number) == ("approved", True)
    assert shop.rows("entries", "passages", "log") == {name: before[name] for name in ("entries", "passages", "log")}
    assert shop.desk(LOANS).item(number)["state"] == "approved"


def test_an_item_shows_no_source_outside_the_scope(shop: World) -> None:
    number = complain(shop, QUESTION, "shoes", "books", cites=(1, 2))
    narrow, wide = (shop.desk(scope).item(number, prompts=True) for scope in (SHOES, BOTH))
    assert [source["document_id"] for source in narrow["snapshot"]["sources"]] == ["shoes"]
    assert (narrow["snapshot"]["prompt"], narrow["complaints"][0]["snapshot"]) == ([], narrow["snapshot"])
    assert [source["document_id"] for source in wide["snapshot"]["sources"]] == ["shoes", "books"]
    assert wide["snapshot"]["prompt"] == [{"role": "user", "content": "all passages"}]


def test_a_proof_shows_no_source_outside_the_scope(shop: World) -> None:
    """The frozen answer was made from both; the proof shows it beside the new one."""
    number = complain(shop, QUESTION, "shoes", "books", cites=(1, 2))
    shop.curation.draft(number, {"answer": "Shoes: 30 days."}, actor="ann")
    shop.curation.prove(number)
    shown = {scope: shop.desk(scope).item(number)["proof"]["items"][0] for scope in (SHOES, BOTH)}
    assert [source["document_id"] for source in shown[SHOES]["before"]["sources"]] == ["shoes"]
    assert [source["document_id"] for source in shown[BOTH]["before"]["sources"]] == ["shoes", "books"]
    assert shown[SHOES]["after"] == shown[BOTH]["after"]


def test_the_passages_that_a_scope_does_not_cover_are_no_suggestions(shop: World) -> None:
    snapshot = answered("shoes", "books", cites=(1, 2))
    snapshot["sources"][0]["passage"] = "Shoes may be kept for 14 days."
    snapshot["sources"][1]["passage"] = "Books may be kept for 20 days."
    with shop.database.write() as session:
        number = complaints.report(session, complaint(QUESTION, snapshot=snapshot), EVERYTHING).id
    suggested = {
        scope: [conflict["document_id"] for conflict in shop.desk(scope).item(number)["suggestions"]["conflicts"]]
        for scope in (SHOES, BOTH)
    }
    assert suggested == {SHOES: ["shoes"], BOTH: ["shoes", "books"]}


def test_a_curator_starts_corrections_inside_the_scope(shop: World) -> None:
    desk = shop.desk(SHOES)
    item, new = desk.start("Who pays?", actor="ann")
    assert (item["collection"], new) == ("shoes", True)
    assert shop.desk(LOANS).start("Who pays?", actor="ann")[0]["id"] != item["id"]
    assert desk.start("Who pays?", actor="ann")[0]["id"] == item["id"]
    with pytest.raises(NotAllowed):
        desk.start("Who pays?", actor="ann", collection="loans")


def test_the_catalogue_of_a_scope_lists_and_counts_no_others(shop: World) -> None:
    number = publish(shop, QUESTION, "Books: 40 days.", "books")
    with shop.database.read() as session:
        shoes, loans = catalogue.listing(session, SHOES), catalogue.listing(session, LOANS)
        assert ([document["id"] for document in shoes["documents"]], shoes["total"]) == (["shoes"], 1)
        assert ([document["id"] for document in loans["documents"]], loans["total"]) == (
            ["books", f"erratum-{number}"],
            2,
        )
        assert {document["collection"] for document in loans["documents"]} == {"loans"}
        assert catalogue.document(session, "books", LOANS)["collection"] == "loans"
        with pytest.raises(NotFound):
            catalogue.document(session, "books", SHOES)
        with pytest.raises(NotFound):
            catalogue.document(session, f"erratum-{number}", SHOES)


def test_documents_outside_the_scope_cannot_be_removed_or_brought_back(shop: World) -> None:
    with pytest.raises(NotFound):
        put.remove(shop.database, "books", SHOES, actor="eve")
    assert shop.live()["books"]
    put.remove(shop.database, "books", LOANS, actor="ann")
    with pytest.raises(NotFound):
        put.restore(shop.database, shop.embedder, "books", SHOES, actor="eve")
    assert "books" not in shop.live()


def test_a_document_stays_in_its_collection_for_ever(shop: World) -> None:
    with pytest.raises(Conflict) as refused:
        shop.put("books", "Books may be kept for ever.", collection="shoes")
    assert refused.value.code == "document_in_other_collection"
    shop.put("books", "Books may be kept for 21 days.")  # who names no collection means the present one
    with shop.database.read() as session:
        assert session.get_one(Document, "books").collection == "loans"
    assert shop.live()["books"] == ["Books may be kept for 21 days."]


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "../x", "x" * 65, "a\x00"])
def test_a_collection_needs_a_name_that_people_can_write(world: World, name: str) -> None:
    with pytest.raises(Invalid) as refused:
        world.put("one", "One.", collection=name)
    assert refused.value.code == "collection_name"
    assert world.live() == {}


def test_one_call_puts_documents_into_several_collections(world: World) -> None:
    new = [
        NewDocument(f"d{name}", Content("D", "The same text for all."), collection=name) for name in ("a", "b", "部门")
    ]
    put.put(world.database, world.embedder, new, actor="ann")
    assert [found(world, Scope.of(name), "same text") for name in ("a", "b", "部门", "main")] == [
        {"da"},
        {"db"},
        {"d部门"},
        set(),
    ]
    assert world.source.head() == 1


def test_an_ended_correction_of_another_collection_does_not_take_up_a_complaint(shop: World) -> None:
    """The question was merged in one collection; in the other it is a new one."""
    first, second = complain(shop, "How long?", "books"), complain(shop, "How many days?", "books")
    shop.curation.merge([second, first], actor="ann")
    assert complain(shop, "How long?", "books") == second
    elsewhere = complain(shop, "How long?", "shoes")
    assert (elsewhere not in (first, second), collection_of(shop, elsewhere)) == (True, "shoes")


def test_complaints_that_are_split_off_stay_in_the_collection(shop: World) -> None:
    from knowledge.correcting import merging

    first, second = complain(shop, "How long?", "books"), complain(shop, "How many days?", "books")
    elsewhere = complain(shop, "How many days?", "shoes")
    shop.curation.merge([first, second], actor="ann")
    moving = [
        reported["id"]
        for reported in shop.curation.item(first)["complaints"]
        if reported["question"] == "How many days?"
    ]
    with pytest.raises(NotFound), shop.database.write() as session:
        merging.split(session, first, moving, SHOES, actor="eve")
    with shop.database.write() as session:
        _, apart = merging.split(session, first, moving, LOANS, actor="ann")
        assert (apart.id, apart.collection) == (second, "loans")
    assert len(shop.curation.item(elsewhere)["complaints"]) == 1


def test_an_expired_entry_is_served_to_no_scope(shop: World) -> None:
    number = publish(shop, QUESTION, "Shoes: 30 days.", "shoes", valid_until="2999-01-01")
    assert served(shop, SHOES) == "Shoes: 30 days."
    with shop.database.write() as session:
        session.execute(sa.text("update entries set valid_until = :now"), {"now": utc_now().replace(tzinfo=None)})
    assert served(shop, SHOES) is None
    assert shop.state(number) == ("approved", True)
