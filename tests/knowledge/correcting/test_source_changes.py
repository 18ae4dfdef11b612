"""A source with published corrections changes: their edits of one statement never get into another one."""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from knowledge.errors import Invalid, Stale
from knowledge.surroundings import Outline
from tests.knowledge.world import World, assert_index_follows, history

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHOES = "Shoes: within 14 days.\n\nCoats: within 20 days."
NEW = "Shoes: within 30 days.\n\nCoats: within 20 days.\n\nParcels to islands take 14 days."
GONE = "the source changed where it was corrected (Shoes: within 14 days.): rules"


def correct_shoes(world: World) -> int:
    world.put("rules", SHOES)
    return world.publish("How long for shoes?", "30 days.", edits=[world.edit("rules", "14 days", "30 days")])


def text(world: World, document: str = "rules") -> str:
    return "\n\n".join(world.live()[document])


def test_words_that_a_new_source_has_in_another_statement_are_left_alone(world: World) -> None:
    correction_id = correct_shoes(world)
    world.put("rules", NEW)
    assert text(world) == NEW
    assert world.state(correction_id) == ("reopened", True)
    assert history(world, correction_id)[-1] == ("reopen", "approved", "reopened", "system", GONE)


def test_a_statement_is_still_corrected_where_a_new_source_has_its_words_in_another_one_too(world: World) -> None:
    correction_id = correct_shoes(world)
    world.put("rules", f"{SHOES}\n\nParcels to islands take 14 days.")
    assert text(world) == "Shoes: within 30 days.\n\nCoats: within 20 days.\n\nParcels to islands take 14 days."
    assert world.state(correction_id) == ("approved", True)


def test_a_source_that_comes_back_changed_does_not_get_an_old_edit(world: World) -> None:
    correction_id = correct_shoes(world)
    world.remove("rules")
    world.put("rules", NEW)
    assert text(world) == NEW
    assert history(world, correction_id)[-1] == ("source_changed", "reopened", "reopened", "system", GONE)


def test_a_source_that_comes_back_as_it_was_is_corrected_as_before(world: World) -> None:
    correct_shoes(world)
    before = world.live()
    world.remove("rules")
    world.put("rules", SHOES)
    assert world.live() == before


def test_an_earlier_publication_that_is_there_again_does_not_edit_what_changed_meanwhile(world: World) -> None:
    correction_id = correct_shoes(world)
    world.curation.reopen(correction_id, actor="ann")
    edits = [world.edit("rules", "20 days", "21 days")]
    world.curation.draft(correction_id, {"edits": edits}, actor="ann")
    world.curation.approve(correction_id, actor="ann")
    world.put("rules", NEW)
    world.curation.rollback(correction_id, actor="ann")
    assert text(world) == NEW
    assert history(world, correction_id)[-1] == ("source_changed", "reopened", "reopened", "system", GONE)


def test_a_draft_that_was_made_on_an_older_source_is_refused_also_where_the_correction_is_published(
    world: World,
) -> None:
    correction_id = correct_shoes(world)
    world.curation.reopen(correction_id, actor="ann")
    world.put("rules", f"{SHOES}\n\nHats: at once.")
    before = world.live()
    with pytest.raises(Stale, match="the edit was made on version 1"):
        world.curation.approve(correction_id, actor="ann")
    assert world.live() == before


FAR = "\n\n".join(
    f"Page {number} of the shop says a lot about many other things. {'So it does. ' * 40}" for number in "12"
)
INTRODUCED = f"The following applies to shoes:\n\n{FAR}\n\nThey go back within 14 days."


def test_an_edit_ends_where_the_introduction_far_above_its_statement_changes(world: World) -> None:
    world.put("rules", INTRODUCED)
    correction_id = world.publish("Shoes?", "30 days.", edits=[world.edit("rules", "14 days", "30 days")])
    world.put("rules", f"{INTRODUCED}\n\nHats: at once.")
    assert "They go back within 30 days." in text(world)
    assert world.state(correction_id) == ("approved", True)
    changed = INTRODUCED.replace("shoes", "parcels to islands")
    world.put("rules", changed)
    assert "They go back within 14 days." in text(world)
    why = "the source changed where it was corrected (They go back within 14 days.): rules"
    assert history(world, correction_id)[-1] == ("reopen", "approved", "reopened", "system", why)


