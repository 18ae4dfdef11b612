"""How an answer was made: in plain words for the reader, with every passage and its scores for the curator."""

from __future__ import annotations

import pytest

from bot.answering.trace import ReadingTrace, Span
from bot.tables import Answer
from tests.browser.stage import CASES, LANGUAGES, Stage, Words, ask
from tests.loop.world import put

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reader_unfolds_how_the_answer_was_made_beside_its_source(stage: Stage, language: str) -> None:
    from playwright.sync_api import expect

    say = Words(language)
    page = stage.visitor(language)
    turn = ask(page, CASES[language].question)
    turn.locator(".footnote").first.click()
    explained = page.locator(".passage-panel .explained")
    assert not asked_for_explanation(stage)  # nothing is fetched before somebody unfolds it
    explained.get_by_text(say("explain.title")).click()
    cited = say("server.explain.cited", numbers="[1]")
    expect(explained.locator("li").last).to_have_text(cited)
    other = next(each for each in LANGUAGES if each != language)
    page.locator(".language-switch select").select_option(other)
    expect(explained.locator("li").last).to_have_text(Words(other)("server.explain.cited", numbers="[1]"))


def test_a_reader_unfolds_why_there_is_no_answer(stage: Stage) -> None:
    from playwright.sync_api import expect

    say = Words("en")
    page = stage.visitor()
    explained = ask(page, "Do you sell gift cards?", "refused").locator(".explained")
    explained.locator("summary").click()
    expect(explained.locator("li").last).to_have_text(say("server.explain.said_so"))


def test_a_curator_sees_the_passages_with_their_scores_and_what_was_left_out(stage: Stage) -> None:
    from playwright.sync_api import expect

    say, case = Words("en"), CASES["en"]
    for number in range(4):
        put(stage.world.client("carla"), f"shoes-{number}", "Care", f"Shoes of kind {number} can be returned worn.")
    reader = stage.world.client()
    answer = reader.post("/api/chat", json={"question": case.question, "stream": False}).json()
    with stage.world.parts.database.write() as session:  # as a reader that finds spans stores it
        row = session.get_one(Answer, answer["answer_id"])
        words = answer["sources"][0]["passage"].split()[0]
        row.trace = {**(row.trace or {}), "reading": ReadingTrace(spans=(Span(1, 0, len(words), 0.9),)).to_json()}
    reader.post(f"/api/answers/{answer['answer_id']}/feedback", json={"rating": "down"})
    page = stage.curator(path="/curate#/queue/1")
    explained = page.locator("#answer-then .explained")
    explained.get_by_text(say("explain.title")).click()
    rows = explained.locator(".passage-row")
    expect(rows.first.locator(".source-title")).to_be_visible()
    expect(explained.get_by_text(say("use.read"), exact=True)).to_have_count(3)
    expect(explained.get_by_text(say("use.far"), exact=True).first).to_be_visible()
    rows.first.locator("summary").click()
    expect(rows.first.locator(".hint").first).to_contain_text(say("stage.dense"))
    expect(rows.first.locator(".hint").last).to_have_text(say("explain.span", words=words, score="0.9"))
    expect(rows.first.locator(".passage-text")).to_be_visible()


def asked_for_explanation(stage: Stage) -> bool:
    return any(address.endswith("/explanation") for address in stage.audience.requests)
