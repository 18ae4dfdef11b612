"""Where a passage stands in its file, wherever the passage is shown; and links that open there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot import texts
from knowledge import ingest
from retrieval.place import Place
from tests.fakes import ScriptedChat
from tests.loop.world import World, ask, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = """<html><head><title>Washing</title><link rel="canonical" href="https://acme.example/wash"></head>
<body><h1>Washing</h1><p>Cars are washed every day.</p>
<h2 id="fees">Fees</h2><p>A small car costs seven euros.</p></body></html>"""
QUESTION = "What does a small car cost?"
AT_FEES = {"kind": "anchor", "first": None, "last": None, "name": "fees"}


@pytest.fixture(scope="module")
def garage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("garage")
    (folder / "wash.html").write_text(PAGE, encoding="utf-8")
    (folder / "hours.csv").write_text("day,open\nMonday,at seven\nSunday,never\n", encoding="utf-8")
    with world(folder, ScriptedChat(script=lambda _: "Seven euros [1].")) as made:
        ingest.ingest(made.parts.database, made.parts.embedder, [folder], actor="test", source="garage")
        put(made.client("carla"), "note", "Note", "Dogs wait outside.", source_url="https://acme.example/note")
        yield made


def test_sources_have_their_place_and_an_address_that_opens_there(garage: World) -> None:
    visitor = garage.client()
    answer = ask(visitor, QUESTION)
    source = answer["sources"][0]
    assert (source["place"], source["url"]) == (AT_FEES, "https://acme.example/wash#fees")
    (stored,) = visitor.get(f"/api/conversations/{answer['conversation_id']}").json()["turns"]
    assert stored["sources"][0]["place"] == AT_FEES


def test_prompts_do_not_have_places(garage: World) -> None:
    chat = garage.parts.chat
    assert isinstance(chat, ScriptedChat)
    ask(garage.client(), QUESTION)
    assert "seven euros" in chat.prompts[-1]
    assert "fees" not in chat.prompts[-1]
    assert "acme.example" not in chat.prompts[-1]


def test_citations_of_programs_open_at_the_place(garage: World) -> None:
    body = {"model": "errata", "messages": [{"role": "user", "content": QUESTION}]}
    answer = garage.program().post("/v1/chat/completions", json=body).json()
    (cited,) = answer["choices"][0]["message"]["annotations"]
    assert cited["url_citation"]["url"] == "https://acme.example/wash#fees"


def test_hits_of_a_search_have_their_place(garage: World) -> None:
    curator = garage.client("carla")
    (hours,) = curator.post("/api/search", json={"query": "Sunday Monday", "k": 1}).json()["hits"]
    assert hours["place"] == {"kind": "row", "first": 2, "last": 3, "name": None}
    (note,) = curator.post("/api/search", json={"query": "Dogs wait outside", "k": 1}).json()["hits"]
    assert (note["place"], note["url"]) == (None, "https://acme.example/note")


def test_candidates_of_an_explanation_have_their_place(garage: World) -> None:
    visitor, curator = garage.client(), garage.client("carla")
    answer_id = ask(visitor, QUESTION)["answer_id"]
    reported = visitor.post(f"/api/answers/{answer_id}/feedback", json={"rating": "down"}).json()
    explanation = curator.get(f"/api/corrections/{reported['correction_id']}/explanation").json()
    assert explanation["candidates"][0]["place"] == AT_FEES
    item = curator.get(f"/api/corrections/{reported['correction_id']}").json()
    assert item["complaints"][0]["snapshot"]["sources"][0]["place"] == AT_FEES


@pytest.mark.parametrize(("language", "words"), [("en", "at #fees"), ("zh", "位于 #fees")])
def test_the_page_of_a_citation_says_where_the_passage_stands(garage: World, language: str, words: str) -> None:
    visitor = garage.client()
    answer_id = ask(visitor, QUESTION)["answer_id"]
    page = visitor.get(f"/answers/{answer_id}/sources/1", headers={"Accept-Language": language}).text
    assert f"<p>{words}</p>" in page


@pytest.mark.parametrize(
    ("place", "english", "chinese"),
    [
        (Place("page", 12), "page 12", "第 12 页"),
        (Place("page", 12, 13), "pages 12–13", "第 12–13 页"),
        (Place("row", 5), "row 5", "第 5 行"),
        (Place("row", 5, 9), "rows 5–9", "第 5–9 行"),
        (Place("row", 5, 9, "Prices"), "sheet “Prices”, rows 5–9", "工作表“Prices”，第 5–9 行"),
        (Place("row", 5, name="价目"), "sheet “价目”, row 5", "工作表“价目”，第 5 行"),
        (Place("line", 40), "line 40", "第 40 行"),
        (Place("item", 3), "item 3", "第 3 项"),
        (Place("slide", 2), "slide 2", "第 2 张幻灯片"),
        (Place("slide", 2, 3), "slides 2–3", "第 2–3 张幻灯片"),
        (Place("anchor", name="fees"), "at #fees", "位于 #fees"),
        (None, "", ""),
    ],
)
def test_places_have_words_in_both_languages(place: Place | None, english: str, chinese: str) -> None:
    assert (texts.place(place, "en"), texts.place(place, "zh")) == (english, chinese)
