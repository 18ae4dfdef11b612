"""The whole loop over HTTP with a scripted chat model: ask, rate, correct, approve, ask again, roll back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from bot.wiring import Parts
from tests.bot.shop import correct
from tests.fakes import HashingEmbedder, ScriptedChat
from tests.loop.world import World, act, ask, events, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RETURNS = "Shoes can be returned within 14 days of delivery. Sale items are final."
HOURS = "The shop opens at nine and closes at eight."
QUESTION = "Within how many days can shoes be returned?"


def quote_first_days(prompt: str) -> str:
    """A model that reads: asked about returning, it gives the first number of days in its passages."""
    passages, _, question = prompt.partition("Question: ")
    days = re.search(r"within (\d+) days|(\d+) 天", passages)
    if days is None or not re.search("return|退", question):
        return "NO_ANSWER"
    return f"Within {days[1] or days[2]} days [1]."


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, ScriptedChat(script=quote_first_days)) as made:
        curator = made.client("carla")
        put(curator, "returns", "Returns", RETURNS)
        put(curator, "hours", "Opening hours", HOURS)
        yield made


def complain(shop: World) -> tuple[int, dict[str, object]]:
    visitor = shop.client()
    answer = ask(visitor, QUESTION)
    response = visitor.post(
        f"/api/answers/{answer['answer_id']}/feedback",
        json={"rating": "down", "reasons": ["wrong"], "comment": "It is 30 days since May."},
    )
    assert response.status_code == 201
    return response.json()["correction_id"], answer


def test_loop_corrected_answer_is_served_verbatim_and_the_source_is_edited(shop: World) -> None:
    correction_id, before = complain(shop)
    assert (before["status"], before["answer"]) == ("answered", "Within 14 days [1].")
    curator = shop.client("carla")
    draft = {
        "answer": "Within **30 days**.",
        "edits": [{"document_id": "returns", "version": 1, "find": "14 days", "replace": "30 days"}],
    }
    assert curator.put(f"/api/corrections/{correction_id}/draft", json=draft).json()["state"] == "drafted"
    assert act(curator, correction_id, "prove")["proof"]["verdict"] == "fixed"
    approved = act(curator, correction_id, "approve")
    assert (approved["state"], approved["live"]) == ("approved", True)

    again = ask(shop.client(), QUESTION)
    assert (again["status"], again["answer"], again["citations"]) == ("curated", "Within **30 days**.", [1])
    assert again["sources"][0]["curated"] is True
    in_other_words = ask(shop.client(), "Shoes returned within how many days of delivery?")
    assert (in_other_words["status"], in_other_words["answer"]) == ("answered", "Within 30 days [1].")
    assert curator.get("/api/documents/returns").json()["text"] == RETURNS.replace("14", "30")

    assert shop.work() == 1
    assert curator.get(f"/api/corrections/{correction_id}").json()["state"] == "verified"


def test_loop_proof_looks_at_the_passages_that_the_prompt_takes(tmp_path: Path) -> None:
    """The erratum is among the first hits for the second question, and not among those that the model would read."""
    with world(tmp_path, ScriptedChat(script=quote_first_days), passages=1) as shop:
        curator = shop.client("carla")
        put(curator, "returns", "Returns", RETURNS)
        put(curator, "hours", "Opening hours", HOURS)
        correction_id, _ = complain(shop)
        draft = {"answer": "Within 30 days.", "paraphrases": ["When does the shop open and close?"]}
        curator.put(f"/api/corrections/{correction_id}/draft", json=draft)
        proof = act(curator, correction_id, "prove")["proof"]
        seen = [
            (replay["outcome"], [source["document_id"] for source in replay["after"]["sources"]])
            for replay in proof["items"]
        ]
        assert seen == [("fixed", [f"erratum-{correction_id}"]), ("not_fixed", ["hours"])]


def test_loop_rollback_restores_the_previous_answer_byte_for_byte(shop: World) -> None:
    correction_id, before = complain(shop)
    curator = shop.client("carla")
    draft = {
        "answer": "Within 30 days.",
        "edits": [{"document_id": "returns", "version": 1, "find": "14 days", "replace": "30 days"}],
        "supersedes": [{"document_id": "hours"}],
    }
    curator.put(f"/api/corrections/{correction_id}/draft", json=draft)
    act(curator, correction_id, "approve")
    assert ask(shop.client(), QUESTION)["status"] == "curated"
    rolled_back = act(curator, correction_id, "rollback", reason="not agreed with legal")
    assert (rolled_back["state"], rolled_back["live"]) == ("rolled_back", False)
    after = ask(shop.client(), QUESTION)
    for key in ("status", "answer", "sources", "citations", "condensed_question", "prompt_tokens"):
        assert after[key] == before[key], key
    assert shop.parts.searcher.check().ok


@pytest.mark.parametrize("restarted", [False, True])
def test_loop_temporary_answer_ends_by_itself(tmp_path: Path, restarted: bool) -> None:
    """The day comes while the server runs, or while it does not and nothing but the database remembers."""
    chat = ScriptedChat(script=quote_first_days)
    with world(tmp_path, chat) as shop:
        curator = shop.client("carla")
        put(curator, "returns", "Returns", RETURNS)
        correction_id, before = complain(shop)
        draft = {
            "answer": "This week within 30 days.",
            "edits": [{"document_id": "returns", "version": 1, "find": "14 days", "replace": "30 days"}],
            "valid_until": "2100-01-31",
        }
        curator.put(f"/api/corrections/{correction_id}/draft", json=draft)
        act(curator, correction_id, "approve")
        shop.work()
        assert ask(shop.client(), QUESTION)["answer"] == "This week within 30 days."
        with shop.parts.database.write() as session:  # the day comes
            session.execute(sa.text("update entries set valid_until = '2026-01-31 23:59:59.000000'"))
            session.execute(sa.text("update jobs set run_after = '2026-01-31 23:59:59.000000' where state = 'queued'"))
        now = shop
        if restarted:
            shop.parts.close()
            now = World(Parts(shop.parts.settings, embedder=HashingEmbedder(), chat=chat), shop.key)
            now.parts.recover()
        now.work()
        after = ask(now.client(), QUESTION)
        assert {key: after[key] for key in ("status", "answer", "sources")} == {
            key: before[key] for key in ("status", "answer", "sources")
        }
        item = now.client("carla").get(f"/api/corrections/{correction_id}").json()
        assert (item["state"], item["live"], item["history"][-1]["action"]) == ("rolled_back", False, "expire")
        assert now.parts.searcher.check().ok
        now.parts.close()


def test_loop_a_superseded_document_is_not_found_any_more(shop: World) -> None:
    correction_id, _ = complain(shop)
    curator = shop.client("carla")
    draft = {"answer": "Ask at the counter.", "supersedes": [{"document_id": "returns"}]}
    curator.put(f"/api/corrections/{correction_id}/draft", json=draft)
    act(curator, correction_id, "approve")
    hits = curator.post("/api/search", json={"query": "shoes returned 14 days", "k": 10}).json()["hits"]
    assert {hit["document_id"] for hit in hits} == {"hours", f"erratum-{correction_id}"}


def test_loop_complainer_sees_the_correction_in_the_conversation(shop: World) -> None:
    visitor, curator = shop.client(), shop.client("carla")
    answer = ask(visitor, QUESTION)
    rated = visitor.post(f"/api/answers/{answer['answer_id']}/feedback", json={"rating": "down"}).json()
    conversation = f"/api/conversations/{answer['conversation_id']}"
    assert visitor.get(conversation).json()["turns"][0]["correction"]["corrected"] is False
    curator.put(f"/api/corrections/{rated['correction_id']}/draft", json={"answer": "30 days."})
    act(curator, rated["correction_id"], "approve")
    correction = visitor.get(conversation).json()["turns"][0]["correction"]
    assert (correction["corrected"], correction["answer"]) == (True, "30 days.")
    assert visitor.get("/api/conversations").json()["conversations"][0]["corrected"] is True


def test_loop_unanswered_question_enters_the_queue_and_gets_its_answer(shop: World) -> None:
    for address in ("10.0.0.1", "10.0.0.2"):  # two people
        assert ask(shop.client(address=address), "Do you sell gift cards?")["status"] == "refused"
    assert shop.work() == 1
    curator = shop.client("carla")
    (line,) = curator.get("/api/corrections").json()["items"]
    assert (line["origin"], line["priority"], line["question"]) == ("unanswered", "normal", "Do you sell gift cards?")
    curator.put(f"/api/corrections/{line['id']}/draft", json={"answer": "Yes, at the counter.", "kind": "missing"})
    act(curator, line["id"], "approve")
    again = ask(shop.client(), "do you sell GIFT CARDS")
    assert (again["status"], again["answer"]) == ("curated", "Yes, at the counter.")


def test_loop_in_chinese(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(script=quote_first_days)) as shop:
        curator, visitor = shop.client("carla"), shop.client()
        put(curator, "退货", "退货规定", "鞋子可以在收货后 14 天内退货。特价商品不能退货。")
        answer = ask(visitor, "鞋子几天之内可以退货？")
        rated = visitor.post(
            f"/api/answers/{answer['answer_id']}/feedback", json={"rating": "down", "comment": "现在是30天"}
        ).json()
        draft = {
            "answer": "收货后 30 天内。",
            "edits": [{"document_id": "退货", "version": 1, "find": "14 天", "replace": "30 天"}],
        }
        curator.put(f"/api/corrections/{rated['correction_id']}/draft", json=draft)
        act(curator, rated["correction_id"], "approve")
        assert ask(visitor, "鞋子幾天之內可以退貨?")["answer"] == "收货后 30 天内。"
        assert ask(visitor, "收货后几天内鞋子能退？")["answer"] == "Within 30 days [1]."
        assert shop.work() == 1
        assert curator.get(f"/api/corrections/{rated['correction_id']}").json()["state"] == "verified"


def test_loop_events_are_in_the_order_of_the_contract(shop: World) -> None:
    stream = events(shop.client(), QUESTION)
    names = [name for name, _ in stream]
    assert names[:2] == ["meta", "sources"]
    assert names[-1] == "done"
    assert set(names[2:-1]) == {"token"}
    assert set(stream[0][1]) == {"conversation_id", "answer_id", "knowledge_version"}
    done = stream[-1][1]
    assert done["answer"] == "".join(data["text"] for name, data in stream if name == "token")
    assert set(done["timings_ms"]) == {"retrieval", "first_token", "total"}


def test_loop_follow_up_is_condensed_with_its_history(tmp_path: Path) -> None:
    def script(prompt: str) -> str:
        return "Can sale items be returned?" if "Last question:" in prompt else quote_first_days(prompt)

    with world(tmp_path, ScriptedChat(script=script)) as shop:
        put(shop.client("carla"), "returns", "Returns", RETURNS)
        visitor = shop.client()
        first = ask(visitor, QUESTION)
        second = ask(visitor, "And sale items?", conversation_id=first["conversation_id"])
        assert second["condensed_question"] == "Can sale items be returned?"


def test_loop_after_not_my_question_the_curated_answer_is_not_given_again(shop: World) -> None:
    correction_id, _ = complain(shop)
    curator, visitor = shop.client("carla"), shop.client()
    curator.put(f"/api/corrections/{correction_id}/draft", json={"answer": "30 days."})
    act(curator, correction_id, "approve")
    first = ask(visitor, QUESTION)
    assert first["status"] == "curated"
    response = visitor.post(f"/api/answers/{first['answer_id']}/signals", json={"kind": "not_my_question"})
    assert response.status_code == 204
    again = ask(visitor, QUESTION, conversation_id=first["conversation_id"])
    assert again["status"] == "answered"


def test_loop_regenerating_asks_the_old_question_whatever_was_asked_since(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(script=quote_first_days)) as shop:
        put(shop.client("carla"), "returns", "Returns", RETURNS)
        visitor = shop.client()
        first = ask(visitor, QUESTION)
        ask(visitor, "Who won the world cup?", conversation_id=first["conversation_id"])
        again = ask(visitor, QUESTION, conversation_id=first["conversation_id"], regenerate=first["answer_id"])
        assert (again["condensed_question"], again["answer"]) == (QUESTION, first["answer"])


def test_loop_a_follow_up_with_the_words_of_a_corrected_question_gets_no_curated_answer(tmp_path: Path) -> None:
    """ "How long?" was corrected for shoes; in a talk about parcels it gets nothing about shoes, asked anew neither."""
    with world(tmp_path, ScriptedChat(script=lambda _: "Parcels to islands take five days [1].")) as shop:
        curator, visitor = shop.client("carla"), shop.client()
        put(curator, "parcels", "Parcels", "Parcels to islands take five days.")
        correct(shop, "How long?", "Shoes: 30 days.")
        alone = ask(visitor, "How long?")
        assert (alone["answer"], alone["match"]) == ("Shoes: 30 days.", {"probability": 1.0, "how": "same_words"})
        talk = {"conversation_id": ask(visitor, "How long do parcels to islands take?")["conversation_id"]}
        follow_up = ask(visitor, "How long?", **talk)
        again = ask(visitor, "How long?", regenerate=follow_up["answer_id"], **talk)
        assert [(outcome["status"], outcome["match"]) for outcome in (follow_up, again)] == [("answered", None)] * 2
        repeated = ask(shop.client(), "How long?", conversation_id=None)
        assert repeated["status"] == "curated"


def test_loop_a_person_who_never_asked_has_no_conversations(shop: World) -> None:
    assert shop.client().get("/api/conversations").json() == {"conversations": []}
