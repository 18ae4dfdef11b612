"""Complaints and unanswered questions tell networks apart, and nothing stored names one."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from bot import networks
from tests.fakes import ScriptedChat
from tests.loop.world import ADDRESS, ask, put, world

if TYPE_CHECKING:
    from pathlib import Path


def test_the_key_is_made_once_and_for_nobody_else_to_read(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(networks.key_of, [tmp_path] * 32))
    assert [len(key) for key in keys] == [32]
    assert networks.key_of(tmp_path) in keys
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"cut off")
    assert len(networks.key_of(tmp_path)) == 32


def test_hashes_tell_networks_apart_and_depend_on_the_key() -> None:
    first, other = b"a" * 32, b"b" * 32
    assert networks.hashed("10.0.0.1", first) == networks.hashed("10.0.0.1", first)
    assert len({networks.hashed(network, key) for network in ("10.0.0.1", "10.0.0.2") for key in (first, other)}) == 4


def test_three_fresh_cookies_from_one_address_do_not_make_an_item_urgent(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(script=lambda _: "At nine [1].")) as shop:
        put(shop.client("carla"), "hours", "Hours", "The shop opens at nine.")

        def complain(address: str) -> int:
            visitor = TestClient(shop.app, base_url=ADDRESS, client=(address, 1))
            answer_id = ask(visitor, "When does the shop open?")["answer_id"]
            return int(
                visitor.post(f"/api/answers/{answer_id}/feedback", json={"rating": "down"}).json()["correction_id"]
            )

        def priority(correction_id: int) -> str:
            return str(shop.client("carla").get(f"/api/corrections/{correction_id}").json()["priority"])

        numbers = {complain("198.51.100.7") for _ in range(3)}
        (number,) = numbers
        assert priority(number) == "important"
        complain("198.51.100.8")
        complain("198.51.100.9")
        assert priority(number) == "urgent"
        stored = (tmp_path / "var" / "errata.db").read_bytes() + (tmp_path / "var" / "errata.db-wal").read_bytes()
        assert b"198.51.100" not in stored
        assert hashlib.sha256(b"198.51.100.7").hexdigest()[:32].encode() not in stored


def test_two_fresh_cookies_from_one_address_bring_no_unanswered_question_into_the_queue(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(script=lambda _: "NO_ANSWER")) as shop:
        put(shop.client("carla"), "hours", "Hours", "The shop opens at nine.")
        desk = shop.client("carla")

        def people(address: str) -> tuple[list[int], int]:
            """Of the waiting questions, and how many corrections there are, after one more visitor asked."""
            visitor = shop.client(address=address)
            assert ask(visitor, "Does the shop open on Sundays?")["status"] == "refused"
            shop.work()
            waiting = desk.get("/api/unanswered").json()["items"]
            return [group["people"] for group in waiting], desk.get("/api/corrections").json()["total"]

        assert [people("198.51.100.7") for _ in range(2)] == [([1], 0)] * 2
        assert people("198.51.100.8") == ([], 1)
        stored = (tmp_path / "var" / "errata.db").read_bytes() + (tmp_path / "var" / "errata.db-wal").read_bytes()
        assert b"198.51.100" not in stored
