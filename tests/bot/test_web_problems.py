"""Every refusal is a problem in words; hostile input is refused, never a crash."""

from __future__ import annotations

import errno
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot import logs
from bot.llm.errors import GenerationFailed
from tests.asynchronous import complete
from tests.bot.test_web_routes import ROWS
from tests.fakes import ScriptedChat
from tests.loop.world import World, ask, events, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpx import Response
    from starlette.testclient import TestClient

HUGE = 10**30
SURROGATE = '"\\ud800"'  # valid JSON for half a character
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("problems"), ScriptedChat(script=lambda _: "At nine [1].")) as made:
        put(made.client("carla"), "hours", "Hours", "The shop opens at nine.")
        yield made


@pytest.fixture(scope="module")
def admin(shop: World) -> TestClient:
    return shop.client("ada")


@pytest.fixture(scope="module")
def answer(admin: TestClient) -> dict[str, Any]:
    """An answer of the administrator's, with a correction."""
    mine = ask(admin, "When do you open?")
    rated = admin.post(f"/api/answers/{mine['answer_id']}/feedback", json={"rating": "down"})
    return {**mine, **rated.json()}


def problem(response: Response) -> tuple[int, str]:
    """Status and detail of a problem, after checking its form."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert {"type", "code", "title", "status", "detail"} <= body.keys()
    assert (body["type"], body["status"]) == (f"urn:errata:problem:{body['code']}", response.status_code)
    return response.status_code, body["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/none", 404, "There is nothing at this address."),
        ("GET", "/static/none.js", 404, "There is nothing at this address."),
        (
            "GET",
            "/api/chat",
            405,
            "This address does not take this method. The header Allow names those that it takes.",
        ),
        ("PUT", "/", 405, "This address does not take this method. The header Allow names those that it takes."),
        ("GET", "/api/corrections/99", 404, "There is no correction 99."),
        (
            "GET",
            f"/api/corrections/{HUGE}",
            422,
            "correction_id: Input should be less than or equal to 9007199254740991",
        ),
        ("GET", "/api/corrections/x", 404, "There is nothing at this address."),
        ("GET", "/api/corrections?limit=-1", 422, "limit: Input should be greater than or equal to 1"),
        (
            "GET",
            f"/api/corrections?offset={HUGE}",
            422,
            "offset: Input should be less than or equal to 9007199254740991",
        ),
        (
            "GET",
            "/api/corrections?state=lost",
            422,
            "state is one of queued, drafted, approved, verified, reopened, rejected, merged, rolled_back; not 'lost'.",
        ),
        ("GET", f"/api/corrections?q={'x' * 1001}", 422, "q: String should have at most 1000 characters"),
        (
            "GET",
            f"/api/documents?limit={HUGE}",
            422,
            "limit: Input should be less than or equal to 9007199254740991",
        ),
        (
            "GET",
            f"/api/documents/hours?version={HUGE}",
            422,
            "version: Input should be less than or equal to 9007199254740991",
        ),
        ("GET", "/api/documents/hours?version=7", 404, "There is no document 'hours' with version 7."),
        ("GET", "/api/documents/", 404, "There is no document ''."),
        ("GET", "/api/jobs/99", 404, "There is no job 99."),
        ("DELETE", f"/api/keys/{HUGE}", 422, "key_id: Input should be less than or equal to 9007199254740991"),
        ("GET", "/api/conversations/none", 404, "There is no such conversation."),
        ("POST", "/api/answers/none/stop", 404, "There is no such answer."),
        ("GET", "/static/locales/fr.json", 404, "There is no catalogue 'fr'."),
    ],
)
def test_refusals_name_the_fault(admin: TestClient, method: str, path: str, status: int, detail: str) -> None:
    assert problem(admin.request(method, path)) == (status, detail)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/api/chat", "POST"),
        ("PUT", "/api/session", "DELETE, GET, POST"),
        ("PUT", "/api/conversations/c", "DELETE, GET, PATCH"),
        ("PATCH", "/api/corrections", "GET, POST"),
        ("GET", "/api/corrections/merge", "POST"),
        ("PUT", "/api/corrections/7/same", "GET"),
        ("PUT", "/api/corrections/7/claim", "POST"),
        ("PATCH", "/api/documents/a/b", "DELETE, GET"),
        ("PATCH", "/api/documents/a/b/restore", "DELETE, GET, POST"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("HEAD", "/healthz", "GET"),
        ("OPTIONS", "/api/users", "GET, POST"),
        ("DELETE", "/v1/chat/completions", "POST"),
        ("PUT", "/static/favicon.svg", "GET, HEAD"),
        ("PUT", "/static/locales/en.json", "GET"),
    ],
)
def test_405_names_all_methods_of_the_address(admin: TestClient, method: str, path: str, allow: str) -> None:
    refused = admin.request(method, path)
    assert (refused.status_code, refused.headers["allow"]) == (405, allow)


@pytest.mark.parametrize(
    ("path", "body", "detail"),
    [
        ("/api/chat", "{}", "question: Field required"),
        ("/api/chat", '{"question": ""}', "question: String should have at least 1 character"),
        ("/api/chat", '{"question": "  "}', "The question is empty."),
        ("/api/chat", '{"question": 7}', "question: Input should be a valid string"),
        ("/api/chat", f'{{"question": "{"x" * 4001}"}}', "question: String should have at most 4000 characters"),
        ("/api/chat", '{"question": "q", "filters": {"a": 1}}', "filters.a: Input should be a valid string"),
        ("/api/chat", '{"question": "q"', "The body is not valid JSON: Expecting ',' delimiter at character 16."),
        (
            "/api/chat",
            "[]",
            "The body does not fit: Input should be a valid dictionary or object to extract fields from.",
        ),
        ("/api/chat", "", "The body does not fit: Field required."),
        ("/api/documents", '{"title": "x"}', "text: Field required"),
        (
            "/api/documents",
            '{"title": "x"',
            "The body is not valid JSON: EOF while parsing an object at line 1 column 13.",
        ),
        ("/api/documents", '{"title": "x", "text": " "}', "Document 'D' has no text."),
        ("/api/corrections/merge", '{"ids": [1]}', "ids: List should have at least 2 items after validation, not 1"),
        ("/api/keys", '{"name": "k", "role": "king"}', "A key's role is one of program, curator, admin."),
        (
            "/api/users",
            '{"username": "a b", "password": "ppppppppppp"}',
            "A user name has 1 to 64 letters, digits or . @ _ -",
        ),
        ("/api/users", '{"username": "ab", "password": "p"}', "A password has 10 to 1024 characters."),
        ("/api/search", '{"query": "q", "k": 0}', "k: Input should be greater than or equal to 1"),
    ],
)
def test_wrong_bodies_are_refused_with_the_name_of_the_field(
    admin: TestClient, path: str, body: str, detail: str
) -> None:
    status, answer = problem(admin.post(path, content=body, headers=JSON))
    assert status == 422
    assert answer == detail or (detail.startswith("Document") and answer.endswith(" has no text."))


@pytest.mark.parametrize("path", ["/api/chat", "/api/documents", "/api/session", "/api/search"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_other_kinds_of_bodies_are_refused(admin: TestClient, path: str, kind: str) -> None:
    answer = problem(admin.post(path, content='{"question": "q"}', headers={"Content-Type": kind}))
    assert answer[0] == 415
    assert "application/json" in answer[1]


def test_lost_race_tells_revision_and_state(admin: TestClient, answer: dict[str, Any]) -> None:
    path = f"/api/corrections/{answer['correction_id']}"
    now = admin.get(path).json()
    lost = admin.put(f"{path}/draft", json={"answer": "At ten.", "revision": now["revision"] + 1})
    assert problem(lost)[0] == 409
    assert (lost.json()["revision"], lost.json()["state"]) == (now["revision"], now["state"])


def test_full_queue_is_503_before_the_stream_begins(shop: World) -> None:
    parts = shop.parts
    with parts.gate.enter():
        parts.gate.limit, before = 0, parts.gate.limit
        try:
            refused = [shop.client().post("/api/chat", json={"question": "q", "stream": s}) for s in (True, False)]
        finally:
            parts.gate.limit = before
    for response in refused:
        assert problem(response)[0] == 503
        assert int(response.headers["retry-after"]) >= 1
    with parts.database.read() as session:
        from bot.tables import Answer

        assert session.query(Answer).filter_by(question="q").count() == 0


def test_too_many_questions_are_429_with_the_time_to_wait(tmp_path: Any) -> None:
    with world(tmp_path, ScriptedChat(), questions_per_minute=1) as small:
        visitor = small.client()
        ask(visitor, "One")
        refused = visitor.post("/api/chat", json={"question": "Two"})
        wait = int(refused.headers["retry-after"])
        text = "1 questions came from your network within a minute, and no more are taken without an account. Sign in, "
        assert problem(refused) == (429, f"{text}or try again in {wait} seconds.")
        assert 1 <= wait <= 60


CHINESE = {"Accept-Language": "zh-CN"}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "title", "detail"),
    [
        ("GET", "/none", None, 404, "未找到", "这个地址没有内容。"),
        ("GET", "/api/corrections/99", None, 404, "未找到", "没有编号为 99 的更正项。"),
        ("GET", "/api/documents/none", None, 404, "未找到", "没有文档 'none'。"),
        ("POST", "/api/chat", {"question": "  "}, 422, "内容无法使用", "问题为空。"),
        ("POST", "/api/chat", {"question": ""}, 422, "内容无法使用", "question：至少 1 个字符"),
        ("POST", "/api/chat", {"question": "问" * 4001}, 422, "内容无法使用", "question：最多 4000 个字符"),
        ("POST", "/api/session", {"username": "ada", "password": "not this"}, 401, "需要登录", "用户名或密码不正确。"),
        ("GET", "/static/locales/fr.json", None, 404, "未找到", "没有语言 'fr' 的词条。"),
    ],
)
def test_refusals_are_written_in_the_language_of_the_reader(
    admin: TestClient, method: str, path: str, body: Any, status: int, title: str, detail: str
) -> None:
    response = admin.request(method, path, json=body, headers=CHINESE)
    assert (*problem(response), response.json()["title"]) == (status, detail, title)


def test_a_body_that_is_no_json_is_refused_in_the_language_of_the_reader(admin: TestClient) -> None:
    refused = admin.post("/api/chat", content=b"{", headers={**CHINESE, **JSON})
    status, detail = problem(refused)
    assert status == 422
    assert detail.startswith("请求正文不是有效的 JSON：")


def test_refusals_without_a_language_are_english(shop: World) -> None:
    client = shop.client()
    assert "accept-language" not in client.headers
    assert client.get("/api/corrections").json()["title"] == "Unauthorized"
    chinese = client.get("/api/corrections", headers=CHINESE)
    assert problem(chinese) == (401, "请以勘误员身份登录。")
    assert problem(client.get("/api/corrections")) == (401, "Please sign in as a curator.")


def test_refusals_before_any_route_are_written_for_the_reader_too(shop: World) -> None:
    client = shop.client()
    foreign = client.post("/api/chat", json={"question": "q"}, headers={**CHINESE, "Sec-Fetch-Site": "cross-site"})
    assert problem(foreign) == (403, "来自其他网站的请求会被拒绝。")
    large = client.post("/api/chat", content=b"x" * 1_000_001, headers={**CHINESE, **JSON})
    assert problem(large) == (413, "请求超过 1,000,000 字节。")


def test_a_state_in_a_refusal_has_its_name_in_the_language_of_the_reader(
    admin: TestClient, answer: dict[str, Any]
) -> None:
    number = answer["correction_id"]
    refused = admin.post(f"/api/corrections/{number}/rollback", json={}, headers=CHINESE)
    assert problem(refused) == (409, f"更正项 {number} 现在是“待处理”，没有正在生效的内容。")


def test_full_queue_tells_a_chinese_reader_how_long_to_wait(shop: World) -> None:
    gate = shop.parts.gate
    with gate.enter():
        gate.limit, before = 0, gate.limit
        try:
            refused = shop.client().post("/api/chat", json={"question": "q"}, headers=CHINESE)
        finally:
            gate.limit = before
    assert problem(refused) == (503, f"排队的问题太多，请在 {refused.headers['retry-after']} 秒后重试。")


def test_reasons_of_refused_files_are_in_the_readers_language(shop: World, admin: TestClient) -> None:
    files = [("files", (name, b"", "application/octet-stream")) for name in ("empty.txt", "music.mp3")]
    job = admin.post("/api/documents", files=files, headers=CHINESE).json()["job"]["id"]
    shop.work()

    def reasons(headers: dict[str, str]) -> list[str]:
        return [file["reason"] for file in admin.get(f"/api/jobs/{job}", headers=headers).json()["files"]]

    assert reasons({})[0] == "The file is empty."
    assert reasons(CHINESE)[0] == "文件是空的。"
    assert reasons(CHINESE)[1].startswith("无法读取 .mp3 类型的文件。可以读取：")


def test_error_within_a_stream_is_written_for_the_reader(tmp_path: Any) -> None:
    class Down(ScriptedChat):
        def _steps(self, request: Any) -> Any:
            raise GenerationFailed("the server at 10.0.0.7 broke off")

    with world(tmp_path, Down()) as down:
        put(down.client("carla"), "d", "D", "Some text.")
        visitor = down.client()
        visitor.headers["Accept-Language"] = "zh-CN"
        name, data = events(visitor, "Some text?")[-1]
    assert (name, data["title"]) == ("error", "模型没有响应")
    assert data["detail"] == "暂时无法给出回答，请重试；原因见服务器日志。"


@pytest.fixture
def log(quiet_process: None) -> io.StringIO:
    """What is logged, as operators have it."""
    lines = io.StringIO()
    logs.configure(form="json", stream=lines)
    return lines


def test_unexpected_error_tells_no_details(tmp_path: Any, log: io.StringIO) -> None:
    class Broken(ScriptedChat):
        def _steps(self, request: Any) -> Any:
            raise ZeroDivisionError("secret words of /some/path")

    with world(tmp_path, Broken()) as broken:
        put(broken.client("carla"), "d", "D", "Some text.")
        response = broken.client().post("/api/chat", json={"question": "Some text?", "stream": False})
        status, detail = problem(response)
        assert status == 500
        assert detail == "Something went wrong here. The server's log has the details under the request id."
        assert "secret" not in response.text
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    mine = {line["event"]: line for line in lines if line.get("request_id") == response.headers["x-request-id"]}
    assert mine.keys() == {"turn_failed", "request_failed", "request"}
    assert "secret words of /some/path" in mine["turn_failed"]["exception"]  # this is where the details are


def test_error_of_a_route_is_a_problem_with_all_headers(shop: World, log: io.StringIO) -> None:
    @shop.app.get("/broken", include_in_schema=False)
    def broken() -> None:
        raise ZeroDivisionError("secret")

    response = shop.client().get("/broken")
    assert problem(response)[0] == 500
    assert "secret" not in response.text
    assert "content-security-policy" in response.headers
    (line,) = [json.loads(line) for line in log.getvalue().splitlines() if "request_failed" in line]
    assert line["request_id"] == response.headers["x-request-id"]
    assert "ZeroDivisionError" in line["exception"]


def test_a_full_disk_is_logged_in_a_line_without_a_traceback(shop: World, log: io.StringIO) -> None:
    @shop.app.get("/full", include_in_schema=False)
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert problem(shop.client().get("/full"))[0] == 507
    (line,) = [json.loads(line) for line in log.getvalue().splitlines() if "request_failed" in line]
    assert "exception" not in line
    assert line["detail"] == "[Errno 28] No space left on device"


@pytest.mark.parametrize("path", ["/api/chat", "/api/session", "/api/search"])
def test_bodies_above_a_megabyte_are_413(admin: TestClient, path: str) -> None:
    body = b'{"question": "' + b"x" * 1_000_000 + b'"}'
    assert problem(admin.post(path, content=body, headers=JSON)) == (413, "The request is larger than 1,000,000 bytes.")


@pytest.mark.parametrize("length", [None, "5", "9" * 5000, "-1", "\xb2", "1_0"])
def test_length_that_is_missing_or_a_lie_does_not_help(admin: TestClient, length: str | None) -> None:
    body = b'{"question": "' + b"x" * 1_000_000 + b'"}'
    headers = dict(JSON) if length is None else {**JSON, "Content-Length": length.encode("latin-1")}
    response = admin.post("/api/search", content=iter([body[:500_000], body[500_000:]]), headers=headers)
    assert response.status_code in (400, 413)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"question":' * 20_000 + "1" + "}" * 20_000,
        '{"question": ' + "9" * 10_000 + "}",
        '{"question": NaN}',
        f'{{"question": {SURROGATE}}}',
        f'{{"question": "q", "filters": {{{SURROGATE}: "x"}}}}',
        f'{{"question": "q", {SURROGATE}: 1}}',
        b"\xff\xfe",
        b'{"question": "\xff"}',
        '{"question": "a\\u0000b"}',
        '{"question": "q", "conversation_id": "a\\u0000b"}',
        '{"question": "q", "language": "\\u0000"}',
        '{"question": "q", "filters": {"\\u0000": "\\u0000"}}',
        '{"question": "q", "filters": {"a\\"b": "x", "$.x": "y", "": "z"}}',
        "null",
        "7",
    ],
    ids=lambda body: str(body)[:30],
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/documents", "/v1/chat/completions"])
def test_hostile_json_is_never_a_crash(admin: TestClient, path: str, body: str | bytes) -> None:
    content = body if isinstance(body, bytes) else body.encode()
    content = content.replace(b'{"question": "q"', b'{"question": "q", "title": "t", "text": "x", "stream": false')
    response = admin.post(path, content=content, headers=JSON)
    assert response.status_code < 500
    assert response.text


QUERIES = (b"q=%00", b"q=\xff", b"q=%ff", b"q=%ed%a0%80", b"state=%00", b"limit=%00", b"limit=1e9", b"q=%25_\\")


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("path", ["/api/corrections", "/api/documents", "/api/documents/hours", "/api/session"])
def test_hostile_queries_are_never_a_crash(shop: World, admin: TestClient, path: str, query: bytes) -> None:
    assert complete(raw(shop, path, query, admin.cookies["errata_session"])) < 500


async def raw(shop: World, path: str, query: bytes, session: str) -> int:
    """The status of a GET whose query goes out byte for byte, which no client of ours would send."""
    headers = [(b"host", b"127.0.0.1:8000"), (b"cookie", f"errata_session={session}".encode())]
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8000),
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    await shop.app(scope, receive, send)
    (status,) = statuses
    return status


@pytest.mark.parametrize(
    "path",
    [
        "/api/documents/%00",
        "/api/documents/%ff",
        "/api/conversations/%ed%a0%80",
        "/api/corrections/%00/claim",
        "/static/%00",
        "/static/locales/%2e%2e.json",
        "/static/..%2f..%2fapp.py",
        "/api/documents/" + "x" * 20_000,
    ],
)
def test_hostile_paths_are_never_a_crash(admin: TestClient, path: str) -> None:
    assert admin.get(path).status_code in (404, 405)


TEXT = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["\x00", "\ud800", "%", "_", "'", '"', "../..", "[1]", "٣", "\u202e", "e\u0301", "x" * 5_000]),
)
NUMBER = st.one_of(st.integers(), st.sampled_from([HUGE, -HUGE, 0, -1, 2**63, 2**31]), st.floats())
VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBER, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=6,
)
FIELDS = {
    "/api/chat": ("question", "conversation_id", "language", "regenerate", "filters"),
    "/api/answers/{answer_id}/feedback": ("rating", "reasons", "comment", "suggested_answer", "quote", "stars"),
    "/api/answers/{answer_id}/signals": ("kind", "value"),
    "/api/feedback": ("query", "response", "rating", "user_id", "comment"),
    "/api/conversations/{conversation_id}": ("title",),
    "/api/conversations/{conversation_id}/survey": ("stars", "comment"),
    "/api/corrections/{correction_id:int}/draft": (
        "answer", "question", "paraphrases", "negatives", "edits", "supersedes", "kind", "valid_until", "revision",
    ),
    "/api/corrections/{correction_id:int}/{action:action}": ("reason", "revision", "override", "allow_invisible"),
    "/api/corrections": ("question", "answer"),
    "/api/corrections/merge": ("ids",),
    "/api/corrections/{correction_id:int}/split": ("complaints", "revision"),
    "/api/documents": ("id", "title", "text", "language", "source_url", "metadata"),
    "/api/search": ("query", "k", "language", "filters"),
    "/api/users": ("username", "password", "role"),
    "/api/keys": ("name", "role"),
    "/v1/chat/completions": ("model", "messages", "stream_options", "n"),
}  # fmt: skip
SOUND = {
    "rating": "down", "kind": "copied", "stars": 3, "model": "errata", "title": "t", "text": "words",
    "messages": [{"role": "user", "content": "q"}], "query": "q", "question": "q", "answer": "a", "response": "r",
    "username": "no one", "password": "p" * 10, "role": "curator", "name": "n", "ids": [1, 2], "filters": {"a": "b"},
    "edits": [{"document_id": "hours", "version": 1, "find": "nine", "replace": "ten"}],
    "supersedes": [{"document_id": "hours"}], "metadata": {"a": 1}, "reasons": ["wrong"], "complaints": [1],
}  # fmt: skip
JSON_ROWS = [row for row in ROWS if row.path in FIELDS and row.method in ("POST", "PUT", "PATCH")]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_json_crashes_a_route(admin: TestClient, answer: dict[str, Any], data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(JSON_ROWS))
    body: dict[str, Any] = {"stream": False} if "chat" in row.path else {}
    for name in FIELDS[row.path]:
        how = data.draw(st.sampled_from(("sound", "hostile", "absent")))
        if how == "hostile":
            body[name] = data.draw(VALUE)
        elif how == "sound" and name in SOUND:
            body[name] = SOUND[name]
    path = row.path.replace(
        "{action:action}", data.draw(st.sampled_from(("claim", "approve", "reject", "reopen", "rollback")))
    )
    for name in ("answer_id", "conversation_id", "correction_id"):
        path = path.replace("{" + name + "}", str(answer[name])).replace("{" + name + ":int}", str(answer[name]))
    response = admin.request(row.method, path, content=json.dumps(body).encode(), headers=JSON)
    assert response.status_code < 500, (path, body, response.text)
    if response.status_code >= 400:
        assert response.json().get("detail") or response.json()["error"]["message"]
