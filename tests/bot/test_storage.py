"""What a question leaves in the database: its words as few times as possible, and no second copy of the documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from knowledge import jobs
from tests.bot.shop import QUESTION, TEXT, shop
from tests.fakes import ScriptedChat
from tests.loop.world import ask

if TYPE_CHECKING:
    from pathlib import Path

    from knowledge.db import Database

LONG = "When does the shop open? " + "The shop is near the old bridge. " * 118 + "Is there a zebra?"


def places(database: Database, words: str) -> list[str]:
    """The columns that have the words, once for each row."""
    columns = []
    with database.read() as session:
        for table in sa.inspect(session.connection()).get_table_names():
            for row in session.execute(sa.text(f'SELECT * FROM "{table}"')).mappings():
                columns += [
                    f"{table}.{name}" for name, value in row.items() if isinstance(value, str) and words in value
                ]
    return sorted(columns)


def test_a_refused_question_of_full_length_is_stored_with_its_answer_and_in_the_list_of_curators(
    tmp_path: Path,
) -> None:
    assert 3_900 < len(LONG) <= 4_000
    with shop(tmp_path, ScriptedChat()) as made:
        visitor = made.client()
        answer = ask(visitor, LONG)
        assert (answer["status"], answer["reason"]) == ("refused", "said_so")
        database = made.parts.database
        assert places(database, "zebra") == ["answers.question", "unanswered.question"]
        assert places(database, TEXT) == ["document_versions.text", "passages.text"]
        turn = visitor.get(f"/api/conversations/{answer['conversation_id']}").json()["turns"][0]
        assert (turn["question"], turn["condensed_question"]) == (LONG, LONG)
        assert [source["passage"] for source in turn["sources"]] == [TEXT]


def test_a_curator_reads_the_prompt_as_the_model_got_it(tmp_path: Path) -> None:
    chat = ScriptedChat()
    with shop(tmp_path, chat) as made:
        visitor, curator = made.client(), made.client("carla")
        answer = ask(visitor, QUESTION)
        rated = visitor.post(f"/api/answers/{answer['answer_id']}/feedback", json={"rating": "down"}).json()
        visitor.delete(f"/api/conversations/{answer['conversation_id']}")
        item = curator.get(f"/api/corrections/{rated['correction_id']}?prompts=true").json()
        *_, last = item["snapshot"]["prompt"]
        assert last == {"role": "user", "content": chat.prompts[-1]}
        assert TEXT in last["content"]
        assert [source["passage"] for source in item["snapshot"]["sources"]] == [TEXT]


def test_chinese_text_is_stored_without_escapes(tmp_path: Path) -> None:
    payload = {"words": "勘误", "name": "half a character \ud83d"}
    with shop(tmp_path, ScriptedChat()) as made, made.parts.database.write() as session:
        for name, value in payload.items():
            job = jobs.enqueue(session, name, {name: value}, actor="ann")
            stored = session.scalar(sa.text("SELECT payload FROM jobs WHERE id = :id"), {"id": job.id})
            assert json.loads(stored) == {name: value}
            assert ("\\u" in stored) == (name == "name")
