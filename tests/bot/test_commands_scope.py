"""Collections on the command line: where documents go, whose knowledge answers, what a key may see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bot import accounts
from knowledge.db import open_database

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bot.commandline import CommandLine


def test_documents_go_to_a_collection_and_questions_are_answered_from_one(errata: CommandLine, tmp_path: Path) -> None:
    for name in ("shop", "bank"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "hours.md").write_text(f"# Hours\n\nThe {name} closes at four.\n", encoding="utf-8")
        assert errata("ingest", str(folder), "--collection", name).code == 0
    sources = {}
    for options in (
        (),
        ("--collection", "shop"),
        ("--collection", "none"),
        ("--collection", "shop", "--collection", "bank"),
    ):
        answer = json.loads(errata("ask", "When does it close?", "--json", *options).out)
        sources[options] = {source["document_id"] for source in answer["sources"]}
    assert sources == {
        (): {"shop/hours.md", "bank/hours.md"},
        ("--collection", "shop"): {"shop/hours.md"},
        ("--collection", "none"): set(),
        ("--collection", "shop", "--collection", "bank"): {"shop/hours.md", "bank/hours.md"},
    }
    (tmp_path / "shop" / "hours.md").write_text("# Hours\n\nThe shop closes at five.\n", encoding="utf-8")
    assert errata("ingest", str(tmp_path / "shop")).code == 0  # without the option: where it is already
    of_shop = json.loads(errata("ask", "When does it close?", "--json", "--collection", "shop").out)
    assert "five" in of_shop["sources"][0]["passage"]


def test_a_folder_cannot_be_ingested_into_another_collection(errata: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "hours.md").write_text("# Hours\n\nIt closes at four.\n", encoding="utf-8")
    assert errata("ingest", str(folder), "--collection", "shop").code == 0
    moved = errata("ingest", str(folder), "--collection", "bank")
    assert moved.code == 1
    assert "in another collection" in moved.err


def test_corrections_are_started_and_listed_by_collection(errata: CommandLine) -> None:
    assert errata("corrections", "new", "Who pays?", "--collection", "shop").code == 0
    assert errata("corrections", "new", "Who pays?").code == 0
    lists = [
        [item["collection"] for item in json.loads(errata("corrections", "list", "--json", *options).out)["items"]]
        for options in ((), ("--collection", "shop"), ("--collection", "none"))
    ]
    assert (sorted(lists[0]), lists[1:]) == (["main", "shop"], [["shop"], []])


def test_a_key_is_made_for_a_collection(errata: CommandLine) -> None:
    made = errata("keys", "add", "robot", "--collection", "shop")
    database = open_database(errata.data / "errata.db")
    with database.read() as session:
        identity = accounts.identity_of_key(session, made.out.strip())
    database.close()
    assert identity is not None
    assert identity.collection == "shop"
    assert "only shop" in errata("keys", "list").out
