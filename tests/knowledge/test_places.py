"""Places of passages through their whole life: the first ingest, a file whose lines moved, corrections, rollbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from knowledge import ingest
from knowledge.tables import DocumentVersion, PassageRow
from retrieval.place import Place
from retrieval.scope import EVERYTHING
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.knowledge.world import World

RETURNS = "# Returns\n\nGoods may be returned within 14 days.\n\n# Refunds\n\nMoney comes back within 5 days.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    write(tmp_path / "shop", RETURNS)
    return tmp_path / "shop"


def write(folder: Path, text: str) -> None:
    (folder / "returns.md").write_text(text, encoding="utf-8")


def read(world: World, folder: Path) -> str:
    """Ingests the folder. Returns the state of its file."""
    (result,) = ingest.ingest(world.database, world.embedder, [folder], actor="test").files
    return result.state


def shown(world: World) -> list[tuple[str, Place | None]]:
    """(text, place) of the passages of the document that readers can find."""
    passages = world.source.passages(world.source.ids()).values()
    return [(passage.text, passage.place) for passage in passages if not passage.erratum]


def places(world: World) -> list[Place | None]:
    return [place for _, place in shown(world)]


def lines(*numbers: int) -> list[Place]:
    return [Place("line", number) for number in numbers]


def correct(world: World, find: str, replace: str) -> int:
    edit = world.edit("shop/returns.md", find, replace)
    return world.publish(f"What about {find}?", replace, edits=[edit])


def forget(world: World) -> None:
    """As an older version of the program left the database."""
    with world.database.write() as session:
        session.execute(sa.update(PassageRow).values(place=None))
        session.execute(sa.update(DocumentVersion).values(places=None))


def test_passages_of_a_file_know_their_lines(world: World, folder: Path) -> None:
    read(world, folder)
    assert shown(world) == [
        ("Goods may be returned within 14 days.", Place("line", 3)),
        ("Money comes back within 5 days.", Place("line", 7)),
    ]
    hits = world.searcher.search("When does money come back?", 2, scope=EVERYTHING).hits
    assert hits[0].passage.place == Place("line", 7)


def test_a_text_that_came_from_no_file_has_no_places(world: World) -> None:
    world.put("returns", RETURNS)
    assert places(world) == [None, None]


def test_a_file_whose_lines_only_moved_keeps_its_passages_and_moves_their_places(world: World, folder: Path) -> None:
    embedder = world.embedder
    assert isinstance(embedder, HashingEmbedder)
    read(world, folder)
    before, embedded = world.seen(), embedder.embedded
    write(folder, f"\n\n{RETURNS}")
    assert read(world, folder) == "unchanged"
    assert embedder.embedded == embedded
    assert places(world) == lines(5, 9)
    assert world.seen() == before


def test_passages_of_an_older_version_get_their_places_from_the_next_ingest(world: World, folder: Path) -> None:
    read(world, folder)
    forget(world)
    before = world.rows(ignore=frozenset({"place", "places", "last_at"}))
    assert places(world) == [None, None]
    assert read(world, folder) == "unchanged"
    assert places(world) == lines(3, 7)
    assert world.rows(ignore=frozenset({"place", "places", "last_at"})) == before


def test_the_same_text_from_a_program_forgets_the_lines_of_the_file(world: World, folder: Path) -> None:
    read(world, folder)
    with world.database.read() as session:
        (version,) = session.scalars(sa.select(DocumentVersion))
    stored = world.put("shop/returns.md", version.text, title=version.title, details=version.details)
    assert not stored.changed
    assert places(world) == [None, None]


def test_a_correction_leaves_the_places_of_all_passages_right(world: World, folder: Path) -> None:
    read(world, folder)
    correction = correct(world, "within 14 days", "within 30 days.\n\nShoes within 60 days")
    assert shown(world) == [
        ("Goods may be returned within 30 days.\n\nShoes within 60 days.", Place("line", 3)),
        ("Money comes back within 5 days.", Place("line", 7)),
    ]
    world.curation.rollback(correction, actor="ann")
    assert places(world) == lines(3, 7)


def test_a_second_correction_of_the_same_document_counts_from_the_file(world: World, folder: Path) -> None:
    read(world, folder)
    correct(world, "within 14 days", "within\n30\ndays")
    correct(world, "within 5 days", "within 7 days")
    assert sorted(shown(world)) == [
        ("Goods may be returned within\n30\ndays.", Place("line", 3)),
        ("Money comes back within 7 days.", Place("line", 7)),
    ]


def test_a_file_that_moves_below_a_correction_moves_the_corrected_passages_too(world: World, folder: Path) -> None:
    read(world, folder)
    correction = correct(world, "within 14 days", "within 30 days")
    write(folder, f"\n{RETURNS}")
    assert read(world, folder) == "unchanged"
    assert sorted(shown(world)) == [
        ("Goods may be returned within 30 days.", Place("line", 4)),
        ("Money comes back within 5 days.", Place("line", 8)),
    ]
    assert world.state(correction) == ("approved", True)
    world.curation.rollback(correction, actor="ann")
    assert places(world) == lines(4, 8)


def test_corrected_passages_of_an_older_version_get_their_places_too(world: World, folder: Path) -> None:
    read(world, folder)
    correction = correct(world, "within 14 days", "within\n30 days")
    forget(world)
    assert read(world, folder) == "unchanged"
    assert sorted(places(world), key=str) == lines(3, 7)
    world.curation.rollback(correction, actor="ann")
    assert places(world) == lines(3, 7)


def test_a_correction_that_is_kept_in_a_new_text_has_the_places_of_that_text(world: World, folder: Path) -> None:
    read(world, folder)
    correct(world, "within 5 days", "within 7 days")
    write(folder, RETURNS.replace("# Refunds", "# Prices\n\nFive euros.\n\n# Refunds"))
    assert read(world, folder) == "indexed"
    assert sorted(shown(world)) == [
        ("Five euros.", Place("line", 7)),
        ("Goods may be returned within 14 days.", Place("line", 3)),
        ("Money comes back within 7 days.", Place("line", 11)),
    ]


def test_words_that_replace_rows_of_a_table_have_no_rows(world: World, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir(exist_ok=True)
    rows = "".join(f"bolt {number},{'x' * 60}\n" for number in range(2, 30))
    (tmp_path / "shop" / "parts.csv").write_text(f"part,note\n{rows}", encoding="utf-8")
    read(world, tmp_path / "shop")
    before = dict(shown(world))
    first = next(text for text in before if "bolt 2 " in text)
    words = first[first.index("| bolt 2 ") : first.index("bolt 4 ")]
    edit = world.edit("shop/parts.csv", words, "| bolt 2 | blue |\n| bolt 3 | red |\n| ")
    world.publish("Which colour has bolt 2?", "Blue.", edits=[edit])
    after = dict(shown(world))
    assert [place for text, place in after.items() if "blue" in text] == [None]
    assert {text: place for text, place in after.items() if text in before} == {
        text: place for text, place in before.items() if text in after
    }
    assert all(place for text, place in after.items() if "blue" not in text)


def test_a_document_that_comes_back_with_its_file_has_the_places_of_that_file(world: World, folder: Path) -> None:
    read(world, folder)
    (folder / "returns.md").unlink()
    (folder / "other.md").write_text("Open at nine.", encoding="utf-8")
    ingest.ingest(world.database, world.embedder, [folder], actor="test", prune=True)
    assert places(world) == lines(1)
    (folder / "other.md").unlink()
    write(folder, f"\n\n{RETURNS}")
    assert read(world, folder) == "indexed"
    assert sorted(places(world), key=str) == lines(1, 5, 9)
