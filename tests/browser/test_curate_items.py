"""What a curator begins with one item stays with it: pickers, dialogs, half-written text, calls that end later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.stage import CASES, Audience, Stage, Words, ask, hold, press, stored

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
CASE = CASES["en"]
SAY = Words("en")
OTHER = "Do you sell gift cards?"


@pytest.fixture
def two(stage: Stage) -> tuple[Page, int, int]:
    """A curator before the first of two items, and the numbers of both."""
    first, second = stage.report(CASE.question, CASE.comment), stage.report(OTHER, "No answer for me.")
    page = stage.curator(path=f"/curate#/queue/{first}")
    page.locator("#answer").wait_for()
    return page, first, second


def go(page: Page, number: int, question: str) -> None:
    """To an item by its address, as the browser's back button goes."""
    from playwright.sync_api import expect

    page.evaluate("number => { location.hash = `#/queue/${number}`; }", number)
    expect(page.locator(".item-head h1")).to_have_text(question)


def test_words_picked_for_one_item_do_not_reach_the_next(two: tuple[Page, int, int]) -> None:
    from playwright.sync_api import expect

    page, first, second = two
    press(page, SAY("edits.own"))
    page.locator(".picker input[type=search]").fill(CASE.title)
    page.locator(".picker-list button").first.click()
    page.get_by_label(SAY("edits.find")).fill(CASE.find)
    go(page, second, OTHER)
    expect(page.locator(".picker")).to_have_count(0)
    expect(page.locator(".edit-card")).to_have_count(0)
    go(page, first, CASE.question)
    expect(page.locator(".edit-card.is-accepted")).to_have_count(0)


def test_words_of_another_passage_of_the_same_document_take_the_place_of_the_first(stage: Stage) -> None:
    from playwright.sync_api import expect

    visitor = stage.visitor()
    ask(visitor, CASE.question).locator(".rate-down").click()
    visitor.locator("form.feedback").wait_for()
    page = stage.curator(path="/curate#/queue/1")
    row = page.locator("#answer-then .passage-row").first
    row.locator("summary").click()
    press(row, SAY("edits.these_words"))
    find = page.get_by_label(SAY("edits.find"))
    expect(find).to_have_value(CASE.text)
    find.fill("something else")
    press(row, SAY("edits.these_words"))
    expect(find).to_have_value(CASE.text)


def test_a_dialog_of_one_item_closes_with_it(two: tuple[Page, int, int]) -> None:
    from playwright.sync_api import expect

    page, _first, second = two
    press(page, SAY("action_button.reject"))
    page.locator("dialog textarea").fill("already right")
    go(page, second, OTHER)
    expect(page.locator("dialog")).to_have_count(0)
    assert [event["action"] for event in stored(page, f"/api/corrections/{second}")["history"]] == ["report"]


def test_a_question_half_typed_for_one_item_is_not_in_the_next(two: tuple[Page, int, int]) -> None:
    from playwright.sync_api import expect

    page, _first, second = two
    line = page.locator(".lines").first.get_by_label(SAY("editor.add_line"))
    line.fill("How long may shoes be kept?")
    page.get_by_role("link", name=SAY("tab.knowledge")).click()
    page.go_back()
    expect(line).to_have_value("How long may shoes be kept?")
    go(page, second, OTHER)
    expect(line).to_have_value("")


def test_a_late_refusal_does_not_change_the_next_item(two: tuple[Page, int, int], audience: Audience) -> None:
    from playwright.sync_api import expect

    audience.announce("status of 409")
    page, first, second = two
    page.locator("#answer").fill(CASE.corrected)
    request = hold(page, "**/draft", lambda: press(page, SAY("action_button.save")))
    changed = page.context.request.post(f"/api/corrections/{first}/claim", data={})
    assert changed.ok
    go(page, second, OTHER)
    page.locator("#answer").fill("Not yet.")
    request.continue_()
    expect(page.locator(".toast")).to_contain_text(f"Correction {first}")
    expect(page.locator(".conflict")).to_have_count(0)
    expect(page.locator("#answer")).to_have_value("Not yet.")
    expect(page.locator(".save-state")).to_have_text(SAY("item.unsaved"))
    go(page, first, CASE.question)
    expect(page.locator("#answer")).to_have_value(CASE.corrected)


def test_an_approval_is_of_the_revision_that_was_confirmed_wherever_the_curator_is(
    two: tuple[Page, int, int],
) -> None:
    from playwright.sync_api import expect

    page, first, second = two
    page.locator("#answer").fill(CASE.corrected)
    press(page, SAY("action_button.approve"))
    request = hold(page, "**/draft", lambda: press(page.locator("dialog"), SAY("action_button.approve")))
    go(page, second, OTHER)
    expect(page.locator(".save-state")).to_have_text("")
    request.continue_()
    expect(page.locator(".toast")).to_contain_text(SAY("item.elsewhere", id=first, text=SAY("done.approve")))
    assert stored(page, f"/api/corrections/{first}")["published"] is not None
    assert [event["action"] for event in stored(page, f"/api/corrections/{second}")["history"]] == ["report"]


