"""The curator's page at work: a long queue, two curators on one item, a session that ends, the keyboard, documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.stage import CASES, LANGUAGES, Audience, Stage, Words, press, stand_still, stored
from tests.loop.world import PASSWORD, act

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
CASE = CASES["en"]
SAY = Words("en")
SIZES = [f"Do you have size {number}?" for number in range(1, 41)]


def opened(stage: Stage, number: int, *, user: str = "carla") -> Page:
    """Somebody with an item before them."""
    page = stage.curator(path=f"/curate#/queue/{number}", user=user)
    page.locator("#answer").wait_for()
    return page


def test_curate_page_lists_filters_searches_and_steps_through_forty_items(stage: Stage) -> None:
    from playwright.sync_api import expect

    numbers = [stage.report(question, "No answer for me.") for question in SIZES]
    for number in numbers[:3]:
        act(stage.world.client("carla"), number, "reject", reason="no such size")
    page = stage.curator()
    entries = page.locator(".entry-question")
    state = page.get_by_role("combobox", name=SAY("queue.state"), exact=True)
    expect(entries).to_have_count(37)
    expect(entries.first).to_have_text(SIZES[-1])
    expect(state.locator("option").first).to_have_text(SAY("queue.to_do", n=37))
    state.select_option("rejected")
    expect(entries).to_have_text([SIZES[2], SIZES[1], SIZES[0]])
    state.select_option("")
    expect(entries).to_have_count(40)
    page.get_by_label(SAY("queue.search")).fill("size 3")
    expect(entries).to_have_count(11)
    page.get_by_label(SAY("queue.search")).fill("nowhere")
    expect(page.locator(".list-note")).to_have_text(SAY("queue.none"))
    page.get_by_label(SAY("queue.search")).fill("")
    expect(entries).to_have_count(40)

    page.keyboard.press("Escape")  # leaves the search box
    first, second = entries.nth(0).inner_text(), entries.nth(1).inner_text()
    title = page.locator(".item-head h1")
    for key, question in (("j", first), ("j", second), ("k", first), ("k", first)):
        page.keyboard.press(key)
        expect(title).to_have_text(question)
        expect(page.locator(".entry.is-current .entry-question")).to_have_text(question)


def test_curate_page_merges_two_items(stage: Stage) -> None:
    from playwright.sync_api import expect

    for question in ("Do you sell gift cards?", "Can I buy a voucher?", "Is there parking?"):
        stage.report(question, f"About: {question}")
    page = stage.curator()
    page.get_by_label(SAY("queue.choose", question="Do you sell gift cards?")).check()
    page.get_by_label(SAY("queue.choose", question="Can I buy a voucher?")).check()
    press(page, SAY("queue.merge"))
    press(page, SAY("merge.button", n=2))
    expect(page.locator(".toast")).to_have_text(SAY("merge.done", n=2))
    expect(page.locator(".entry")).to_have_count(2)
    expect(page.locator("#reported .complaint-comment")).to_have_count(2)
    expect(page.locator(".suggested-lines button")).to_have_count(1)
    page.locator(".suggested-lines button").click()
    expect(page.locator(".lines li")).to_have_count(1)


@pytest.mark.parametrize("language", LANGUAGES)
def test_curate_page_rejects_the_chosen_items_tells_what_failed_and_takes_it_back(stage: Stage, language: str) -> None:
    from playwright.sync_api import expect

    say = Words(language)
    numbers = [stage.report(question, "Buy now!") for question in SIZES[:4]]
    desk = stage.world.client("ada")
    page = stage.curator(path=f"/curate#/queue/{numbers[3]}", language=language)
    page.locator("#answer").wait_for()
    expect(page.locator(".entry")).to_have_count(4)  # the queue is there: "j" has somewhere to go
    page.keyboard.press("x")  # the newest
    page.keyboard.press("j")
    expect(page.locator(".item-head h1")).to_have_text(SIZES[2])
    page.keyboard.press("x")
    expect(page.locator(".chosen-bar > span")).to_have_text(say("queue.chosen.other", n=2))
    page.get_by_label(say("queue.choose", question=SIZES[1])).check()
    assert desk.put(f"/api/corrections/{numbers[1]}/draft", json={"answer": "No."}).status_code == 200
    page.locator(".item-head h1").click()
    page.keyboard.press("R")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading")).to_have_text(say("several.title.other", n=3))
    expect(dialog.get_by_role("listitem")).to_have_text([SIZES[3], SIZES[2], SIZES[1]])
    button = dialog.get_by_role("button", name=say("several.button.other", n=3))
    expect(button).to_be_disabled()
    dialog.get_by_label(say("dialog.reason")).fill("advertising")
    button.click()
    expect(dialog.get_by_role("heading")).to_have_text(say("several.failed.one", n=1))
    expect(dialog.get_by_role("listitem")).to_contain_text([SIZES[1]])
    expect(dialog.get_by_role("listitem")).to_contain_text(["ada"])
    page.keyboard.press("Escape")
    expect(page.locator(".entry-question")).to_have_text([SIZES[1], SIZES[0]])
    states = [desk.get(f"/api/corrections/{number}").json()["state"] for number in numbers]
    assert states == ["queued", "drafted", "rejected", "rejected"]
    page.locator(".toast", has_text=say("several.rejected.other", n=2)).get_by_role(
        "button", name=say("ui.undo")
    ).click()
    expect(page.locator(".entry")).to_have_count(4)
    states = [desk.get(f"/api/corrections/{number}").json()["state"] for number in numbers]
    assert states == ["queued", "drafted", "reopened", "reopened"]
    page.keyboard.press("X")
    expect(page.locator(".chosen-bar > span")).to_have_text(say("queue.chosen.other", n=4))


def test_curate_page_shows_the_second_of_two_curators_the_changes_and_keeps_their_text(
    stage: Stage, audience: Audience
) -> None:
    from playwright.sync_api import expect

    audience.announce("status of 409")
    number = stage.report(CASE.question, CASE.comment)
    carla, ada = opened(stage, number), opened(stage, number, user="ada")
    ada.locator("#answer").fill("Within 31 days.")
    carla.locator("#answer").fill("Within 30 days.")
    press(carla, SAY("action_button.save"))
    expect(carla.locator(".save-state")).to_have_text(SAY("item.saved"))

    press(ada, SAY("action_button.save"))
    conflict = ada.locator(".conflict")
    expect(conflict).to_contain_text(SAY("conflict.title"))
    expect(conflict.locator(".history li")).to_have_count(1)
    expect(conflict.locator(".history")).to_contain_text("carla")
    expect(conflict.locator("del")).to_have_text("30")
    expect(conflict.locator("ins")).to_have_text("31")
    expect(ada.locator("#answer")).to_have_value("Within 31 days.")
    press(conflict, SAY("conflict.keep_mine"))
    press(ada, SAY("action_button.save"))
    expect(ada.locator(".save-state")).to_have_text(SAY("item.saved"))
    assert stored(ada, f"/api/corrections/{number}")["draft"]["answer"] == "Within 31 days."

    carla.locator("#answer").fill("Within 32 days.")
    press(carla, SAY("action_button.save"))
    press(carla.locator(".conflict"), SAY("conflict.take_theirs"))
    expect(carla.locator("#answer")).to_have_value("Within 31 days.")
    expect(carla.get_by_label(SAY("conflict.set_aside"))).to_have_value("Within 32 days.")


def test_curate_page_asks_to_sign_in_again_and_loses_nothing(stage: Stage, audience: Audience) -> None:
    from playwright.sync_api import expect

    audience.announce("status of 401")
    page = opened(stage, stage.report(CASE.question, CASE.comment))
    page.locator("#answer").fill(CASE.corrected)
    page.context.clear_cookies()
    press(page, SAY("action_button.save"))
    dialog = page.locator("dialog")
    expect(dialog).to_contain_text(SAY("login.expired"))
    dialog.get_by_label(SAY("login.username")).fill("carla")
    dialog.get_by_label(SAY("login.password")).fill("not this")
    press(dialog, SAY("login.submit"))
    expect(dialog.get_by_role("alert")).to_have_text("The user name or the password is wrong.")
    dialog.get_by_label(SAY("login.password")).fill(PASSWORD)
    press(dialog, SAY("login.submit"))
    expect(dialog).to_have_count(0)
    expect(page.locator("#answer")).to_have_value(CASE.corrected)
    press(page, SAY("action_button.save"))
    expect(page.locator(".save-state")).to_have_text(SAY("item.saved"))


def test_curate_page_says_in_chinese_why_the_server_refused(stage: Stage, audience: Audience) -> None:
    from playwright.sync_api import expect

    audience.announce("status of 409")
    number = stage.report(CASE.question, CASE.comment)
    page = stage.curator("zh-CN", f"/curate#/queue/{number}")
    page.locator("#answer").fill(CASE.corrected)
    act(stage.world.client("ada"), number, "reject", reason="already right")
    press(page, Words("zh-CN")("action_button.save"))
    expect(page.locator(".conflict p").first).to_contain_text("ada 先改动了更正项")
    expect(page.locator(".conflict .history")).to_contain_text("already right")


def test_curate_page_puts_unsaved_text_back_after_it_was_closed(stage: Stage) -> None:
    from playwright.sync_api import expect

    page = opened(stage, stage.report(CASE.question, CASE.comment))
    page.locator("#answer").fill(CASE.corrected)
    page.reload()
    expect(page.locator("#answer")).to_have_value(CASE.corrected)
    press(page, SAY("item.discard"))
    expect(page.locator("#answer")).to_have_value("")


def test_curate_page_works_by_keyboard_from_queue_to_approval(stage: Stage) -> None:
    from playwright.sync_api import expect

    stage.report(CASE.question, CASE.comment)
    page = stage.curator()
    keys = page.keyboard
    page.locator(".entry").wait_for()
    keys.press("j")
    page.locator("#answer").wait_for()
    keys.press("e")
    expect(page.locator("#answer")).to_be_focused()
    keys.type(CASE.corrected)
    keys.press("Control+s")
    expect(page.locator(".save-state")).to_have_text(SAY("item.saved"))
    keys.press("Escape")
    keys.press("p")
    expect(page.locator("#proof .notice-good")).to_be_visible()
    keys.press("a")
    expect(page.locator("dialog").get_by_role("button", name=SAY("action_button.approve"))).to_be_focused()
    keys.press("Enter")
    expect(page.locator(".item-facts .mark").first).to_have_text(SAY("state.verified"))


def test_curate_page_is_ready_for_the_keys_as_soon_as_it_shows_something(stage: Stage) -> None:
    """The page stands still between two frames, where a key finds what is drawn and not what would follow."""
    from playwright.sync_api import expect

    stage.report(CASE.question, CASE.comment)
    page = stage.curator()
    page.locator(".entry").wait_for()
    stand_still(page)
    keys, dialog = page.keyboard, page.locator("dialog")
    keys.press("?")
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    keys.press("j")
    page.locator("#answer").wait_for()
    keys.press("e")
    keys.type(CASE.corrected)
    keys.press("Escape")
    keys.press("a")
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    keys.press("r")
    keys.type("already right")
    expect(dialog.locator("textarea")).to_have_value("already right")
    keys.press("Escape")
    expect(dialog).to_have_count(0)
    press(page, SAY("edits.own"))
    expect(page.locator(".picker input")).to_be_focused()


def test_curate_page_takes_in_a_file_finds_it_and_deletes_it(stage: Stage, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    page = stage.curator(path="/curate#/knowledge")
    (tmp_path / "parking.md").write_text("# Parking\n\nThe car park opens at seven.\n")
    (tmp_path / "broken.pdf").write_text("no PDF at all")
    stage.audience.announce("status of 422")
    page.locator("#files").set_input_files([tmp_path / "parking.md", tmp_path / "broken.pdf"])
    page.locator(".chosen summary", has_text="parking.md").focus()
    page.keyboard.press("Enter")  # what it would be stored as
    expect(page.locator(".preview")).to_contain_text("The car park opens at seven.", timeout=40_000)
    page.locator(".chosen summary", has_text="broken.pdf").click()
    expect(page.locator(".chosen .rejected")).to_contain_text("PDF", timeout=40_000)
    expect(page.locator(".entry-question", has_text="Parking")).to_have_count(0)  # nothing is stored yet
    press(page, SAY("preview.take_in.other", n=2))
    expect(page.locator(".chosen")).to_have_count(0)
    expect(page.locator(".job")).to_contain_text(SAY("job.done"), timeout=40_000)  # read in a process of its own
    expect(page.locator(".rejected li")).to_contain_text("broken.pdf")
    expect(page.locator(".entry-question")).to_contain_text(["Parking"])
    page.get_by_label(SAY("trial.label")).fill("When does the car park open?")
    press(page, SAY("trial.button"))
    expect(page.locator(".hits .source-title").first).to_have_text("Parking")
    page.locator(".entry-link", has_text="Parking").click()
    expect(page.locator(".document-body")).to_contain_text("opens at seven")
    press(page, SAY("knowledge.delete"))
    press(page.locator("dialog"), SAY("knowledge.delete"))
    expect(page.locator(".toast")).to_have_text(SAY("knowledge.deleted"))
    press(page, SAY("trial.button"))
    expect(page.locator(".hits")).not_to_contain_text("Parking")
    page.locator(".entry-link", has_text="Parking").click()
    press(page, SAY("knowledge.restore"))
    expect(page.locator(".toast", has_text=SAY("knowledge.restored"))).to_have_count(1)
    expect(page.get_by_role("button", name=SAY("knowledge.delete"))).to_have_count(1)
    expect(page.locator(".entry", has_text="Parking")).not_to_contain_text(SAY("knowledge.retired"))


def test_curate_page_asks_before_a_file_replaces_a_document(stage: Stage, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    page = stage.curator(path="/curate#/knowledge")
    for folder, text in (("1", "# Bells\n\nThe bells ring at noon."), ("2", "# Clocks\n\nThe clocks are slow.")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "notice.md").write_text(text)
        page.locator("#files").set_input_files([tmp_path / folder / "notice.md"])
        press(page, SAY("preview.take_in.one", n=1))
        expect(page.locator(".job")).to_contain_text(SAY("job.done"), timeout=40_000)
        press(page, SAY("ui.close")) if folder == "1" else None
    expect(page.locator(".rejected li")).to_contain_text("upload/notice.md (Bells)")
    expect(page.locator(".entry-question")).to_contain_text(["Bells"])
    replace = page.locator(".job").get_by_role("button", name=SAY("upload.replace.one", n=1))
    replace.click()
    expect(page.locator(".entry-question")).to_contain_text(["Clocks"], timeout=40_000)
    expect(replace).to_have_count(0)
    expect(page.locator(".rejected")).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("#/queue/%", "#/queue"),
        ("#/queue/%E4%BD", "#/queue"),
        ("#/queue/none", "#/queue"),
        ("#/queue/-1", "#/queue"),
        ("#/queue/1/2", "#/queue"),
        ("#/queue/", "#/queue"),
        ("#/queues", "#/queue"),
        ("#queue", "#/queue"),
        ("#%", "#/queue"),
        ("#/knowledge/%", "#/knowledge"),
    ],
)
def test_curate_page_shows_the_list_where_the_address_names_nothing(stage: Stage, path: str, leads_to: str) -> None:
    from playwright.sync_api import expect

    stage.report("Do you sell gift cards?", "No answer for me.")
    page = stage.curator(path=f"/curate{path}")
    expected = "Do you sell gift cards?" if leads_to == "#/queue" else CASE.title
    expect(page.locator(".entry-question", has_text=expected)).to_have_count(1)
    expect(page).to_have_url(f"{stage.address}/curate{leads_to}")
    page.evaluate("hash => { location.hash = hash; }", f"#/queue/{stage.report('Is there parking?', 'No.')}")
    expect(page.locator(".item-head h1")).to_have_text("Is there parking?")
    page.evaluate("hash => { location.hash = hash; }", path)  # also while the page is open
    expect(page.locator(".entry-question", has_text=expected)).to_have_count(1)
    expect(page.locator(".item-head h1")).to_have_count(0)
