"""A whole knowledge base in a file, with its desk and its search: real parts, a hashing embedder.

Actions that tests need often are short calls here; results that they compare are plain values.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from bot.answering import grounding
from bot.proving import StoredAnswers
from knowledge import put
from knowledge.correcting import complaints, corrections
from knowledge.correcting.complaints import NewComplaint
from knowledge.correcting.corrections import State
from knowledge.correcting.curation import Curation
from knowledge.correcting.proof import Tools
from knowledge.db import Base, Database, open_database
from knowledge.log import KnowledgeLog
from knowledge.put import NewDocument, Stored
from knowledge.tables import PassageRow
from knowledge.versions import Content
from retrieval.index import Index
from retrieval.scope import EVERYTHING, Scope
from retrieval.search import Searcher
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.embed import Embedder
    from retrieval.passage import Hit

RETURNS = "# Returns\n\nGoods may be returned within 14 days.\n\n# Refunds\n\nMoney comes back within 5 days."
SHIPPING = "Parcels take 3 days."
QUERIES = ("How long may goods be returned?", "When does money come back?", "退货")
CLOCK = frozenset({"created_at", "updated_at", "at", "started_at", "finished_at", "retired_at", "run_after"})


class FirstHits:
    """An answer is made from the first hits; ``World.passages`` is their number."""

    depth = 8

    def __init__(self, world: World) -> None:
        self._world = world

    def choose(self, hits: Sequence[Hit]) -> Sequence[Hit]:
        return hits[: self._world.passages]

    def lost(self, answer: str, before: str, after: str) -> Sequence[str]:
        return grounding.lost_facts(answer, before, after)


class World:
    """A knowledge base at ``path``; opened again, it is the same one."""

    def __init__(self, path: Path, *, template: Path | None = None, embedder: Embedder | None = None) -> None:
        if template is None:
            self.database = open_database(path)
        else:  # migrated already, once for all tests
            if not path.exists():
                shutil.copyfile(template, path)
            self.database = Database(f"sqlite:///{path}")
        sa.event.listen(self.database.engine, "connect", _without_waiting_for_the_disk)
        self.path = path
        self.embedder = embedder or HashingEmbedder()
        self.passages = 4  # from which an answer is made
        self._assemble()

    def _assemble(self) -> None:
        self.source = KnowledgeLog(self.database, self.embedder.fingerprint)
        self.searcher = Searcher(self.source, self.embedder)
        self.answers = StoredAnswers(self.database, self.embedder)
        self._tools = Tools.of(self.database, self.source, self.searcher, self.embedder, FirstHits(self), self.answers)
        self.curation = self.desk(EVERYTHING)

    def desk(self, scope: Scope) -> Curation:
        """The desk of a curator who sees this scope."""
        return Curation(self.database, self.embedder, self._tools, scope)

    def restart(self, copy_of: Path | None = None) -> None:
        """Stops and starts as a server does: only the file keeps anything. ``copy_of``: the file is replaced by a copy
        of this one."""
        self.close()
        if copy_of is not None:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            shutil.copyfile(copy_of, self.path)
        self._assemble()

    def close(self) -> None:
        self.searcher.close()
        self.database.close()

    def put(
        self,
        document_id: str,
        text: str,
        *,
        title: str = "",
        language: str | None = None,
        collection: str | None = None,
        **more: Any,
    ) -> Stored:
        content = Content(title or document_id, text, **more)
        new = NewDocument(document_id, content, language=language, collection=collection)
        return put.put(self.database, self.embedder, [new], actor="ann")[0]

    def remove(self, document_id: str) -> int | None:
        return put.remove(self.database, document_id, EVERYTHING, actor="ann")

    def complain(self, question: str, *, correction_id: int | None = None, **fields: Any) -> int:
        """Somebody rates an answer to this question down. Returns the correction's id."""
        with self.database.write() as session:
            return complaints.report(session, complaint(question, **fields), EVERYTHING, correction_id=correction_id).id

    def draft(self, asked: str, answer: str, **parts: Any) -> int:
        """A complaint with a draft that is ready to be approved."""
        correction_id = self.complain(asked)
        self.curation.draft(correction_id, {"answer": answer, **parts}, actor="ann")
        return correction_id

    def publish(self, asked: str, answer: str, **parts: Any) -> int:
        """A complaint, corrected and approved."""
        correction_id = self.draft(asked, answer, **parts)
        self.curation.approve(correction_id, actor="ann")
        return correction_id

    def state(self, correction_id: int) -> tuple[str, bool]:
        """(state, live)"""
        item = self.curation.item(correction_id)
        return item["state"], item["live"]

    def edit(self, document_id: str, find: str, replace: str) -> dict[str, Any]:
        """An edit of the present version."""
        with self.database.read() as session:
            version = session.scalar(
                sa.text("select current_version from documents where id = :id"), {"id": document_id}
            )
        return {"document_id": document_id, "version": version, "find": find, "replace": replace}

    def live(self) -> dict[str, list[str]]:
        """The texts that readers can find: those of each document's live passages."""
        texts: dict[str, list[str]] = {}
        with self.database.read() as session:
            for row in session.scalars(sa.select(PassageRow).where(PassageRow.live).order_by(PassageRow.id)):
                texts.setdefault(row.document_id, []).append(row.text)
        return texts

    def results(self, queries: Sequence[str]) -> list[list[tuple[int, float, dict[str, float]]]]:
        """For each question the ids, scores and stages of the hits, in order. A rollback must bring these back."""
        return [
            [
                (hit.passage.id, round(hit.score, 6), dict(hit.stages))
                for hit in self.searcher.search(query, 10, scope=EVERYTHING).hits
            ]
            for query in queries
        ]

    def seen(self) -> tuple[Any, ...]:
        """All that readers can notice: passages, their ids, and what questions find."""
        return self.live(), self.source.ids(), self.results(QUERIES)

    def built(self) -> Index:
        """An index made anew from the database."""
        seq, rows = self.source.rows()
        return Index.build(rows, seq=seq, fingerprint=self.embedder.fingerprint, dimension=self.embedder.dimension)

    def rows(self, *tables: str, ignore: frozenset[str] = CLOCK) -> dict[str, list[dict[str, Any]]]:
        """All rows of the tables (default: all tables), without what a clock wrote."""
        with self.database.read() as session:
            return {
                table.name: [
                    {name: value for name, value in row._mapping.items() if name not in ignore}
                    for row in session.execute(sa.select(table).order_by(*table.primary_key))
                ]
                for table in Base.metadata.sorted_tables
                if not tables or table.name in tables
            }


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    """No power failure happens in tests: the next process sees what a process wrote, with or without fsync."""
    connection.execute("PRAGMA synchronous=OFF")


