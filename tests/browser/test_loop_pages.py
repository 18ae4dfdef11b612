"""The whole loop through the pages, in English and Chinese: wrong, corrected, asked again, right, rolled back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.browser.stage import CASES, LANGUAGES, Case, Stage, Words, ask, press
from tests.loop.world import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", LANGUAGES)
def test_loop_pages_from_the_wrong_answer_to_the_right_one_and_back(stage: Stage, language: str) -> None:
    case, say = CASES[language], Words(language)
    visitor = stage.visitor(language)
    _see_sources(visitor, case, say)
    _complain(visitor, case, say)

    curator = stage.visitor(language, "/curate")
    _sign_in(curator, say)
    _read_item(curator, case, say)
    _correct(curator, case, say)
    _approve(curator, say)

    _see_correction(visitor, case, say)
    _say_not_mine(visitor, case, say)
    _roll_back(curator, say)
    _see_old_answer(visitor, case)


def _see_sources(page: Page, case: Case, say: Words) -> None:
    from playwright.sync_api import expect

    expect(page.locator("html")).to_have_attribute("lang", re.compile("^zh" if "退" in case.question else "^en"))
    turn = ask(page, case.question)
    expect(turn.locator(".prose")).to_contain_text(case.old)
    panel = page.locator(".passage-panel")
    turn.locator('button.cite[data-n="1"]').first.click()
    expect(panel.locator("h2")).to_have_text(case.title)
    expect(panel.locator(".passage-text")).to_have_text(case.text)
    press(panel, say("ui.close"))
    expect(panel).to_have_count(0)
    turn.locator("button.footnote").first.click()
    expect(panel.locator(".passage-text")).to_have_text(case.text)
    page.keyboard.press("Escape")
    expect(panel).to_have_count(0)


def _complain(page: Page, case: Case, say: Words) -> None:
    from playwright.sync_api import expect

    page.locator(".rate-down").click()
    form = page.locator("form.feedback")
    form.get_by_text(say("reason.outdated"), exact=True).click()
    form.get_by_label(say("feedback.comment")).fill(case.comment)
    form.get_by_label(say("feedback.better")).fill(case.suggestion)
    press(form, say("ui.send"))
    expect(page.locator(".toast")).to_have_text(say("feedback.thanks_down"))
    expect(form).to_have_count(0)
    expect(page.locator(".rate-down")).to_have_text(say("actions.marked"))


def _sign_in(page: Page, say: Words) -> None:
    page.get_by_label(say("login.username")).fill("carla")
    page.get_by_label(say("login.password")).fill(PASSWORD)
    press(page, say("login.submit"))
    page.wait_for_url("**/curate*")


def _read_item(page: Page, case: Case, say: Words) -> None:
    from playwright.sync_api import expect

    page.locator(".entry-link").click()
    expect(page.locator(".item-head h1")).to_have_text(case.question)
    complaint = page.locator("#reported .complaint")
    expect(complaint.locator(".mark")).to_have_text(say("reason.outdated"))
    expect(complaint.locator(".complaint-comment")).to_have_text(case.comment)
    expect(complaint.locator(".suggested .prose")).to_have_text(case.suggestion)
    then = page.locator("#answer-then")
    expect(then.locator(".then .prose")).to_contain_text(case.old)
    expect(then.locator(".facts")).to_contain_text(say("snapshot.knowledge"))
    cited = then.locator(".passage-row", has_text=say("snapshot.cited"))
    cited.locator("summary").click()
    expect(cited.locator(".passage-text")).to_have_text(case.text)
    expect(cited.locator(".hint")).to_contain_text(say("stage.dense"))


def _correct(page: Page, case: Case, say: Words) -> None:
    from playwright.sync_api import expect

    page.locator("#answer").fill(case.corrected)
    expect(page.locator(".answer-preview strong")).to_have_text(case.replace)
    press(page, say("edits.own"))
    page.locator(".picker input[type=search]").fill(case.title)
    page.locator(".picker-list button").first.click()
    page.get_by_label(say("edits.find")).fill(case.find)
    page.get_by_label(say("edits.replace")).fill(case.replace)
    press(page, say("edits.add"))
    card = page.locator(".edit-card.is-accepted")
    expect(card.locator("del")).to_have_text("14")
    expect(card.locator("ins")).to_have_text("30")


def _approve(page: Page, say: Words) -> None:
    from playwright.sync_api import expect

    bar = page.locator(".action-bar")
    press(bar, say("action_button.prove"))
    expect(page.locator("#proof .notice-good")).to_contain_text(say("proof.verdict.fixed"))
    expect(bar.locator(".save-state")).to_have_text(say("item.saved"))
    press(bar, say("action_button.approve"))
    press(page.locator("dialog"), say("action_button.approve"))
    expect(page.locator(".item-facts .mark").first).to_have_text(say("state.verified"))
    expect(page.locator(".detail-column > .notice-good")).to_contain_text(say("recheck.verified"))
    expect(page.locator("#history li")).to_have_count(4)


def _see_correction(page: Page, case: Case, say: Words) -> None:
    from playwright.sync_api import expect

    page.reload()
    slip = page.locator(".slip-corrected")
    expect(slip.locator(".prose")).to_have_text(case.shown)
    expect(page.locator(".conversation .mark")).to_have_text(say("conversations.corrected"))
    press(slip, say("corrected.again"))
    turn = page.locator(".turn-curated")
    expect(turn.locator(".slip-curated .slip-title")).to_have_text(say("curated.mark"))
    expect(turn.locator(".prose")).to_have_text(case.shown)
    press(turn, say("curated.source"))
    expect(page.locator(".passage-panel .mark")).to_have_text(say("source.corrected"))
    page.keyboard.press("Escape")


def _say_not_mine(page: Page, case: Case, say: Words) -> None:
    from playwright.sync_api import expect

    press(page, say("curated.not_mine"))
    turn = page.locator("article.turn").last
    expect(turn).to_have_class(re.compile("turn-answered"))
    expect(turn.locator(".prose")).to_contain_text(case.new)  # the edited document, read by the model


def _roll_back(page: Page, say: Words) -> None:
    from playwright.sync_api import expect

    press(page.locator(".action-bar"), say("action_button.rollback"))
    dialog = page.locator("dialog")
    dialog.locator("textarea").fill("not agreed yet")
    press(dialog, say("action_button.rollback"))
    expect(page.locator(".item-facts .mark").first).to_have_text(say("state.rolled_back"))
    expect(page.locator("#history")).to_contain_text("not agreed yet")


def _see_old_answer(page: Page, case: Case) -> None:
    from playwright.sync_api import expect

    page.locator(".new-chat").click()
    turn = ask(page, case.question)
    expect(turn.locator(".prose")).to_contain_text(case.old)
    expect(turn.locator(".slip")).to_have_count(0)
    page.locator(".conversation-open").nth(1).click()
    expect(page.locator("article.turn")).to_have_count(3)
    expect(page.locator(".slip-corrected")).to_have_count(0)
