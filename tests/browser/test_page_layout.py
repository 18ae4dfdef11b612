"""Every page on a narrow phone, in both languages: nothing sticks out at the side, what is touched is large enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.stage import CASES, LANGUAGES, Stage, Words, ask, press

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

# What sticks out at the side, and is not inside something that scrolls or clips by itself. A phone zooms out when the
# page is too wide, and innerWidth grows with it: clientWidth does not.
OUTSIDE = """() => {
  const { clientWidth: width, scrollWidth } = document.documentElement;
  const held = (node) => {
    for (let box = node.parentElement; box && box !== document.body; box = box.parentElement) {
      if (getComputedStyle(box).overflowX !== "visible" && box.getBoundingClientRect().right <= width + 1) return true;
    }
    return false;
  };
  const found = scrollWidth > width ? [`page ${scrollWidth}`] : [];
  for (const node of document.querySelectorAll("body *")) {
    const box = node.getBoundingClientRect();
    if (!node.checkVisibility({ visibilityProperty: true }) || box.width === 0 || held(node)) continue;
    if (box.right > width + 1) found.push(`${node.tagName}.${node.className} to ${Math.round(box.right)}`);
  }
  return found;
}"""
# What is touched and too small: 24 pixels at least (WCAG 2.2, 2.5.8), 40 for what is made for pressing. Links and
# buttons within a line of text may be smaller.
SMALL = """() => {
  const found = [];
  for (const node of document.querySelectorAll("a, button, input, select, textarea, summary")) {
    if (!node.checkVisibility({ visibilityProperty: true }) || node.closest(".visually-hidden, .skip")) continue;
    if (node.matches("input.visually-hidden, .chip input, .prose *, p a, p .link-button, dd a")) continue;
    const box = (node.closest("label") ?? node).getBoundingClientRect();
    const least = node.matches(".button, .icon-button, .send, .rate-down, input, select, textarea, .tabs a") ? 40 : 24;
    if (box.width < (node.type === "checkbox" ? 24 : least) || box.height < (node.type === "checkbox" ? 24 : least)) {
      found.push(`${node.tagName}.${node.className} ${Math.round(box.width)}x${Math.round(box.height)}`);
    }
  }
  return [...new Set(found)];
}"""

# Sheets and drawers have come in. What turns for ever (a line that waits) is not waited for.
SETTLED = """() => Promise.all(document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().endTime !== Infinity)
  .map((one) => one.finished.catch(() => {})))"""


def check(page: Page, where: str) -> None:
    page.evaluate(SETTLED)
    assert page.evaluate(OUTSIDE) == [], where
    assert page.evaluate(SMALL) == [], where


def test_layout_check_notices_elements_outside_the_page(stage: Stage) -> None:
    page = stage.visitor(phone=True)
    page.evaluate("""() => {
      const line = document.createElement("hr");
      line.style.width = "400px";
      document.querySelector("main").append(line);
    }""")
    assert page.evaluate(OUTSIDE)[1:] == ["HR. to 400"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_layout_of_the_chat_page_fits_a_phone(stage: Stage, language: str) -> None:
    case, say = CASES[language], Words(language)
    page = stage.visitor(language, phone=True)
    check(page, "welcome")
    turn = ask(page, case.question)
    check(page, "answer")
    turn.locator("button.cite").first.tap()
    check(page, "passage")
    page.locator(".passage-panel").get_by_role("button", name=say("ui.close"), exact=True).tap()
    turn.locator(".rate-down").tap()
    page.locator("form.feedback").wait_for()
    check(page, "feedback")
    press(page, say("feedback.later"))
    ask(page, "Do you also sell gift-cards-" + "x" * 120 + " for children?", "refused")
    page.locator(".refusal .expected summary").tap()
    check(page, "refusal")
    page.get_by_role("button", name=say("conversations.title"), exact=True).tap()
    page.locator(".conversation").wait_for()
    check(page, "conversations")
    page.locator(".conversation-tools button").first.tap()
    check(page, "renaming")


@pytest.mark.parametrize("language", LANGUAGES)
def test_layout_of_the_curators_pages_fits_a_phone(stage: Stage, language: str) -> None:
    case, say = CASES[language], Words(language)
    ask(stage.visitor(language), case.question).locator(".rate-down").click()
    stage.report("Gift-cards-" + "x" * 120 + "?", case.comment)
    check(stage.visitor(language, "/login", phone=True), "login")
    page = stage.curator(language, phone=True)
    page.locator(".entry").first.wait_for()
    page.locator(".entry-check").first.tap()
    check(page, "queue")
    page.locator(".entry-link", has_text=case.question).tap()
    page.locator("#answer").fill(case.corrected)
    page.locator("#answer-then .passage-row summary").first.tap()
    check(page, "item")
    heights = [button.bounding_box() for button in page.locator(".action-bar .button").all()]
    assert {round(box["height"]) for box in heights if box} == {44}  # no word is broken
    page.get_by_role("button", name=say("edits.these_words")).first.tap()
    page.get_by_label(say("edits.find")).fill(case.find)
    page.get_by_label(say("edits.replace")).fill(case.replace)
    check(page, "editing a document")
    press(page, say("edits.add"))
    press(page, say("action_button.prove"))
    page.locator("#proof .notice-good").wait_for()
    check(page, "proof")
    press(page.locator(".action-bar"), say("action_button.approve"))
    check(page, "approving")
    press(page.locator("dialog"), say("ui.cancel"))
    page.goto("/curate#/knowledge")
    page.locator(".entry").first.wait_for()
    check(page, "documents")
    page.locator(".entry-link").first.tap()
    page.locator(".document-body").wait_for()
    check(page, "document")


@pytest.mark.parametrize("language", LANGUAGES)
def test_layout_of_short_messages_covers_no_controls_in_use(stage: Stage, language: str) -> None:
    case, say = CASES[language], Words(language)
    page = stage.visitor(language, phone=True)
    ask(page, case.question)
    page.locator(".thumb-up").tap()
    page.locator("#question").fill(f"{case.question}\n" * 6)
    assert bottom(page, ".toast") <= top(page, ".composer")
    number = stage.report(case.question, case.comment)
    page = stage.curator(language, f"/curate#/queue/{number}", phone=True)
    page.locator("#answer").fill(case.corrected)
    press(page.locator(".action-bar"), say("action_button.claim"))
    assert bottom(page, ".toast") <= top(page, ".action-bar")


def top(page: Page, selector: str) -> float:
    box = page.locator(selector).bounding_box()
    assert box
    return box["y"]


def bottom(page: Page, selector: str) -> float:
    page.locator(selector).wait_for()
    page.evaluate(SETTLED)
    box = page.locator(selector).bounding_box()
    assert box
    return box["y"] + box["height"]


def test_layout_shows_one_passing_message_at_a_time_beside_those_that_offer_an_action(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = stage.visitor()
    page.evaluate("""async () => {
      const { toast } = await import("/static/ui.js");
      toast("Deleted.", { action: "Undo", seconds: 60 });
      toast("Copied.", { seconds: 60 });
      toast("Saved.", { seconds: 60 });
    }""")
    expect(page.locator(".toast > span")).to_have_text(["Deleted.", "Saved."])
