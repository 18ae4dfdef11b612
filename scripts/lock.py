"""Prints requirements.lock: the exact installed versions of all packages that pyproject.toml needs.

    .venv/bin/python scripts/lock.py > requirements.lock

Follows the dependencies of the package, of its test extra and of its build. Other installed packages are not listed.
Run it in the environment whose versions are to be pinned.
"""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from packaging.markers import Marker

ROOT = Path(__file__).parent.parent
HEADER = """\
# Every package that Errata, its tests and its build use, in the versions that were tested together on Python 3.11.
# scripts/run and scripts/test install this file. To renew it: change pyproject.toml, then
#   .venv/bin/python -m pip install --upgrade --upgrade-strategy eager --editable '.[test]'
#   .venv/bin/python scripts/lock.py > requirements.lock
#   scripts/check && scripts/test
# torch has no build suffix, so that pip takes the build that its settings choose (CPU or CUDA).
"""


def requirements() -> list[Requirement]:
    """The requirements in pyproject.toml: to run, to test, to build."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [
        project["project"]["dependencies"],
        project["project"]["optional-dependencies"]["test"],
        project["build-system"]["requires"],
    ]
    return [Requirement(line) for lines in lists for line in lines]


def pins() -> dict[str, Version]:
    """Name → installed version of all required packages. Raises LookupError for one that is missing or has another
    version."""
    versions: dict[str, Version] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in requirements()]
    while waiting:
        requirement, needed_for = waiting.pop()
        if requirement.marker is not None and not _applies(requirement.marker, needed_for):
            continue
        name = canonicalize_name(requirement.name)
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            raise LookupError(f"{requirement} is not installed here") from None
        version = Version(installed.version)
        if version not in requirement.specifier:
            raise LookupError(f"{name} is {version} here; {requirement} is required")
        versions[name] = version
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(Requirement(line), extra) for line in installed.requires or ()]
    return versions


def _applies(marker: Marker, extra: str) -> bool:
    """Whether a marker is true here for an extra, in any spelling of its name ("html_clean", "html-clean")."""
    return any(marker.evaluate({"extra": name}) for name in {extra, canonicalize_name(extra), extra.replace("-", "_")})


def main() -> None:
    print(HEADER, end="")
    for name, version in sorted(pins().items()):
        print(f"{name}=={version.public}")


if __name__ == "__main__":
    main()
