"""Installs the packages of requirements.lock and Errata itself into .venv. Standard library only.

If it was done before and nothing changed, it ends at once (a stamp in .venv contains a hash of its inputs). After an
interruption, run it again: packages that pip has downloaded or installed are kept. pip's own settings (index, proxy,
certificates) are used unchanged.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "errata-stamp"
INPUTS = ("requirements.lock", "pyproject.toml", "scripts/setup.py")
NEEDED_GB = 3.0  # installed packages and pip's downloads; several GB more with CUDA builds


def main() -> int:
    stamp = _stamp()
    if _ready(stamp):
        return 0
    with _alone():
        if _ready(stamp):
            return 0
        return _make(stamp)


def _make(stamp: str) -> int:
    packages = sum("==" in line for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines())
    if not _works() and not _create():
        return 1
    print(f"Installing {packages} pinned packages into {VENV}: some minutes the first time.", flush=True)
    if not _pip("install", "--requirement", str(ROOT / "requirements.lock")):
        return _explain()
    if not _pip("install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)):
        return _explain()
    STAMP.write_text(stamp, encoding="ascii")
    return 0


def _stamp() -> str:
    digest = hashlib.sha256(f"{ROOT}\0{sys.version_info[:2]}\0".encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes() + b"\0")
    return digest.hexdigest()


def _ready(stamp: str) -> bool:
    with contextlib.suppress(OSError):
        return PYTHON.exists() and STAMP.read_text(encoding="ascii") == stamp
    return False


def _works() -> bool:
    """Whether .venv has a Python 3.11 with pip. After an interrupted creation it may not."""
    check = "import sys, pip; sys.exit(sys.version_info[:2] != (3, 11))"
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", check], capture_output=True, check=False).returncode == 0


def _create() -> bool:
    print(f"Creating a virtual environment in {VENV}", flush=True)
    base = getattr(sys, "_base_executable", sys.executable) or sys.executable
    if subprocess.run([base, "-m", "venv", "--clear", VENV], check=False).returncode == 0 and _works():
        return True
    shutil.rmtree(VENV, ignore_errors=True)
    _say(
        "Python could not create a virtual environment (see its message above).\n"
        "On Debian and Ubuntu, venv is a separate package: apt-get install python3.11-venv. Then run this again."
    )
    return False


def _pip(*arguments: str) -> bool:
    STAMP.unlink(missing_ok=True)
    command = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", *arguments]
    # Packages go into .venv, even if the user's pip is set to install elsewhere.
    environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    for name in ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONPATH", "PYTHONHOME"):
        environment.pop(name, None)
    return subprocess.run(command, env=environment, check=False).returncode == 0


def _explain() -> int:
    free = shutil.disk_usage(ROOT).free / 1e9
    space = f"{free:.1f} GB are free here; about {NEEDED_GB:.0f} GB are needed" + (
        " – too little" if free < NEEDED_GB else ""
    )
    _say(
        "pip could not install the packages (see its message above).\n"
        "  · No connection, or a proxy? pip's settings are used unchanged: `pip config list` shows them.\n"
        "  · 'No matching distribution'? The index that pip uses lacks a package: use a full one.\n"
        f"  · Disk: {space}.\n"
        "Then run this again: downloaded packages are kept."
    )
    return 1


def _say(text: str) -> None:
    print(f"\n{text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Allows one set-up of this folder at a time; the lock ends with its process."""
    name = hashlib.sha256(str(ROOT).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"errata-setup-{os.getuid()}-{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print("Another set-up of this folder is running; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _say("Interrupted. Run it again to continue.")
        sys.exit(130)
