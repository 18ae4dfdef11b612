"""The server starts with a damaged stored vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from bot import doctor
from bot.commands.serve import prepare
from bot.settings import Settings
from knowledge.put import NewDocument, put
from knowledge.tables import Embedding
from knowledge.versions import Content

if TYPE_CHECKING:
    import pytest

    from tests.bot.commandline import CommandLine


def test_a_server_starts_with_a_damaged_vector_and_reports_it(
    errata: CommandLine, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = errata.parts(Settings(data=errata.data, chat_model="extractive"))
    new = [NewDocument(f"d{number}", Content(f"d{number}", f"Text number {number}.")) for number in range(3)]
    put(parts.database, parts.embedder, new, actor="ann")
    with parts.database.write() as session:
        session.execute(sa.update(Embedding).where(Embedding.passage_id == 2).values(vector=b"short"))
    assert doctor.embedded(parts).what == "1 passages have a damaged vector, first 2"
    prepare(parts)
    output = capsys.readouterr()
    assert "1 stored vectors were damaged and were computed again" in output.err
    assert "Knowledge: 3 passages" in output.out
    assert doctor.embedded(parts).state == "ok"
    parts.close()
