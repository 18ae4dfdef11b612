"""The whole loop once more with the real chat model and the real embedding model, in both languages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bot.settings import default_models_folder
from tests.loop.world import World, act, ask, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.real

DOCUMENTS = (
    (
        "returns",
        "Returns",
        "Shoes can be returned within 14 days of delivery. Sale items are final and cannot be returned.",
    ),
    ("hours", "Opening hours", "The shop in Harbour Street opens at nine in the morning and closes at eight."),
    ("warranty", "Warranty", "The coffee machine Aroma 3 has a warranty of two years from the day of purchase."),
    ("退货", "退货规定", "鞋子可以在收货后 14 天内退货。特价商品一经售出，不予退货。"),
    ("营业时间", "营业时间", "港口街的门店早上九点开门，晚上八点关门。"),
    ("保修", "保修", "咖啡机“香浓三号”自购买之日起保修两年。"),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    models = Path(os.environ.get("ERRATA_MODELS") or default_models_folder())
    with world(tmp_path_factory.mktemp("real"), None, models=models, models_hub=False) as made:
        curator = made.client("carla")
        for document_id, title, text in DOCUMENTS:
            put(curator, document_id, title, text)
        yield made


def test_real_models_answer_in_the_language_of_the_question(shop: World) -> None:
    english = ask(shop.client(), "When does the shop in Harbour Street close?")
    assert (english["status"], english["sources"][0]["document_id"]) == ("answered", "hours")
    assert "eight" in english["answer"].lower() or "8" in english["answer"]
    chinese = ask(shop.client(), "港口街的门店几点开门？")
    assert (chinese["status"], chinese["sources"][0]["document_id"]) == ("answered", "营业时间")
    assert "九点" in chinese["answer"] or "9" in chinese["answer"]
    assert chinese["citations"]


@pytest.mark.parametrize("question", ["How much does the coffee machine Aroma 3 cost?", "咖啡机“香浓三号”多少钱？"])
def test_real_models_refuse_a_question_without_an_answer(shop: World, question: str) -> None:
    assert ask(shop.client(), question)["status"] == "refused"


@pytest.mark.parametrize(
    ("question", "again", "document_id", "find", "replace", "answer", "right", "wrong"),
    [
        (
            "Within how many days can shoes be returned?",
            "How long do I have to send my shoes back?",
            "returns",
            "14 days",
            "30 days",
            "Shoes can be returned within 30 days of delivery.",
            "30",
            "14",
        ),
        (
            "鞋子几天之内可以退货？",
            "买的鞋多久以内能退？",
            "退货",
            "14 天",
            "30 天",
            "收货后 30 天内可以退鞋。",
            "30",
            "14",
        ),
    ],
)
def test_real_models_close_the_loop(
    shop: World,
    question: str,
    again: str,
    document_id: str,
    find: str,
    replace: str,
    answer: str,
    right: str,
    wrong: str,
) -> None:
    visitor, curator = shop.client(), shop.client("carla")
    before = ask(visitor, question)
    assert (before["status"], wrong in before["answer"]) == ("answered", True)
    rated = visitor.post(f"/api/answers/{before['answer_id']}/feedback", json={"rating": "down"}).json()
    version = curator.get(f"/api/documents/{document_id}").json()["version"]
    edit = {"document_id": document_id, "version": version, "find": find, "replace": replace}
    draft = curator.put(f"/api/corrections/{rated['correction_id']}/draft", json={"answer": answer, "edits": [edit]})
    assert draft.status_code == 200, draft.text
    act(curator, rated["correction_id"], "approve")
    same = ask(visitor, question)
    assert (same["status"], same["answer"]) == ("curated", answer)
    other = ask(visitor, again)
    assert other["status"] in ("answered", "curated")
    assert right in other["answer"]
    assert wrong not in other["answer"]
    inside = ask(visitor, again, conversation_id=before["conversation_id"])  # where the old answer stands
    assert inside["status"] in ("answered", "curated")
    assert right in inside["answer"]
    shop.work()
    assert curator.get(f"/api/corrections/{rated['correction_id']}").json()["state"] == "verified"
    act(curator, rated["correction_id"], "rollback")
    after = ask(visitor, question)
    assert {k: after[k] for k in ("status", "answer", "sources")} == {
        k: before[k] for k in ("status", "answer", "sources")
    }


def test_real_model_follow_up_is_condensed(shop: World) -> None:
    visitor = shop.client()
    first = ask(visitor, "Within how many days can shoes be returned?")
    second = ask(visitor, "And sale items?", conversation_id=first["conversation_id"])
    assert "sale" in second["condensed_question"].lower()
    assert second["sources"][0]["document_id"] == "returns"
    first = ask(visitor, "鞋子几天之内可以退货？")
    second = ask(visitor, "那特价商品呢？", conversation_id=first["conversation_id"])
    assert "特价" in second["condensed_question"]
    assert "退" in second["condensed_question"]
