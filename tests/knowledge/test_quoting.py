"""Stored sources and prompts have references instead of texts that are in the database, and come back word for word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from knowledge import quoting
from knowledge.tables import PassageRow, Text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.knowledge.world import World

RULES = "Answer from the passages. " * 20
SHELVES = "Shelf three holds the blue crates. " * 10
QUESTION = "Where are the blue crates? Where are the blue crates?"


def source(session: Session, passage: str) -> dict[str, Any]:
    row = session.scalars(sa.select(PassageRow)).one()
    return {"n": 1, "passage_id": row.id, "document_id": row.document_id, "passage": passage}


def prompt(*passages: str) -> list[dict[str, str]]:
    quoted = "\n\n".join(f"[{n}] Shelves\n{text}" for n, text in enumerate(passages, start=1))
    return [{"role": "system", "content": RULES}, {"role": "user", "content": f"{quoted}\n\nQuestion: {QUESTION}!"}]


def test_a_prompt_is_stored_without_the_texts_that_the_database_has(world: World) -> None:
    world.put("shelves", SHELVES)
    with world.database.write() as session:
        text = session.scalars(sa.select(PassageRow.text)).one()
        sources = quoting.short_sources(session, [source(session, text)])
        stored = quoting.short_prompt(session, prompt(text), sources, QUESTION)
        assert quoting.short_prompt(session, prompt(text), sources, QUESTION) == stored
        assert session.scalars(sa.select(Text.text)).all() == [RULES]
        assert quoting.whole_sources(session, sources) == [[source(session, text)]]
        assert quoting.whole_prompt(session, stored, QUESTION) == prompt(text)
    for words in ("Answer from", "blue crates"):
        assert words not in json.dumps([sources, stored])


def test_what_is_no_passage_of_the_knowledge_is_stored_in_full(world: World) -> None:
    """A corrected answer is served as a source, and marks that nobody sees are taken out of prompts."""
    world.put("shelves", SHELVES)
    with world.database.write() as session:
        served = {**source(session, "It is on shelf four."), "passage_id": 0}
        changed = source(session, "Other words.")
        assert quoting.short_sources(session, [served, changed]) == [served, changed]
        sources = quoting.short_sources(session, [source(session, session.scalars(sa.select(PassageRow.text)).one())])
        stored = quoting.short_prompt(session, prompt("Other words."), sources, "Another question")
        assert quoting.whole_prompt(session, stored, "Another question") == prompt("Other words.")


def test_answers_of_earlier_versions_are_read(world: World) -> None:
    with world.database.read() as session:
        old = [{"n": 1, "passage_id": 7, "document_id": "d", "passage": "Its own text."}]
        assert quoting.whole_sources(session, old, []) == [old, []]
        assert quoting.whole_prompt(session, prompt("Its own text."), "?") == prompt("Its own text.")
        assert quoting.whole_prompt(session, [], "?") == []
