"""The chat page where the way is not smooth: no answer, stopping, queueing, a full or vanished server, the keyboard."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from bot import conversations, transcripts
from bot.answering.doubt import Limits
from bot.tables import Conversation
from retrieval.scope import EVERYTHING
from tests.bot.shop import until
from tests.browser.cable import cable
from tests.browser.stage import (
    CASES,
    LANGUAGES,
    Audience,
    Stage,
    Words,
    ask,
    hold,
    press,
    staged,
    stand_still,
    stored,
)
from tests.fakes import Pointing
from tests.loop.world import act

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Page


pytestmark = pytest.mark.browser
CASE = CASES["en"]
SAY = Words("en")
MANY = 1000  # more words than any answer here has


@pytest.fixture
def gate() -> Iterator[threading.Semaphore]:
    """The model waits here before every word."""
    made = threading.Semaphore(0)
    yield made
    made.release(MANY)


@pytest.fixture
def slow(tmp_path: Path, audience: Audience, gate: threading.Semaphore) -> Iterator[Stage]:
    """A stage whose model writes when ``gate`` lets it; one person may wait."""
    with staged(tmp_path, audience, gate=gate, queue=1) as made:
        yield made
        gate.release(MANY)


def begin(page: Page, question: str) -> None:
    """Asks and waits for nothing."""
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")


@pytest.mark.parametrize("language", LANGUAGES)
def test_chat_page_shows_a_refusal_as_a_card_and_takes_the_expected_answer(stage: Stage, language: str) -> None:
    from playwright.sync_api import expect

    say = Words(language)
    question = {"en": "Do you sell gift cards?", "zh-CN": "有礼品卡吗？"}[language]
    page = stage.visitor(language)
    card = ask(page, question, "refused").locator(".refusal")
    expect(card.locator(".refusal-title")).to_have_text(say("refused.title"))
    expect(card.locator("dd").first).to_have_text(question)
    card.locator(".nearest button").first.click()
    expect(page.locator(".passage-panel .passage-text")).not_to_be_empty()
    page.keyboard.press("Escape")
    card.locator(".expected summary").click()
    card.get_by_label(say("refused.expected")).fill("Gift cards at the counter")
    press(card, say("ui.send"))
    expect(card.locator(".thanks")).to_have_text(say("refused.thanks"))
    item = stage.world.client("carla").get("/api/corrections/1").json()
    assert (item["origin"], item["question"]) == ("unanswered", question)
    assert item["complaints"][-1]["comment"] == "Gift cards at the counter"


def test_chat_page_stops_at_escape_and_keeps_the_words(slow: Stage, gate: threading.Semaphore) -> None:
    from playwright.sync_api import expect

    page = slow.visitor()
    begin(page, CASE.question)
    gate.release(6)
    expect(page.locator(".turn-streaming .prose")).to_contain_text("within 14")
    page.keyboard.press("Escape")
    turn = page.locator(".turn-stopped")
    expect(turn.locator(".prose")).to_contain_text("Shoes can be returned within 14")
    expect(turn.locator(".notice")).to_have_text(SAY("turn.stopped"))
    page.reload()
    expect(turn.locator(".prose")).to_contain_text("Shoes can be returned within 14")
    expect(turn.locator(".rate-down")).to_be_visible()


def test_chat_page_answers_again_with_another_wording(tmp_path: Path, audience: Audience) -> None:
    from playwright.sync_api import expect

    written = iter(["Within 14 days [1].", "In 14 days at most [1]."])
    with staged(tmp_path, audience, script=lambda _prompt: next(written)) as stage:
        page = stage.visitor()
        ask(page, CASE.question)
        press(page, SAY("actions.regenerate"))
        turns = page.locator("article.turn-answered")
        expect(turns).to_have_count(2)
        expect(turns.nth(1).locator("h2")).to_have_text(CASE.question)
        expect(turns.nth(0).locator(".prose")).to_contain_text("Within 14 days")
        expect(turns.nth(1).locator(".prose")).to_contain_text("In 14 days at most")


def test_chat_page_renames_deletes_and_brings_back_conversations(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = stage.visitor()
    ask(page, CASE.question)
    page.locator(".new-chat").click()
    ask(page, "Are sale items returned?")
    titles = page.locator(".conversation-title")
    expect(titles).to_have_text(["Are sale items returned?", CASE.question])
    page.locator(".conversation").nth(1).hover()
    press(page, SAY("conversations.rename", title=CASE.question))
    page.get_by_label(SAY("conversations.new_title")).fill("Shoes")
    page.keyboard.press("Enter")
    expect(titles).to_have_text(["Are sale items returned?", "Shoes"])
    delete = page.get_by_role("button", name=SAY("conversations.delete", title="Shoes"))
    page.locator(".conversation").nth(1).hover()
    delete.click()
    expect(titles).to_have_text(["Are sale items returned?"])
    press(page, SAY("ui.undo"))
    expect(titles).to_have_text(["Are sale items returned?", "Shoes"])
    page.locator(".conversation").nth(1).hover()
    delete.click()
    expect(titles).to_have_text(["Are sale items returned?"])
    page.reload()  # leaving the page is no way around the deletion
    expect(titles).to_have_text(["Are sale items returned?"])
    assert len(stored(page, "/api/conversations")["conversations"]) == 1


def test_chat_page_works_by_keyboard_from_question_to_rating(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = stage.visitor()
    keys = page.keyboard
    expect(page.locator("#question")).to_be_focused()
    keys.type("Within how many days")
    keys.press("Shift+Enter")
    keys.type("can shoes be returned?")
    keys.press("Enter")
    page.locator(".turn-answered").wait_for()
    _walk(page, "Shift+Tab", "button.cite")
    keys.press("Enter")
    expect(page.locator(".passage-panel")).to_be_focused()
    keys.press("Escape")
    expect(page.locator("button.cite").last).to_be_focused()
    _walk(page, "Tab", ".rate-down")
    keys.press("Enter")
    expect(page.locator("form.feedback input").first).to_be_focused()
    keys.press("Space")
    _walk(page, "Tab", "form.feedback textarea")
    keys.type(CASE.comment)
    _walk(page, "Tab", "form.feedback button[type=submit]")
    keys.press("Enter")
    expect(page.locator(".toast")).to_have_text(SAY("feedback.thanks_down"))
    complaint = stage.world.client("carla").get("/api/corrections/1").json()["complaints"][0]
    assert (complaint["reasons"], complaint["comment"]) == (["wrong"], CASE.comment)


def test_chat_page_has_keyboard_shortcuts(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = stage.visitor()
    keys = page.keyboard
    ask(page, CASE.question)
    page.locator(".conversation-scroll").focus()
    keys.press("?")
    expect(page.locator("dialog h2")).to_have_text(SAY("help.title"))
    keys.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    keys.press("/")
    expect(page.locator("#question")).to_be_focused()
    keys.press("Alt+n")
    expect(page.locator(".welcome h1")).to_be_visible()
    page.reload()
    keys.press("Shift+Tab")
    page.locator(".skip").focus()
    keys.press("Enter")
    expect(page.locator("#question")).to_be_focused()


def test_chat_page_is_ready_for_the_keys_as_soon_as_it_shows_something(stage: Stage) -> None:
    """The page stands still between two frames, where a key finds what is drawn and not what would follow."""
    from playwright.sync_api import expect

    page = stage.visitor()
    ask(page, CASE.question)
    stand_still(page)
    keys = page.keyboard
    page.locator(".conversation-scroll").focus()
    keys.press("?")
    keys.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.locator("button.cite").first.press("Enter")
    expect(page.locator(".passage-panel")).to_be_focused()
    keys.press("Escape")
    expect(page.locator("button.cite").first).to_be_focused()
    page.locator(".rate-down").press("Enter")
    expect(page.locator("form.feedback input").first).to_be_focused()
    keys.press("Escape")
    page.locator(".conversation-tools button").first.press("Enter")
    keys.type("Shoes")  # in place of the whole title
    keys.press("Enter")
    expect(page.locator(".conversation-title")).to_have_text(["Shoes"])
    keys.press("Alt+n")
    expect(page.locator("#question")).to_be_focused()


def test_chat_page_leaves_the_answer_alone_while_a_dialog_is_open(slow: Stage, gate: threading.Semaphore) -> None:
    from playwright.sync_api import expect

    page = slow.visitor()
    begin(page, CASE.question)
    gate.release(6)
    expect(page.locator(".turn-streaming .prose")).to_contain_text("within 14")
    press(page, SAY("help.open"))
    page.keyboard.press("Alt+n")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    gate.release(MANY)
    expect(page.locator(".turn-answered .prose")).to_contain_text("within 14 days")


def _walk(page: Page, key: str, to: str) -> None:
    """Presses Tab until the focus is there."""
    for _ in range(30):
        page.keyboard.press(key)
        if page.locator(f"{to}:focus").count():
            return
    pytest.fail(f"{key} never reaches {to}")


def test_chat_page_shows_the_place_in_line_and_counts_down_when_the_line_is_full(
    slow: Stage, audience: Audience, gate: threading.Semaphore
) -> None:
    from playwright.sync_api import expect

    audience.announce("status of 503")
    first, second, third = slow.visitor(), slow.visitor(), slow.visitor()
    third.clock.install()
    third.reload()
    begin(first, CASE.question)
    expect(first.locator(".turn-searching")).to_be_visible()
    begin(second, "How many days to return sale items?")
    expect(second.locator(".progress")).to_have_text(SAY("turn.queued", position=1))
    expect(second.locator(".turn-queued .footnote").first).to_be_visible()
    begin(third, "How many days to return boots?")
    busy = third.locator(".turn-busy .notice p").first
    expect(busy).to_have_text(re.compile(r"Trying again in \d+ seconds\.\s*$"))
    before = int(re.findall(r"in (\d+)", busy.inner_text())[0])
    third.clock.fast_forward(3000)
    expect(busy).not_to_contain_text(f"in {before} ")
    assert int(re.findall(r"in (\d+)", busy.inner_text())[0]) <= before - 3
    gate.release(MANY)
    expect(first.locator(".turn-answered")).to_be_visible()
    expect(second.locator(".turn-answered")).to_be_visible()
    third.clock.fast_forward(60_000)  # it asks again by itself
    expect(third.locator(".turn-answered h2")).to_have_text("How many days to return boots?")


def test_chat_page_left_open_shows_a_correction_within_a_minute(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = stage.visitor()
    page.clock.install()
    page.reload()
    ask(page, CASE.question).locator(".rate-down").click()
    page.locator("form.feedback").wait_for()
    curator = stage.world.client("carla")
    assert curator.put("/api/corrections/1/draft", json={"answer": CASE.corrected}).status_code == 200
    act(curator, 1, "approve")
    page.clock.fast_forward(60_000)
    expect(page.locator(".slip-corrected .prose")).to_have_text(CASE.shown)


def test_chat_page_keeps_question_and_text_when_the_server_stops_during_an_answer(
    slow: Stage, audience: Audience, gate: threading.Semaphore
) -> None:
    from playwright.sync_api import expect

    audience.announce("net::ERR_")
    with cable(slow.address) as line:
        page = slow.visitor(address=line.address)
        begin(page, CASE.question)
        gate.release(6)
        expect(page.locator(".turn-streaming .prose")).to_contain_text("within 14")
        line.cut()
        lost = page.locator(".turn-lost")
        expect(lost.locator(".notice")).to_contain_text(SAY("chat.lost.title"))
        expect(lost.locator(".notice")).to_contain_text(SAY("chat.lost.looking"))
        expect(lost.locator("h2")).to_have_text(CASE.question)
        expect(lost.locator(".prose")).to_contain_text("Shoes can be returned within 14")
        expect(lost.get_by_role("button", name=SAY("ui.try_again"))).to_be_enabled()
        line.mend()  # the page looks for what the server has: it went on
        expect(page.locator(".turn-streaming .prose")).to_contain_text("Shoes can be returned within 14")
        gate.release(MANY)
        expect(page.locator(".turn-answered .prose")).to_contain_text("Sale items are final")
        page.context.close()


def test_chat_page_reports_a_question_that_the_server_has_lost(
    slow: Stage, audience: Audience, gate: threading.Semaphore
) -> None:
    from playwright.sync_api import expect

    audience.announce("net::ERR_", "status of 404")
    with cable(slow.address) as line:
        page = slow.visitor(address=line.address)
        begin(page, CASE.question)
        gate.release(6)
        expect(page.locator(".turn-streaming .prose")).to_contain_text("within 14")
        line.cut()
        expect(page.locator(".turn-lost .notice")).to_contain_text(SAY("chat.lost.looking"))
        with slow.world.parts.database.write() as session:
            session.execute(sa.delete(Conversation))
        line.mend()
        expect(page.locator(".turn-lost .notice")).to_contain_text(SAY("chat.lost.gone"))
        page.context.close()


def test_chat_page_shows_the_sources_before_the_first_word(slow: Stage) -> None:
    from playwright.sync_api import expect

    page = slow.visitor()
    begin(page, CASE.question)
    turn = page.locator(".turn-searching")
    expect(turn.locator(".footnote .source-title").first).to_have_text(CASE.title)
    expect(turn.locator(".prose")).to_have_text("")
    expect(page.locator(".conversation-title")).to_have_text([CASE.question])
    turn.locator(".footnote").first.click()
    expect(page.locator(".passage-panel .passage-text")).to_have_text(CASE.text)


def test_chat_page_shows_a_place_in_line_only_while_there_is_one(slow: Stage) -> None:
    from playwright.sync_api import expect

    first, second = slow.visitor(), slow.visitor()
    begin(first, CASE.question)
    expect(first.locator(".turn-searching")).to_be_visible()
    begin(second, "How many days to return sale items?")
    expect(second.locator(".turn-queued .progress")).to_have_text(SAY("turn.queued", position=1))
    first.keyboard.press("Escape")  # the model stops without another word
    expect(second.locator(".turn-searching .progress")).to_have_text(re.compile("Reading…$"))
    expect(second.locator(".turn-searching .prose")).to_have_text("")


@pytest.mark.parametrize("way", ["reload", "new chat and back"])
def test_chat_page_shows_an_answer_that_is_still_being_written_after_a_reload(
    slow: Stage, gate: threading.Semaphore, way: str
) -> None:
    from playwright.sync_api import expect

    page = slow.visitor()
    begin(page, CASE.question)
    gate.release(6)
    expect(page.locator(".turn-streaming .prose")).to_contain_text("within 14")
    if way == "reload":
        page.reload()
    else:
        page.locator(".new-chat").click()
        expect(page.locator(".turn")).to_have_count(0)
        page.locator(".conversation-open").click()
    expect(page.locator(".turn-streaming .prose")).to_contain_text("Shoes can be returned within 14")
    expect(page.get_by_role("button", name=SAY("composer.stop"))).to_be_visible()
    gate.release(MANY)
    expect(page.locator(".turn-answered .prose")).to_contain_text("Sale items are final")
    expect(page.locator(".turn")).to_have_count(1)


def test_chat_page_stops_an_answer_that_it_did_not_begin(slow: Stage, gate: threading.Semaphore) -> None:
    from playwright.sync_api import expect

    page = slow.visitor()
    begin(page, CASE.question)
    gate.release(6)
    expect(page.locator(".turn-streaming .prose")).to_contain_text("within 14")
    page.reload()
    expect(page.locator(".turn-streaming")).to_be_visible()
    page.keyboard.press("Escape")
    gate.release(1)
    expect(page.locator(".turn-stopped .notice")).to_have_text(SAY("turn.stopped"))
    page.reload()
    expect(page.locator(".turn-stopped .prose")).to_contain_text("Shoes can be returned within 14")


def test_chat_page_stops_before_the_server_has_taken_the_question(slow: Stage, gate: threading.Semaphore) -> None:
    from playwright.sync_api import expect

    page = slow.visitor()
    request = hold(page, "**/api/chat", lambda: begin(page, CASE.question))
    page.locator(".turn-waiting").wait_for()
    page.keyboard.press("Escape")
    expect(page.locator(".turn-stopped .notice")).to_contain_text(SAY("turn.stopped_early"))
    request.continue_()
    expect(page.locator(".conversation-title")).to_have_text([CASE.question])
    gate.release(1)  # should it have begun to write, it stops at this word
    until(lambda: not slow.world.parts.turns.running)
    conversation = stored(page, "/api/conversations")["conversations"][0]["id"]
    assert stored(page, f"/api/conversations/{conversation}")["turns"][0]["status"] == "stopped"


def test_chat_page_keeps_an_unfinished_question_with_its_conversation(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = stage.visitor()
    ask(page, CASE.question)
    page.locator("#question").fill("And sandals?")
    page.locator(".rate-down").click()
    page.get_by_label(SAY("feedback.comment")).fill("It is 30 da")
    page.locator(".new-chat").click()
    expect(page.locator("#question")).to_have_value("")
    ask(page, "Are sale items returned?")
    expect(page.locator("form.feedback")).to_have_count(0)
    page.locator(".conversation-open").nth(1).click()
    expect(page.get_by_label(SAY("feedback.comment"))).to_have_value("It is 30 da")
    expect(page.locator("#question")).to_have_value("And sandals?")


def test_chat_page_asks_only_in_the_same_conversation_after_not_my_question(stage: Stage) -> None:
    from playwright.sync_api import expect

    number = stage.report(CASE.question, CASE.comment)
    curator = stage.world.client("carla")
    assert curator.put(f"/api/corrections/{number}/draft", json={"answer": CASE.corrected}).status_code == 200
    act(curator, number, "approve")
    page = stage.visitor()
    ask(page, "Are sale items returned?")
    page.locator(".new-chat").click()
    ask(page, CASE.question, "curated")
    request = hold(page, "**/signals", lambda: press(page, SAY("curated.not_mine")))
    page.locator(".conversation-open").nth(1).click()
    expect(page.locator(".turn h2")).to_have_text(["Are sale items returned?"])
    with page.expect_response("**/signals"):
        request.continue_()
    page.wait_for_timeout(300)
    expect(page.locator(".turn h2")).to_have_text(["Are sale items returned?"])


def test_chat_page_keeps_a_question_that_is_asked_while_its_conversation_loads(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = stage.visitor()
    ask(page, CASE.question)
    page.locator(".new-chat").click()
    hold(page, "**/api/conversations/*", page.locator(".conversation-open").click)
    begin(page, "Are sale items returned?")
    page.unroute("**/api/conversations/*")  # lets the request go on
    expect(page.locator(".turn h2")).to_have_text([CASE.question, "Are sale items returned?"])
    page.locator(".turn").last.locator(".footnote").first.wait_for()


def test_chat_page_tries_again_until_the_server_is_back(stage: Stage, audience: Audience) -> None:
    from playwright.sync_api import expect

    audience.announce("net::ERR_")
    with cable(stage.address) as line:
        page = stage.visitor(address=line.address)
        line.cut()
        begin(page, CASE.question)
        lost = page.locator(".turn-lost")
        for _ in range(2):
            expect(lost.locator(".notice")).to_contain_text(SAY("chat.lost.unknown"))
            expect(lost.locator("h2")).to_have_text(CASE.question)
            press(lost, SAY("ui.try_again"))
        lost.wait_for()
        line.mend()
        press(lost, SAY("ui.try_again"))
        expect(page.locator(".turn-answered .prose")).to_contain_text("within 14 days")
        page.context.close()


def test_chat_page_takes_a_lost_question_back_into_the_box(stage: Stage, audience: Audience) -> None:
    from playwright.sync_api import expect

    audience.announce("net::ERR_")
    with cable(stage.address) as line:
        page = stage.visitor(address=line.address)
        line.cut()
        begin(page, CASE.question)
        press(page.locator(".turn-lost"), SAY("chat.error.edit"))
        expect(page.locator("#question")).to_have_value(CASE.question)
        page.context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_chat_page_quotes_the_sentence_that_answers_until_the_first_word(
    slow: Stage, gate: threading.Semaphore, language: str
) -> None:
    from playwright.sync_api import expect

    answerer, say, case = slow.world.parts.answerer, Words(language), CASES[language]
    answerer._passage_reader = Pointing(**{case.find.replace(" ", "_"): 3.0})
    answerer._profile = replace(answerer._profile, limits=Limits(quoting=1.0))
    page = slow.visitor(language)
    begin(page, case.question)
    quoted = page.locator(".quoted-first")
    sentence = {"en": "Shoes can be returned within 14 days of delivery.", "zh-CN": "鞋子可以在收货后 14 天内退货。"}
    expect(quoted.locator("blockquote")).to_have_text(sentence[language])
    expect(quoted.locator("figcaption")).to_contain_text(say("turn.quoted"))
    quoted.get_by_role("button").click()
    expect(page.locator(".passage-panel .passage-text")).to_contain_text(sentence[language])
    gate.release(MANY)
    expect(page.locator(".turn-answered")).to_be_visible()
    expect(quoted).to_have_count(0)


def test_chat_page_says_that_the_model_is_silent_and_then_that_it_was_given_up(
    tmp_path: Path, audience: Audience, gate: threading.Semaphore
) -> None:
    from playwright.sync_api import expect

    with staged(tmp_path, audience, gate=gate, model_silence_seconds=6) as stage:
        page = stage.visitor()
        begin(page, CASE.question)
        expect(page.locator(".progress")).to_have_text(SAY("turn.silent", seconds=2, limit=6), timeout=15_000)
        gate.release(1)
        expect(page.locator(".turn-streaming")).to_be_visible()
        expect(page.locator(".progress")).to_have_text(SAY("turn.silent", seconds=2, limit=6), timeout=15_000)
        expect(page.locator(".turn-error")).to_contain_text("did not answer for 6 seconds", timeout=15_000)


def long_conversation(stage: Stage, language: str, questions: int) -> Page:
    """The page of somebody who has a conversation of so many questions."""
    page = stage.visitor(language)
    ask(page, CASES[language].question)
    (listed,) = stored(page, "/api/conversations")["conversations"]
    with stage.world.parts.database.write() as session:
        owner = session.get_one(Conversation, listed["id"]).owner
        for number in range(1, questions):
            answer = conversations.begin(
                session, owner=owner, question=f"Number {number}?", conversation_id=listed["id"], model="scripted"
            )
            conversations.fail(session, answer.id, f"Text {number}.\n\n" * 8)
    return page


@pytest.mark.parametrize("language", LANGUAGES)
def test_chat_page_shows_earlier_questions_by_keyboard_and_stays_where_the_reader_is(
    stage: Stage, language: str
) -> None:
    from playwright.sync_api import expect

    say = Words(language)
    page = long_conversation(stage, language, 2 * transcripts.PAGE + 1)
    page.reload()
    turns = page.locator("article.turn")
    expect(turns).to_have_count(transcripts.PAGE)
    more = page.get_by_role("button", name=say("chat.earlier"), exact=True)
    first = turns.first
    question = f"Number {transcripts.PAGE + 1}?"
    expect(first).to_contain_text(question)
    more.focus()
    before = page.get_by_text(question, exact=True).bounding_box()
    page.keyboard.press("Enter")
    expect(turns).to_have_count(2 * transcripts.PAGE)
    after = page.get_by_text(question, exact=True).bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2
    expect(page.locator("p[role=status]")).to_have_text(say("chat.earlier.shown.other", n=transcripts.PAGE))
    page.keyboard.press("Tab")
    expect(more).to_be_focused()
    page.keyboard.press("Enter")
    expect(turns).to_have_count(2 * transcripts.PAGE + 1)
    expect(more).to_have_count(0)
    expect(turns.first).to_contain_text(CASES[language].question)


def test_chat_page_opens_a_long_conversation_at_the_answer_that_was_corrected(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = long_conversation(stage, "en", transcripts.PAGE + 3)
    (conversation,) = stored(page, "/api/conversations")["conversations"]
    whole = stored(page, f"/api/conversations/{conversation['id']}")
    answer_id = stored(page, f"/api/conversations/{conversation['id']}?before={whole['earlier']}")["turns"][0][
        "answer_id"
    ]
    page.context.request.post(f"/api/answers/{answer_id}/feedback", data={"rating": "down"})
    stage.world.parts.curation(EVERYTHING).draft(1, {"answer": CASE.corrected}, actor="carla")
    stage.world.parts.curation(EVERYTHING).approve(1, actor="carla")
    page.goto("/")
    page.locator(".conversation-open").click()
    expect(page.locator(".slip-corrected")).to_be_in_viewport()
    expect(page.locator("article.turn")).to_have_count(transcripts.PAGE + 3)