@pytest.mark.parametrize(
    "copy",
    [
        "# Questions\n\nShoes: within 14 days.",
        "# Questions\n\nHere is what people ask. Shoes: within 14 days. Thank you.",
        "# Questions\n\n- Shoes: within 14 days",
        "# Questions\n\n| Shoes | within 14 days |\n| Coats | never |",
        "Thanks.\n\nShoes: within 14 days.",
    ],
    ids=["another-section", "among-others", "list", "table", "same-section"],
)
def test_a_source_that_writes_a_corrected_statement_a_second_time_is_shown_to_curators(world: World, copy: str) -> None:
    """The second place may be about something else: it is not edited, and the first stays corrected."""
    correction_id = correct_shoes(world)
    twice = f"{SHOES}\n\n{copy}"
    world.put("rules", twice)
    assert text(world).count("within 30 days") == 1
    why = "the source has a passage of it in one more place, where it is not corrected (Shoes: within 14 days.): rules"
    assert history(world, correction_id)[-1] == ("reopen", "approved", "reopened", "system", why)
    lines = len(history(world, correction_id))
    world.put("rules", f"{twice}\n\nHats: at once.")  # not one place more
    assert len(history(world, correction_id)) == lines


def test_a_statement_that_was_there_twice_when_one_place_was_corrected_is_not_shown_again(world: World) -> None:
    twice = f"# Shop\n\n{SHOES}\n\n# Islands\n\nShoes: within 14 days. Slowly."
    world.put("rules", twice)
    edits = [world.edit("rules", "14 days.\n", "30 days.\n")]
    correction_id = world.publish("How long for shoes?", "30 days.", edits=edits)
    world.put("rules", twice.replace("Slowly", "Very slowly"))
    assert world.state(correction_id) == ("approved", True)
    assert text(world).count("30 days") == 1


PASSAGE = "It takes 14 days."
HEADED = f"# Shoes\n\n{PASSAGE}\n\n# Coats\n\nIt takes 20 days."


@pytest.mark.parametrize(
    ("new", "shown"),
    [
        (HEADED.replace("20", "21"), ["It takes 21 days."]),
        (f"{HEADED}\n\n# Islands\n\n{PASSAGE}", ["It takes 20 days.", PASSAGE]),
        (HEADED.replace("# Shoes", "# Islands"), [PASSAGE, "It takes 20 days."]),
        (f"# Rules\n\n{HEADED.replace('# ', '## ')}", [PASSAGE, "It takes 20 days."]),
    ],
    ids=["elsewhere", "once-more", "renamed", "moved"],
)
def test_a_superseded_passage_stays_hidden_below_its_own_headings_only(
    world: World, new: str, shown: list[str]
) -> None:
    world.put("rules", HEADED)
    correction_id = world.publish("Shoes?", "30 days.", supersedes=[{"document_id": "rules", "passage": PASSAGE}])
    assert world.live()["rules"] == ["It takes 20 days."]
    world.put("rules", new)
    assert world.live()["rules"] == shown
    why = {
        0: f"the source changed where it was corrected ({PASSAGE}): rules",
        1: f"the source has a passage of it in one more place, where it is not corrected ({PASSAGE}): rules",
        -1: None,
    }[shown.index(PASSAGE) if PASSAGE in shown else -1]
    assert world.state(correction_id) == ("reopened" if why else "approved", True)
    assert history(world, correction_id)[-1][-1] == why
    assert_index_follows(world)


def test_a_superseded_passage_is_seen_where_the_introduction_far_above_it_changes(world: World) -> None:
    world.put("rules", INTRODUCED)
    *_, last = world.live()["rules"]
    correction_id = world.publish("Shoes?", "30 days.", supersedes=[{"document_id": "rules", "passage": last}])
    world.put("rules", INTRODUCED.replace("Page 1", "Page 7"))
    assert last not in world.live()["rules"]
    assert world.state(correction_id) == ("approved", True)
    world.put("rules", INTRODUCED.replace("shoes", "parcels to islands"))
    assert last in world.live()["rules"]
    assert world.state(correction_id) == ("reopened", True)
    assert_index_follows(world)


