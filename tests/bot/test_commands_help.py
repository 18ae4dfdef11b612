"""Help of every command, and what it costs: nothing heavy is imported for it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import typer

from bot.__main__ import app, run

HEAVY = (
    "torch",
    "faiss",
    "transformers",
    "sentence_transformers",
    "langchain",
    "langchain_core",
    "langchain_openai",
    "sqlalchemy",
    "alembic",
    "fastapi",
    "uvicorn",
    "numpy",
    "structlog",
    "xllamacpp",
)
PROBE = """
import contextlib, io, json, sys
from bot.__main__ import run
said = io.StringIO()
with contextlib.redirect_stdout(said):
    codes = [run([*line, "--help"]) for line in json.loads(sys.argv[1])]
print(json.dumps({"codes": codes, "loaded": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


def command_lines() -> list[list[str]]:
    """Every command and group, as words."""

    def below(command: Any, words: list[str]) -> list[list[str]]:
        commands = [words]
        for name, below_it in getattr(command, "commands", {}).items():
            commands += below(below_it, [*words, name])
        return commands

    return below(typer.main.get_command(app), [])


def test_help_of_every_command_imports_nothing_heavy() -> None:
    lines = command_lines()
    assert len(lines) > 25
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(lines)], capture_output=True, text=True, check=True, timeout=60
    )
    seen = json.loads(done.stdout)
    assert seen["codes"] == [0] * len(lines)
    assert sorted(set(seen["loaded"]) & set(HEAVY)) == []


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_help_says_what_a_command_does(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*words, "-h"]) == 0
    assert "Usage: errata" in capsys.readouterr().out


def test_version_is_the_package_version(capsys: pytest.CaptureFixture[str]) -> None:
    import bot

    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"errata {bot.__version__}\n"


@pytest.mark.parametrize(
    "words", [["no-such-command"], ["ask"], ["serve", "--port", "70000"], ["ingest"], ["user", "add", "x"]]
)
def test_wrong_calls_exit_with_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert capsys.readouterr().out == ""
