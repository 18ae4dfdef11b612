"""Who may call what: every route of the application has a row here, and every kind of caller is tried on it.

A new route fails the first test until somebody says who may call it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from fastapi.routing import iter_route_contexts

from bot.tables import LoginSession, User
from knowledge.db import utc_now
from tests.fakes import ScriptedChat
from tests.loop.world import World, ask, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

CALLERS = ("anonymous", "other", "program", "curator", "admin", "owner")  # the owner last: some calls delete

# What each caller gets where a route is open to …; 0 stands for the row's own status.
OPEN_TO: dict[str, tuple[int, int, int, int, int, int]] = {
    "everybody": (0, 0, 0, 0, 0, 0),
    "the owner": (401, 404, 404, 404, 404, 0),
    "programs": (401, 401, 0, 0, 0, 401),
    "curators": (401, 401, 403, 0, 0, 401),
    "administrators": (401, 401, 403, 403, 0, 401),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A route, who may call it, and a call that can be made again and again with the status it then has."""

    method: str
    path: str
    to: str
    status: int = 200
    body: Any = None
    values: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


ROWS = (
    Row("POST", "/api/chat", "everybody", body={"question": "When do you open?", "stream": False}),
    Row("POST", "/api/answers/{answer_id}/stop", "the owner", 204),
    Row("POST", "/api/answers/{answer_id}/feedback", "the owner", 201, {"rating": "up"}),
    Row("POST", "/api/answers/{answer_id}/signals", "the owner", 204, {"kind": "copied"}),
    Row("GET", "/answers/{answer_id}/sources/{n}", "the owner", values={"n": "1"}),
    Row("GET", "/api/answers/{answer_id}/explanation", "the owner"),
    Row("POST", "/api/feedback", "programs", 201, {"query": "q", "response": "r", "rating": "up"}),
    Row("GET", "/api/conversations", "everybody"),
    Row("GET", "/api/conversations/{conversation_id}", "the owner"),
    Row("PATCH", "/api/conversations/{conversation_id}", "the owner", body={"title": "New"}),
    Row("POST", "/api/conversations/{conversation_id}/survey", "the owner", 201, {"stars": 4}),
    Row("DELETE", "/api/conversations/{conversation_id}", "the owner", 204),
    Row("GET", "/api/corrections", "curators"),
    Row("POST", "/api/corrections", "curators", 422, {"question": "?"}),
    Row("GET", "/api/corrections/{correction_id:int}/same", "curators"),
    Row("GET", "/api/corrections/{correction_id:int}/explanation", "curators"),
    Row("GET", "/api/unanswered", "curators"),
    Row("POST", "/api/unanswered/{group_id:int}/correct", "curators", 404, values={"group_id:int": "99"}),
    Row("POST", "/api/corrections/reject", "curators", body={"ids": [99], "reason": "spam"}),
    Row("POST", "/api/corrections/reopen", "curators", body={"ids": [99]}),
    Row("POST", "/api/corrections/merge", "curators", 422, {"ids": [1, 1]}),
    Row("POST", "/api/corrections/{correction_id:int}/split", "curators", 422, {"complaints": [99]}),
    Row("GET", "/api/corrections/{correction_id:int}", "curators"),
    Row("PUT", "/api/corrections/{correction_id:int}/draft", "curators", body={"answer": "At nine."}),
    Row(
        "POST",
        "/api/corrections/{correction_id:int}/{action:action}",
        "curators",
        body={},
        values={"action:action": "claim"},
    ),
    Row("POST", "/api/documents", "curators", 201, {"id": "d", "title": "D", "text": "Text."}),
    Row("POST", "/api/preview", "curators", 415, {}),
    Row("GET", "/api/documents", "curators"),
    Row("GET", "/api/documents/{document_id:path}", "curators"),
    Row("DELETE", "/api/documents/{document_id:path}", "curators", 404, values={"document_id:path": "none"}),
    Row("POST", "/api/documents/{document_id:path}/restore", "curators", 404, values={"document_id:path": "none"}),
    Row("GET", "/api/jobs/{job_id:int}", "curators", 404, values={"job_id:int": "99"}),
    Row("POST", "/api/search", "programs", body={"query": "hours"}),
    Row("GET", "/api/session", "everybody"),
    Row("POST", "/api/session", "everybody", 422, {"username": "carla"}),
    Row("DELETE", "/api/session", "everybody", 204),
    Row("GET", "/api/users", "administrators"),
    Row("POST", "/api/users", "administrators", 422, {"username": "no spaces", "password": "p" * 12}),
    Row("GET", "/api/keys", "administrators"),
    Row("POST", "/api/keys", "administrators", 201, {"name": "another"}),
    Row("DELETE", "/api/keys/{key_id:int}", "administrators", 404, values={"key_id:int": "99"}),
    Row("GET", "/v1/models", "programs"),
    Row(
        "POST",
        "/v1/chat/completions",
        "programs",
        body={"model": "errata", "messages": [{"role": "user", "content": "q"}]},
    ),
    Row("GET", "/", "everybody"),
    Row("GET", "/curate", "everybody"),
    Row("GET", "/login", "everybody"),
    Row("GET", "/docs", "everybody"),
    Row("GET", "/openapi.json", "everybody"),
    Row("GET", "/static", "everybody", 404),
    Row("GET", "/static/locales/{locale}.json", "everybody", values={"locale": "zh-CN"}),
    Row("GET", "/healthz", "everybody"),
    Row("GET", "/readyz", "everybody"),
    Row("GET", "/metrics", "everybody"),
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("routes"), ScriptedChat(script=lambda _: "At nine [1].")) as made:
        put(made.client("carla"), "hours", "Hours", "The shop opens at nine.")
        yield made