def test_a_short_superseded_passage_is_known_by_the_one_before_it(world: World) -> None:
    """A section so long that its last sentence is a passage of its own."""
    many = "Shoes can be sent back at any time, in any box, from any place, to any of our shops. " * 10
    many = many.ljust(895, "!")  # of 900 that fit into a passage
    other = many.replace("Shoes", "Boots")
    world.put("rules", f"# Sending back\n\n{many}\n\n{PASSAGE}")
    *_, last = world.live()["rules"]
    assert last == PASSAGE
    correction_id = world.publish("Shoes?", "30 days.", supersedes=[{"document_id": "rules", "passage": PASSAGE}])
    assert PASSAGE not in world.live()["rules"]
    world.put("rules", f"# Sending back\n\n{other}\n\n{PASSAGE}")
    assert PASSAGE in world.live()["rules"]
    assert world.state(correction_id) == ("reopened", True)


def test_edits_of_one_draft_are_all_made_on_the_text_that_was_read(world: World) -> None:
    """Two values change places: each edit means the words of the text, not those that another edit just wrote."""
    world.put("rules", SHOES)
    edits = [world.edit("rules", "14 days", "20 days"), world.edit("rules", "20 days", "14 days")]
    correction_id = world.publish("How long?", "The other way round.", edits=edits)
    assert text(world) == "Shoes: within 20 days.\n\nCoats: within 14 days."
    world.put("rules", f"{SHOES}\n\nHats: at once.")
    assert text(world) == "Shoes: within 20 days.\n\nCoats: within 14 days.\n\nHats: at once."
    world.curation.rollback(correction_id, actor="ann")
    assert text(world) == f"{SHOES}\n\nHats: at once."


def test_edits_of_one_draft_may_touch_but_not_overlap(world: World) -> None:
    world.put("rules", SHOES)
    touching = [world.edit("rules", "14", "4"), world.edit("rules", " days.\n\nCoats", " weeks.\n\nCoats")]
    correction_id = world.publish("How long?", "4 weeks.", edits=touching)
    assert text(world) == "Shoes: within 4 weeks.\n\nCoats: within 20 days."
    world.curation.rollback(correction_id, actor="ann")
    overlapping = [world.edit("rules", "within 14", "after 14"), world.edit("rules", "14 days", "15 days")]
    number = world.draft("How long now?", "15 days.", edits=overlapping)
    with pytest.raises(Invalid, match="change the same words: '14 days' and 'within 14'"):
        world.curation.approve(number, actor="ann")
    assert text(world) == SHOES


# Databases of earlier versions


def surroundings(world: World) -> dict[str, list[Any]]:
    return {
        "edits": [row["anchor"] for row in world.rows("edits")["edits"]],
        "supersessions": [row["sites"] for row in world.rows("supersessions")["supersessions"]],
    }


def migrate(world: World, *, before: Mapping[str, Any] | None = None) -> None:
    """Upgrades a database of an earlier version, which has no surroundings and applied edits by the rules of then."""
    fill = importlib.import_module("knowledge.migrations.versions.0004_surroundings").fill
    with world.database.write() as session:
        session.execute(sa.text("update edits set anchor = null"))
        session.execute(sa.text("update supersessions set sites = null"))
        for statement, values in (before or {}).items():
            session.execute(sa.text(statement), values)
        fill(session.connection())


def test_edits_published_before_surroundings_were_stored_get_them_from_the_versions(world: World) -> None:
    world.put("rules", f"{SHOES}\n\n{PASSAGE}")
    world.put("headed", HEADED)
    first = world.publish("Shoes?", "30.", edits=[world.edit("rules", "14 days.\n", "30 days.\n")])
    world.publish("Shoes in all?", "31.", edits=[world.edit("rules", "within 30", "after 30")])
    world.publish(
        "Headed?", "32.", supersedes=[{"document_id": "headed", "passage": PASSAGE}, {"document_id": "rules"}]
    )
    world.put("rules", f"{SHOES}\n\n{PASSAGE}\n\nHats: at once.")
    world.curation.reopen(first, actor="ann")
    stored, seen = surroundings(world), world.seen()
    assert None not in (*stored["edits"], stored["supersessions"][0])
    migrate(world)
    assert (surroundings(world), world.seen()) == (stored, seen)


