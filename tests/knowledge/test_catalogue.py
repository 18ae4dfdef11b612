"""Documents as curators see them."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge import catalogue
from knowledge.errors import NotFound
from retrieval.scope import EVERYTHING
from tests.knowledge.world import RETURNS, SHIPPING, World


@pytest.fixture(autouse=True)
def documents(world: World) -> None:
    world.put("returns", RETURNS, title="Sending goods back", url="https://example.org", details={"country": "NL"})
    world.put("100%_sure", SHIPPING)
    world.remove("100%_sure")
    world.publish("How long?", "30 days.", edits=[world.edit("returns", "14 days", "30 days")])


def document(world: World, document_id: str, **how: Any) -> dict[str, Any]:
    with world.database.read() as session:
        return catalogue.document(session, document_id, EVERYTHING, **how)


@pytest.mark.parametrize(
    ("how", "seen"),
    [
        ({}, ["100%_sure", "erratum-1", "returns"]),
        ({"q": "goods"}, ["returns"]),
        ({"q": "%"}, ["100%_sure"]),
        ({"q": "_"}, ["100%_sure"]),
        ({"limit": 1, "offset": 1}, ["erratum-1"]),
        ({"offset": 10**30}, []),
        ({"q": "x" * 100_000}, []),
    ],
)
def test_the_list_can_be_narrowed(world: World, how: dict[str, Any], seen: list[str]) -> None:
    with world.database.read() as session:
        listing = catalogue.listing(session, EVERYTHING, **how)
    assert [line["id"] for line in listing["documents"]] == seen
    assert listing["total"] == (3 if "q" not in how else len(seen))


def test_a_line_shows_the_present_state_of_a_document(world: World) -> None:
    with world.database.read() as session:
        lines = {line["id"]: line for line in catalogue.listing(session, EVERYTHING)["documents"]}
    shown = {id_: (line["kind"], line["version"], line["passages"], line["retired"]) for id_, line in lines.items()}
    assert shown == {
        "returns": ("source", 2, 2, False),
        "100%_sure": ("source", 1, 0, True),
        "erratum-1": ("erratum", 1, 1, False),
    }


def test_a_document_has_its_text_and_the_list_of_its_versions(world: World) -> None:
    seen = document(world, "returns")
    assert (seen["version"], seen["current_version"], seen["text"]) == (2, 2, RETURNS.replace("14 days", "30 days"))
    assert (seen["url"], seen["metadata"]) == ("https://example.org", {"country": "NL"})
    shown = [
        (version["version"], version["kind"], version["actor"], version["correction_id"])
        for version in seen["versions"]
    ]
    assert shown == [(1, "source", "ann", None), (2, "edit", "ann", 1)]
    assert document(world, "returns", version=1)["text"] == RETURNS


@pytest.mark.parametrize("version", [3, -1, 10**30])
def test_an_unknown_version_is_not_found(world: World, version: int) -> None:
    with pytest.raises(NotFound, match=f"with version {version}"):
        document(world, "returns", version=version)


def test_an_unknown_document_is_not_found(world: World) -> None:
    with pytest.raises(NotFound, match="no document 'none'"):
        document(world, "none")
