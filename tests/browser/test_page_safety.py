"""Hostile words in every place where words are shown: nothing runs, nothing is fetched. The fixture does the judging:
a dialog box, a request to another host, a console error or a breach of the policy fails the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.stage import Audience, Stage, Words, ask, press, staged
from tests.loop.world import put

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
SAY = Words("en")
HOSTILE = (
    "\"'><img src=/nowhere onerror=alert(1)><svg onload=alert(2)></svg><script>alert(3)</script>"
    "<iframe srcdoc='<script>alert(4)</script>'></iframe><a href=javascript:alert(5)>x</a> [y](javascript:alert(6))"
)


def test_audience_notices_errors_on_a_page(stage: Stage, chromium: Browser) -> None:
    people = Audience(chromium)
    page = people.enter(stage.address, "/", language="en", phone=False, cookies={})
    page.evaluate("""() => {
      new Image().src = "https://pictures.example/map.png";
      setTimeout(() => alert(1));
      setTimeout(() => { throw new Error("lost"); });
    }""")
    kinds = {"request", "error", "dialog", "uncaught"}
    for _ in range(150):
        if kinds <= {fault.partition(":")[0] for fault in people.faults()}:
            break
        page.wait_for_timeout(100)
    people.leave()
    faults = people.faults()
    assert {fault.partition(":")[0] for fault in faults} == kinds
    assert any(fault.startswith("error: policy img-src https://pictures.example/map.png") for fault in faults)


def test_page_shows_hostile_words_as_words(tmp_path: Path, audience: Audience) -> None:
    from playwright.sync_api import expect

    with staged(tmp_path, audience, script=lambda _prompt: f"Say {HOSTILE} [1].") as stage:
        put(stage.world.client("carla"), "hostile", HOSTILE, f"# {HOSTILE}\n\nSay {HOSTILE}")
        visitor = stage.visitor()
        turn = ask(visitor, HOSTILE)
        expect(turn.locator("h2")).to_have_text(HOSTILE)
        expect(turn.locator(".prose")).to_contain_text("<script>alert(3)</script>")
        turn.locator("button.cite").first.click()
        expect(visitor.locator(".passage-panel")).to_contain_text("<script>alert(3)</script>")
        visitor.keyboard.press("Escape")
        turn.locator(".rate-down").click()
        form = turn.locator("form.feedback")
        form.get_by_label(SAY("feedback.quote")).select_option(index=1)
        form.get_by_label(SAY("feedback.comment")).fill(HOSTILE)
        form.get_by_label(SAY("feedback.better")).fill(HOSTILE)
        press(form, SAY("ui.send"))
        visitor.reload()
        expect(visitor.locator(".turn-answered .prose")).to_contain_text("<script>alert(3)</script>")
        expect(visitor.locator(".conversation-title")).to_contain_text("<img")

        curator = stage.curator()
        curator.locator(".entry-link").click()
        expect(curator.locator(".complaint-comment")).to_have_text(HOSTILE)
        for summary in curator.locator("summary").all():
            summary.click()
        expect(curator.locator(".prompt-text").last).to_contain_text(HOSTILE)
        curator.locator("#answer").fill(HOSTILE)
        expect(curator.locator(".answer-preview .prose")).to_contain_text("<script>alert(3)</script>")
        curator.get_by_role("button", name=SAY("edits.these_words")).first.click()
        expect(curator.locator(".document-text")).to_contain_text(HOSTILE)
        press(curator.locator(".action-bar"), SAY("action_button.approve"))
        press(curator.locator("dialog"), SAY("action_button.approve"))
        expect(curator.locator(".item-facts .mark").first).to_have_text(SAY("state.verified"))
        curator.goto("/curate#/knowledge/hostile")
        expect(curator.locator(".item-head h1")).to_have_text(HOSTILE)
        expect(curator.locator(".document-body")).to_contain_text(HOSTILE)

        visitor.reload()
        expect(visitor.locator(".slip-corrected .prose")).to_contain_text("<script>alert(3)</script>")
        assert curator.locator("img, iframe, [onerror], [onload]").count() == 0
        assert visitor.locator("img, iframe, [onerror], [onload]").count() == 0


def test_page_never_asks_another_host_for_a_picture(tmp_path: Path, audience: Audience) -> None:
    from playwright.sync_api import expect

    answer = "See ![a map](https://pictures.example/map.png?who=you) and <img src=//pictures.example/map> [1]."
    with staged(tmp_path, audience, script=lambda _prompt: answer) as stage:
        page = stage.visitor()
        turn = ask(page, "Where is the shop?")
        link = turn.locator(".prose a")
        expect(link).to_have_text("a map")
        expect(link).to_have_attribute("rel", "noopener noreferrer nofollow")
        page.reload()
        expect(turn.locator(".prose a")).to_have_text("a map")
    assert audience.requests
    assert [url for url in audience.requests if "pictures.example" in url] == []


def test_page_frames_and_foreign_origins_are_refused(stage: Stage) -> None:
    page = stage.visitor()
    headers = page.context.request.get("/").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    foreign = page.context.request.post("/api/chat", data={"question": "x"}, headers={"Origin": "https://evil.example"})
    assert foreign.status == 403
