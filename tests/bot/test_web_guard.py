"""Foreign origins, foreign hosts, headers and cookies."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from bot.errors import TooMany
from bot.hosts import origin_of_host, origin_of_url
from bot.web.security import CONTENT_SECURITY_POLICY, Flood
from tests.fakes import ScriptedChat
from tests.loop.world import ADDRESS, World, ask, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from httpx import Response

QUESTION = {"question": "When do you open?", "stream": False}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("guard"), ScriptedChat(script=lambda _: "At nine [1].")) as made:
        put(made.client("carla"), "hours", "Hours", "The shop opens at nine.")
        yield made


@contextmanager
def behind_proxy(
    shop: World, public_url: str | None, host: str = "127.0.0.1", hosts: tuple[str, ...] = ()
) -> Iterator[TestClient]:
    """The same parts at another address."""
    settings = shop.parts.settings
    shop.parts.settings = settings.model_copy(update={"public_url": public_url, "host": host, "hosts": [*hosts]})
    try:
        yield World(shop.parts, shop.key).client()
    finally:
        shop.parts.settings = settings


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1",
        "http://127.0.0.1:8001",
        "http://127.0.0.1:8000.evil.example",
        "http://user@127.0.0.1:8000",
        "127.0.0.1:8000",
        "http://localhost:8000",
        "http://[::1",
        "",
        "ftp://127.0.0.1:8000",
        "http://127.0.0.1:8000@evil.example",
        "http://127.0.0.1:99999",
    ],
)
def test_foreign_origin_is_refused(shop: World, origin: str) -> None:
    answer = shop.client().post("/api/chat", json=QUESTION, headers={"Origin": origin})
    assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "HTTP://127.0.0.1:8000"])
def test_own_origin_is_welcome(shop: World, origin: str) -> None:
    assert shop.client().post("/api/chat", json=QUESTION, headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize(
    ("site", "status"), [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403), ("x", 403)]
)
def test_unsafe_methods_are_for_the_same_site_only(shop: World, site: str, status: int) -> None:
    headers = {"Sec-Fetch-Site": site}
    assert shop.client().post("/api/chat", json=QUESTION, headers=headers).status_code == status
    assert shop.client().get("/", headers=headers).status_code == 200  # a link from another site may lead here


def test_every_unsafe_method_is_guarded(shop: World) -> None:
    curator = shop.client("carla")
    headers = {"Sec-Fetch-Site": "cross-site"}
    statuses = [
        curator.request(method, "/api/documents/hours", headers=headers).status_code
        for method in ("POST", "PUT", "PATCH", "DELETE", "UNKNOWN")
    ]
    assert statuses == [403] * 5
    assert curator.get("/api/documents/hours").status_code == 200


def test_program_needs_no_origin(shop: World) -> None:
    assert ask(shop.program(), "When do you open?")["status"] == "answered"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("127.0.0.1", 200),
        ("LOCALHOST:8000", 200),
        ("errata.localhost", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("evil.example:8000", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("[::1", 421),
        ("192.168.0.7", 421),
        ("a b", 421),
    ],
)
def test_bound_to_loopback_only_local_names_are_served(shop: World, host: str, status: int) -> None:
    answer = shop.client().get("/healthz", headers={"Host": host})
    assert answer.status_code == status
    if status == 421:
        assert "ERRATA_PUBLIC_URL" in answer.json()["detail"]


def test_public_address_is_served_and_its_origin_is_ours(shop: World) -> None:
    with behind_proxy(shop, "https://chat.example/") as client:
        headers = {"Host": "chat.example", "Origin": "https://chat.example"}
        assert client.post("/api/chat", json=QUESTION, headers=headers).status_code == 200
        local = {**headers, "Host": "127.0.0.1:8000"}  # a proxy that does not pass the header on
        assert client.post("/api/chat", json=QUESTION, headers=local).status_code == 200
        foreign = {**headers, "Origin": "https://chat.example.evil.example"}
        assert client.post("/api/chat", json=QUESTION, headers=foreign).status_code == 403


OWN = socket.gethostname()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("192.168.0.7:8000", 200),
        ("[fe80::1]:8000", 200),
        (OWN, 200),
        (f"{OWN.upper()}.:8000", 200),
        (f"{OWN.split('.')[0]}.local", 200),
        ("errata.lan:8000", 200),
        ("errata.lan.", 200),
        ("evil.example:8000", 421),
        ("192.168.0.7.evil.example", 421),
        ("7.evil.example", 421),
        ("lan", 421),
        ("x.errata.lan", 421),
        ("0x7f000001", 421),
        (f"{OWN}.evil.example", 421),
        ("evil.example@127.0.0.1", 421),
        ("errata.lan,evil.example", 421),
    ],
)
def test_bound_to_all_addresses_only_names_that_nobody_else_owns_are_served(
    shop: World, host: str, status: int
) -> None:
    with behind_proxy(shop, None, host="0.0.0.0", hosts=("errata.lan",)) as client:
        answer = client.get("/healthz", headers={"Host": host})
        assert answer.status_code == status
        if status == 421:
            assert "ERRATA_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("chat.example", 200),
        ("CHAT.example.:443", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]", 200),
        ("upstream:8000", 200),
        ("192.168.0.7", 421),
        (OWN, 421),
        ("evil.example", 421),
        ("chat.example.evil.example", 421),
    ],
)
def test_with_a_public_address_only_its_name_is_served(shop: World, host: str, status: int) -> None:
    with behind_proxy(shop, "https://chat.example", host="0.0.0.0", hosts=("upstream",)) as client:
        assert client.get("/healthz", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("public_url", [None, "https://chat.example"])
def test_page_that_points_its_own_name_at_this_machine_learns_nothing(shop: World, public_url: str | None) -> None:
    """DNS rebinding: for the browser the request is the page's own, so Host and Origin agree."""
    with behind_proxy(shop, public_url, host="0.0.0.0") as client:
        page = {"Host": "evil.example:8000", "Origin": "http://evil.example:8000", "Sec-Fetch-Site": "same-origin"}
        asked = client.post("/api/chat", json=QUESTION, headers=page)
        assert (asked.status_code, asked.json()["code"]) == (421, "wrong_host")
        assert "set-cookie" not in asked.headers
        for path in ("/", "/api/conversations", "/api/answers/x", "/metrics", "/readyz", "/static/docs.js"):
            assert client.get(path, headers=page).status_code == 421


