"""ingest, ask, reindex and the curators' commands, on real parts with a small embedder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bot.commands.ingest import take_in_handbook
from bot.settings import Settings
from knowledge import put
from knowledge.correcting import complaints
from knowledge.correcting.complaints import NewComplaint
from knowledge.tables import Unanswered
from retrieval.scope import EVERYTHING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bot.commandline import CommandLine

QUESTION = "Can I return sale items?"


@pytest.fixture
def shop(errata: CommandLine, tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "zh").mkdir(parents=True)
    (folder / "returns.md").write_text("# Returns\n\nSale items can be returned within 30 days.\n", encoding="utf-8")
    (folder / "hours.md").write_text("# Hours\n\nThe shop opens at nine in the morning.\n", encoding="utf-8")
    (folder / "zh" / "fapiao.txt").write_text("商店会在三天内开具发票。\n", encoding="gb18030")
    return folder


def complain(errata: CommandLine, question: str = QUESTION) -> int:
    parts = errata.parts(Settings(data=errata.data))
    with parts.database.write() as session:
        snapshot = {
            "answer": "Yes, within 30 days.",
            "sources": [],
            "citations": [],
            "model": "m",
            "knowledge_version": 1,
        }
        correction = complaints.report(
            session,
            NewComplaint(question, snapshot, "rated_down", "visitor", rating="down", comment="That is wrong."),
            EVERYTHING,
        )
        number = correction.id
    parts.close()
    return number


def test_ingest_takes_in_new_files_and_reports_the_result_of_each(errata: CommandLine, shop: Path) -> None:
    (shop / "broken.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    printed = errata("ingest", str(shop))
    assert printed.code == 0
    assert printed.out.startswith("4 files: 3 indexed, 1 rejected; 3 documents; ")
    assert "rejected: broken.pdf: " in printed.err
    again = errata("ingest", str(shop))
    assert again.out.startswith("4 files: 0 indexed, 3 unchanged, 1 rejected; 3 documents; ")
    assert errata("ingest", "--strict", str(shop)).code == 1


def test_ingest_of_nothing_but_bad_files_fails(errata: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "bad.pdf").write_bytes(b"no pdf")
    assert errata("ingest", str(tmp_path / "bad.pdf")).code == 1
    missing = errata("ingest", str(tmp_path / "nowhere"))
    assert missing.code == 1
    assert missing.err.splitlines()[-1] == f"errata: There is no file or folder {tmp_path / 'nowhere'}."


def test_ingest_prunes_only_with_the_option(errata: CommandLine, shop: Path) -> None:
    errata("ingest", str(shop))
    (shop / "hours.md").unlink()
    assert "retired" not in errata("ingest", str(shop)).err
    printed = errata("ingest", "--prune", str(shop))
    assert "retired: shop/hours.md: its file is gone" in printed.err
    assert printed.out.startswith("3 files: 0 indexed, 2 unchanged, 1 retired; 2 documents; ")


def test_ingest_of_a_second_folder_of_the_same_name_says_under_which_name(errata: CommandLine, tmp_path: Path) -> None:
    for place, time in (("north", "seven"), ("south", "eight")):
        (tmp_path / place / "notes").mkdir(parents=True)
        (tmp_path / place / "notes" / "hours.md").write_text(f"The {place} gate opens at {time}.", encoding="utf-8")
    assert "named" not in errata("ingest", str(tmp_path / "north" / "notes")).out
    printed = errata("ingest", str(tmp_path / "south" / "notes"))
    path = tmp_path / "south" / "notes"
    assert printed.out.splitlines()[1] == f"The documents of {path} are named south/notes; notes is the name of others."
    assert errata("ask", "When does the north gate open?").out.startswith("The north gate opens at seven.")
    assert errata("ask", "When does the south gate open?").out.startswith("The south gate opens at eight.")


def test_ingest_prunes_no_empty_folder(errata: CommandLine, shop: Path) -> None:
    errata("ingest", str(shop))
    shop.rename(shop.with_name("unmounted"))
    shop.mkdir()
    printed = errata("ingest", "--prune", str(shop))
    assert printed.code == 1
    assert printed.err.splitlines()[-1] == (
        f"Nothing was retired: {shop} has no file that can be read. If it is a share that is not mounted, mount it "
        "and prune again. If the folder is meant to be empty, add --prune-all."
    )
    assert json.loads(errata("ask", "--json", "When does the shop open in the morning?").out)["status"] == "answered"
    assert "3 retired" in errata("ingest", "--prune", "--prune-all", str(shop)).out


def test_ingest_options_that_belong_together_are_asked_for(errata: CommandLine, shop: Path) -> None:
    for options in (["--moved"], ["--prune-all"], ["--prune-limit", "50"], ["--prune", "--prune-limit", "101"]):
        assert errata("ingest", *options, str(shop)).code == 2


def test_ingest_keeps_out_retired_documents_until_they_are_restored(errata: CommandLine, shop: Path) -> None:
    errata("ingest", str(shop))
    parts = errata.parts(Settings(data=errata.data))
    put.remove(parts.database, "shop/hours.md", EVERYTHING, actor="carla")
    parts.close()
    printed = errata("ingest", str(shop))
    assert printed.out.startswith("3 files: 0 indexed, 2 unchanged, 1 kept out; 2 documents; ")
    assert "kept out: hours.md: carla retired it: kept out. To bring it back: errata documents restore " in printed.err
    assert errata("documents", "restore", "shop/hours.md").out == "shop/hours.md is back, version 1.\n"
    assert errata("documents", "restore", "shop/hours.md").out == "shop/hours.md was not retired.\n"
    assert errata("documents", "restore", "shop/nothing.md").code == 1
    assert errata("ingest", str(shop)).out.startswith("3 files: 0 indexed, 3 unchanged; 3 documents; ")


def test_handbook_and_a_folder_called_handbook_are_kept_apart(errata: CommandLine, tmp_path: Path) -> None:
    own = tmp_path / "handbook"
    own.mkdir()
    (own / "rules.md").write_text("Our own rules.", encoding="utf-8")
    assert errata("ingest", "--handbook").code == 0
    assert f"named {tmp_path.name}/handbook" in errata("ingest", str(own)).out


def test_ask_answers_with_sources(errata: CommandLine, shop: Path) -> None:
    errata("ingest", str(shop))
    printed = errata("ask", "When does the shop open in the morning?")
    assert printed.code == 0
    assert printed.out.startswith("The shop opens at nine in the morning.")
    assert " *[1] Hours — shop/hours.md, version 1, line 3\n" in printed.out


def test_ask_gives_json(errata: CommandLine, shop: Path) -> None:
    errata("ingest", str(shop))
    answer = json.loads(errata("ask", "--json", "商店几天内开具发票？").out)
    assert answer["status"] == "answered"
    assert answer["language"] == "zh"
    assert answer["sources"][0]["document_id"] == "shop/zh/fapiao.txt"
    assert answer["knowledge_version"] == 3


def test_ask_without_documents_refuses(errata: CommandLine) -> None:
    answer = json.loads(errata("ask", "--json", "When does the shop open?").out)
    assert (answer["status"], answer["sources"]) == ("refused", [])


def test_ask_refuses_an_empty_question(errata: CommandLine) -> None:
    assert errata("ask", "  ").code == 2


def test_corrections_from_complaint_to_rollback(errata: CommandLine, shop: Path) -> None:
    errata("ingest", str(shop))
    number = str(complain(errata))
    assert f"    {number}  queued           normal    1×  {QUESTION}\n" in errata("corrections", "list").out.replace(
        "important", "normal   "
    )
    printed = errata(
        "corrections",
        "draft",
        number,
        "--answer",
        "No, sale items cannot be returned.",
        "--supersede",
        "shop/returns.md",
    )
    assert printed.out.startswith(f"Correction {number} is drafted.")
    assert "Proof (done): " in errata("corrections", "prove", number).out
    assert errata("corrections", "approve", number).out.startswith(f"Correction {number} is published.")
    asked = json.loads(errata("ask", "--json", QUESTION).out)
    assert (asked["status"], asked["answer"]) == ("curated", "No, sale items cannot be returned.")
    assert errata("corrections", "recheck", number).out.startswith(
        f"The server asks the questions of correction {number}"
    )
    shown = errata("corrections", "show", number).out
    assert "approved, live" in shown
    assert "hides shop/returns.md" in shown
    item = json.loads(errata("corrections", "rollback", number, "--reason", "it was right", "--json").out)
    assert (item["state"], item["live"]) == ("rolled_back", False)
    assert item["history"][-1]["actor"].startswith("cli")
    after = json.loads(errata("ask", "--json", QUESTION).out)
    assert after["sources"][0]["document_id"] == "shop/returns.md"


def test_corrections_survive_reindex(errata: CommandLine, shop: Path) -> None:
    errata("ingest", str(shop))
    number = str(complain(errata))
    errata("corrections", "draft", number, "--answer", "No.", "--supersede", "shop/returns.md")
    errata("corrections", "approve", number)
    printed = errata("reindex")
    assert printed.code == 0
    assert printed.out.startswith("Index rebuilt: 3 passages at step 4 of the log, 0 embedded, 0 vectors reused, ")
    assert json.loads(errata("ask", "--json", QUESTION).out)["status"] == "curated"


def test_corrections_refuse_with_the_reason(errata: CommandLine, shop: Path) -> None:
    number = str(complain(errata))
    assert errata("corrections", "approve", number).code == 1
    assert errata("corrections", "reject", number).code == 2
    assert errata("corrections", "reject", number, "--reason", "The answer is right.").code == 0
    several = errata("corrections", "reject", number, "999", "--reason", "spam")
    assert (several.code, several.out, len(several.err.splitlines())) == (1, "", 2)
    printed = errata("corrections", "reject", number, "--reason", "again")
    assert printed.code == 1
    assert printed.err.startswith("errata: ")
    assert errata("corrections", "draft", number).code == 2
    assert errata("corrections", "reopen", number).out == f"Correction {number} is in the queue again.\n"


def test_corrections_new_starts_one(errata: CommandLine) -> None:
    assert errata("corrections", "new", QUESTION).out == "Correction 1 is queued.\n"
    assert errata("corrections", "new", "can I return SALE items", "--answer", "No.").out.startswith(
        "Correction 1 about this question is open already (queued)."
    )
    item = json.loads(errata("corrections", "new", "Where?", "--answer", "Here.", "--json").out)
    assert (item["state"], item["origin"], item["draft"]["answer"]) == ("drafted", "curator", "Here.")
    assert errata("corrections", "new", "??").code == 1


def test_corrections_unanswered_lists_and_starts_one(errata: CommandLine) -> None:
    parts = errata.parts(Settings(data=errata.data))
    with parts.database.write() as session:
        row = Unanswered(
            question=QUESTION, normalised="can i return sale items", language="en", asker="a", answer_id="b", group_id=1
        )
        session.add(row)
    parts.close()
    assert errata("corrections", "unanswered").out == f"    1  1×  {QUESTION}\n1 of 1 shown\n"
    assert errata("corrections", "unanswered", "--start", "1").out == "Correction 1 is queued.\n"
    assert errata("corrections", "unanswered", "--start", "1").code == 1
    assert json.loads(errata("corrections", "unanswered", "--json").out) == {"items": [], "total": 0}


def test_corrections_merge_makes_one_item(errata: CommandLine) -> None:
    first, second = complain(errata), complain(errata, "May sale items be sent back?")
    item = json.loads(errata("corrections", "merge", str(first), str(second), "--json").out)
    assert (item["id"], len(item["complaints"])) == (first, 2)
    shown = errata("corrections", "show", str(first)).out
    assert "asks: May sale items be sent back? (not confirmed as a wording of this question)" in shown
    stray = item["complaints"][1]["id"]
    assert errata("corrections", "split", str(first), str(stray)).out == (
        f"The complaints belong to correction {second} now.\n"
    )


def test_handbook_is_taken_in_once_per_edition(
    errata: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import knowledge

    package = tmp_path / "package"
    (package / "handbook" / "en").mkdir(parents=True)
    page, other = package / "handbook" / "en" / "asking.md", package / "handbook" / "en" / "old.md"
    page.write_text("# Asking\n\nAsk in whole sentences.", encoding="utf-8")
    other.write_text("# Old\n\nThis page goes.", encoding="utf-8")
    monkeypatch.setattr(knowledge, "__file__", str(package / "__init__.py"))
    assert errata("ingest", "--handbook").out == "Handbook taken in: 2 new or changed, 0 unchanged.\n"
    embedded = errata.embedder.embedded
    assert errata("ingest", "--handbook").out == ""
    assert errata.embedder.embedded == embedded
    page.write_text("# Asking\n\nAsk in whole sentences, please.", encoding="utf-8")
    other.unlink()
    assert errata("ingest", "--handbook").out == "Handbook taken in: 1 new or changed, 0 unchanged.\n"
    parts = errata.parts(Settings(data=errata.data))
    with parts.database.read() as session:
        from knowledge.tables import Document

        assert [
            (row.id, row.retired_at is None, row.collection) for row in session.query(Document).order_by(Document.id)
        ] == [
            ("handbook/en/asking.md", True, "errata-handbook"),
            ("handbook/en/old.md", False, "errata-handbook"),
        ]
    take_in_handbook(parts)  # nothing to do
    parts.close()