def complaint(question: str, **fields: Any) -> NewComplaint:
    """A rating down of an answer to this question."""
    values: dict[str, Any] = {
        "question": question,
        "snapshot": {"answer": "It was so."},
        "origin": "rated_down",
        "who": "visitor",
        "rating": "down",
    }
    return NewComplaint(**(values | fields))


def assert_index_follows(world: World) -> None:
    """The index that followed the log equals one built from the database, and both contain the live passages."""
    followed = world.searcher.refresh()
    built = world.built()
    assert followed.ids().tolist() == built.ids().tolist() == world.source.ids()
    assert followed.digests() == built.digests()
    assert followed.seq == built.seq == world.source.head()
    assert world.searcher.check().ok


def bring_to(world: World, state: State) -> int:
    """A correction in this state, brought there by the actions of people."""
    if state is State.QUEUED:
        return world.complain("Returns?")
    if state is State.DRAFTED:
        return world.draft("Returns?", "30 days.")
    if state in (State.APPROVED, State.VERIFIED, State.ROLLED_BACK):
        correction_id = world.publish("Returns?", "30 days.")
        if state is State.VERIFIED:
            advance(world, correction_id, "verify")
        elif state is State.ROLLED_BACK:
            world.curation.rollback(correction_id, actor="ann")
        return correction_id
    correction_id = world.complain("Returns?")
    if state is State.MERGED:
        world.curation.merge([world.complain("Sending back?"), correction_id], actor="ann")
        return correction_id
    world.curation.reject(correction_id, actor="ann", reason="it is right")
    if state is State.REOPENED:
        world.curation.reopen(correction_id, actor="ann")
    return correction_id


def advance(world: World, correction_id: int, action: str, **how: Any) -> None:
    with world.database.write() as session:
        corrections.advance(session, corrections.get(session, correction_id, EVERYTHING), action, actor="bob", **how)


def history(world: World, correction_id: int) -> list[tuple[str, str | None, str, str, str | None]]:
    return [
        (step["action"], step["from"], step["to"], step["actor"], step["reason"])
        for step in world.curation.item(correction_id)["history"]
    ]
