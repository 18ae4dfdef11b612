"""The command line on a data folder of its own, with the process left as it was."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

import pytest
import structlog

from bot.commands.context import QUIET
from knowledge.db import open_database
from tests.bot.commandline import CommandLine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database in its newest form; copying it is quicker than making one."""
    path = tmp_path_factory.mktemp("migrated") / "errata.db"
    open_database(path).close()
    return path


@pytest.fixture
def quiet_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands configure logging and set variables for libraries; afterwards the process is as it was."""
    for name in (*QUIET, "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, QUIET.get(name, "1"))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def errata(
    tmp_path: Path,
    migrated: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quiet_process: None,
) -> CommandLine:
    data = tmp_path / "var"
    data.mkdir(mode=0o700)
    shutil.copyfile(migrated, data / "errata.db")
    monkeypatch.setenv("ERRATA_DATA", str(data))
    monkeypatch.setenv("ERRATA_MODELS", str(tmp_path / "models"))
    return CommandLine(data, capsys)