@pytest.fixture
def callers(shop: World) -> dict[str, TestClient]:
    other = shop.client()
    ask(other, "What else?")
    return {
        "anonymous": shop.client(),
        "owner": shop.client(),
        "other": other,
        "program": shop.program(),
        "curator": shop.client("carla"),
        "admin": shop.client("ada"),
    }


def test_every_route_has_a_row(shop: World) -> None:
    there = {
        (method, route.path)
        for route in iter_route_contexts(shop.app.routes)
        for method in (route.methods or {"GET"}) - {"HEAD"}
    }
    assert there == {(row.method, row.path) for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_route_is_open_to_its_callers_only(shop: World, callers: dict[str, TestClient], row: Row) -> None:
    mine = ask(callers["owner"], "When do you open?")
    rated = callers["owner"].post(f"/api/answers/{mine['answer_id']}/feedback", json={"rating": "down"}).json()
    path = row.path
    values = {
        "answer_id": mine["answer_id"],
        "conversation_id": mine["conversation_id"],
        "correction_id:int": rated["correction_id"],
        "document_id:path": "hours",
        **row.values,
    }
    for name, value in values.items():
        path = path.replace("{" + name + "}", str(value))
    statuses = {name: callers[name].request(row.method, path, json=row.body).status_code for name in CALLERS}
    wanted = dict(zip(CALLERS, (status or row.status for status in OPEN_TO[row.to]), strict=True))
    assert statuses == wanted


@pytest.mark.parametrize(
    ("role", "statuses"), [("program", (200, 403, 403)), ("curator", (200, 200, 403)), ("admin", (200, 200, 200))]
)
def test_key_has_the_rights_of_its_role(shop: World, role: str, statuses: tuple[int, ...]) -> None:
    made = shop.client("ada").post("/api/keys", json={"name": role, "role": role})
    client = shop.client()
    client.headers["Authorization"] = f"bearer {made.json()['key']}"
    calls = (("POST", "/api/search", {"query": "q"}), ("GET", "/api/corrections", None), ("GET", "/api/users", None))
    assert tuple(client.request(method, path, json=body).status_code for method, path, body in calls) == statuses


def test_revoked_key_is_refused_everywhere(shop: World) -> None:
    admin, program = shop.client("ada"), shop.client()
    made = admin.post("/api/keys", json={"name": "short-lived"}).json()
    program.headers["Authorization"] = f"Bearer {made['key']}"
    assert ask(program, "When do you open?")["status"] == "answered"
    assert admin.delete(f"/api/keys/{made['id']}").status_code == 204
    refused = [program.post("/api/search", json={"query": "q"}), program.post("/api/chat", json={"question": "q"})]
    assert [(response.status_code, response.json()["detail"]) for response in refused] == [
        (401, "The API key is unknown or was revoked.")
    ] * 2
    assert refused[0].headers["www-authenticate"] == "Bearer"
    (listed,) = [key for key in admin.get("/api/keys").json()["keys"] if key["id"] == made["id"]]
    assert listed["revoked_at"]
    assert "key" not in listed


@pytest.mark.parametrize("given", ["Bearer", "Bearer errata_", "Basic Y2FybGE6eA==", "errata_x", "Bearer \xe9"])
def test_authorization_that_is_no_key_is_refused(shop: World, given: str) -> None:
    headers = {"Authorization": given.encode("latin-1")}
    assert shop.client().get("/api/session", headers=headers).status_code == 401


def test_expired_and_disabled_sessions_are_no_sessions(shop: World) -> None:
    curator = shop.client("carla")
    assert curator.get("/api/session").json() == {"user": {"username": "carla", "role": "curator"}}
    with shop.parts.database.write() as session:
        session.execute(sa.update(User).where(User.username == "carla").values(disabled=True))
    assert (curator.get("/api/session").json(), curator.get("/api/corrections").status_code) == ({"user": None}, 401)
    with shop.parts.database.write() as session:
        session.execute(sa.update(User).values(disabled=False))
        session.execute(
            sa.update(LoginSession)
            .where(LoginSession.username == "carla")
            .values(expires_at=utc_now() - timedelta(seconds=1))
        )
    assert (curator.get("/api/session").json(), curator.get("/api/corrections").status_code) == ({"user": None}, 401)


def test_signed_in_person_owns_conversations_on_every_device(shop: World) -> None:
    mine = ask(shop.client("carla"), "When do you open?")
    assert shop.client("carla").get(f"/api/conversations/{mine['conversation_id']}").status_code == 200
    assert shop.client("ada").get(f"/api/conversations/{mine['conversation_id']}").status_code == 404


def test_visitor_cookie_of_another_form_owns_nothing(shop: World) -> None:
    mine, thief = shop.client(), shop.client()
    answer = ask(mine, "When do you open?")
    with shop.parts.database.read() as session:
        owner = session.execute(sa.text("select owner from conversations order by created_at desc")).scalar()
    for value in (str(owner), str(owner).removeprefix("visitor:"), "user:carla", "x"):
        thief.cookies.set("errata_visitor", value)
        assert thief.get(f"/api/conversations/{answer['conversation_id']}").status_code == 404


def test_without_anonymous_chat_only_known_people_ask(tmp_path: Any) -> None:
    with world(tmp_path, ScriptedChat(), anonymous_chat=False) as closed:
        visitor = closed.client()
        refused = visitor.post("/api/chat", json={"question": "When do you open?"})
        assert (refused.status_code, refused.json()["detail"]) == (401, "Please sign in to ask questions.")
        assert "set-cookie" not in refused.headers
        visitor.cookies.set("errata_visitor", "x" * 40)
        assert visitor.post("/api/chat", json={"question": "When do you open?"}).status_code == 401
        assert ask(closed.client("carla"), "When do you open?")["status"] == "refused"
        assert ask(closed.program(), "When do you open?")["status"] == "refused"
