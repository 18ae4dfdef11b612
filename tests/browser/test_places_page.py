"""Where a passage stands in its file, as readers and curators see it, and the link that opens there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from knowledge import ingest
from tests.browser.stage import LANGUAGES, Stage, Words, ask

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.browser
BOOTS = {
    "en": ("Boots", "Within how many days can boots be returned?", "Boots can be returned within 21 days of delivery."),
    "zh-CN": ("靴子", "靴子几天之内可以退货？", "靴子几天之内可以退货：靴子 21 天之内可以退货。"),
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_sources_show_their_place_and_open_there(stage: Stage, tmp_path: Path, language: str) -> None:
    from playwright.sync_api import expect

    title, question, text = BOOTS[language]
    folder = tmp_path / "shoes"
    folder.mkdir()
    head = '<meta charset="utf-8"><link rel="canonical" href="https://acme.example/boots">'
    (folder / "boots.html").write_text(f'{head}<h2 id="back">{title}</h2><p>{text}</p>', encoding="utf-8")
    rows = "size,width\n" + "".join(f"{size},wide\n" for size in range(36, 39))
    (folder / "sizes.csv").write_text(rows, encoding="utf-8")
    ingest.ingest(stage.world.parts.database, stage.world.parts.embedder, [folder], actor="test")
    say = Words(language)
    words = say("place.anchor", name="back")

    page = stage.visitor(language)
    turn = ask(page, question)
    source = turn.locator(".footnote").filter(has_text=title).first
    expect(source.locator(".source-place")).to_have_text(words)
    source.click()
    expect(page.locator(".passage-panel .source-place")).to_have_text(words)
    expect(page.locator(".passage-panel footer a")).to_have_attribute("href", "https://acme.example/boots#back")

    page = stage.curator(language, "/curate#/knowledge")
    page.locator("#trial").fill("wide size 36")
    page.locator("#trial").press("Enter")
    first = page.locator(".hits .passage-row").first
    expect(first.locator(".source-place")).to_have_text(say("place.rows", first="2", last="4"))
    page.locator("#files").set_input_files(str(folder / "sizes.csv"))
    expect(page.locator(".preview .source-place")).to_have_text(say("place.rows", first="2", last="4"))
