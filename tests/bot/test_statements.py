"""Lists and items cost the same number of statements however many rows they have, and load no column that they do not
show. Counted at the database (tests.statements)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bot import accounts, conversations, transcripts
from bot.answering.prompt import Message
from knowledge import catalogue
from knowledge.correcting import items
from knowledge.put import NewDocument, put
from knowledge.versions import Content
from retrieval.scope import Scope
from tests.bot.talk import SOURCE, Talk
from tests.statements import Statements, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

PROMPT = (Message("system", "SECRET PROMPT " * 200),)
FEW, MANY = 2, 9
MAIN = Scope.of("main")


@pytest.fixture
def talk(tmp_path: Path, migrated: Path) -> Iterator[Talk]:
    made = Talk(tmp_path / "errata.db", migrated)
    yield made
    made.close()


def complained(talk: Talk, count: int, *, conversation_id: str | None = None) -> tuple[str, int]:
    """So many questions with answers, each complained of and corrected. Returns the last (conversation, correction)."""
    assert count
    for number in range(count):
        made, answer_id = talk.ask(f"Question {number} of {count}?", conversation_id=conversation_id, prompt=PROMPT)
        correction_id = talk.rate(answer_id, "down", comment=f"comment {number}")
        assert correction_id is not None
        talk.correct(correction_id, f"Answer {number}.")
    return made, correction_id


def document(talk: Talk, name: str, text: str) -> None:
    put(talk.database, talk.embedder, [NewDocument(name, Content(name, text))], actor="carla")


def cost(talk: Talk, read: Callable[[Session], Any]) -> tuple[Statements, Any]:
    with talk.database.read() as session, statements(talk.database) as statements_sent:
        result = read(session)
    return statements_sent, result


def test_the_list_of_conversations(talk: Talk) -> None:
    def read(session: Session) -> Any:
        return transcripts.listing(session, "visitor:a", MAIN)

    complained(talk, FEW)
    few, listed = cost(talk, read)
    assert [row["corrected"] for row in listed] == [True] * FEW
    complained(talk, MANY)
    many, listed = cost(talk, read)
    assert len(listed) == FEW + MANY
    assert (len(few), len(many)) == (3, 3)
    assert many.naming("prompt") + many.naming("sources") == []


def test_a_conversation(talk: Talk) -> None:
    def read(conversation_id: str, **page: Any) -> Callable[[Session], Any]:
        return lambda session: transcripts.transcript(
            session, conversations.get(session, conversation_id, "visitor:a"), MAIN, **page
        )

    short, _ = complained(talk, 1)
    few, _ = cost(talk, read(short))
    complained(talk, MANY, conversation_id=short)
    many, shown = cost(talk, read(short))
    assert [turn["correction"]["corrected"] for turn in shown["turns"]] == [True] * (1 + MANY)
    assert (len(few), len(many)) == (5, 5)
    assert many.naming("answers.prompt,") == []
    later = shown["turns"][-1]["answer_id"]
    page, shown = cost(talk, read(short, before=later, limit=MANY - 1))
    assert (len(page), len(shown["turns"])) == (6, MANY - 1)


def test_an_item_of_the_queue(talk: Talk) -> None:
    """Its complaints have passages of several documents, of which suggestions are made."""
    for number in range(MANY):
        document(talk, f"d{number}", f"Passage {number}.")

    def complain(number: int) -> int:
        source = replace(SOURCE, document_id=f"d{number}", passage=f"Passage {number}.")
        _, answer_id = talk.ask("What?", owner=f"visitor:{number}", prompt=PROMPT, sources=(source,))
        correction_id = talk.rate(answer_id, "down")
        assert correction_id is not None
        return correction_id

    def read(session: Session) -> Any:
        return items.item(session, items.corrections.get(session, correction_id, MAIN), MAIN)

    correction_id = complain(0)
    few, shown = cost(talk, read)
    assert [conflict["document_id"] for conflict in shown["suggestions"]["conflicts"]] == ["d0"]
    assert {complain(number) for number in range(1, MANY)} == {correction_id}
    many, shown = cost(talk, read)
    assert len(shown["complaints"]) == MANY
    assert [conflict["document_id"] for conflict in shown["suggestions"]["conflicts"]] == [f"d{n}" for n in range(MANY)]
    assert len(few) == len(many) == 10
    assert "SECRET" not in str(shown)


def test_the_queue(talk: Talk) -> None:
    complained(talk, FEW)
    few, _ = cost(talk, lambda session: items.listing(session, MAIN))
    complained(talk, MANY)
    many, shown = cost(talk, lambda session: items.listing(session, MAIN))
    assert shown["total"] == FEW + MANY
    assert len(few) == len(many) == 6


def test_the_list_of_documents_and_a_document(talk: Talk) -> None:
    def write(name: str, versions: int) -> None:
        for number in range(versions):
            document(talk, name, f"Text {number} of {name}.")

    for number in range(FEW):
        write(f"d{number}", 1)
    few, _ = cost(talk, lambda session: catalogue.listing(session, MAIN))
    for number in range(MANY):
        write(f"e{number}", 1)
    many, shown = cost(talk, lambda session: catalogue.listing(session, MAIN))
    assert shown["total"] == FEW + MANY
    assert len(few) == len(many) == 3
    assert many.naming("text") == []
    few, _ = cost(talk, lambda session: catalogue.document(session, "d0", MAIN))
    write("d0", MANY)
    many, shown = cost(talk, lambda session: catalogue.document(session, "d0", MAIN))
    assert len(shown["versions"]) == MANY
    assert len(few) == len(many) == 4
    assert len(many.naming("document_versions.text")) == 1  # of the version that is shown


def test_users_and_keys(talk: Talk) -> None:
    def add(count: int) -> None:
        with talk.database.write() as session:
            for number in range(count):
                accounts.add_key(session, f"key {number}", "program", created_by="ada")

    add(FEW)
    few, _ = cost(talk, accounts.keys)
    add(MANY)
    many, shown = cost(talk, accounts.keys)
    assert len(shown) == FEW + MANY
    assert len(few) == len(many) == 1
    assert many.naming("token_sha256") == []
    users, _ = cost(talk, accounts.users)
    assert len(users) == 1
    assert users.naming("password_hash") == []
