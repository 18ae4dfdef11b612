"""Who may see what over HTTP: an API key its collection, people without an account what the settings say.

The shop and the bank have a document each about the same things; nobody of one may meet the other's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot import accounts
from bot.accounts import Identity
from bot.web.security import scope_of, writable
from retrieval.scope import EVERYTHING, Scope
from tests.fakes import ScriptedChat
from tests.loop.world import ADDRESS, World, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.testclient import TestClient

QUESTION = "When does it close?"


@pytest.fixture
def town(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, ScriptedChat(script=lambda _prompt: "It closes early [1].")) as made:
        client = made.client("carla")
        for name, hour in (("shop", "eight"), ("bank", "four")):
            body = {"id": name, "title": name, "text": f"The {name} closes at {hour}.", "collection": name}
            assert client.post("/api/documents", json=body).status_code == 201
        yield made


def holder(made: World, role: str, collection: str | None) -> TestClient:
    """A client with a key of its own."""
    from starlette.testclient import TestClient

    with made.parts.database.write() as session:
        _, token = accounts.add_key(session, "key", role, created_by="ada", collection=collection)
    return TestClient(made.app, base_url=ADDRESS, headers={"Authorization": f"Bearer {token}"})


def ask(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/chat", json={"question": QUESTION, "stream": False, **more})
    assert answer.status_code == 200
    outcome: dict[str, Any] = answer.json()
    return outcome


def sources(answer: dict[str, Any]) -> set[str]:
    return {source["document_id"] for source in answer["sources"]}


def searched(client: TestClient, **more: Any) -> set[str]:
    hits = client.post("/api/search", json={"query": "closes", "k": 50, **more}).json()["hits"]
    return {hit["document_id"] for hit in hits}


def test_a_key_searches_and_asks_in_its_collection(town: World) -> None:
    shop, bank, all_ = (holder(town, "program", collection) for collection in ("shop", "bank", None))
    assert (searched(shop), searched(bank), searched(all_)) == ({"shop"}, {"bank"}, {"shop", "bank"})
    assert (sources(ask(shop)), sources(ask(bank))) == ({"shop"}, {"bank"})
    body = {"model": "errata", "messages": [{"role": "user", "content": QUESTION}]}
    (cited,) = bank.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]["annotations"]
    assert cited["url_citation"]["title"] == "bank"


def test_a_search_may_be_narrowed_and_never_widened(town: World) -> None:
    all_, shop = holder(town, "program", None), holder(town, "program", "shop")
    assert searched(all_, collection="bank") == {"bank"}
    assert searched(shop, collection="bank") == set()
    assert searched(shop, filters={"document_id": "bank"}) == set()


def test_a_complaint_goes_to_the_desk_of_its_collection_and_its_correction_to_its_readers(town: World) -> None:
    shop, bank = holder(town, "program", "shop"), holder(town, "program", "bank")
    numbers = []
    for client in (shop, bank):
        answer_id = ask(client)["answer_id"]
        rated = client.post(f"/api/answers/{answer_id}/feedback", json={"rating": "down"}).json()
        numbers.append(rated["correction_id"])
    assert numbers[0] != numbers[1]
    desk = holder(town, "curator", "shop")
    queue = desk.get("/api/corrections").json()
    assert ([item["id"] for item in queue["items"]], queue["total"], queue["counts"]) == (
        [numbers[0]],
        1,
        {"queued": 1},
    )
    assert desk.get("/api/corrections", params={"collection": "bank"}).json()["total"] == 0
    assert desk.get(f"/api/corrections/{numbers[1]}").status_code == 404
    draft = f"/api/corrections/{numbers[0]}/draft"
    assert desk.put(draft, json={"answer": "At nine."}).json()["collection"] == "shop"
    assert desk.post(f"/api/corrections/{numbers[0]}/approve").status_code == 200
    assert (ask(shop)["answer"], ask(shop)["status"]) == ("At nine.", "curated")
    assert (ask(bank)["status"], sources(ask(bank))) == ("answered", {"bank"})


def test_lists_of_a_signed_in_curator_can_be_narrowed(town: World) -> None:
    client = town.client("carla")
    for number, name in enumerate(("shop", "bank", "bank"), start=1):
        body = {"question": f"Question {number}?", "collection": name}
        assert client.post("/api/corrections", json=body).json()["collection"] == name

    def totals(path: str) -> list[int]:
        asked: list[dict[str, str]] = [{}, {"collection": "shop"}, {"collection": "bank"}, {"collection": "none"}]
        return [client.get(path, params=query).json()["total"] for query in asked]

    assert (totals("/api/corrections"), totals("/api/documents")) == ([3, 1, 2, 0], [2, 1, 1, 0])


def test_documents_outside_the_scope_are_not_there(town: World) -> None:
    desk = holder(town, "curator", "shop")
    listed = desk.get("/api/documents").json()
    assert ([line["id"] for line in listed["documents"]], listed["total"]) == (["shop"], 1)
    before = town.client("carla").get("/api/documents/bank").json()
    assert desk.get("/api/documents/bank").status_code == 404
    assert desk.delete("/api/documents/bank").status_code == 404
    assert desk.post("/api/documents/bank/restore").status_code == 404
    response = desk.post("/api/documents", json={"id": "bank", "title": "B", "text": "It is mine."})
    assert (response.status_code, response.json()["code"]) == (409, "document_in_other_collection")
    assert town.client("carla").get("/api/documents/bank").json() == before


def test_documents_of_a_curator_with_one_collection_are_in_it(town: World) -> None:
    desk = holder(town, "curator", "shop")
    assert desk.post("/api/documents", json={"id": "new", "title": "N", "text": "New."}).status_code == 201
    assert desk.get("/api/documents/new").json()["collection"] == "shop"
    refused = desk.post("/api/documents", json={"title": "N", "text": "New.", "collection": "bank"})
    assert (refused.status_code, refused.json()["code"]) == (403, "collection_forbidden")
    assert desk.post("/api/corrections", json={"question": "Who?"}).json()["collection"] == "shop"
    assert desk.post("/api/corrections", json={"question": "Who?", "collection": "bank"}).status_code == 403


def test_uploads_belong_to_a_collection_and_their_jobs_too(town: World) -> None:
    desk, other = holder(town, "curator", "shop"), holder(town, "curator", "bank")
    files = {"files": ("prices.txt", b"Bread is two francs.", "text/plain")}
    job = desk.post("/api/documents", files=files).json()["job"]["id"]
    assert other.get(f"/api/jobs/{job}").status_code == 404
    assert town.work() == 1
    assert desk.get(f"/api/jobs/{job}").json()["files"][0]["state"] == "indexed"
    assert (searched(desk), searched(other)) == ({"shop", "upload/prices.txt"}, {"bank"})
    forbidden = desk.post("/api/documents", files=files, data={"collection": "bank"})
    assert forbidden.status_code == 403
    named = town.client("carla").post(
        "/api/documents", files={"files": ("rates.txt", b"One percent.", "text/plain")}, data={"collection": "bank"}
    )
    assert named.status_code == 202
    town.work()
    assert searched(other, query="percent") == {"bank", "upload/rates.txt"}


@pytest.mark.parametrize("replace", ["false", "true"])
def test_an_upload_meets_nothing_of_another_collection_that_has_its_name(town: World, replace: str) -> None:
    desk, other = holder(town, "curator", "shop"), holder(town, "curator", "bank")

    def upload(client: TestClient, *rows: str) -> dict[str, Any]:
        text = "".join(f'{{"id": "{row}", "title": "{row}", "text": "Secret {row} of {row}."}}\n' for row in rows)
        files = {"files": ("rows.jsonl", text.encode(), "application/jsonl")}
        job = client.post("/api/documents", files=files, data={"replace": replace}).json()["job"]["id"]
        town.work()
        (result,) = client.get(f"/api/jobs/{job}").json()["files"]
        page: dict[str, Any] = result
        return page

    assert upload(other, "b1", "b2")["state"] == "indexed"
    mine = searched(other, query="Secret")
    refused = upload(desk, "b1", "a1")
    assert (refused["state"], refused.get("code"), refused.get("replaces")) == (
        "rejected",
        "upload_in_other_collection",
        None,
    )
    assert upload(desk, "a1")["state"] == "indexed"
    assert upload(desk, "a2")["state"] == "indexed"
    assert searched(other, query="Secret") == mine


def test_people_without_an_account_see_the_collections_of_the_settings(tmp_path: Path) -> None:
    chat = ScriptedChat(script=lambda _prompt: "It closes early [1].")
    with world(tmp_path, chat, visitor_collections=["shop", "main"]) as made:
        curator, visitor = made.client("carla"), made.client()
        for name in ("shop", "bank"):
            put(curator, name, name, f"The {name} closes at four.", collection=name)
        assert sources(ask(visitor)) == {"shop"}
        assert sources(ask(curator)) == {"shop", "bank"}


def test_a_conversation_shows_no_more_than_the_scope_of_today(tmp_path: Path) -> None:
    """The settings change; what was said stays, its sources and corrections are not shown any more."""
    chat = ScriptedChat(script=lambda _prompt: "It closes early [1].")
    with world(tmp_path, chat) as made:
        curator, visitor = made.client("carla"), made.client()
        put(curator, "bank", "bank", "The bank closes at four.", collection="bank")
        answer = ask(visitor)
        visitor.post(f"/api/answers/{answer['answer_id']}/feedback", json={"rating": "down"})
        number = curator.get("/api/corrections").json()["items"][0]["id"]
        curator.put(f"/api/corrections/{number}/draft", json={"answer": "At three."})
        assert curator.post(f"/api/corrections/{number}/approve").status_code == 200
        path = f"/api/conversations/{answer['conversation_id']}"
        (turn,) = visitor.get(path).json()["turns"]
        assert ([source["title"] for source in turn["sources"]], turn["correction"]["answer"]) == (
            ["bank"],
            "At three.",
        )
        assert visitor.get("/api/conversations").json()["conversations"][0]["corrected"] is True
        made.parts.settings = made.parts.settings.model_copy(update={"visitor_collections": ["shop"]})
        (turn,) = visitor.get(path).json()["turns"]
        assert (turn["sources"], turn["citations"], turn["correction"]) == ([], [], None)
        assert turn["answer"] == answer["answer"]
        assert visitor.get("/api/conversations").json()["conversations"][0]["corrected"] is False


def test_a_question_that_is_restricted_to_a_department_gets_no_other_s_correction(town: World) -> None:
    """The whole path, with filters: served word for word, found, and neither for the other department."""
    curator, key = town.client("carla"), holder(town, "program", None)
    for name in ("hr", "it"):
        put(curator, f"{name}-leave", name, f"{name} closes at five.", metadata={"department": name})
    asked = {"filters": {"department": "hr"}}
    first = ask(key, **asked)
    assert sources(first) == {"hr-leave"}
    number = key.post(f"/api/answers/{first['answer_id']}/feedback", json={"rating": "down"}).json()["correction_id"]
    curator.put(f"/api/corrections/{number}/draft", json={"answer": "hr closes at six."})
    assert curator.post(f"/api/corrections/{number}/approve").status_code == 200
    again, other = ask(key, **asked), ask(key, filters={"department": "it"})
    assert (again["status"], again["answer"]) == ("curated", "hr closes at six.")
    assert (other["status"], sources(other)) == ("answered", {"it-leave"})
    assert searched(key, filters={"department": "hr"}) == {"hr-leave", f"erratum-{number}"}
    assert searched(key, filters={"department": "it"}) == {"it-leave"}


@pytest.mark.parametrize(
    ("identity", "visitors", "expected"),
    [
        (None, [], EVERYTHING),
        (None, ["a", "b"], Scope.of("a", "b")),
        (Identity("visitor:x", "visitor", "visitor"), ["a"], Scope.of("a")),
        (Identity("user:ann", "curator", "ann"), ["a"], EVERYTHING),
        (Identity("key:1", "program", "key", "c"), ["a"], Scope.of("c")),
        (Identity("key:1", "program", "key"), ["a"], EVERYTHING),
    ],
)
def test_the_scope_of_an_identity(town: World, identity: Identity | None, visitors: list[str], expected: Scope) -> None:
    town.parts.settings = town.parts.settings.model_copy(update={"visitor_collections": visitors})
    assert scope_of(identity, town.parts) == expected


def test_the_list_of_keys_shows_their_collections(town: World) -> None:
    admin = town.client("ada")
    made = admin.post("/api/keys", json={"name": "robot", "collection": "shop"}).json()
    assert made["collection"] == "shop"
    assert [line["collection"] for line in admin.get("/api/keys").json()["keys"]][-2:] == [None, "shop"]
    refused = admin.post("/api/keys", json={"name": "robot", "collection": "no spaces"})
    assert (refused.status_code, refused.json()["code"]) == (422, "collection_name")
    assert writable(EVERYTHING, None) is None
