"""The journal: a stopped run goes on where it was, and other settings are not mixed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scripts.benchmark.errors import BenchError
from scripts.benchmark.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


def test_a_journal_has_what_was_added_before(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "results.json"
    first = Journal.beside(out, {"seed": 0})
    first.add("q1", {"value": 1.5})
    first.add("问题", {"value": None})
    again = Journal.beside(out, {"seed": 0})
    assert ("q1" in again, "q2" in again, len(again)) == (True, False, 2)
    assert (again["q1"], again["问题"]) == ({"value": 1.5}, {"value": None})


def test_half_a_line_at_the_end_is_done_again(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    journal = Journal.beside(out, {})
    journal.add("q1", {"value": 1})
    file = tmp_path / "results.json.partial.jsonl"
    file.write_text(file.read_text(encoding="utf-8") + '{"key": "q2", "val', encoding="utf-8")
    again = Journal.beside(out, {})
    again.add("q3", {"value": 3})
    assert [("q1" in third, "q2" in third, third["q3"]) for third in [Journal.beside(out, {})]] == [
        (True, False, {"value": 3})
    ]


def test_a_journal_that_was_stopped_in_its_first_line_begins_again(tmp_path: Path) -> None:
    file = tmp_path / "results.json.partial.jsonl"
    file.write_text('{"settin', encoding="utf-8")
    journal = Journal.beside(tmp_path / "results.json", {"seed": 1})
    journal.add("q1", {})
    assert len(Journal.beside(tmp_path / "results.json", {"seed": 1})) == 1


def test_other_settings_and_damage_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    Journal.beside(out, {"seed": 0}).add("q1", {})
    with pytest.raises(BenchError, match="other settings"):
        Journal.beside(out, {"seed": 1})
    (tmp_path / "results.json.partial.jsonl").write_text("no json\n", encoding="utf-8")
    with pytest.raises(BenchError, match="damaged"):
        Journal.beside(out, {"seed": 0})


def test_without_a_file_the_journal_is_in_memory() -> None:
    journal = Journal.beside(None, {})
    journal.add("q1", {"value": 1})
    assert journal["q1"] == {"value": 1}
