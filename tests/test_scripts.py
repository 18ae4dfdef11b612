"""The scripts: they parse, set up a clone and do not change pip's settings; the lock contains the required versions."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
BASH = ["scripts/run", "scripts/test", "scripts/check", "scripts/reindex", ".ci/run"]
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "errata"
version = "0.0.1"
"""
BACKEND = """
import pathlib, zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "errata-0.0.1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        wheel.writestr("errata.pth", str(pathlib.Path.cwd()))
        about = "errata-0.0.1.dist-info/"
        wheel.writestr(about + "METADATA", "Metadata-Version: 2.1\\nName: errata\\nVersion: 0.0.1\\n")
        wheel.writestr(about + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(about + "RECORD", "")
    return name
"""


def bash(script: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A tiny project with our set-up and without dependencies, so that it can be installed without a network."""
    folder = tmp_path / "clone"
    (folder / "scripts").mkdir(parents=True)
    for name in ("setup.sh", "setup.py"):
        shutil.copy(ROOT / "scripts" / name, folder / "scripts" / name)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "tiny.py").write_text("WORD = 'errata'\n")
    (folder / "requirements.lock").write_text("# nothing\n")
    return folder


def set_up(clone: Path) -> subprocess.CompletedProcess[str]:
    return bash(". scripts/setup.sh; set_up", clone, PYTHON=sys.executable)


@pytest.mark.parametrize("name", [*BASH, "scripts/setup.sh"])
def test_scripts_parse(name: str) -> None:
    subprocess.run(["bash", "-n", ROOT / name], check=True)


@pytest.mark.parametrize("name", BASH)
def test_scripts_can_be_started_and_stop_at_the_first_failure(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "\nset -euo pipefail\n" in text
    assert os.access(ROOT / name, os.X_OK)


@pytest.mark.parametrize(
    "name", [*BASH, "scripts/setup.sh", "scripts/setup.py", "scripts/lock.py", "requirements.lock"]
)
def test_scripts_name_no_index_and_no_host(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert re.findall(r"--(?:extra-)?index-url|--find-links|--trusted-host|https?://", text) == []


def test_the_lock_contains_the_requirements_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    required = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["test"],
        *project["build-system"]["requires"],
    ]
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    unmet = [
        line
        for line in required
        if not Requirement(line).specifier.contains(pins.get(canonicalize_name(Requirement(line).name), "0"))
    ]
    assert unmet == []
    assert [line for line in lines if "+" in line.partition("==")[2]] == []
    assert list(pins) == sorted(pins)


def test_find_python_without_a_python_states_what_to_do(clone: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    done = bash(f"PATH={tools}; . scripts/setup.sh; find_python", clone, PYTHON="")
    assert done.returncode == 1
    assert "Errata needs Python 3.11, and none was found" in done.stderr
    named = bash(f"PATH={tools}; . scripts/setup.sh; find_python", clone, PYTHON=sys.executable)
    assert named.stdout == f"{sys.executable}\n"


def test_paths_in_settings_are_relative_to_the_folder_of_the_person() -> None:
    result = bash(
        '. scripts/setup.sh; absolute_settings /home/ann; echo "$ERRATA_DATA $ERRATA_MODELS"',
        ERRATA_DATA="data/here",
        ERRATA_MODELS="/models",
    )
    assert result.stdout == "/home/ann/data/here /models\n"


@pytest.mark.slow
def test_set_up_reports_a_failure_continues_and_does_nothing_twice(clone: Path) -> None:
    lock = (clone / "requirements.lock").read_text()
    (clone / "requirements.lock").write_text("./there-is-no-such-package.whl\n")
    failed = set_up(clone)
    assert failed.returncode == 1
    assert "pip could not install the packages" in failed.stderr
    assert "pip config list" in failed.stderr
    (clone / "requirements.lock").write_text(lock)
    first = set_up(clone)
    assert (first.returncode, first.stderr) == (0, "")
    assert "Creating a virtual environment" not in first.stdout  # the first attempt created it
    imported = bash(".venv/bin/python -c 'import tiny; print(tiny.WORD)'", clone)
    assert imported.stdout == "errata\n"
    again = set_up(clone)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    (clone / ".venv" / "errata-stamp").unlink()  # as if interrupted while packages were installed …
    shutil.rmtree(next((clone / ".venv" / "lib").glob("python*")) / "site-packages" / "pip")  # … or pip itself
    repaired = set_up(clone)
    assert (repaired.returncode, repaired.stderr) == (0, "")
    assert "Creating a virtual environment" in repaired.stdout


def test_reindex_script_needs_a_set_up_clone(clone: Path) -> None:
    shutil.copy(ROOT / "scripts" / "reindex", clone / "scripts" / "reindex")
    done = bash("scripts/reindex", clone)
    assert done.returncode == 1
    assert done.stderr == "Errata is not set up here yet: run scripts/run first.\n"
