"""Doctor finds faults, says how to repair them, and changes nothing."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pysqlite3.dbapi2 as sqlite
import pytest
import sqlalchemy as sa

from bot import doctor
from bot.doctor import Finding
from bot.settings import Settings
from knowledge import jobs
from knowledge.put import NewDocument, put
from knowledge.tables import Embedding, Job
from knowledge.versions import Content

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.wiring import Parts
    from tests.bot.commandline import CommandLine


@pytest.fixture
def parts(errata: CommandLine) -> Iterator[Parts]:
    parts_in_use = errata.parts(Settings(data=errata.data, chat_model="extractive"))
    yield parts_in_use
    parts_in_use.close()


def document(parts: Parts) -> None:
    new = NewDocument("hours", Content("Hours", "The shop opens at nine."))
    put(parts.database, parts.embedder, [new], actor="ann")


def test_doctor_is_content_with_a_sound_installation(errata: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ERRATA_PORT", str(listener.getsockname()[1]))
    monkeypatch.setenv("ERRATA_CHAT_MODEL", "extractive")
    errata("user", "add", "root", "--role", "admin", "--generate")
    parts_in_use = errata.parts(Settings(data=errata.data))
    document(parts_in_use)
    parts_in_use.close()
    printed = errata("doctor", "--json")
    findings = [Finding(**finding) for finding in json.loads(printed.out)]
    assert [finding.name for finding in findings] == [name for name, _ in doctor.CHECKS]
    assert [finding.name for finding in findings if finding.state != "ok"] == []
    assert printed.code == 0


def test_doctor_fails_with_exit_code_one_and_says_how_to_repair(
    errata: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ERRATA_CHAT_MODEL", "qwen2.5-coder-0.5b-instruct-q4_k_m")  # not in the store
    printed = errata("doctor")
    assert printed.code == 1
    assert "FAIL  chat model " in printed.out
    assert "errata models pull" in printed.out


def test_doctor_finds_passages_without_a_vector(parts: Parts) -> None:
    document(parts)
    assert doctor.embedded(parts).state == "ok"
    with parts.database.write() as session:
        session.execute(sa.delete(Embedding))
    assert doctor.embedded(parts) == Finding(
        "vectors", "fail", "1 passages have no vector of the embedding model in use", "Run: errata reindex"
    )


def test_doctor_names_a_check_that_raises(parts: Parts) -> None:
    document(parts)
    with parts.database.write() as session:
        session.execute(sa.delete(Embedding))
    findings = {finding.name: finding for finding in doctor.examine(parts)}
    assert findings["index"].state == "fail"
    assert "Run: errata reindex" in findings["index"].what


def test_doctor_finds_a_full_disk(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_WARN", 10**18)
    assert doctor.data_folder(parts).state == "warn"
    monkeypatch.setattr(doctor, "FREE_FAIL", 10**18)
    assert doctor.data_folder(parts).state == "fail"


def test_doctor_finds_a_data_folder_that_others_may_read(parts: Parts) -> None:
    parts.settings.data.chmod(0o755)
    assert doctor.data_folder(parts).remedy == f"chmod o-rwx {parts.settings.data}"


def test_doctor_finds_jobs_that_nobody_does(parts: Parts) -> None:
    assert doctor.jobs(parts).state == "ok"
    with parts.database.write() as session:
        job = jobs.enqueue(session, "recheck", {}, actor="ann")
        job.run_after = datetime.now(UTC) - timedelta(hours=1)
    assert doctor.jobs(parts).remedy == "Start: errata serve"
    with parts.database.write() as session:
        session.execute(sa.update(Job).values(state="failed", error="the model is gone"))
    assert doctor.jobs(parts).what == "recheck 1 failed: the model is gone"


def test_doctor_tells_a_foreign_program_on_our_port(parts: Parts) -> None:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        parts.settings = parts.settings.model_copy(update={"port": other.getsockname()[1]})
        other.listen(0)
        finding = doctor.port(parts)
    assert finding.state == "fail"
    assert finding.remedy == "Stop it, or set ERRATA_PORT."


def test_doctor_finds_damaged_snapshots(parts: Parts) -> None:
    (parts.settings.snapshots / "damaged-snapshot-1").mkdir(parents=True)
    assert doctor.snapshots(parts).state == "warn"


def test_doctor_warns_of_an_open_address_without_https(parts: Parts) -> None:
    parts.settings = parts.settings.model_copy(update={"host": "0.0.0.0"})
    assert doctor.settings(parts).state == "warn"


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
        ((4, 0, 0), True),
    ],
)
def test_doctor_knows_which_sqlite_loses_nothing(version: tuple[int, ...], safe: bool) -> None:
    assert doctor.safe_sqlite(version) is safe


def test_doctor_deep_lets_the_chat_model_write(parts: Parts) -> None:
    assert doctor.chat_engine(parts).state == "ok"


@pytest.mark.real
@pytest.mark.slow
def test_doctor_deep_is_content_with_the_real_models(parts: Parts) -> None:
    from bot.settings import default_models_folder
    from bot.wiring import Parts as RealParts

    real = RealParts(Settings(data=parts.settings.data, models=default_models_folder()))
    try:
        states = {finding.name: finding.state for finding in doctor.examine(real, deep=True)}
        wanted = ("chat model", "embedding model", "model files", "chat engine")
        assert {name: states[name] for name in wanted} == dict.fromkeys(wanted, "ok")
    finally:
        real.close()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("update document_versions set text = replace(text, 'nine', 'five')", "hours version 1"),
        ('update document_versions set details = json(\'{"a": "b"}\')', "hours version 1"),
        ("update passages set text = replace(text, 'nine', 'five')", "passage 1"),
        ("update passages set headings = json('[\"Night\"]')", "passage 1"),
    ],
)
def test_doctor_deep_names_words_that_were_changed_in_the_database(parts: Parts, statement: str, named: str) -> None:
    document(parts)
    assert doctor.stored_hashes(parts).what == "1 versions of documents and 1 passages are as they were written"
    with parts.database.write() as session:
        session.execute(sa.text(statement))
    finding = doctor.stored_hashes(parts)
    assert (finding.state, named in finding.what) == ("fail", True)
    assert doctor.database(parts).state == "ok"  # SQLite itself does not notice it


def test_doctor_deep_notices_rows_that_belong_to_nothing(parts: Parts) -> None:
    document(parts)
    assert doctor.whole_database(parts).state == "ok"
    with closing(sqlite.connect(parts.settings.database)) as connection:
        connection.execute("pragma foreign_keys = off")
        connection.execute("update document_versions set document_id = 'hourt'")
        connection.commit()
    finding = doctor.whole_database(parts)
    assert (finding.state, finding.what) == (
        "fail",
        "It is damaged: a row of passages belongs to no row of document_versions",
    )
    assert doctor.database(parts).state == "ok"  # the quick check at each start does not notice it
