"""The curators' queue over HTTP: listing, drafts, proofs, decisions, races."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from knowledge.tables import Correction
from tests.fakes import ScriptedChat
from tests.loop.world import ADDRESS, World, act, ask, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


TEXT = "Shoes can be returned within 14 days of delivery."
EDIT = {"document_id": "returns", "version": 1, "find": "14 days", "replace": "30 days"}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, ScriptedChat(script=lambda _: "Within 14 days [1].")) as made:
        put(made.client("carla"), "returns", "Returns", TEXT)
        yield made


@pytest.fixture
def curator(shop: World) -> TestClient:
    return shop.client("carla")


HOMES = itertools.cycle(range(1, 255))


def complain(shop: World, question: str = "Within how many days can shoes be returned?", **said: Any) -> int:
    """A visitor in a network of their own rates the answer down. Returns the correction."""
    visitor = TestClient(shop.app, base_url=ADDRESS, client=(f"10.0.0.{next(HOMES)}", 1))
    answer = ask(visitor, question)
    path = f"/api/answers/{answer['answer_id']}/feedback"
    rated = visitor.post(path, json={"rating": "down", **said})
    assert rated.status_code == 201, rated.text
    correction_id: int = rated.json()["correction_id"]
    return correction_id


def draft(client: TestClient, correction_id: int, **body: Any) -> dict[str, Any]:
    answer = client.put(f"/api/corrections/{correction_id}/draft", json=body)
    assert answer.status_code == 200, answer.text
    item: dict[str, Any] = answer.json()
    return item


def refusal(response: Any) -> tuple[int, str]:
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, response.json()["detail"]


def test_listing_filters_searches_pages_and_counts(shop: World, curator: TestClient) -> None:
    percent = complain(shop, "Is the discount 100% or less?", comment="It is 50_percent")
    other = complain(shop, "Is the discount 100 or less?")
    rejected = complain(shop, "Who are you?")
    act(curator, rejected, "reject", reason="small talk")
    for _ in range(2):  # three complaints are urgent
        complain(shop, "Is the discount 100 or less?")

    def ids(**query: Any) -> list[int]:
        page = curator.get("/api/corrections", params=query).json()
        assert page["counts"] == {"queued": 2, "rejected": 1}
        return [item["id"] for item in page["items"]]

    assert ids() == [other, rejected, percent]
    assert ids(state="queued") == [other, percent]
    assert ids(state="queued, rejected") == [other, rejected, percent]
    assert ids(priority="urgent") == [other]
    assert ids(q="100%") == [percent]
    assert ids(q="50_p") == [percent]
    assert ids(q="50%p") == []
    assert ids(q="DISCOUNT", state="queued") == [other, percent]
    page = curator.get("/api/corrections", params={"limit": 1, "offset": 1}).json()
    assert ([item["id"] for item in page["items"]], page["total"]) == ([rejected], 3)
    assert curator.get("/api/corrections", params={"offset": 99}).json()["items"] == []
    assert refusal(curator.get("/api/corrections", params={"priority": "high"}))[0] == 422


def test_an_item_has_everything_that_a_curator_needs(shop: World, curator: TestClient) -> None:
    details = {"reasons": ["wrong"], "comment": "30!", "suggested_answer": "30 days", "quote": "14 days", "stars": 2}
    item = curator.get(f"/api/corrections/{complain(shop, **details)}").json()
    assert {name: item[name] for name in ("state", "live", "revision", "priority", "origin", "language")} == {
        "state": "queued",
        "live": False,
        "revision": 1,
        "priority": "important",
        "origin": "rated_down",
        "language": "en",
    }
    (complaint,) = item["complaints"]
    assert {name: complaint[name] for name in details} == details
    snapshot = item["snapshot"]
    assert (snapshot["answer"], snapshot["status"], snapshot["citations"]) == ("Within 14 days [1].", "answered", [1])
    assert snapshot["sources"][0]["passage"] == TEXT
    assert "prompt" not in snapshot
    whole = curator.get(f"/api/corrections/{item['id']}?prompts=true").json()
    assert [message["role"] for message in whole["snapshot"]["prompt"]][-1] == "user"
    assert [report["snapshot"] for report in whole["complaints"]] == [whole["snapshot"]]
    assert item["suggestions"]["conflicts"][0]["document_id"] == "returns"
    assert [line["action"] for line in item["history"]] == ["report"]


def test_a_draft_changes_only_the_fields_that_are_sent(shop: World, curator: TestClient) -> None:
    correction_id = complain(shop)
    assert refusal(curator.put(f"/api/corrections/{correction_id}/draft", json={"kind": "wrong"}))[0] == 422
    first = draft(curator, correction_id, answer="30 days.", paraphrases=["How long?"], kind="wrong", edits=[EDIT])
    second = draft(curator, correction_id, answer="Thirty days.", valid_until="2030-01-31")
    assert (first["revision"], second["revision"], second["state"]) == (2, 3, "drafted")
    changed = {"answer": "Thirty days.", "valid_until": second["draft"]["valid_until"]}
    assert second["draft"] == {**first["draft"], **changed}
    assert second["draft"]["valid_until"].startswith("2030-01-31T")
    third = draft(curator, correction_id, paraphrases=[], kind=None)
    assert (third["draft"]["paraphrases"], third["draft"]["kind"], third["draft"]["edits"]) == ([], None, [EDIT])


@pytest.mark.parametrize(
    ("body", "begins"),
    [
        ({"answer": " "}, "answer must be "),
        ({"answer": "x", "kind": "bad"}, "kind is one of wrong, "),
        ({"answer": "x", "valid_until": "soon"}, "valid_until is a date like "),
        ({"answer": "x", "edits": [{**EDIT, "version": 10**30}]}, "An edit is {document_id, version, "),
        ({"answer": "x", "edits": [{**EDIT, "find": ""}]}, "An edit needs the words to find"),
        ({"answer": "x", "edits": [{"document_id": "returns"}]}, "edits.0.version: Field required; edits.0.find: "),
        ({"answer": "x", "supersedes": [{"passage": "x"}]}, "supersedes.0.document_id: Field required"),
        ({"answer": "x", "question": "y", "negatives": ["y"]}, "The same question cannot be asked for and excluded"),
        ({"answer": "x" * 50_001}, "answer has 50,001 characters; at most 50,000."),
    ],
)
def test_unusable_drafts_are_refused(shop: World, curator: TestClient, body: dict[str, Any], begins: str) -> None:
    correction_id = complain(shop)
    status, detail = refusal(curator.put(f"/api/corrections/{correction_id}/draft", json=body))
    assert (status, detail[: len(begins)]) == (422, begins)
    assert curator.get(f"/api/corrections/{correction_id}").json()["revision"] == 1


@pytest.mark.parametrize("action", ["claim", "approve", "reject", "reopen", "rollback"])
def test_stale_revision_loses(shop: World, curator: TestClient, action: str) -> None:
    correction_id = complain(shop)
    draft(curator, correction_id, answer="30 days.")
    lost = curator.post(f"/api/corrections/{correction_id}/{action}", json={"revision": 1, "reason": "r"})
    assert refusal(lost)[0] == 409
    if action != "rollback":  # of which there is nothing to take back
        assert (lost.json()["revision"], lost.json()["state"]) == (2, "drafted")
    lost = curator.put(f"/api/corrections/{correction_id}/draft", json={"answer": "x", "revision": 1})
    assert (lost.status_code, lost.json()["revision"]) == (409, 2)


def test_two_curators_approve_at_once_and_one_wins(shop: World, curator: TestClient) -> None:
    correction_id = complain(shop)
    revision = draft(curator, correction_id, answer="30 days.", edits=[EDIT])["revision"]
    act(curator, correction_id, "prove")
    clients = [curator, shop.client("ada")]
    together = threading.Barrier(2)
    answers: list[Any] = []

    def approve(client: TestClient) -> None:
        together.wait()
        answers.append(client.post(f"/api/corrections/{correction_id}/approve", json={"revision": revision}))

    threads = [threading.Thread(target=approve, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (lost,) = [answer for answer in answers if answer.status_code == 409]
    assert lost.json()["state"] == "approved"
    assert len(curator.get("/api/documents/returns").json()["versions"]) == 2


def test_approving_without_a_proof_proves_and_tells_the_worker(shop: World, curator: TestClient) -> None:
    correction_id = complain(shop)
    draft(curator, correction_id, answer="30 days.", edits=[EDIT])
    approved = act(curator, correction_id, "approve")
    assert (approved["state"], approved["live"], approved["proof"]["verdict"]) == ("approved", True, "fixed")
    assert approved["published"]["approved_by"] == "carla"
    assert approved["recheck"] is None or approved["recheck"]["state"] == "pending"
    assert shop.work() == 1


def test_queued_item_cannot_be_approved_or_proved(shop: World, curator: TestClient) -> None:
    correction_id = complain(shop)
    for action in ("approve", "prove"):
        status, detail = refusal(curator.post(f"/api/corrections/{correction_id}/{action}", json={}))
        assert status in (409, 422)
        assert detail


def complain_and_approve(shop: World, curator: TestClient, question: str, answer: str) -> int:
    correction_id = complain(shop, question)
    draft(curator, correction_id, answer=answer)
    act(curator, correction_id, "approve")
    return correction_id


def test_override_is_for_administrators_with_a_reason(shop: World, curator: TestClient) -> None:
    correction_id = complain(shop)
    draft(curator, correction_id, answer="30 days.")
    path, admin = f"/api/corrections/{correction_id}/approve", shop.client("ada")
    assert refusal(curator.post(path, json={"override": True, "reason": "r"})) == (
        403,
        "Only an administrator may approve in spite of the proof.",
    )
    assert refusal(admin.post(path, json={"override": True})) == (
        422,
        "Approving in spite of the proof needs a reason.",
    )
    assert refusal(admin.post(path, json={"override": True, "reason": "  "}))[0] == 422
    assert admin.post(path, json={"override": True, "reason": "agreed with legal"}).json()["state"] == "approved"


def test_regression_blocks_approval_until_an_administrator_overrides_it(shop: World, curator: TestClient) -> None:
    right = complain_and_approve(shop, curator, "Where is the shop?", "In town.")
    correction_id = complain(shop)
    draft(curator, correction_id, answer="30 days.", supersedes=[{"document_id": f"erratum-{right}"}])
    assert act(curator, correction_id, "prove")["proof"]["verdict"] == "regressed"
    status, detail = refusal(curator.post(f"/api/corrections/{correction_id}/approve", json={"reason": "Do it."}))
    assert status == 409
    assert "Where is the shop?" in detail
    assert curator.get(f"/api/corrections/{correction_id}").json()["state"] == "drafted"
    overridden = act(shop.client("ada"), correction_id, "approve", override=True, reason="The shop moved.")
    assert overridden["history"][-1]["reason"] == "in spite of 1 regression(s): The shop moved."


@pytest.mark.parametrize("action", ["delete", "verify", "source_changed", "draft", "APPROVE", "x" * 500])
def test_unknown_action_is_no_address(shop: World, curator: TestClient, action: str) -> None:
    correction_id = complain(shop)
    status, _ = refusal(curator.post(f"/api/corrections/{correction_id}/{action}", json={}))
    assert status == (405 if action == "draft" else 404)


def test_actions_need_no_body(shop: World, curator: TestClient) -> None:
    correction_id = complain(shop)
    claimed = curator.post(f"/api/corrections/{correction_id}/claim")
    assert (claimed.status_code, claimed.json()["claimed_by"]) == (200, "carla")


def test_many_are_rejected_at_once_each_with_its_own_result(shop: World, curator: TestClient) -> None:
    numbers = [complain(shop, question) for question in ("Is this spam one?", "Is this spam two?")]
    answer = curator.post("/api/corrections/reject", json={"ids": [numbers[0], 999, *numbers], "reason": "spam"})
    assert answer.status_code == 200, answer.text
    first, missing, second = answer.json()["results"]
    assert first == {"id": numbers[0], "state": "rejected", "revision": 2, "error": None}
    assert (missing["id"], missing["state"], missing["error"]["code"]) == (999, None, "correction_not_found")
    assert second == {"id": numbers[1], "state": "rejected", "revision": 2, "error": None}
    history = curator.get(f"/api/corrections/{numbers[1]}").json()["history"]
    assert (history[-1]["action"], history[-1]["actor"], history[-1]["reason"]) == ("reject", "carla", "spam")
    again = curator.post("/api/corrections/reject", json={"ids": numbers, "reason": "spam"}).json()["results"]
    assert [result["error"]["status"] for result in again] == [409, 409]
    for body in ({"ids": [], "reason": "x"}, {"ids": numbers}, {"ids": numbers, "reason": " "}):
        assert curator.post("/api/corrections/reject", json=body).status_code == 422


def test_an_item_that_changed_since_it_was_seen_is_not_rejected_with_the_others(
    shop: World, curator: TestClient
) -> None:
    numbers = [complain(shop, question) for question in ("Is this spam one?", "Is this spam two?")]
    lines = {line["id"]: line["revision"] for line in curator.get("/api/corrections").json()["items"]}
    draft(shop.client("ada"), numbers[1], answer="This is no spam.")
    body = {"ids": numbers, "revisions": lines, "reason": "spam"}
    first, second = curator.post("/api/corrections/reject", json=body).json()["results"]
    assert (first["state"], second["state"], second["error"]["code"]) == ("rejected", None, "correction_changed_by")
    assert curator.get(f"/api/corrections/{numbers[1]}").json()["state"] == "drafted"


def test_a_rejection_of_many_is_taken_back_at_once(shop: World, curator: TestClient) -> None:
    numbers = [complain(shop, question) for question in ("Is this spam one?", "Is this spam two?", "And three?")]
    rejected = curator.post("/api/corrections/reject", json={"ids": numbers, "reason": "spam"}).json()["results"]
    act(shop.client("ada"), numbers[1], "reopen")
    body = {"ids": numbers, "revisions": {item["id"]: item["revision"] for item in rejected}}
    results = curator.post("/api/corrections/reopen", json=body).json()["results"]
    assert [result["state"] for result in results] == ["reopened", None, "reopened"]
    assert results[1]["error"]["code"] == "correction_changed_by"
    assert curator.post("/api/corrections/reopen", json={"ids": []}).status_code == 422
    assert curator.post("/api/corrections/reopen", json={"ids": list(range(1, 502))}).status_code == 422


def test_reject_needs_a_reason_and_reopen_brings_it_back(shop: World, curator: TestClient) -> None:
    correction_id = complain(shop)
    assert refusal(curator.post(f"/api/corrections/{correction_id}/reject", json={})) == (
        422,
        "Rejecting needs a reason.",
    )
    assert refusal(curator.post(f"/api/corrections/{correction_id}/reject", json={"reason": "x" * 4001}))[0] == 422
    assert act(curator, correction_id, "reject", reason="It is right.")["state"] == "rejected"
    assert act(curator, correction_id, "reopen")["state"] == "reopened"
    history = curator.get(f"/api/corrections/{correction_id}").json()["history"]
    assert [(line["action"], line["actor"], line["reason"]) for line in history] == [
        ("report", "visitor", None),
        ("reject", "carla", "It is right."),
        ("reopen", "carla", None),
    ]


def test_merge_keeps_the_complaints_of_all(shop: World, curator: TestClient) -> None:
    first, second, third = (complain(shop, f"How many days to return {what}?") for what in ("shoes", "boots", "hats"))
    merged = curator.post("/api/corrections/merge", json={"ids": [first, second, third]}).json()
    assert (merged["id"], len(merged["complaints"]), merged["priority"]) == (first, 3, "urgent")
    assert sorted(merged["suggestions"]["paraphrases"]) == [
        "How many days to return boots?",
        "How many days to return hats?",
    ]
    gone = curator.get(f"/api/corrections/{second}").json()
    assert (gone["state"], gone["merged_into"]) == ("merged", first)
    for ids in ([first, 999], [second, first]):
        assert refusal(curator.post("/api/corrections/merge", json={"ids": ids}))[0] in (404, 409)
    assert curator.get("/api/corrections", params={"state": "queued"}).json()["total"] == 1


def test_split_gives_both_items(shop: World, curator: TestClient) -> None:
    first, second = (complain(shop, f"How many days to return {what}?") for what in ("shoes", "hats"))
    merged = curator.post("/api/corrections/merge", json={"ids": [first, second]}).json()
    stray = merged["complaints"][1]
    assert (stray["confirmed"], stray["merged_from"]) == (False, second)
    path = f"/api/corrections/{first}/split"
    assert refusal(curator.post(path, json={"complaints": []}))[0] == 422
    assert refusal(curator.post(path, json={"complaints": [10**30]}))[0] == 422
    assert refusal(curator.post(path, json={"complaints": [stray["id"]], "revision": 1}))[0] == 409
    made = curator.post(path, json={"complaints": [stray["id"]], "revision": merged["revision"]}).json()
    assert (made["kept"]["id"], len(made["kept"]["complaints"])) == (first, 1)
    assert (made["split"]["id"], made["split"]["state"], len(made["split"]["complaints"])) == (second, "reopened", 1)
    chinese = shop.client("carla")
    chinese.headers["Accept-Language"] = "zh-CN"
    reason = chinese.get(f"/api/corrections/{second}").json()["history"][-1]["reason"]
    assert reason == f"反馈来自更正项 {first}"


def test_a_rollback_takes_the_published_text_back(shop: World, curator: TestClient) -> None:
    correction_id = complain(shop)
    assert refusal(curator.post(f"/api/corrections/{correction_id}/rollback"))[0] == 409
    draft(curator, correction_id, answer="30 days.", edits=[EDIT])
    act(curator, correction_id, "approve")
    question = "Within how many days can shoes be returned?"
    assert ask(shop.client(), question)["answer"] == "30 days."
    rolled_back = act(curator, correction_id, "rollback", reason="No.")
    assert (rolled_back["state"], rolled_back["live"], rolled_back["published"]) == ("rolled_back", False, None)
    assert ask(shop.client(), question)["answer"] == "Within 14 days [1]."
    assert curator.get("/api/documents/returns").json()["text"] == TEXT
    assert refusal(curator.post(f"/api/corrections/{correction_id}/rollback"))[0] == 409
    assert shop.work() == 0  # the recheck was cancelled


def test_complaint_about_a_curated_answer_reopens_it(shop: World, curator: TestClient) -> None:
    correction_id = complain_and_approve(shop, curator, "Where is the shop?", "In town.")
    assert complain(shop, "where is the shop", comment="It moved.") == correction_id
    item = curator.get(f"/api/corrections/{correction_id}").json()
    assert (item["state"], item["live"], len(item["complaints"])) == ("reopened", True, 2)


def test_the_history_names_the_person_who_acted(shop: World, curator: TestClient) -> None:
    correction_id = complain(shop)
    key = shop.client("ada").post("/api/keys", json={"name": "nightly", "role": "curator"}).json()["key"]
    robot = shop.client()
    robot.headers["Authorization"] = f"Bearer {key}"
    act(robot, correction_id, "claim")
    assert curator.get(f"/api/corrections/{correction_id}").json()["claimed_by"] == "key nightly"
    with shop.parts.database.read() as session:
        assert session.get_one(Correction, correction_id).claimed_by == "key nightly"


def test_the_systems_own_reasons_are_in_the_readers_language(shop: World, curator: TestClient) -> None:
    """What people wrote stays as they wrote it, even where it is what the server might say."""
    correction_id = complain(shop, comment="the source changed: returns")
    draft(curator, correction_id, answer="Within 30 days.", edits=[EDIT])
    act(curator, correction_id, "approve", reason="the new terms")
    put(curator, "returns", "Returns", "Boots can be returned within 21 days of delivery.")
    chinese = shop.client("carla")
    chinese.headers["Accept-Language"] = "zh-CN"
    reasons = [
        [event["reason"] for event in client.get(f"/api/corrections/{correction_id}").json()["history"]]
        for client in (curator, chinese)
    ]
    passage = "Shoes can be returned within 14 days of delivery."
    english = f"the source changed where it was corrected ({passage}): returns"
    assert reasons[0] == ["the source changed: returns", None, "the new terms", english]
    assert reasons[1] == [
        "the source changed: returns",
        None,
        "the new terms",
        f"来源文档中被更正的那一段有变（{passage}）：returns",
    ]


def test_a_published_correction_can_be_checked_again(shop: World, curator: TestClient) -> None:
    correction_id = complain_and_approve(shop, curator, "Where is the shop?", "In town.")
    assert shop.work() == 1
    checked = curator.get(f"/api/corrections/{correction_id}").json()
    assert (checked["state"], checked["recheck"]["state"]) == ("approved", "partly")  # the model speaks of days only
    (line,) = curator.get("/api/corrections").json()["items"]
    assert (line["recheck_state"], "recheck" in line) == ("partly", False)
    assert checked["recheck"]["verbatim"] == {"right": True, "questions": 1, "problems": []}
    chinese = shop.client("carla")
    chinese.headers["Accept-Language"] = "zh-CN"
    item = chinese.get(f"/api/corrections/{correction_id}").json()
    assert item["recheck"]["retrieved"]["problems"][0]["reason"] == item["history"][-1]["reason"]
    assert item["history"][-1]["reason"].startswith("不给原文时，")
    again = act(curator, correction_id, "recheck", reason="another model")
    assert (again["state"], again["recheck"]) == ("approved", {"state": "pending"})
    assert shop.work() == 1
    queued = complain(shop)
    assert refusal(curator.post(f"/api/corrections/{queued}/recheck"))[0] == 409


def test_a_curator_starts_a_correction_without_a_complaint(shop: World, curator: TestClient) -> None:
    started = curator.post("/api/corrections", json={"question": " Where is the shop? "})
    item = started.json()
    assert (started.status_code, item["state"], item["origin"], item["question"], item["complaints"]) == (
        201, "queued", "curator", "Where is the shop?", []
    )  # fmt: skip
    assert [(line["action"], line["actor"]) for line in item["history"]] == [("start", "carla")]
    again = curator.post("/api/corrections", json={"question": "where is THE shop", "answer": "At sea."})
    assert (again.status_code, again.json()["id"], again.json()["draft"]) == (200, item["id"], None)
    draft(curator, item["id"], answer="In town.")
    act(curator, item["id"], "approve")
    assert ask(shop.client(), "Where is the shop?")["answer"] == "In town."
    assert complain(shop, "Where is the shop?") == item["id"]


def test_a_correction_can_be_started_with_its_answer(shop: World, curator: TestClient) -> None:
    item = curator.post("/api/corrections", json={"question": "Where?", "answer": "In town."}).json()
    assert (item["state"], item["draft"]["answer"], item["draft"]["question"]) == ("drafted", "In town.", "Where?")
    for body in ({"question": "?!"}, {"question": " "}, {"question": "When?", "answer": " "}, {"question": "x" * 4001}):
        assert refusal(curator.post("/api/corrections", json=body))[0] == 422
    assert curator.get("/api/corrections").json()["total"] == 1


def test_unanswered_questions_wait_outside_the_queue_until_two_people_asked(shop: World, curator: TestClient) -> None:
    question = "Is the café on the second floor open?"
    silent = ScriptedChat(script=lambda _: "NO_ANSWER")
    with world(shop.parts.settings.data.parent / "silent", silent) as other:
        put(other.client("carla"), "returns", "Returns", TEXT)
        desk, first = other.client("carla"), other.client()
        asked = [ask(first, question) for _ in range(2)]
        assert [turn["status"] for turn in asked] == ["refused", "refused"]
        assert other.work() == 1
        assert desk.get("/api/corrections").json()["total"] == 0
        (group,) = desk.get("/api/unanswered", params={"q": "floor"}).json()["items"]
        assert (group["question"], group["questions"], group["people"]) == (question, [question], 1)
        assert refusal(first.get("/api/unanswered"))[0] in (401, 403)
        started = desk.post(f"/api/unanswered/{group['id']}/correct")
        assert (started.status_code, started.json()["origin"], len(started.json()["complaints"])) == (201, "curator", 1)
        assert refusal(desk.post(f"/api/unanswered/{group['id']}/correct")) == (
            404, f"There is no unanswered question {group['id']}."
        )  # fmt: skip
        strange = "Which bus goes to the harbour?"
        ask(first, strange)
        other.work()
        ask(other.client(address="10.0.1.1"), strange)
        assert desk.get("/api/corrections", params={"q": "harbour"}).json()["total"] == 1
        assert desk.get("/api/unanswered").json() == {"items": [], "total": 0}
