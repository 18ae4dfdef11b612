"""``errata calibrate`` on a model whose doubt is known: it finds the limit, stores it, and answers use it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from bot.calibration.measure import shipped_documents
from bot.settings import Settings
from tests.bot.commandline import CommandLine
from tests.fakes import ScriptedChat

if TYPE_CHECKING:
    from pathlib import Path

    from bot.wiring import Parts

DOCUMENTS = shipped_documents()
UNANSWERED = {question for document in DOCUMENTS for question in document.unanswered}


def asked(prompt: str) -> str:
    return re.findall(r"Question: (.*)", prompt)[-1]


def knowing() -> ScriptedChat:
    """A model that doubts what the shipped documents lack."""
    return ScriptedChat(script=lambda _: "YES", doubt=lambda prompt: 0.7 if asked(prompt) in UNANSWERED else 0.2)


@pytest.fixture
def errata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    monkeypatch.setenv("ERRATA_DATA", str(tmp_path / "data"))
    return CommandLine(tmp_path / "data", capsys, chat=knowing())


def test_the_shipped_questions_are_balanced_and_in_both_languages() -> None:
    assert {document.language for document in DOCUMENTS} == {"en", "zh"}
    for language in ("en", "zh"):
        own = [document for document in DOCUMENTS if document.language == language]
        assert sum(len(document.answered) for document in own) == 28
        assert sum(len(document.unanswered) for document in own) == 28
    questions = [question for document in DOCUMENTS for question in (*document.answered, *document.unanswered)]
    assert len(set(questions)) == len(questions) == 112


def test_calibrate_stores_a_limit_that_the_next_start_uses(errata: CommandLine, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    before = errata.parts(settings)
    assert not before.profile.calibrated
    before.close()
    done = errata("calibrate")
    assert (done.code, done.out.count("Stored in ")) == (0, 1)
    assert "answerable questions refused 0 of 56" in done.out
    assert "let through 0 of 56" in done.out
    after = errata.parts(settings)
    assert after.profile.calibrated
    assert "/calibrated-20" in after.profile.name
    after.close()


def test_a_dry_run_stores_nothing(errata: CommandLine, tmp_path: Path) -> None:
    done = errata("calibrate", "--dry-run")
    assert (done.code, "Nothing was stored." in done.out) == (0, True)
    assert not (tmp_path / "data" / "profiles").exists()


def test_calibrate_reports_a_model_that_writes_neither_yes_nor_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ERRATA_DATA", str(tmp_path / "data"))
    done = CommandLine(tmp_path / "data", capsys, chat=ScriptedChat(script=lambda _: "Perhaps."))("calibrate")
    assert done.code == 1
    assert "writes neither YES nor NO" in done.err


def test_an_engine_without_probabilities_is_calibrated_by_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ERRATA_DATA", str(tmp_path / "data"))
    chat = ScriptedChat(script=lambda prompt: "NO" if asked(prompt) in UNANSWERED else "YES")
    done = CommandLine(tmp_path / "data", capsys, chat=chat)("calibrate")
    assert "let through 0 of 56" in done.out
    assert done.code == 0


def test_doctor_says_that_a_model_was_not_calibrated(errata: CommandLine, tmp_path: Path) -> None:
    from bot.doctor import reading_profile

    parts: Parts = errata.parts(Settings(data=tmp_path / "data"))
    finding = reading_profile(parts)
    assert (finding.state, finding.remedy) == ("warn", "Run: errata calibrate")
    parts.close()
