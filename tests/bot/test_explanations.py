"""How an answer was made: stored with it, told to the asker in plain words, to curators and the operator in full."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

import bot
from bot import conversations, texts
from bot.answering.trace import ReadingTrace, Span
from bot.answering.values import Reason
from bot.explanations import explain
from bot.tables import Answer
from retrieval.scope import EVERYTHING, Scope
from tests.bot.shop import ANSWER, QUESTION, TEXT, correct, shop
from tests.fakes import ScriptedChat
from tests.loop.world import ask, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

    from tests.bot.commandline import CommandLine
    from tests.loop.world import World


@pytest.fixture
def chat() -> ScriptedChat:
    return ScriptedChat(script=lambda _prompt: ANSWER)


@pytest.fixture
def made(tmp_path: Path, chat: ScriptedChat) -> Iterator[World]:
    with shop(tmp_path, chat) as world:
        yield world


def told(client: TestClient, answer: dict[str, Any], language: str = "en") -> list[str]:
    """The sentences that the asker gets."""
    response = client.get(f"/api/answers/{answer['answer_id']}/explanation", headers={"Accept-Language": language})
    assert response.status_code == 200, response.text
    assert list(response.json()) == ["sentences"]
    sentences: list[str] = response.json()["sentences"]
    return sentences


def complained(client: TestClient, answer: dict[str, Any]) -> int:
    """The number of the correction that a complaint leads to."""
    number: int = client.post(f"/api/answers/{answer['answer_id']}/feedback", json={"rating": "down"}).json()[
        "correction_id"
    ]
    return number


def test_an_asker_reads_what_was_found_read_and_cited(made: World) -> None:
    visitor = made.client()
    answer = ask(visitor, QUESTION)
    assert told(visitor, answer) == [
        "Passages that the search found: 1. Read for the answer, the best ones: 1.",
        "The answer cites [1]. It was checked that these passages share its words.",
    ]
    assert told(visitor, answer, "zh-CN") == [
        "检索到的段落：1 段。其中最好的 1 段用来写回答。",
        "回答引用了 [1]。已核对：这些段落中有回答所用的词语。",
    ]


@pytest.mark.parametrize(
    ("script", "reason", "sentence"),
    [
        ("NO_ANSWER", "said_so", "The language model found no answer in the passages that it read."),
        (
            "In Paris at 17:45 [1].",
            "invented",
            "The language model wrote names or numbers that are in none of the passages, so its text is not shown.",
        ),
        (
            "Cats purr softly.",
            "not_cited",
            "No passage supports what the language model wrote, so its text is not shown.",
        ),
    ],
)
def test_an_asker_reads_why_there_is_no_answer(
    made: World, chat: ScriptedChat, script: str, reason: str, sentence: str
) -> None:
    chat.script = lambda _prompt: script
    visitor = made.client()
    answer = ask(visitor, QUESTION)
    assert answer["reason"] == reason
    assert told(visitor, answer)[-1] == sentence


def test_an_asker_reads_that_a_curator_wrote_the_answer(made: World) -> None:
    correct(made, QUESTION, "At ten.")
    visitor = made.client()
    assert told(visitor, ask(visitor, QUESTION)) == [
        "A curator has corrected this question. The approved text was given word for word; no language model wrote it."
    ]


def test_an_asker_reads_how_a_follow_up_was_understood(made: World, chat: ScriptedChat) -> None:
    visitor = made.client()
    first = ask(visitor, QUESTION)
    chat.script = lambda prompt: "When does the shop close?" if "Last question" in prompt else "At eight [1]."
    second = ask(visitor, "And when does it close?", conversation_id=first["conversation_id"])
    assert told(visitor, second)[0] == "The question was understood as: “When does the shop close?”"


def test_small_talk_is_explained_as_such(made: World) -> None:
    visitor = made.client()
    assert told(visitor, ask(visitor, "Hello!")) == [
        "This text asks nothing that documents could answer, so it got a fixed reply."
    ]


def test_nobody_reads_how_the_answer_of_another_person_was_made(made: World) -> None:
    visitor = made.client()
    path = f"/api/answers/{ask(visitor, QUESTION)['answer_id']}/explanation"
    assert made.client().get(path).status_code == 401
    for client in (made.client("carla"), made.client("ada"), made.program()):
        assert client.get(path).status_code == 404


def test_passages_that_the_asker_may_no_longer_see_are_not_counted(made: World) -> None:
    put(made.client("carla"), "staff", "Staff", "The shop opens at seven for staff.", collection="staff")
    visitor = made.client()
    answer = ask(visitor, QUESTION)
    with made.parts.database.read() as session:
        record = conversations.record(session.get_one(Answer, answer["answer_id"]))
        wide, narrow = (explain(session, record, scope) for scope in (EVERYTHING, Scope.of("main")))
    assert {candidate["document_id"] for candidate in wide.detail["candidates"]} == {"hours", "staff"}
    assert [candidate["document_id"] for candidate in narrow.detail["candidates"]] == ["hours"]
    assert narrow.sentences[0].values == {"found": 1, "read": 1}


def test_a_curator_sees_every_passage_with_its_scores_and_what_was_left_out(made: World) -> None:
    for number in range(1, 4):
        put(made.client("carla"), f"room-{number}", "Rooms", f"Room {number} is in the cellar of the shop.")
    visitor = made.client()
    number = complained(visitor, ask(visitor, QUESTION))
    response = made.client("carla").get(f"/api/corrections/{number}/explanation")
    assert response.status_code == 200, response.text
    full = response.json()
    assert {name: full[name] for name in ("status", "reason", "model", "tries", "quoted", "doubt", "match")} == {
        "status": "answered",
        "reason": None,
        "model": "given",
        "tries": 1,
        "quoted": False,
        "doubt": None,
        "match": None,
    }
    assert full["sentences"][:2] == [
        "Passages that the search found: 4. Read for the answer, the best ones: 3.",
        "Left out, because there was no room after the better ones: 1.",
    ]
    first, *_, last = full["candidates"]
    assert (first["document_id"], first["use"], first["n"], first["cited"], first["passage"]) == (
        "hours",
        "read",
        1,
        True,
        TEXT,
    )
    assert (last["title"], last["use"], last["n"], last["cited"]) == ("Rooms", "full", None, False)
    assert first["stages"]["dense_rank"] == 1.0
    assert full["signs"]["nearest"] == first["stages"]["dense"]


def test_a_curator_sees_what_a_reader_took_for_the_answer_and_how_surely(made: World) -> None:
    visitor = made.client()
    answer = ask(visitor, QUESTION)
    start = TEXT.index("at nine")
    with made.parts.database.write() as session:
        row = session.get_one(Answer, answer["answer_id"])
        reading = ReadingTrace(doubt=0.1, limit=-1.0, tries=1, spans=(Span(1, start, start + 7, 0.93),))
        row.trace = {**(row.trace or {}), "reading": reading.to_json()}
    full = made.client("carla").get(f"/api/corrections/{complained(visitor, answer)}/explanation").json()
    assert full["candidates"][0]["span"] == [start, start + 7, 0.93]
    assert (full["doubt"], full["limit"]) == (0.1, 0.2689)  # 1 / (1 + e)
    assert "Before writing, the language model judged that the passages state the answer." in full["sentences"]


def test_a_curator_sees_the_explanation_after_the_conversation_was_deleted(made: World) -> None:
    visitor = made.client()
    answer = ask(visitor, QUESTION)
    number = complained(visitor, answer)
    assert visitor.delete(f"/api/conversations/{answer['conversation_id']}").status_code == 204
    full = made.client("carla").get(f"/api/corrections/{number}/explanation").json()
    assert [candidate["document_id"] for candidate in full["candidates"]] == ["hours"]


def test_a_correction_without_a_reported_answer_has_no_explanation(made: World) -> None:
    curator = made.client("carla")
    started = curator.post("/api/corrections", json={"question": "Where is the shop?"}).json()
    response = curator.get(f"/api/corrections/{started['id']}/explanation")
    assert (response.status_code, response.json()["code"]) == (404, "no_reported_answer")


def test_an_answer_from_elsewhere_is_not_explained(made: World) -> None:
    body = {"query": QUESTION, "response": "At ten.", "rating": "down"}
    number = made.program().post("/api/feedback", json=body).json()["correction_id"]
    full = made.client("carla").get(f"/api/corrections/{number}/explanation").json()
    assert (full["sentences"], full["candidates"]) == (["It is not known how this answer was made."], [])


def test_the_snapshot_of_a_complaint_shows_no_passages_of_other_scopes(made: World) -> None:
    visitor = made.client()
    number = complained(visitor, ask(visitor, QUESTION))
    item = made.client("carla").get(f"/api/corrections/{number}?prompts=true").json()
    assert "trace" not in item["snapshot"]
    assert "trace" not in item["complaints"][0]["snapshot"]
    assert item["snapshot"]["prompt"]


def test_an_answer_of_an_earlier_version_is_explained_from_its_sources(made: World) -> None:
    visitor = made.client()
    answer = ask(visitor, QUESTION)
    with made.parts.database.write() as session:
        session.execute(sa.update(Answer).values(trace=sa.null()))
    assert told(visitor, answer) == [
        "Passages that the search found: 1. Read for the answer, the best ones: 1.",
        "The answer cites [1]. It was checked that these passages share its words.",
    ]


def test_every_sentence_has_its_text_and_every_reason_its_sentence() -> None:
    source = (Path(bot.__file__).parent / "explanations.py").read_text(encoding="utf-8")
    keys = set(re.findall(r'Sentence\("(\w+)"', source))
    keys |= {"joined", "understood", "left_out_far", "left_out_full", "running", "failed", "unknown"}
    keys |= {str(reason) for reason in Reason}
    for locale in texts.LOCALES.values():
        present = {key.removeprefix("server.explain.") for key in texts.catalogue(locale) if "server.explain." in key}
        assert present == keys


def test_the_operator_reads_it_on_the_command_line(errata: CommandLine, tmp_path: Path) -> None:
    assert "no such answer" in errata("explain").err
    (tmp_path / "hours.md").write_text(f"# Hours\n\n{TEXT}", encoding="utf-8")
    errata("ingest", str(tmp_path / "hours.md"))
    parts = errata.parts(settings_of(errata))
    outcome = parts.turns.ask(owner="visitor:a", scope=EVERYTHING, question=QUESTION).outcome.result(30)
    parts.close()
    assert outcome.status == "answered"
    result = errata("explain")
    assert result.code == 0, result.err
    assert result.out.startswith(f"{QUESTION}\n\nPassages that the search found: 1.")
    assert "*[1] read" in result.out
    assert "hours.md, version 1, line 3\n" in result.out
    whole = json.loads(errata("explain", "--json").out)
    assert errata("explain", whole["answer_id"]).out == result.out
    assert [candidate["use"] for candidate in whole["candidates"]] == ["read"]


def settings_of(errata: CommandLine) -> Any:
    from bot.settings import Settings

    return Settings(data=errata.data)
