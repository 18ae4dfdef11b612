"""README.md says what is so: its settings, its file map, its commands and its links are checked here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bot.__main__ import app
from bot.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_table() -> str:
    """The table of settings as README.md must show it."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=False) if field.default_factory is None else ""
        shown = f"`{default}`" if default not in (None, "") else ""
        lines.append(f"| `{PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return "\n".join(lines)


def test_readme_settings_table_is_that_of_the_settings() -> None:
    assert settings_table() in README


def test_readme_file_map_names_every_module_and_nothing_else() -> None:
    block = re.search(r"## File map\n.*?```text\n(.*?)```", README, re.DOTALL)
    assert block is not None
    named: set[str] = set()
    for line in block[1].splitlines():
        path = line.split("  ")[0].strip()
        if path:
            named.add(path.rstrip("/"))
    assert {path for path in named if not (ROOT / path).exists()} == set()
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("bot", "knowledge", "retrieval")
        for path in (ROOT / package).glob("*")
        if path.name not in ("__init__.py", "__pycache__")
    }
    assert modules - named == set()


def test_readme_names_every_command() -> None:
    commands = typer.main.get_command(app)
    assert hasattr(commands, "commands")
    assert {name for name in commands.commands if f"errata {name}" not in README} == set()


@pytest.mark.real
def test_readme_example_for_langchain_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ERRATA_DATA", str(tmp_path / "var"))
    block = re.search(r"## Use from LangChain\n.*?```python\n(.*?)```", README, re.DOTALL)
    assert block is not None
    names: dict[str, Any] = {}
    exec(block[1], names)
    output = capsys.readouterr().out
    assert "page_content='A parcel takes three days.'" in output
    assert "None A parcel takes three days." in output
    assert (names["piece"]["status"], names["piece"]["citations"][0]["document_id"]) == ("answered", "shipping")


def test_readme_local_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", README)
    assert {target for target in targets if not (ROOT / target).exists()} == set()
