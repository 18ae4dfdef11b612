"""A question that is restricted to some documents gets the corrections of these documents, and no others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from knowledge.correcting import complaints, corrections, matching
from retrieval.scope import EVERYTHING
from tests.knowledge.world import assert_index_follows, complaint

if TYPE_CHECKING:
    from tests.knowledge.world import World

QUESTION = "How many days of leave are there?"
HR, IT = {"department": "hr"}, {"department": "it"}


@pytest.fixture
def firm(world: World) -> World:
    world.put("hr-leave", "There are 20 days of leave.", details={"department": "hr", "year": "2026", "city": "Bern"})
    world.put("hr-sick", "Sick leave needs a note.", details={"department": "hr", "year": "2026", "city": "Genf"})
    world.put("it-leave", "There are 25 days of leave.", details={"department": "it", "year": "2026"})
    return world


def publish(world: World, *cited: str, **draft: Any) -> str:
    """A published correction of an answer that cited these documents. Returns its erratum's id."""
    sources = [{"n": n, "document_id": document_id, "passage": "…"} for n, document_id in enumerate(cited, start=1)]
    snapshot = {"answer": "20 [1].", "sources": sources, "citations": [source["n"] for source in sources]}
    with world.database.write() as session:
        number = complaints.report(session, complaint(QUESTION, snapshot=snapshot), EVERYTHING).id
    world.curation.draft(number, {"answer": "There are 30 days of leave.", **draft}, actor="ann")
    world.curation.approve(number, actor="ann")
    return f"erratum-{number}"


def served(world: World, **filters: str) -> bool:
    with world.database.read() as session:
        return matching.match(session, QUESTION, EVERYTHING, now=datetime.now(UTC), filters=filters) is not None


def documents_found(world: World, **filters: str) -> set[str]:
    hits = world.searcher.search(QUESTION, 50, scope=EVERYTHING, filters=filters).hits
    return {hit.passage.document_id for hit in hits}


@pytest.mark.parametrize(
    ("filters", "inside"),
    [
        ({}, True),
        (HR, True),
        (IT, False),
        ({"department": "hr", "year": "2026"}, True),
        ({"department": "hr", "year": "2025"}, False),
        ({"city": "Bern"}, True),
        ({"document_id": "hr-leave"}, True),
        ({"document_id": "it-leave"}, False),
        ({"document_id": "erratum-1"}, True),
        ({"source": "api"}, True),
        ({"source": "errata"}, True),
        ({"source": "elsewhere"}, False),
        ({"kind": "erratum"}, True),
        ({"kind": "source"}, False),
        ({"language": "en"}, True),
        ({"language": "zh"}, False),
        ({"correction": "1"}, True),
        ({"no such": "key"}, False),
        ({'a"b': "hr"}, False),
    ],
)
def test_a_correction_is_served_and_found_inside_the_restriction_only(
    firm: World, filters: dict[str, str], inside: bool
) -> None:
    erratum = publish(firm, "hr-leave")
    assert (served(firm, **filters), erratum in documents_found(firm, **filters)) == (inside, inside)


@pytest.mark.parametrize("how", ["cites", "edits", "supersedes"])
def test_a_correction_is_about_the_documents_that_it_cites_edits_or_hides(firm: World, how: str) -> None:
    draft: dict[str, Any] = {}
    if how == "edits":
        draft["edits"] = [firm.edit("hr-leave", "20 days", "30 days")]
    elif how == "supersedes":
        draft["supersedes"] = [{"document_id": "hr-leave"}]
    publish(firm, *(["hr-leave"] if how == "cites" else []), **draft)
    assert (served(firm, **HR), served(firm, **IT)) == (True, False)
    assert_index_follows(firm)


def test_a_correction_of_several_documents_takes_the_properties_that_are_equal_in_all(firm: World) -> None:
    erratum = publish(firm, "hr-leave", supersedes=[{"document_id": "hr-sick"}])
    assert [served(firm, **filters) for filters in (HR, {"year": "2026"}, {"city": "Bern"}, {"city": "Genf"})] == [
        True,
        True,
        False,
        False,
    ]
    assert documents_found(firm, **HR) == {"hr-leave", erratum}
    assert (served(firm, document_id="hr-leave"), served(firm, source="api")) == (False, True)