def test_bound_to_all_addresses_the_own_origin_is_welcome(shop: World) -> None:
    with behind_proxy(shop, None, host="0.0.0.0", hosts=("chat.example",)) as client:
        headers = {"Host": "chat.example", "Origin": "http://chat.example"}
        assert client.post("/api/chat", json=QUESTION, headers=headers).status_code == 200
        behind_tls = {**headers, "Origin": "https://chat.example"}
        assert client.post("/api/chat", json=QUESTION, headers=behind_tls).status_code == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://a.example", "http://a.example:80", True),
        ("https://a.example:443", "https://A.example", True),
        ("http://[::1]:8000", "http://[0:0::1]:8000", True),
        ("http://a.example", "https://a.example", False),
        ("http://a.example:1", "http://a.example:2", False),
    ],
)
def test_places_are_compared_as_browsers_do(one: str, other: str, same: bool) -> None:
    assert origin_of_url(one) is not None
    assert (origin_of_url(one) == origin_of_url(other)) is same


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a:b", "a:70000", "[::1", "u@a", "a\tb"])
def test_a_text_that_names_no_host_has_no_web_origin(host: str) -> None:
    assert origin_of_host("http", host) is None


CALLS = (
    ("GET", "/"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/static/errors.js"),
    ("GET", "/static/none.js"),
    ("GET", "/static/../app.py"),
    ("GET", "/none"),
    ("GET", "/metrics"),
    ("GET", "/api/corrections"),
    ("PUT", "/api/session"),
    ("POST", "/api/session"),
    ("POST", "/v1/chat/completions"),
)


@pytest.mark.parametrize(("method", "path"), CALLS)
def test_security_headers_stand_on_every_response(shop: World, method: str, path: str) -> None:
    headers = shop.client().request(method, path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store" if path.startswith(("/api", "/v1")) else "no-cache"
    assert len(headers["x-request-id"]) == 16
    assert "strict-transport-security" not in headers
    assert "server" not in headers


def test_security_headers_stand_on_streams_and_refusals(shop: World) -> None:
    for answer in (
        shop.client().post("/api/chat", json={"question": "When do you open?"}),
        shop.client().post("/api/chat", headers={"Origin": "null"}),
        shop.client().get("/", headers={"Host": "evil.example"}),
        shop.client().post("/api/chat", content=b"x" * 1_000_001),
    ):
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert len(answer.headers["x-request-id"]) == 16


def test_policy_allows_nothing_inline_and_no_other_host() -> None:
    directives = dict(directive.strip().split(" ", 1) for directive in CONTENT_SECURITY_POLICY.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    sources = {source for value in directives.values() for source in value.split()}
    assert sources == {"'none'", "'self'", "data:"}
    assert directives["script-src"] == "'self'"


def cookies(client: TestClient, **headers: str) -> list[str]:
    return client.post("/api/chat", json=QUESTION, headers=headers).headers.get_list("set-cookie")


def test_visitor_cookie_on_plain_http(shop: World) -> None:
    client = shop.client()
    (cookie,) = cookies(client)
    name, _, rest = cookie.partition("=")
    assert name == "errata_visitor"
    assert rest.split("; ")[1:] == ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=lax"]
    assert len(rest.split(";")[0]) >= 40
    assert cookies(client) == []  # the second question is the same visitor's


def test_cookies_are_bound_to_the_host_behind_https(shop: World) -> None:
    client = TestClient(shop.app, base_url="https://localhost")
    (cookie,) = cookies(client)
    assert cookie.startswith("__Host-errata_visitor=")
    assert cookie.split("; ")[1:] == ["HttpOnly", "Max-Age=34560000", "Path=/", "SameSite=lax", "Secure"]
    assert client.get("/healthz").headers["strict-transport-security"] == "max-age=31536000"
    assert len(client.get("/api/conversations").json()["conversations"]) == 1


def test_cookies_are_secure_behind_a_proxy_whose_word_is_not_trusted(shop: World) -> None:
    with behind_proxy(shop, "https://chat.example") as client:
        answer = client.post("/api/chat", json=QUESTION, headers={"Host": "chat.example"})
        assert answer.headers["set-cookie"].startswith("__Host-errata_visitor=")
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        direct = client.post("/api/chat", json=QUESTION, headers={"Host": "127.0.0.1:8000"})
        assert direct.headers["set-cookie"].startswith("errata_visitor=")
        assert "strict-transport-security" not in direct.headers


def test_plain_cookie_is_not_taken_for_the_bound_one(shop: World) -> None:
    """A neighbour on plain http can plant a cookie; behind https only the bound one counts."""
    client = TestClient(shop.app, base_url="https://localhost")
    client.cookies.set("errata_session", shop.client("carla").cookies["errata_session"])
    assert client.get("/api/session").json() == {"user": None}


def test_flood_lets_so_many_through_in_a_window() -> None:
    now = [0.0]
    flood = Flood(2, 10.0, most=2, clock=lambda: now[0])
    flood.take("a", "b")
    flood.take("a")
    with pytest.raises(TooMany) as refused:
        flood.take("a", "c")
    assert refused.value.retry_after == 11
    flood.take("b")  # was not counted when "a" was refused
    flood.give_back("a")
    now[0] = 9.5
    flood.take("a")
    with pytest.raises(TooMany) as refused:
        flood.take("a")
    assert refused.value.retry_after == 1
    now[0] = 10.0
    flood.take("a")


def test_flood_forgets_the_longest_unused_key() -> None:
    flood = Flood(1, 10.0, most=2, clock=lambda: 0.0)
    for key in ("a", "b", "c"):
        flood.take(key)
    flood.take("a")
    with pytest.raises(TooMany):
        flood.take("c")


def test_address_of_a_flood_is_the_network_of_one_subscriber(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(), questions_per_minute=1) as shop:

        def statuses(*addresses: str) -> list[int]:
            return [
                TestClient(shop.app, base_url=ADDRESS, client=(address, 1)).post("/api/chat", json=QUESTION).status_code
                for address in addresses
            ]

        assert statuses("2001:db8::1", "2001:db8::2:1", "2001:db8:0:1::1") == [200, 429, 200]
        assert statuses("10.0.0.1", "10.0.0.2", "10.0.0.1") == [200, 200, 429]
        assert ask(shop.program(), "Programs have no such limit")["status"] == "refused"
        assert ask(shop.program(), "Programs have no such limit")["status"] == "refused"


def test_a_new_cookie_brings_no_more_questions_and_one_browser_has_fewer_than_a_network(tmp_path: Path) -> None:
    limits = {"questions_per_minute": 5, "questions_per_minute_per_asker": 2}
    with world(tmp_path, ScriptedChat(), **limits) as shop:

        def post(client: TestClient) -> Response:
            return client.post("/api/chat", json={"question": "One?", "stream": False})

        browser = shop.client()
        assert [post(browser).status_code for _ in range(3)] == [200, 200, 429]
        assert post(browser).json()["code"] == "too_many_questions"
        assert "You asked 2 questions within a minute" in post(browser).json()["detail"]
        assert [post(shop.client()).status_code for _ in range(4)] == [200, 200, 200, 429]
        assert post(shop.client()).json()["code"] == "too_many_questions_of_network"
        assert post(shop.client(address="10.0.0.9")).status_code == 200
        curator = shop.client("carla")
        assert [post(curator).status_code for _ in range(3)] == [200, 200, 429]
