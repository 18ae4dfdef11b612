"""What operators see: metrics, health, request ids, log lines, the page of the interface."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
import structlog

from bot import logs
from bot.wiring import Parts
from knowledge.tables import LogStep
from tests.fakes import HashingEmbedder, ScriptedChat
from tests.loop.world import PASSWORD, World, act, ask, events, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = "my salary is 4711"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, ScriptedChat(script=lambda _: "At nine [1].")) as made:
        put(made.client("carla"), "hours", "Hours", "The shop opens at nine.")
        yield made


def measured(made: World) -> dict[str, float]:
    """The metrics, by name with labels."""
    answer = made.client().get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in answer.text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def change(before: dict[str, float], after: dict[str, float], name: str) -> float:
    return after.get(name, 0) - before.get(name, 0)


def test_metrics_count_questions_answers_and_requests(shop: World) -> None:
    before = measured(shop)
    visitor, curator = shop.client(), shop.client("carla")
    answer = ask(visitor, "When does the shop open?")
    events(visitor, "When does it close?")
    rated = visitor.post(f"/api/answers/{answer['answer_id']}/feedback", json={"rating": "down"}).json()
    visitor.get("/none/of/these")
    visitor.request("BREW", "/")
    after = measured(shop)
    assert {
        name: change(before, after, name)
        for name in (
            'errata_requests_total{method="POST",route="/api/chat",status="200"}',
            'errata_requests_total{method="GET",route="unmatched",status="404"}',
            'errata_requests_total{method="OTHER",route="/",status="405"}',
            "errata_questions_total",
            'errata_answers_total{status="answered"}',
            'errata_ratings_total{rating="down"}',
            "errata_first_token_seconds_count",
            "errata_answer_seconds_count",
            "errata_retrieval_seconds_count",
        )
    } == {
        'errata_requests_total{method="POST",route="/api/chat",status="200"}': 2,
        'errata_requests_total{method="GET",route="unmatched",status="404"}': 1,
        'errata_requests_total{method="OTHER",route="/",status="405"}': 1,
        "errata_questions_total": 2,
        'errata_answers_total{status="answered"}': 2,
        'errata_ratings_total{rating="down"}': 1,
        "errata_first_token_seconds_count": 2,
        "errata_answer_seconds_count": 2,
        "errata_retrieval_seconds_count": 2,
    }
    assert (after["errata_queue_length"], after["errata_knowledge_version"]) == (0, 1)
    assert after["errata_memory_bytes"] > 10_000_000
    assert after['errata_corrections{state="queued"}'] == 1
    act(curator, rated["correction_id"], "reject", reason="It is right.")
    now = measured(shop)
    assert now['errata_corrections{state="queued"}'] == 0
    assert now['errata_corrections{state="rejected"}'] == 1


def test_metrics_hold_no_words_of_people(shop: World) -> None:
    ask(shop.client(), SECRET)
    shop.client().get(f"/{SECRET}?q={SECRET}")
    shop.client().get(f"/static/{SECRET}")
    shop.client().request(SECRET.replace(" ", "").upper(), "/")
    text = shop.client().get("/metrics").text
    assert "salary" not in text.casefold()  # a number alone might be part of a time
    names = set(re.findall(r"^errata_\w+", text, flags=re.MULTILINE))
    assert {name for name in names if "text" in name or "question=" in name} == set()


def test_health_and_readiness(shop: World) -> None:
    visitor = shop.client()
    assert visitor.get("/healthz").json() == {"status": "ok"}
    assert visitor.get("/readyz").json() == {
        "status": "ready",
        "knowledge_version": 1,
        "passages": 1,
        "model": "given",
    }


def test_not_ready_while_the_index_cannot_follow(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat()) as first:
        put(first.client("carla"), "hours", "Hours", "The shop opens at nine.")
    # a server that starts with another embedding model, whose vectors nobody made yet
    parts = Parts(first.parts.settings, embedder=HashingEmbedder(fingerprint="other"), chat=ScriptedChat())
    try:
        second = World(parts, first.key)
        answer = second.client().get("/readyz")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"].startswith("Not ready: ")
        assert "errata reindex" in answer.json()["detail"]
        assert second.client().get("/healthz").status_code == 200
    finally:
        parts.close()


def test_not_ready_tells_no_internals(shop: World) -> None:
    with shop.parts.database.write() as session:
        session.execute(sa.text(f"ALTER TABLE {LogStep.__tablename__} RENAME TO gone"))
    answer = shop.client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == (
        "Not ready: Something went wrong here. The server's log has the details under the request id."
    )


def test_request_ids_are_new_for_each_request(shop: World) -> None:
    client = shop.client()
    ids = [client.get("/healthz", headers={"X-Request-ID": "mine"}).headers["x-request-id"] for _ in range(2)]
    assert all(re.fullmatch(r"[0-9a-f]{16}", id_) for id_ in ids)
    assert len(set(ids)) == 2


def test_log_lines_hold_no_words_and_no_secrets(shop: World, quiet_process: None) -> None:
    stream = io.StringIO()
    logs.configure(form="json", level="debug", stream=stream)
    visitor, curator = shop.client(), shop.client("carla")
    answer = ask(visitor, SECRET)
    events(visitor, SECRET, conversation_id=answer["conversation_id"])
    rated = visitor.post(
        f"/api/answers/{answer['answer_id']}/feedback", json={"rating": "down", "comment": SECRET, "quote": SECRET}
    ).json()
    curator.put(f"/api/corrections/{rated['correction_id']}/draft", json={"answer": SECRET})
    act(curator, rated["correction_id"], "approve", reason=SECRET)
    shop.work()
    put(curator, SECRET, SECRET, SECRET)
    curator.get(f"/api/documents/{SECRET}?q={SECRET}")
    shop.program().post("/api/search", json={"query": SECRET})
    shop.program().post(
        "/v1/chat/completions", json={"model": SECRET, "messages": [{"role": "user", "content": SECRET}]}
    )
    signed = visitor.post("/api/session", json={"username": "carla", "password": PASSWORD})
    visitor.post("/api/session", json={"username": "carla", "password": SECRET})
    visitor.get(f"/{SECRET}", headers={"Authorization": f"Bearer {SECRET}", "User-Agent": SECRET})
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    lines = [line for line in lines if line["logger"] != "httpx2"]  # of the client, which is not ours
    text = json.dumps(lines)
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) == 12
    assert all({"method", "route", "status", "ms", "request_id"} <= line.keys() for line in requests)
    for secret in ("4711", "salary", PASSWORD, shop.key, visitor.cookies["errata_session"]):
        assert secret not in text
    assert signed.status_code == 200


def test_log_line_of_a_turn_has_the_id_of_its_request(tmp_path: Path, quiet_process: None) -> None:
    stream = io.StringIO()
    logs.configure(form="json", stream=stream)

    def script(_prompt: str) -> str:
        structlog.get_logger().info("writing")
        return "At nine [1]."

    with world(tmp_path, ScriptedChat(script=script)) as made:
        put(made.client("carla"), "hours", "Hours", "The shop opens at nine.")
        answer = made.client().post("/api/chat", json={"question": "When does the shop open?"})
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines() if '"writing"' in line]
    assert line["request_id"] == answer.headers["x-request-id"]


def test_interface_is_described_and_its_page_needs_no_other_host(shop: World) -> None:
    visitor = shop.client()
    api: dict[str, Any] = visitor.get("/openapi.json").json()
    assert api["info"]["title"] == "Errata"
    assert {"/api/chat", "/api/documents", "/v1/chat/completions"} <= api["paths"].keys()
    assert "/metrics" not in api["paths"]
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            for answer in operation["responses"].values():
                schema = answer.get("content", {}).get("application/json", {}).get("schema")
                assert schema != {}, (method, path, "has no documented form")
            assert operation["tags"][0] in [tag["name"] for tag in api["tags"]]
    schemas = api["components"]["schemas"]
    assert {"type", "code", "status", "detail"} <= schemas["Problem"]["properties"].keys()
    assert "FieldProblem" in schemas
    upload = api["paths"]["/api/documents"]["post"]
    assert set(upload["requestBody"]["content"]) == {"application/json", "multipart/form-data"}
    page = visitor.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert visitor.get(path).status_code == 200, path


def test_static_files_are_asked_for_again_and_cheaply(shop: World) -> None:
    visitor = shop.client()
    first = visitor.get("/static/docs.js")
    assert first.headers["cache-control"] == "no-cache"
    assert visitor.get("/static/docs.js", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    words = visitor.get("/static/locales/en.json").json()
    assert words
    assert not any(name.startswith("server.") for name in words)