def test_a_correction_of_two_departments_belongs_to_neither(firm: World) -> None:
    erratum = publish(firm, "hr-leave", "it-leave")
    assert (served(firm), served(firm, **HR), served(firm, **IT), served(firm, year="2026")) == (
        True,
        False,
        False,
        True,
    )
    assert erratum not in documents_found(firm, **HR) | documents_found(firm, **IT)


def test_a_correction_without_documents_matches_no_restriction_by_metadata(firm: World) -> None:
    publish(firm)
    assert (served(firm), served(firm, **HR), served(firm, kind="erratum")) == (True, False, True)


def test_a_proof_reads_what_a_restricted_question_would_read(firm: World) -> None:
    """Filters apply to the erratum on a candidate as to a published one."""
    from knowledge.correcting import complaints
    from knowledge.correcting import publication as publishing

    with firm.database.write() as session:
        number = complaints.report(
            session,
            complaint(
                QUESTION,
                snapshot={"sources": [{"n": 1, "document_id": "hr-leave", "passage": "…"}], "citations": [1]},
            ),
            EVERYTHING,
        ).id
    firm.curation.draft(number, {"answer": "There are 30 days of leave."}, actor="ann")
    with firm.database.read() as session:
        correction = corrections.get(session, number, EVERYTHING)
        planned = publishing.prepare(session, correction, firm.embedder)
    candidate = firm.searcher.candidate(hide=planned.hidden, add=planned.shown)
    tried = [
        {
            hit.passage.document_id
            for hit in firm.searcher.search(QUESTION, 50, scope=EVERYTHING, filters=filters, candidate=candidate).hits
        }
        for filters in (HR, IT, {"document_id": "hr-leave"}, {"kind": "erratum"})
    ]
    firm.curation.approve(number, actor="ann")
    assert tried == [
        documents_found(firm, **filters) for filters in (HR, IT, {"document_id": "hr-leave"}, {"kind": "erratum"})
    ]


def test_a_second_publication_takes_the_properties_of_that_time(firm: World) -> None:
    erratum = publish(firm, "hr-leave")
    firm.put("hr-leave", "There are 20 days of leave.", details={"department": "people"})
    assert (served(firm, **HR), served(firm, department="people")) == (True, False)
    number = int(erratum.removeprefix("erratum-"))
    firm.curation.reopen(number, actor="ann")
    firm.curation.draft(number, {"answer": "There are 31 days of leave."}, actor="ann")
    firm.curation.approve(number, actor="ann")
    assert (served(firm, **HR), served(firm, department="people")) == (False, True)
    firm.curation.rollback(number, actor="ann")
    assert (served(firm, **HR), served(firm, department="people")) == (True, False)
    assert_index_follows(firm)


def test_documents_are_found_in_the_language_that_was_stated(world: World) -> None:
    world.put("retour", "Les articles peuvent être rendus sous 14 jours.", language="fr")
    world.put("returns", "Goods may be returned within 14 days.")
    for asked in ("fr", "fr-CA"):
        hits = world.searcher.search("14 jours", 9, scope=EVERYTHING, language=asked).hits
        assert [hit.passage.document_id for hit in hits] == ["retour"]
    assert {
        hit.passage.document_id for hit in world.searcher.search("14", 9, scope=EVERYTHING, language="en").hits
    } == {"returns"}
    assert_index_follows(world)


@pytest.mark.parametrize(
    ("text", "stated", "expected"),
    [
        ("Les articles peuvent être rendus.", "fr", "fr"),
        ("Artikel können zurückgegeben werden.", "de-CH", "de"),
        ("Goods may be returned.", None, "en"),
        ("Goods may be returned.", "en-GB", "en"),
        ("商品可以退货。", "fr", "zh"),  # the words show it
        ("商品可以退货。", None, "zh"),
        ("Goods may be returned.", "zh-CN", "en"),
        ("返品できます。", "ja", "ja"),
    ],
)
def test_a_passage_is_in_the_stated_language_unless_its_words_show_another(
    world: World, text: str, stated: str | None, expected: str
) -> None:
    world.put("one", text, language=stated)
    assert [passage.language for passage in world.source.passages(world.source.ids()).values()] == [expected]


def test_an_erratum_is_in_the_language_of_the_corrected_documents(world: World) -> None:
    world.put("retour", "Les articles peuvent être rendus sous 14 jours.", language="fr")
    erratum = publish(world, "retour", answer="Trente jours.")
    assert (served(world, language="fr"), served(world, language="en")) == (True, False)
    assert erratum in documents_found(world, language="fr")
