"""Nobody keeps a connection of the database while asking for another: everything works with a single connection, and
many who approve at once do not wait for one another's connections."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from knowledge.db import Database
from tests.bot.shop import until
from tests.fakes import ScriptedChat
from tests.loop.world import World, act, ask, events, put, serving, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 5.0  # seconds; with one connection, whoever asks for a second one waits this long and fails
APPROVALS = 64
THREADS = 60  # more than the server has
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
QUESTION = "Within how many days can shoes be returned?"


def quote_first_days(prompt: str) -> str:
    passages, _, question = prompt.partition("Question: ")
    days = re.search(r"within (\d+) days", passages)
    return f"Within {days[1]} days [1]." if days and "return" in question else "NO_ANSWER"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, ScriptedChat(script=quote_first_days)) as made:
        path = made.parts.database.url.database
        made.parts.database.close()
        made.parts.database = Database(f"sqlite:///{path}", connections=1, connection_seconds=PATIENCE)
        yield made


def test_the_important_flows_work_with_one_connection(shop: World, tmp_path: Path) -> None:
    curator, visitor, admin = shop.client("carla"), shop.client(), shop.client("ada")
    put(curator, "returns", "Returns", "Shoes can be returned within 14 days of delivery. Sale items are final.")
    put(curator, "hours", "Opening hours", "The shop opens at nine and closes at eight.")
    corrections = []
    for question in (QUESTION, "Within how many days can boots be returned?", "How many days to return sandals?"):
        asked = ask(visitor, question)
        complaint = {"rating": "down", "reasons": ["wrong"], "comment": "It is 30 days."}
        rated = visitor.post(f"/api/answers/{asked['answer_id']}/feedback", json=complaint)
        assert rated.status_code == 201
        corrections.append(rated.json()["correction_id"])
    cited = ask(visitor, QUESTION)
    assert events(visitor, QUESTION)[-1][0] == "done"
    assert ask(visitor, "Who is the mayor?", conversation_id=asked["conversation_id"])["status"] == "refused"
    assert ask(visitor, QUESTION, regenerate=asked["answer_id"])["status"] == "answered"

    first, second, third = corrections
    merged = curator.post("/api/corrections/merge", json={"ids": [second, third]})
    assert merged.status_code == 200
    split = {"complaints": [merged.json()["complaints"][-1]["id"]]}
    assert curator.post(f"/api/corrections/{second}/split", json=split).status_code == 200
    edits = [{"document_id": "returns", "version": 1, "find": "14 days", "replace": "30 days"}]
    draft = {"answer": "Within 30 days.", "edits": edits, "valid_until": "2100-01-31"}
    assert curator.put(f"/api/corrections/{first}/draft", json=draft).status_code == 200
    assert act(curator, first, "claim")["state"] == "drafted"
    assert act(curator, first, "prove")["proof"]["verdict"] == "fixed"
    assert act(curator, first, "approve")["state"] == "approved"
    assert shop.work() > 0
    assert curator.get(f"/api/corrections/{first}").json()["state"] == "verified"
    assert act(curator, first, "recheck")["state"] == "approved"
    assert shop.work() > 0
    assert act(curator, first, "rollback", reason="not agreed")["state"] == "rolled_back"
    assert act(curator, second, "reject", reason="is right")["state"] == "rejected"
    assert act(curator, second, "reopen")["state"] == "reopened"
    assert curator.post("/api/corrections", json={"question": "Who is the mayor?", "answer": "Ann"}).status_code == 201

    upload = {"files": ("shipping.md", b"# Shipping\n\nParcels arrive within 3 days.")}
    uploaded = curator.post("/api/documents", files=upload)
    assert uploaded.status_code == 202
    assert shop.work() > 0
    assert curator.delete("/api/documents/hours").status_code == 204
    assert curator.post("/api/documents/hours/restore").status_code == 200
    assert curator.post("/api/search", json={"query": "shoes"}).status_code == 200
    for address in (
        "/api/conversations", f"/api/conversations/{asked['conversation_id']}", "/api/corrections",
        f"/api/corrections/{second}", f"/api/corrections/{second}/same", "/api/documents", "/api/documents/returns",
        "/api/unanswered", f"/api/jobs/{uploaded.json()['job']['id']}", f"/answers/{cited['answer_id']}/sources/1",
        "/api/session", "/readyz", "/metrics",
    ):  # fmt: skip
        client = visitor if address.startswith(("/api/conversations", "/answers")) else curator
        assert client.get(address).status_code == 200, address
    assert admin.get("/api/users").status_code == 200
    assert admin.get("/api/keys").status_code == 200
    asked_by_program = {"model": "errata", "messages": [{"role": "user", "content": QUESTION}]}
    assert shop.program().post("/v1/chat/completions", json=asked_by_program).status_code == 200
    assert shop.parts.searcher.check().ok


def test_spare_work_and_the_start_work_with_one_connection(shop: World) -> None:
    put(shop.client("carla"), "returns", "Returns", "Shoes can be returned within 14 days.")
    ask(shop.client(), QUESTION)
    shop.parts.recover()
    with serving(shop.app) as address:
        until(lambda: httpx.get(f"{address}/readyz").status_code == 200)


def test_the_process_is_alive_while_every_thread_waits(shop: World) -> None:
    client = shop.client("carla")
    with serving(shop.app) as address, shop.parts.database.read() as session, ThreadPoolExecutor(THREADS) as crowd:
        session.connection()  # the only one: whoever asks for it waits, in a thread
        waiting = [
            crowd.submit(httpx.get, f"{address}/api/session", cookies=dict(client.cookies), timeout=60)
            for _ in range(THREADS)
        ]
        time.sleep(1.0)
        assert httpx.get(f"{address}/healthz", timeout=2).status_code == 200
        assert not any(task.done() for task in waiting)
        session.rollback()


def test_64_approvals_of_different_corrections_at_once_all_succeed(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(script=quote_first_days)) as shop:
        curator = shop.client("carla")
        put(curator, "returns", "Returns", "Shoes can be returned within 14 days of delivery.")
        ids = []
        for number in range(APPROVALS):
            body = {"question": f"What is the price of article {number}?", "answer": f"It costs {number} euros."}
            ids.append(curator.post("/api/corrections", json=body).json()["id"])
        cookies, reads, over = dict(curator.cookies), list[tuple[float, int]](), threading.Event()
        with serving(shop.app) as address:

            def approve(correction_id: int) -> int:
                url = f"{address}/api/corrections/{correction_id}/approve"
                return httpx.post(url, json={}, cookies=cookies, timeout=120, headers=SAME_ORIGIN).status_code

            def read() -> None:
                with httpx.Client(base_url=address, cookies=cookies, timeout=120) as reader:
                    while not over.wait(0.05):
                        began = time.monotonic()
                        status = reader.post("/api/search", json={"query": "shoes"}, headers=SAME_ORIGIN).status_code
                        reads.append((time.monotonic() - began, status))

            reader = threading.Thread(target=read)
            reader.start()
            began = time.monotonic()
            with ThreadPoolExecutor(APPROVALS) as crowd:
                statuses = list(crowd.map(approve, ids))
            took = time.monotonic() - began
            over.set()
            reader.join()
        failures = sum(status != 200 for status in statuses)
        slowest = max(seconds for seconds, _ in reads)
        print(f"{APPROVALS} approvals: {took:.1f} s, {failures} failures; {len(reads)} reads, slowest {slowest:.2f} s")
        assert statuses == [200] * APPROVALS
        assert {status for _, status in reads} == {200}
