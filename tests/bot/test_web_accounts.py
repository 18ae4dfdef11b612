"""Signing in over HTTP: right, wrong, too often; accounts and keys."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from bot import accounts
from bot.errors import NotSignedIn
from bot.web.logins import SECONDS, SLOWEST, Logins
from tests.fakes import ScriptedChat
from tests.loop.world import ADDRESS, PASSWORD, World, ask, world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from httpx import Response

WRONG = "wrong password"
WRONGS = 3  # that these tests allow: each takes as long as a hash does


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("accounts"), ScriptedChat()) as made:
        yield made


@pytest.fixture
def now(office: World) -> list[float]:
    """The clock of the login counters, which begin anew."""
    clock = [0.0]
    office.app.state.logins = Logins(WRONGS, WRONGS, clock=lambda: clock[0])
    return clock


def sign_in(office: World, name: str, password: str, address: str = "10.0.0.1") -> Response:
    client = TestClient(office.app, base_url=ADDRESS, client=(address, 1))
    answer: Response = client.post("/api/session", json={"username": name, "password": password})
    return answer


def test_signing_in_and_out(office: World, now: list[float]) -> None:
    client = office.client()
    answer = client.post("/api/session", json={"username": "carla", "password": PASSWORD})
    assert answer.json() == {"user": {"username": "carla", "role": "curator"}}
    token = client.cookies["errata_session"]
    assert answer.headers["set-cookie"].split("; ")[1:] == ["HttpOnly", "Max-Age=1209600", "Path=/", "SameSite=lax"]
    assert client.get("/api/session").json() == {"user": {"username": "carla", "role": "curator"}}
    gone = client.delete("/api/session")
    assert gone.status_code == 204
    assert "Max-Age=0" in gone.headers["set-cookie"]
    assert "errata_session" not in client.cookies
    client.cookies.set("errata_session", token)  # a copy of it is of no use
    assert client.get("/api/session").json() == {"user": None}


def test_every_sign_in_is_a_session_of_its_own(office: World, now: list[float]) -> None:
    first, second = office.client(), office.client()
    for client in (first, second):
        client.post("/api/session", json={"username": "carla", "password": PASSWORD})
    assert first.cookies["errata_session"] != second.cookies["errata_session"]
    first.delete("/api/session")
    assert second.get("/api/session").json()["user"]["username"] == "carla"


@pytest.mark.parametrize(
    ("name", "password"),
    [("carla", WRONG), ("nobody", PASSWORD), ("carla", PASSWORD + " "), ("Carla", PASSWORD), ("a\x00b", "x"), ("", "")],
)
def test_wrong_name_and_wrong_password_look_the_same(office: World, now: list[float], name: str, password: str) -> None:
    answer = sign_in(office, name, password)
    assert (answer.status_code, answer.json()["detail"]) == (401, "The user name or the password is wrong.")
    assert "set-cookie" not in answer.headers


def test_unknown_name_takes_as_long_as_a_known_one(office: World) -> None:
    def seconds(name: str) -> float:
        started = time.thread_time()
        with office.parts.database.read() as session, pytest.raises(NotSignedIn):
            accounts.verify_password(session, name, WRONG)
        return time.thread_time() - started

    seconds("nobody")  # the decoy is made once
    known = min(seconds("carla") for _ in range(2))
    unknown = min(seconds("nobody") for _ in range(2))
    assert 0.4 < unknown / known < 2.5


def test_wrong_passwords_make_an_address_wait(office: World, now: list[float]) -> None:
    for number in range(WRONGS):
        assert sign_in(office, f"name{number}", WRONG).status_code == 401
    refused = sign_in(office, "carla", PASSWORD)  # even the right one
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "301")
    assert refused.json()["detail"] == "Too many attempts. Please try again in 301 seconds."
    assert sign_in(office, "carla", PASSWORD, address="10.0.0.2").status_code == 200
    now[0] = SECONDS
    assert sign_in(office, "carla", PASSWORD).status_code == 200


def test_wrong_passwords_for_a_name_make_only_their_address_wait(office: World, now: list[float]) -> None:
    office.app.state.logins = Logins(WRONGS, WRONGS + 1, clock=lambda: now[0])
    for number in range(WRONGS):
        assert sign_in(office, "CARLA" if number % 2 else "carla", WRONG).status_code == 401
    assert sign_in(office, "Carla", PASSWORD).status_code == 429
    assert sign_in(office, "ada", PASSWORD).status_code == 200  # somebody else in the same office
    assert sign_in(office, "carla", PASSWORD, address="10.2.0.1").status_code == 200
    now[0] = SECONDS
    assert sign_in(office, "carla", PASSWORD).status_code == 200


def test_a_name_that_is_guessed_from_many_addresses_becomes_slow_and_is_never_locked() -> None:
    now = [0.0]
    logins = Logins(clock=lambda: now[0])
    pauses = [logins.begin(f"10.1.{number // 250}.{number % 250}", "carla").pause for number in range(1000)]
    assert pauses[:8] == [0.0] * 8
    assert pauses[8:12] == [0.25, 0.5, 1.0, 2.0]
    assert set(pauses[12:]) == {SLOWEST}
    attempt = logins.begin("10.9.9.9", "carla")  # the owner: slow, and let in
    assert attempt.pause == SLOWEST
    logins.was_right(attempt)
    assert logins.begin("10.9.9.9", "ada").pause == 0.0
    now[0] = SECONDS
    assert logins.begin("10.9.9.9", "carla").pause == 0.0


def test_a_slow_attempt_waits_before_its_password_is_looked_at(office: World, now: list[float]) -> None:
    for number in range(8):
        office.app.state.logins.begin(f"10.4.0.{number}", "carla")
    started = time.monotonic()
    assert sign_in(office, "carla", PASSWORD, address="10.5.0.1").status_code == 200
    assert time.monotonic() - started >= 0.25


def test_right_passwords_do_not_count(office: World, now: list[float]) -> None:
    assert [sign_in(office, "carla", PASSWORD).status_code for _ in range(WRONGS + 1)] == [200] * (WRONGS + 1)


def test_right_password_does_not_forgive_wrong_ones(office: World, now: list[float]) -> None:
    """Else somebody with an account of their own could go on guessing for ever."""
    for _ in range(WRONGS - 1):
        sign_in(office, "ada", WRONG)
    assert sign_in(office, "carla", PASSWORD).status_code == 200
    assert sign_in(office, "ada", WRONG).status_code == 401
    assert sign_in(office, "carla", PASSWORD).status_code == 429


def test_guesses_at_the_same_time_are_counted_before_they_are_checked(office: World, now: list[float]) -> None:
    statuses: list[int] = []
    together = threading.Barrier(WRONGS + 4)

    def guess() -> None:
        together.wait()
        statuses.append(sign_in(office, "carla", WRONG).status_code)

    threads = [threading.Thread(target=guess) for _ in range(WRONGS + 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [401] * WRONGS + [429] * 4


def test_administrator_adds_accounts_and_keys(office: World, now: list[float]) -> None:
    admin = office.client("ada")
    made = admin.post("/api/users", json={"username": "李雷", "password": "又长又好记的口令呀", "role": "curator"})
    assert made.status_code == 422  # nine characters
    made = admin.post("/api/users", json={"username": "李雷", "password": "又长又好记的口令呀呀", "role": "curator"})
    assert (made.status_code, made.json()) == (201, {"username": "李雷", "role": "curator"})
    again = admin.post("/api/users", json={"username": "李雷", "password": "p" * 10})
    assert (again.status_code, again.json()["detail"]) == (409, "There is a user '李雷' already.")
    listed = admin.get("/api/users").json()["users"]
    assert {(line_of_key["username"], line_of_key["role"], line_of_key["disabled"]) for line_of_key in listed} == {
        ("ada", "admin", False),
        ("carla", "curator", False),
        ("李雷", "curator", False),
    }
    assert all("password" not in name for row in listed for name in row)
    key = admin.post("/api/keys", json={"name": " robot "}).json()
    assert (key["name"], key["role"], key["key"][:7]) == ("robot", "program", "errata_")
    (line,) = [line_of_key for line_of_key in admin.get("/api/keys").json()["keys"] if line_of_key["id"] == key["id"]]
    assert (line["created_by"], line["revoked_at"], set(line)) == (
        "ada",
        None,
        {"id", "name", "role", "collection", "created_by", "created_at", "revoked_at"},
    )


def test_signing_in_does_not_take_over_the_visitors_conversations(office: World, now: list[float]) -> None:
    client = office.client()
    conversation = ask(client, "What is this?")["conversation_id"]
    client.post("/api/session", json={"username": "carla", "password": PASSWORD})
    assert client.get(f"/api/conversations/{conversation}").status_code == 404
    client.delete("/api/session")
    assert client.get(f"/api/conversations/{conversation}").status_code == 200


def test_key_of_a_disabled_administrator_opens_nothing(office: World, now: list[float]) -> None:
    with office.parts.database.write() as session:
        accounts.add_user(session, "eve", PASSWORD, "admin")
    eve = office.client("eve")
    key = eve.post("/api/keys", json={"name": "robot", "role": "admin"}).json()["key"]
    robot = TestClient(office.app, base_url=ADDRESS, headers={"Authorization": f"Bearer {key}"})
    child = robot.post("/api/keys", json={"name": "child"}).json()
    listed = robot.get("/api/keys").json()["keys"]
    assert [line["created_by"] for line in listed if line["id"] == child["id"]] == ["eve"]
    by_child = TestClient(office.app, base_url=ADDRESS, headers={"Authorization": f"Bearer {child['key']}"})
    assert [client.post("/api/search", json={"query": "x"}).status_code for client in (robot, by_child)] == [200, 200]
    with office.parts.database.write() as session:
        accounts.set_disabled(session, "eve", disabled=True)
    assert [client.post("/api/search", json={"query": "x"}).status_code for client in (robot, by_child)] == [401, 401]
    assert eve.get("/api/keys").status_code == 401
    assert office.program().post("/api/search", json={"query": "x"}).status_code == 200
