"""Folders of the same name are kept apart; a folder keeps its name however it is reached, and its collection."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from knowledge import ingest, put
from knowledge.errors import Invalid
from knowledge.put import NewDocument
from knowledge.tables import Origin
from knowledge.versions import Content

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from knowledge.ingest import IngestReport
    from tests.knowledge.world import World


def folder(path: Path, **files: str) -> Path:
    """A folder with these Markdown files."""
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / f"{name}.md").write_text(text, encoding="utf-8")
    return path


def run(world: World, *paths: Path, **how: Any) -> IngestReport:
    return ingest.ingest(world.database, world.embedder, paths, actor="test", **how)


def names(report: IngestReport) -> list[str]:
    return [source.name for source in report.sources.values()]


def test_two_folders_of_one_name_are_both_live(world: World, tmp_path: Path) -> None:
    north = folder(tmp_path / "north" / "rules", pool="The north pool is 25 m long.", sauna="The sauna is closed.")
    south = folder(tmp_path / "south" / "rules", pool="The south pool is 50 m long.")
    assert names(run(world, north)) == ["rules"]
    report = run(world, south)
    assert names(report) == ["south/rules"]
    assert report.count("indexed") == 1
    assert world.live() == {
        "rules/pool.md": ["The north pool is 25 m long."],
        "rules/sauna.md": ["The sauna is closed."],
        "south/rules/pool.md": ["The south pool is 50 m long."],
    }
    assert run(world, south, prune=True).count("unchanged") == 1
    assert set(world.live()) == {"rules/pool.md", "rules/sauna.md", "south/rules/pool.md"}


def test_two_folders_of_one_name_in_one_run_are_both_live(world: World, tmp_path: Path) -> None:
    paths = [folder(tmp_path / name / "faq", price=f"{name} costs 3 euros.") for name in ("bus", "tram")]
    assert names(run(world, *paths, prune=True)) == ["faq", "tram/faq"]
    assert set(world.live()) == {"faq/price.md", "tram/faq/price.md"}


def test_single_files_of_one_name_in_folders_of_one_name_are_both_live(world: World, tmp_path: Path) -> None:
    east = folder(tmp_path / "east" / "faq", 价格="东区门票三十元。") / "价格.md"
    west = folder(tmp_path / "west" / "faq", 价格="西区门票五十元。") / "价格.md"
    run(world, east)
    run(world, west)
    assert world.live() == {"faq/价格.md": ["东区门票三十元。"], "west/faq/价格.md": ["西区门票五十元。"]}
    assert run(world, west.parent).count("unchanged") == 1  # the folder of a file is its origin


def test_a_folder_is_the_same_whichever_path_leads_to_it(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(tmp_path / "a" / "docs", one="One.")
    other = folder(tmp_path / "b" / "docs", one="Another one.")
    run(world, tmp_path / "a" / "docs")
    run(world, other)
    (tmp_path / "link").symlink_to(other)
    monkeypatch.chdir(tmp_path / "b")
    from pathlib import Path

    for path in (tmp_path / "link", Path("docs"), Path("../b/docs"), tmp_path / "b" / "." / "docs"):
        report = run(world, path)
        assert (names(report), report.count("unchanged")) == (["b/docs"], 1)
    assert set(world.live()) == {"docs/one.md", "b/docs/one.md"}


def test_a_folder_gets_no_name_that_other_documents_could_use(world: World, tmp_path: Path) -> None:
    run(world, folder(tmp_path / "x" / "docs" / "in", a="A."), source="docs")
    world.put("y/docs/a.md", "Put by a program.")
    report = run(world, folder(tmp_path / "y" / "docs", a="Not put by a program."))
    assert names(report) == [f"{tmp_path.name}/y/docs"]
    assert world.live()["y/docs/a.md"] == ["Put by a program."]
    assert names(run(world, folder(tmp_path / "upload", a="In a folder called upload."))) == [f"{tmp_path.name}/upload"]


def test_a_file_never_takes_the_place_of_a_document_from_elsewhere(world: World, tmp_path: Path) -> None:
    notes = folder(tmp_path / "notes", a="A.")
    run(world, notes)
    world.put("notes/b.md", "Put by a program.")
    (notes / "b.md").write_text("From a file.", encoding="utf-8")
    (refused,) = [result for result in run(world, notes).files if result.name == "b.md"]
    assert (refused.state, refused.code) == ("rejected", "document_of_another_source")
    assert world.live()["notes/b.md"] == ["Put by a program."]


def test_an_explicit_name_belongs_to_one_folder(world: World, tmp_path: Path) -> None:
    first, second = folder(tmp_path / "one", a="A."), folder(tmp_path / "two", a="Not A.")
    run(world, first, source="manual")
    with pytest.raises(Invalid, match=r"come from .*one, not from .*two") as refused:
        run(world, second, source="manual")
    assert refused.value.code == "source_of_another_folder"
    with pytest.raises(Invalid) as refused:
        run(world, first, second, source="both")
    assert refused.value.code == "source_of_many_folders"
    with pytest.raises(Invalid) as refused:
        run(world, second, source="upload")
    assert refused.value.code == "source_reserved"
    assert world.live() == {"manual/a.md": ["A."]}
    assert names(run(world, first)) == ["manual"]  # known by its path from now on


def test_a_folder_that_was_moved_keeps_its_documents(world: World, tmp_path: Path) -> None:
    before = folder(tmp_path / "old" / "docs", a="A.", b="B.")
    run(world, before)
    shutil.move(before, tmp_path / "docs")
    report = run(world, tmp_path / "docs", source="docs", moved=True, prune=True)
    assert (names(report), report.count("unchanged"), report.count("retired")) == (["docs"], 2, 0)
    assert names(run(world, tmp_path / "docs")) == ["docs"]


def without_path(world: World) -> None:
    """As an installation of the first version is after its upgrade."""
    with world.database.write() as session:
        session.execute(sa.update(Origin).values(path=None))


def test_the_folder_of_an_older_version_is_recognised_by_its_files(world: World, tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs", a="One thing.", b="Another thing.", c="A third thing.")
    run(world, docs)
    without_path(world)
    (docs / "a.md").write_text("Something else now.", encoding="utf-8")
    report = run(world, docs)
    assert (names(report), report.count("indexed"), report.count("unchanged")) == (["docs"], 1, 2)
    assert world.live()["docs/a.md"] == ["Something else now."]
    assert len(world.live()) == 3


@pytest.mark.parametrize(
    "files",
    [
        {"a": "Nothing of it.", "b": "Nor of this.", "c": "Nor of that."},  # the same names, other texts
        {"a": "One thing.", "other": "New."},  # most of the files are not there
    ],
)
def test_another_folder_does_not_take_over_what_an_older_version_stored(
    world: World, tmp_path: Path, files: dict[str, str]
) -> None:
    run(world, folder(tmp_path / "docs", a="One thing.", b="Another thing.", c="A third thing."))
    without_path(world)
    before = world.live()
    other = folder(tmp_path / "other" / "docs", **files)
    assert names(run(world, other, prune=True)) == ["other/docs"]
    assert world.live().items() >= before.items()
    with pytest.raises(Invalid) as refused:
        run(world, folder(tmp_path / "third" / "docs", **files), source="docs")
    assert refused.value.code == "source_without_folder"
    assert world.live().items() >= before.items()
    assert names(run(world, tmp_path / "docs", source="docs", moved=True)) == ["docs"]


def test_a_single_file_recognises_the_folder_of_an_older_version(world: World, tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs", a="One thing.", b="Another thing.", c="A third thing.")
    run(world, docs)
    without_path(world)
    report = run(world, docs / "b.md")
    assert (names(report), report.count("unchanged"), len(world.live())) == (["docs"], 1, 3)


def test_retired_documents_of_an_older_version_come_back_from_their_folder(world: World, tmp_path: Path) -> None:
    docs = folder(tmp_path / "docs", a="One thing.", b="Another thing.")
    run(world, docs)
    (docs / "a.md").rename(tmp_path / "a.md")
    (docs / "b.md").rename(tmp_path / "b.md")
    run(world, docs, prune=True, prune_all=True)
    assert world.live() == {}
    without_path(world)
    (tmp_path / "a.md").rename(docs / "a.md")
    (tmp_path / "b.md").rename(docs / "b.md")
    assert names(run(world, docs)) == ["docs"]
    assert set(world.live()) == {"docs/a.md", "docs/b.md"}


def collections(world: World) -> dict[str, str]:
    with world.database.read() as session:
        return dict(session.execute(sa.text("select id, collection from documents order by id")).all())


def test_a_new_file_goes_to_the_collection_of_its_folder(world: World, tmp_path: Path) -> None:
    pay = folder(tmp_path / "pay", grades="Grade 7 earns 4,000 euros.")
    run(world, pay, collection="hr")
    folder(pay, bonus="The bonus is 900 euros.")
    run(world, pay, prune=True)  # the line of a timetable that was written without the option
    run(world, folder(pay, leave="Leave is 30 days.") / "leave.md")  # a single file belongs to its folder
    assert collections(world) == {"pay/bonus.md": "hr", "pay/grades.md": "hr", "pay/leave.md": "hr"}


def test_a_folder_is_taken_into_a_second_collection_under_a_second_name(world: World, tmp_path: Path) -> None:
    rules = folder(tmp_path / "rules", smoking="Smoking is forbidden.")
    run(world, rules, collection="staff")
    folder(rules, parking="Parking costs 2 euros.")
    with pytest.raises(Invalid, match="in another collection, 'staff'"):
        run(world, rules, collection="guests")
    assert collections(world) == {"rules/smoking.md": "staff"}
    run(world, rules, collection="guests", source="house rules")
    (rules / "smoking.md").unlink()
    run(world, rules, source="house rules", prune=True)
    assert collections(world) == {
        "house rules/parking.md": "guests",
        "house rules/smoking.md": "guests",
        "rules/smoking.md": "staff",
    }
    assert set(world.live()) == {"house rules/parking.md", "rules/smoking.md"}  # each name is pruned by itself


def test_a_folder_with_documents_in_two_collections_needs_the_name_of_one(world: World, tmp_path: Path) -> None:
    shop = folder(tmp_path / "shop", opening="It opens at nine.")
    run(world, shop)
    prices = NewDocument("shop/prices.md", Content("Prices", "Tea costs 2 euros."), source="shop", collection="prices")
    put.put(world.database, world.embedder, [prices], actor="an earlier version")
    folder(shop, closing="It closes at six.")
    with pytest.raises(Invalid, match="--collection"):
        run(world, shop)
    run(world, shop, collection="prices")
    assert collections(world)["shop/closing.md"] == "prices"


def test_a_file_below_a_known_folder_is_the_document_that_is_there(world: World, tmp_path: Path) -> None:
    """Else it would be there twice, and an edit of a correction would change only one of them."""
    docs = folder(tmp_path / "docs", top="Top.")
    inner = folder(docs / "returns", shoes="Shoes: within 14 days.")
    run(world, docs, collection="shop")
    shoes = folder(inner, shoes="Shoes: within 30 days.") / "shoes.md"
    assert run(world, shoes).count("indexed") == 1
    assert world.live() == {"docs/top.md": ["Top."], "docs/returns/shoes.md": ["Shoes: within 30 days."]}
    folder(inner, hats="Hats: never.")
    shoes.unlink()
    run(world, inner, prune=True)
    assert world.live() == {"docs/top.md": ["Top."], "docs/returns/hats.md": ["Hats: never."]}
    assert set(collections(world).values()) == {"shop"}
    run(world, inner, source="own")  # by choice it is apart
    assert "own/hats.md" in world.live()


def two_levels(tmp_path: Path) -> tuple[Path, Path]:
    docs = folder(tmp_path / "docs", top="Top.")
    return docs, folder(docs / "returns", shoes="Shoes: within 14 days.", hats="Hats: never.")


def test_the_files_of_a_known_folder_are_the_documents_that_are_there_when_a_folder_around_it_is_ingested(
    world: World, tmp_path: Path
) -> None:
    docs, inner = two_levels(tmp_path)
    run(world, inner, collection="shop")
    report = run(world, docs)
    assert (report.count("unchanged"), report.count("indexed")) == (2, 1)
    assert world.live() == {
        "returns/hats.md": ["Hats: never."],
        "returns/shoes.md": ["Shoes: within 14 days."],
        "docs/top.md": ["Top."],
    }
    folder(inner, shoes="Shoes: within 30 days.", boots="Boots: 9 days.")
    run(world, docs)
    assert world.live()["returns/shoes.md"] == ["Shoes: within 30 days."]
    assert collections(world)["returns/boots.md"] == "shop"  # where the others of its folder are
    assert run(world, inner).count("unchanged") == 3
    assert run(world, inner / "shoes.md").count("unchanged") == 1
    assert len(world.live()) == 4


@pytest.mark.parametrize("both", [False, True])
def test_pruning_a_folder_retires_what_is_gone_in_it_whichever_folder_took_it_in(
    world: World, tmp_path: Path, *, both: bool
) -> None:
    docs, inner = two_levels(tmp_path)
    run(world, inner)
    run(world, docs)
    run(world, inner, prune=True)
    run(world, docs, prune=True)
    assert set(world.live()) == {"returns/hats.md", "returns/shoes.md", "docs/top.md"}
    (inner / "hats.md").unlink()
    run(world, *([docs, inner] if both else [docs]), prune=True)
    assert set(world.live()) == {"returns/shoes.md", "docs/top.md"}
    folder(inner, hats="Hats: never.")
    run(world, *([inner, docs] if both else [docs]))
    (inner / "shoes.md").unlink()
    (docs / "top.md").unlink()
    run(world, inner, prune=True)
    assert set(world.live()) == {"returns/hats.md", "docs/top.md"}
    run(world, docs, prune=True)
    assert set(world.live()) == {"returns/hats.md"}
    shutil.rmtree(inner)
    run(world, docs, prune=True, prune_all=True)
    assert world.live() == {}


def test_documents_of_a_folder_that_cannot_be_listed_stay_when_a_folder_around_it_is_pruned(
    world: World, tmp_path: Path
) -> None:
    docs = folder(tmp_path / "docs", top="Top.")
    middle = docs / "shop"
    inner = folder(middle / "returns", shoes="Shoes: within 14 days.")
    run(world, inner)
    folder(middle, opening="At nine.")
    run(world, docs)
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path) == str(middle):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.scandir", refusing)
        run(world, docs, prune=True)
    assert set(world.live()) == {"returns/shoes.md", "docs/top.md", "docs/shop/opening.md"}


def test_a_folder_in_a_known_folder_in_a_folder_belongs_to_the_nearest_known_one(world: World, tmp_path: Path) -> None:
    docs, inner = two_levels(tmp_path)
    deep = folder(inner / "old", boots="Boots: 9 days.")
    run(world, deep)
    run(world, inner)
    run(world, docs)
    assert set(world.live()) == {"old/boots.md", "returns/hats.md", "returns/shoes.md", "docs/top.md"}


def test_a_folder_that_got_a_name_of_its_own_by_choice_stays_apart(world: World, tmp_path: Path) -> None:
    docs, inner = two_levels(tmp_path)
    run(world, docs)
    run(world, inner, source="own")
    assert run(world, docs, prune=True).count("unchanged") == 3
    assert run(world, docs, source="everything").count("indexed") == 3
    names_of_hats = [document_id for document_id in world.live() if document_id.endswith("hats.md")]
    assert names_of_hats == ["docs/returns/hats.md", "own/hats.md", "everything/returns/hats.md"]
