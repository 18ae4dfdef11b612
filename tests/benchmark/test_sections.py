"""The command line of benchmarks in sections: figures, faults, and going on where a run was stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from scripts.benchmark import sections
from scripts.benchmark.errors import BenchError

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from scripts.benchmark.sections import Run


def quick(run: Run) -> None:
    run.note("speed", 1.25, "s", n=3)


def broken(run: Run) -> None:
    run.note("speed", 2.0)
    run.fault("it was lost")


def test_figures_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    assert sections.main("toy", "Toy.", {"quick": quick}, ["--out", str(out), "--seed", "5"]) == 0
    written = json.loads(out.read_text(encoding="utf-8"))
    assert (written["bench"], written["settings"]["seed"]) == ("toy", 5)
    assert [(row["set"], row["metric"], row["value"], row["n"]) for row in written["rows"]] == [
        ("quick", "speed (s)", 1.25, 3)
    ]
    assert "| quick | speed (s) | 1.25 | 3 |" in capsys.readouterr().out


def test_a_fault_makes_the_run_fail_also_when_it_goes_on_later(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    for _ in range(2):
        assert sections.main("toy", "", {"quick": quick, "broken": broken}, ["--out", str(out)]) == 1
        assert len(json.loads(out.read_text(encoding="utf-8"))["rows"]) == 2


def test_a_finished_section_is_not_run_again(tmp_path: Path) -> None:
    runs: list[str] = []

    def first(run: Run) -> None:
        runs.append(run.section)

    def second(run: Run) -> None:
        runs.append(run.section)
        if runs.count("second") == 1:
            raise BenchError("stopped")

    both = {"first": first, "second": second}
    arguments = ["--out", str(tmp_path / "results.json")]
    assert [sections.main("toy", "", both, arguments) for _ in range(2)] == [1, 0]
    assert runs == ["first", "second", "second"]


def test_an_unknown_section_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert sections.main("toy", "", {"quick": quick}, ["--only", "quick,slow"]) == 2
    assert capsys.readouterr().err == "--only takes quick; not 'slow'.\n"