def test_text_that_a_curator_set_aside_comes_back(two: tuple[Page, int, int], audience: Audience) -> None:
    from playwright.sync_api import expect

    audience.announce("status of 409")
    page, first, second = two
    page.locator("#answer").fill("Within 31 days.")
    theirs = page.context.request.put(f"/api/corrections/{first}/draft", data={"answer": "Within 30 days."})
    assert theirs.ok
    press(page, SAY("action_button.save"))
    press(page.locator(".conflict"), SAY("conflict.take_theirs"))
    aside = page.get_by_label(SAY("conflict.set_aside"))
    expect(aside).to_have_value("Within 31 days.")
    go(page, second, OTHER)
    expect(aside).to_have_count(0)
    go(page, first, CASE.question)
    expect(aside).to_have_value("Within 31 days.")


def test_cited_passages_are_removed_only_after_an_answer_and_a_confirmation(stage: Stage) -> None:
    from playwright.sync_api import expect

    visitor = stage.visitor()
    ask(visitor, CASE.question).locator(".rate-down").click()
    visitor.locator("form.feedback").wait_for()
    page = stage.curator(path="/curate#/queue/1")
    section = page.locator("#supersedes")
    expect(section.locator(".edit-card .mark")).to_have_text("cited by the answer that was complained about")
    expect(section.get_by_role("button")).to_have_count(0)
    expect(section).to_contain_text(SAY("supersede.answer_first"))
    page.locator("#answer").fill(CASE.corrected)
    press(section, SAY("supersede.passage"))
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text(SAY("take_out.text"))
    press(dialog, SAY("ui.cancel"))
    expect(section.locator(".is-accepted")).to_have_count(0)
    press(section, SAY("supersede.passage"))
    press(dialog, SAY("supersede.take_out"))
    expect(section.locator(".is-accepted .passage-text")).to_have_text(CASE.text)


@pytest.mark.parametrize(
    ("zone", "language", "moment", "named"),
    [
        ("Asia/Shanghai", "en", "2031-01-31T15:59:59Z", "China Standard Time"),
        ("Asia/Shanghai", "zh-CN", "2031-01-31T15:59:59Z", "中国标准时间"),
        ("America/New_York", "en", "2031-02-01T04:59:59Z", "Eastern Standard Time"),
    ],
)
def test_the_last_day_of_a_correction_ends_where_the_curator_is(
    stage: Stage, zone: str, language: str, moment: str, named: str
) -> None:
    from playwright.sync_api import expect

    say = Words(language)
    number = stage.report(CASE.question, CASE.comment)
    page = stage.curator(language, f"/curate#/queue/{number}", zone=zone)
    until = page.get_by_label(say("editor.valid_until"))
    until.fill("2031-01-31")
    expect(page.locator("[id$=-ends]")).to_contain_text(named)
    expect(page.locator("[id$=-ends]")).to_contain_text("59")
    page.locator("#answer").fill(CASE.corrected)
    press(page, say("action_button.save"))
    expect(page.locator(".save-state")).to_have_text(say("item.saved"))
    date = stored(page, f"/api/corrections/{number}")["draft"]["valid_until"]
    assert date == moment.replace("Z", "+00:00")
    expect(until).to_have_value("2031-01-31")
    elsewhere = stage.curator(language, f"/curate#/queue/{number}", zone="Pacific/Auckland", user="ada")
    expect(elsewhere.get_by_label(say("editor.valid_until"))).to_have_value("2031-02-01")
    elsewhere.locator("#answer").fill("Within 31 days.")
    press(elsewhere, say("action_button.save"))
    expect(elsewhere.locator(".save-state")).to_have_text(say("item.saved"))
    assert stored(page, f"/api/corrections/{number}")["draft"]["valid_until"] == date


def test_a_question_about_deleting_one_document_is_not_asked_of_another(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = stage.curator(path="/curate#/knowledge/returns")
    press(page, SAY("knowledge.delete"))
    expect(page.locator("dialog")).to_contain_text(CASE.title)
    page.evaluate("id => { location.hash = `#/knowledge/${encodeURIComponent(id)}`; }", CASES["zh-CN"].document)
    expect(page.locator(".item-head h1")).to_have_text(CASES["zh-CN"].title)
    expect(page.locator("dialog")).to_have_count(0)
