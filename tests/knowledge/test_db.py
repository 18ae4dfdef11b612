"""The database: durable settings, transactions, and a schema that agrees with the tables."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

import bot.tables
import knowledge.tables
from knowledge.db import Base, Database, open_database
from knowledge.tables import Complaint, Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.knowledge.world import World


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "data" / "errata.db")
    yield database
    database.close()


def test_the_migrated_schema_agrees_with_the_tables(database: Database) -> None:
    assert {bot.tables.Base, knowledge.tables.Base} == {Base}
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrated_constraints_agree_with_the_tables(database: Database, tmp_path: Path) -> None:
    """Compares what a comparison of metadata does not: checks, conditions of indexes, deleting with the parent."""
    created = Database(f"sqlite:///{tmp_path / 'created.db'}")
    Base.metadata.create_all(created.engine)
    assert _describe(database) == _describe(created)
    created.close()


def _describe(database: Database) -> dict[str, Any]:
    inspector = sa.inspect(database.engine)
    with database.engine.connect() as connection:
        indexes = connection.exec_driver_sql("select name, sql from sqlite_master where type = 'index' order by name")
        partial = [" ".join(str(sql).split()) for _, sql in indexes if sql]
    description: dict[str, Any] = {"indexes": partial}
    for table in sorted(set(inspector.get_table_names()) - {"alembic_version"}):
        description[table] = {
            "checks": sorted((check["name"], check["sqltext"]) for check in inspector.get_check_constraints(table)),
            "foreign keys": sorted(str(key) for key in inspector.get_foreign_keys(table)),
            "unique": sorted(str(constraint) for constraint in inspector.get_unique_constraints(table)),
            "primary key": inspector.get_pk_constraint(table),
            "columns": [
                (column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(table)
            ],
        }
    return description


def test_migrating_again_changes_nothing(database: Database) -> None:
    schema = "select name, sql from sqlite_master order by name"
    with database.engine.connect() as connection:
        before = connection.exec_driver_sql(schema).all()
    database.migrate()
    open_database(_path(database)).close()
    with database.engine.connect() as connection:
        assert connection.exec_driver_sql(schema).all() == before


def test_a_database_of_the_first_version_is_upgraded_and_keeps_its_content(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'errata.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(knowledge.tables.__file__).parent / "migrations"))
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0001")
        for statement in (
            (
                "insert into corrections (id, state, revision, origin, priority, cluster, question, language,"
                " created_at, updated_at)"
                " values (1, 'approved', 3, 'api', 'urgent', 'how long', 'How long?', 'en', '2026', '2026')"
            ),
            (
                "insert into complaints (correction_id, question, snapshot, rating, reasons, who, created_at)"
                " values (1, 'How long?', '{}', 'down', '[]', 'visitor', '2026-01-01 00:00:00.000000')"
            ),
            *_documents_of_the_first_version(
                ("fr", "en"), ("de-CH", "en"), ("zh-CN", "en"), ("en", "en"), ("fr", "zh")
            ),
        ):
            session.execute(sa.text(statement))
    database.migrate()
    with database.read() as session:
        complaint = session.scalars(sa.select(Complaint)).one()
        languages = session.execute(sa.text("select document_id, language from passages order by id")).all()
        collections = {
            table: session.scalars(sa.text(f"select distinct collection from {table}")).all()
            for table in ("documents", "corrections")
        }
    assert (complaint.question, complaint.reporter, database.integrity()) == ("How long?", None, "ok")
    # The stated language of a document applies to its passages, unless their words show Chinese.
    assert [language for _, language in languages] == ["fr", "de", "en", "en", "zh"]
    assert collections == {"documents": ["main"], "corrections": ["main"]}
    database.close()


def test_sources_and_retired_documents_of_an_older_version_are_kept(tmp_path: Path) -> None:
    """A source has no folder yet, and only documents that a person retired are kept out."""
    database = Database(f"sqlite:///{tmp_path / 'errata.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(knowledge.tables.__file__).parent / "migrations"))
    retired = "'2026-02-01 00:00:00.000000'"
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0001")
        for name, source, at, actor in (
            ("docs/a", "docs", "null", "cli:ann"),
            ("docs/b", "docs", retired, "cli:ann"),
            ("docs/c", "docs", retired, "cli:ann"),
            ("docs/d", "docs", retired, "cli:ann"),
            ("upload/e", "upload", "null", "carla"),
            ("f", "api", "null", "carla"),
            ("handbook/g", "handbook", retired, "errata"),
        ):
            session.execute(
                sa.text(
                    "insert into documents (id, kind, title, source, language, base_version, current_version,"
                    " retired_at, created_at, updated_at)"
                    f" values ('{name}', 'source', 't', '{source}', 'en', 1, 1, {at},"
                    " '2026-01-01 00:00:00.000000', '2026-01-02 00:00:00.000000')"
                )
            )
            session.execute(
                sa.text(
                    "insert into document_versions"
                    " (document_id, version, base_version, edits, title, text, sha256, details, actor, created_at)"
                    f" values ('{name}', 1, 1, '', 't', 'x', 'y', '{{}}', '{actor}', '2026')"
                )
            )
        for name, actor, reason in (
            ("docs/b", "cli:ann", "null"),
            ("docs/c", "cli:ann", "'its file is gone'"),
            ("docs/d", "carla", "null"),
            ("docs/d", "cli:ann", "'its file is gone'"),
            ("handbook/g", "errata", "'no longer in the handbook'"),
        ):
            session.execute(
                sa.text(
                    "insert into log (action, actor, document_id, reason, at)"
                    f" values ('retire', '{actor}', '{name}', {reason}, '2026-02-01 00:00:00.000000')"
                )
            )
    database.migrate()
    with database.read() as session:
        kept_out = session.execute(sa.text("select id, retired_by from documents where kept_out")).all()
        by = dict(session.execute(sa.text("select id, retired_by from documents where retired_by is not null")).all())
        origins = dict(session.execute(sa.text("select source, path from origins")).all())
    assert kept_out == [("docs/b", "cli:ann")]
    assert by == {"docs/b": "cli:ann", "docs/c": "cli:ann", "docs/d": "cli:ann", "handbook/g": "errata"}
    assert origins == {"docs": None, "upload": "upload", "handbook": "handbook"}
    database.close()


def test_the_handbook_of_an_older_version_moves_to_its_collection_except_for_corrected_pages(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'errata.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(knowledge.tables.__file__).parent / "migrations"))
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0027")
        session.execute(sa.text("insert into origins values ('handbook', 'handbook', '2026', '2026')"))
        for statement in _documents_of_the_first_version(*[("en", "en")] * 3):
            session.execute(sa.text(statement))
        session.execute(sa.text("update documents set source = 'handbook' where id in ('d1', 'd2')"))
        session.execute(
            sa.text(
                "insert into corrections (id, state, revision, origin, priority, cluster, question, language, draft,"
                " created_at, updated_at) values (1, 'open', 1, 'api', 'normal', 'q', 'Q?', 'en',"
                """ '{"edits": [{"document_id": "d2"}]}', '2026', '2026')"""
            )
        )
    database.migrate()
    with database.read() as session:
        collections = dict(session.execute(sa.text("select id, collection from documents")).all())
        steps = session.execute(sa.text("select seq, passage_id, added from log_changes order by seq")).all()
    assert collections == {"d1": "errata-handbook", "d2": "main", "d3": "main"}
    assert steps == [(1, 1, False), (2, 1, True)]  # every index learns the new collection of the passage
    database.close()


def _documents_of_the_first_version(*languages: tuple[str, str]) -> list[str]:
    """Statements that write documents of one passage each: (language of the document, of the passage)."""
    return [
        statement
        for number, (stated, shown) in enumerate(languages, start=1)
        for statement in (
            (
                "insert into documents (id, kind, title, source, language, base_version, current_version, created_at,"
                f" updated_at) values ('d{number}', 'source', 'T', 'api', '{stated}', 1, 1, '2026', '2026')"
            ),
            (
                "insert into document_versions (document_id, version, base_version, edits, title, text, sha256,"
                f" details, actor, created_at) values ('d{number}', 1, 1, '', 'T', 'x', 'x', '{{}}', 'ann', '2026')"
            ),
            (
                "insert into passages (document_id, version, position, headings, text, sha256, language, live)"
                f" values ('d{number}', 1, 0, '[]', 'x', 'x', '{shown}', 1)"
            ),
        )
    ]


def _path(database: Database) -> Path:
    assert database.url.database is not None
    return Path(database.url.database)


def test_only_the_owner_can_read_the_file(database: Database) -> None:
    path = _path(database)
    assert [stat.S_IMODE(place.stat().st_mode) for place in (path, path.parent)] == [0o600, 0o700]


def test_writing_is_durable_and_checked(database: Database) -> None:
    with database.engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "trusted_schema")
        }
    assert pragmas == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000, "trusted_schema": 0
    }  # fmt: skip
    assert database.integrity() == "ok"
    assert tuple(map(int, database.library().removeprefix("SQLite ").split("."))) >= (3, 51, 3)


def test_a_failed_write_changes_nothing(world: World) -> None:
    with pytest.raises(RuntimeError), world.database.write() as session:
        session.add(Job(kind="a", created_by="ann"))
        session.flush()
        raise RuntimeError
    assert world.rows("jobs") == {"jobs": []}


def test_a_read_sees_the_state_of_one_moment(world: World) -> None:
    count = sa.select(sa.func.count()).select_from(Job)
    with world.database.read() as reader:
        assert reader.scalar(count) == 0
        with world.database.write() as writer:
            writer.add(Job(kind="a", created_by="ann"))
        assert reader.scalar(count) == 0
    with world.database.read() as reader:
        assert reader.scalar(count) == 1


def test_times_are_kept_in_utc_and_come_back_with_their_zone(world: World) -> None:
    moment = datetime(2026, 11, 22, 20, 30, 15, 123456, tzinfo=timezone(timedelta(hours=8)))
    with world.database.write() as session:
        session.add(Job(kind="a", created_by="ann", run_after=moment))
    with world.database.read() as session:
        stored = session.scalars(sa.select(Job)).one().run_after
    assert (stored, stored.tzinfo) == (moment, UTC)


def test_a_time_without_a_zone_is_refused(world: World) -> None:
    def store() -> None:
        with world.database.write() as session:
            session.add(Job(kind="a", created_by="ann", run_after=datetime(2026, 11, 22)))  # noqa: DTZ001

    with pytest.raises(sa.exc.StatementError, match="without a time zone"):
        store()


def test_answers_of_an_older_version_are_found_by_proofs(tmp_path: Path) -> None:
    """Each answer has the passages that it was made from; a refused one has none."""
    database = Database(f"sqlite:///{tmp_path / 'errata.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(knowledge.tables.__file__).parent / "migrations"))
    sources = '[{"n": 1, "passage_id": 7}, {"n": 2, "passage_id": 9}, {"n": 3, "passage_id": 0}]'
    columns = "id, conversation_id, question, condensed_question, language, status, answer, sources, citations"
    rest = "prompt, model, knowledge_version, timings_ms, prompt_tokens, completion_tokens, created_at"
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0001")
        session.execute(sa.text("insert into conversations values ('c', 'visitor:a', 't', '2026', '2026')"))
        for name, status in (("z", "answered"), ("b", "refused")):
            session.execute(
                sa.text(
                    f"insert into answers ({columns}, {rest}) values ('{name}', 'c', 'How long?',"
                    f" 'How long is a loan?', 'en', '{status}', '30 days [2].', :sources, '[2]', '[]', 'm', 3,"
                    " '{}', 0, 0, '2026')"
                ),
                {"sources": sources},
            )
    database.migrate()
    with database.read() as session:
        asked = session.execute(sa.text("select answer_id, question, collection from answered_questions")).all()
        read = session.execute(sa.text("select answer_id, passage_id, cited from answer_sources order by 2")).all()
        numbers = session.execute(sa.text("select id, number from answers order by number")).all()
    assert numbers == [("z", 1), ("b", 2)]  # in the order in which they were written
    assert asked == [("z", "How long is a loan?", "main")]
    assert read == [("z", 7, False), ("z", 9, True)]
    database.close()


def test_a_follow_up_that_an_older_version_called_complete_is_not_compared_with_corrected_questions(
    tmp_path: Path,
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'errata.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(knowledge.tables.__file__).parent / "migrations"))
    columns = "id, conversation_id, question, condensed_question, condensed_how, language, status, answer, sources"
    rest = "citations, prompt, model, knowledge_version, timings_ms, prompt_tokens, completion_tokens, created_at"
    stored = {"a": "alone", "b": "complete", "c": "rewritten"}
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0013")
        session.execute(sa.text("insert into conversations values ('t', 'visitor:a', 't', '2026', '2026')"))
        for name, how in stored.items():
            session.execute(
                sa.text(
                    f"insert into answers ({columns}, {rest}) values ('{name}', 't', 'Q?', 'Q?', '{how}', 'en',"
                    " 'answered', '', '[]', '[]', '[]', 'm', 3, '{}', 0, 0, '2026')"
                )
            )
    database.migrate()
    with database.read() as session:
        kept = session.execute(sa.text("select id, condensed_how from answers order by id")).all()
    assert kept == [("a", "alone"), ("b", "unchanged"), ("c", "rewritten")]
    database.close()


def test_refused_questions_of_an_older_version_are_found_by_the_hash_of_their_words(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'errata.db'}")
    config = Config()
    config.set_main_option("script_location", str(Path(knowledge.tables.__file__).parent / "migrations"))
    with database.write() as session:
        config.attributes["connection"] = session.connection()
        command.upgrade(config, "0017")
        for form in ("how long is a loan", "借期多长"):
            session.execute(
                sa.text(
                    "insert into unanswered (question, normalised, language, asker, answer_id, without, created_at)"
                    " values ('?', :form, 'en', 'a', 'b', '[]', '2026')"
                ),
                {"form": form},
            )
    database.migrate()
    with database.read() as session:
        keys = session.scalars(sa.text("select normalised from unanswered order by id")).all()
    assert keys == [
        "1504b6c64c05f268617d56554e88e018a93e800b2a72eae4215cdab79d78612a",
        "44948002ff1caaf3d21e0e6f33d4639dd363e09a42c6b69553221df5d176cb5c",
    ]
    database.close()
