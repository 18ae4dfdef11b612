"""One migrated, empty database for all tests of a run; each test works on its own copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from knowledge.db import open_database
from tests.knowledge.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "errata.db"
    open_database(path).close()
    return path


@pytest.fixture
def world(tmp_path: Path, empty_database: Path) -> Iterator[World]:
    world = World(tmp_path / "errata.db", template=empty_database)
    yield world
    world.close()
