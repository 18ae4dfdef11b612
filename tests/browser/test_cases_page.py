"""Correcting without a complaint, questions that wait, complaints that do not belong together, checking again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.stage import Stage, Words, press
from tests.loop.world import act, ask

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def on_item(page: Page, question: str) -> None:
    from playwright.sync_api import expect

    expect(page.locator(".item-head h1")).to_have_text(question)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_cases_page_starts_splits_and_checks_again(stage: Stage, language: str) -> None:
    from playwright.sync_api import expect

    say = Words(language)
    desk = stage.world.client("carla")
    ask(stage.world.client(), "Where can I leave my bicycle?")
    stage.world.work()
    page = stage.curator(language)
    press(page, say("unanswered.button"))
    expect(page.get_by_role("dialog")).to_contain_text("Where can I leave my bicycle?")
    press(page.get_by_role("dialog"), say("unanswered.start"))
    on_item(page, "Where can I leave my bicycle?")

    press(page, say("new.button"))
    page.get_by_label(say("new.question")).fill("Where is the shop?")
    press(page.get_by_role("dialog"), say("new.create"))
    on_item(page, "Where is the shop?")
    number = int(page.url.rpartition("/")[2])
    desk.put(f"/api/corrections/{number}/draft", json={"answer": "At 5 Harbour Street."})
    act(desk, number, "approve")
    stage.world.work()
    page.reload()
    notice = page.locator(".recheck")
    expect(notice).to_contain_text(say("recheck.partly"))
    expect(notice).to_contain_text(say("recheck_way.retrieved"))
    press(notice, say("action_button.recheck"))
    expect(notice).to_contain_text(say("recheck.pending"))
    stage.world.work()
    expect(notice).to_contain_text(say("recheck.partly"))

    first, stray = stage.report("Do you repair boots?", "No."), stage.report("Do you sell hats?", "No.")
    desk.post("/api/corrections/merge", json={"ids": [first, stray]})
    page.goto(f"/curate#/queue/{first}")
    complaint = page.locator(".complaint", has_text="Do you sell hats?")
    expect(complaint).to_contain_text(say("complaint.not_confirmed"))
    press(complaint, say("split.button"))
    on_item(page, "Do you sell hats?")