def test_an_edit_that_an_earlier_version_applied_to_another_statement_is_shown_to_curators(world: World) -> None:
    correction_id = correct_shoes(world)
    world.put("rules", NEW)
    world.curation.draft(correction_id, {"answer": "30 days!"}, actor="ann")
    published = {
        "update edits set active = :yes": {"yes": True},
        "update corrections set state = :state": {"state": "verified"},
    }
    migrate(world, before=published)
    assert surroundings(world)["edits"] == [None]
    assert history(world, correction_id)[-1] == ("reopen", "verified", "reopened", "system", GONE)
    world.put("rules", f"{NEW}\n\nHats: at once.")
    assert text(world) == f"{NEW}\n\nHats: at once."


@contextmanager
def rules_before_introductions() -> Iterator[None]:
    """Reads surroundings as the versions before migration 0017 did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outline.__init__, "__kwdefaults__", {"introductions": False})
        yield


def add_introductions(world: World) -> None:
    fill = importlib.import_module("knowledge.migrations.versions.0017_introductions").fill
    with world.database.write() as session:
        fill(session.connection())


def correct_introduced(world: World) -> tuple[int, int, int]:
    """Two corrections of one statement, and one that hides a passage of another document."""
    world.put("rules", INTRODUCED)
    world.put("more", INTRODUCED)
    *_, last = world.live()["more"]
    return (
        world.publish("Shoes?", "30.", edits=[world.edit("rules", "14 days", "30 days")]),
        world.publish("Shoes in all?", "31.", edits=[world.edit("rules", "within 30", "after 30")]),
        world.publish("More?", "32.", supersedes=[{"document_id": "more", "passage": last}]),
    )


def test_edits_and_superseded_passages_of_an_earlier_version_get_their_introductions(world: World) -> None:
    with rules_before_introductions():
        correct_introduced(world)
        world.put("rules", INTRODUCED.replace("Page 1", "Page 7"))
    corrections = world.rows("corrections", "correction_events")
    add_introductions(world)
    assert world.rows("corrections", "correction_events") == corrections
    for row in (*surroundings(world)["edits"], *surroundings(world)["supersessions"][0]):
        assert "The following applies to shoes:" in row.get("context", row.get("introductions"))
    stored, seen = surroundings(world), world.seen()
    add_introductions(world)
    assert (surroundings(world), world.seen()) == (stored, seen)
    world.put("rules", f"{INTRODUCED}\n\nHats: at once.")
    assert "They go back after 30 days." in text(world)


def test_what_an_earlier_version_kept_below_another_introduction_is_shown_to_curators(world: World) -> None:
    changed = INTRODUCED.replace("shoes", "parcels to islands")
    with rules_before_introductions():
        first, second, hiding = correct_introduced(world)
        world.put("rules", changed)
        world.put("more", changed)
    assert [world.state(number)[0] for number in (first, second, hiding)] == ["approved"] * 3
    live = world.live()
    add_introductions(world)
    assert world.live() == live
    why = "the source changed where it was corrected (They go back within 14 days.): rules"
    for number in (first, second):
        assert history(world, number)[-1] == ("reopen", "approved", "reopened", "system", why)
    assert str(history(world, hiding)[-1][-1]).endswith(": more")
    assert world.state(hiding) == ("reopened", True)
    for document in ("rules", "more"):
        world.put(document, f"{changed}\n\nHats: at once.")
        assert "They go back within 14 days." in text(world, document)


def test_an_edit_whose_version_is_not_known_ends_with_the_next_change_of_its_source(world: World) -> None:
    correction_id = correct_shoes(world)
    corrected = world.live()
    migrate(world, before={"update document_versions set edits = :none where edits != ''": {"none": "99"}})
    assert (surroundings(world)["edits"], world.live()) == ([None], corrected)
    other = world.publish("Coats?", "21 days.", edits=[world.edit("rules", "20 days", "21 days")])
    world.curation.rollback(other, actor="ann")
    assert world.live() == corrected
    world.put("rules", f"{SHOES}\n\nHats: at once.")
    assert text(world) == f"{SHOES}\n\nHats: at once."
    why = "the source changed where it was corrected (14 days): rules"
    assert history(world, correction_id)[-1] == ("reopen", "approved", "reopened", "system", why)
