"""Many ask at once: places in the line, turning away, order, and places given back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa

from knowledge.correcting.publish import RECHECK
from knowledge.tables import Job
from tests.bot.shop import ANSWER, QUESTION, WAIT, Listener, correct, shop, stored, until
from tests.fakes import ScriptedChat
from tests.loop.world import serving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.loop.world import World


def rechecked(made: World) -> bool:
    """Whether no correction waits to be asked again."""
    with made.parts.database.read() as session:
        waiting = sa.select(Job.id).where(Job.kind == RECHECK, Job.state.in_(("queued", "running")))
        return session.scalar(waiting.limit(1)) is None


def test_events_of_a_queue_come_between_sources_and_tokens(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        first = Listener(address)
        first.has("sources")
        until(lambda: made.parts.gate.running)
        second = Listener(address, question="When does the shop close?")
        second.has("queue")
        third = Listener(address, question="Does the shop open at nine?")
        third.has("queue")
        gate.release(100)
        for asker in (first, second, third):
            asker.wait()
        assert first.names() == ["meta", "sources", *["token"] * 6, "done"]
        assert second.names() == ["meta", "sources", "queue", "queue", *["token"] * 6, "done"]
        assert [data["position"] for name, data in second.events if name == "queue"] == [1, 0]
        positions = [data["position"] for name, data in third.events if name == "queue"]
        assert positions in ([2, 1, 0], [2, 0])  # whether it sees itself become the next one is a matter of luck
        assert [asker.events[-1][1]["answer"] for asker in (first, second, third)] == [ANSWER] * 3


def test_a_follow_up_waits_once_and_gets_its_position(tmp_path: Path) -> None:
    gate = threading.Semaphore(7)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        with httpx.Client(base_url=address) as someone:
            begun = someone.post("/api/chat", json={"question": QUESTION, "stream": False}).json()
            first = Listener(address, question="When does the shop close?")
            until(lambda: made.parts.gate.running)
            follow_up = Listener(
                address, someone.cookies, question="And on Sunday?", conversation_id=begun["conversation_id"]
            )
            follow_up.has("queue")
            gate.release(100)
            first.wait()
            follow_up.wait()
        assert follow_up.names()[:4] == ["meta", "queue", "queue", "sources"]
        assert follow_up.names().count("queue") == 2  # its place, and that it has its turn


def test_a_corrected_question_is_answered_while_the_line_is_full(tmp_path: Path) -> None:
    chat = ScriptedChat(script=lambda _: ANSWER)
    with shop(tmp_path, chat, queue=0) as made, serving(made.app) as address:
        correct(made, QUESTION, "At ten.")
        until(lambda: rechecked(made))  # it asks the model too
        gate = chat.gate = threading.Semaphore(0)
        busy = Listener(address, question="When does the shop close?")
        until(lambda: made.parts.gate.running)
        with httpx.Client(base_url=address) as client:
            refused = client.post("/api/chat", json={"question": "Is the shop open?", "stream": False})
            assert refused.status_code == 503
            assert client.post("/api/chat", json={"question": QUESTION, "stream": False}).json()["answer"] == "At ten."
        gate.release(100)
        busy.wait()


@pytest.mark.parametrize("stream", [True, False])
def test_of_many_in_the_same_moment_all_past_the_limit_are_turned_away(tmp_path: Path, stream: bool) -> None:
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat, parallel=1, queue=2) as made, serving(made.app) as address:
        together = threading.Barrier(20)
        responses: list[httpx.Response] = []

        def question(number: int) -> None:
            with httpx.Client(base_url=address, timeout=WAIT) as client:
                together.wait()
                body = {"question": f"When does the shop open on day {number}?", "stream": stream}
                responses.append(client.post("/api/chat", json=body))

        threads = [threading.Thread(target=question, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        until(lambda: len(responses) == 17)
        gate.release(1000)
        for thread in threads:
            thread.join(WAIT)
        assert sorted(response.status_code for response in responses) == [200] * 3 + [503] * 17
        assert all(int(response.headers["retry-after"]) > 0 for response in responses if response.status_code == 503)
        assert [status for status, _ in stored(made)] == ["answered"] * 3  # nothing is kept of who was turned away
        assert (made.parts.gate.running, made.parts.gate.waiting) == (0, 0)


@pytest.mark.parametrize("stream", [True, False])
def test_a_turn_without_a_thread_gives_the_place_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER), parallel=1, queue=0) as made:
        visitor = made.client()

        class NoThread(threading.Thread):
            def start(self) -> None:
                if self.name == "turn":
                    raise RuntimeError("can't start new thread")
                super().start()

        with monkeypatch.context() as patched:
            patched.setattr("bot.turn.threading.Thread", NoThread)
            refused = visitor.post("/api/chat", json={"question": QUESTION, "stream": stream})
            assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (503, True)
        assert (made.parts.turns.running, made.parts.gate.waiting) == (0, 0)
        assert [status for status, _ in stored(made)] == ["failed"]
        assert visitor.post("/api/chat", json={"question": QUESTION, "stream": False}).json()["status"] == "answered"


def test_a_question_that_cannot_begin_gives_its_place_back(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER), parallel=1, queue=0) as made:
        visitor = made.client()
        for _ in range(2):
            body = {"question": QUESTION, "conversation_id": "nobodys", "stream": False}
            assert visitor.post("/api/chat", json=body).status_code == 404
        assert visitor.post("/api/chat", json={"question": QUESTION, "stream": False}).json()["status"] == "answered"


def test_stop_while_waiting_gives_the_place_back(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        first = Listener(address)
        until(lambda: made.parts.gate.running)
        second = Listener(address, question="When does the shop close?")
        second.has("queue")
        with httpx.Client(base_url=address, cookies=second.cookies) as same_browser:
            same_browser.post(f"/api/answers/{second.events[0][1]['answer_id']}/stop")
        second.wait()
        assert (second.events[-1][1]["status"], second.events[-1][1]["answer"]) == ("stopped", "")
        assert made.parts.gate.waiting == 0
        gate.release(100)
        first.wait()
        assert stored(made) == [("answered", ANSWER), ("stopped", "")]


def test_many_whole_answers_leave_room_for_other_requests(tmp_path: Path) -> None:
    """The threads that routes share are forty."""
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat, queue=100, queue_per_network=100, parallel=1) as made, serving(made.app) as address:

        def question(number: int) -> None:
            with httpx.Client(base_url=address, timeout=WAIT) as client:
                body = {"question": f"When does the shop open on day {number}?", "stream": False}
                answers.append(client.post("/api/chat", json=body).json())

        answers: list[dict[str, Any]] = []
        threads = [threading.Thread(target=question, args=(number,)) for number in range(45)]
        for thread in threads:
            thread.start()
        until(lambda: made.parts.gate.waiting == 44)
        assert httpx.get(f"{address}/healthz", timeout=WAIT).status_code == 200
        assert httpx.get(f"{address}/readyz", timeout=WAIT).status_code == 200
        gate.release(1000)
        for thread in threads:
            thread.join(WAIT)
        assert [answer["status"] for answer in answers] == ["answered"] * 45


def test_questions_are_answered_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat) as made, serving(made.app) as address:
        listeners = []
        for number in range(8):
            listeners.append(Listener(address, question=f"When does the shop open on day {number}?"))
            if number:
                listeners[-1].has("queue")
            else:
                until(lambda: made.parts.gate.running)
        gate.release(1000)
        for listener in listeners:
            listener.wait()
        asked = [prompt[prompt.rindex("on day ") :][7] for prompt in chat.prompts]
        assert asked == list("01234567")


def test_one_browser_may_have_only_so_many_questions_waiting_and_hears_that_they_are_its_own(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat, queue=10, queue_per_asker=2) as made, serving(made.app) as address:
        first = Listener(address)
        first.has("sources")
        second = Listener(address, first.cookies, question="When does the shop close?")
        second.has("queue")
        with httpx.Client(base_url=address, cookies=first.cookies) as same_browser:
            refused = same_browser.post("/api/chat", json={"question": "Does it open at nine?"})
        assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
        assert "2 of your own questions" in refused.json()["detail"]
        other = Listener(address, question="Does it close at eight?")
        other.has("queue")
        gate.release(100)
        for asker in (first, second, other):
            asker.wait()
        assert [status for status, _ in stored(made)] == ["answered"] * 3


def test_people_take_turns(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat, queue_per_asker=10) as made, serving(made.app) as address:
        first = Listener(address, question="When does the shop open on day 0?")
        first.has("sources")
        listeners = [first]
        for number in range(1, 6):
            cookies = first.cookies if number < 4 else None
            listeners.append(Listener(address, cookies, question=f"When does the shop open on day {number}?"))
            listeners[-1].has("queue")
        gate.release(1000)
        for listener in listeners:
            listener.wait()
        asked = [prompt[prompt.rindex("on day ") :][7] for prompt in chat.prompts]
        assert asked == list("014523")


def test_people_of_one_network_leave_places_to_others(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat, queue=5, queue_per_network=2) as made:
        answers: list[Any] = []

        def question(client: Any, number: int) -> None:
            answers.append(client.post("/api/chat", json={"question": f"Day {number}?", "stream": False}).json())

        threads = []

        def begin(client: Any) -> None:
            threads.append(threading.Thread(target=question, args=(client, len(threads))))
            threads[-1].start()
            until(lambda: made.parts.gate.running + made.parts.gate.waiting == len(threads))

        for _ in range(2):  # each is another browser
            begin(made.client(address="10.0.0.1"))
        body = {"question": "One more?"}
        refused = made.client(address="10.0.0.1").post("/api/chat", json=body)
        assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (429, True)
        assert "2 questions from your network" in refused.json()["detail"]
        chinese = made.client(address="10.0.0.1").post("/api/chat", json=body, headers={"Accept-Language": "zh-CN"})
        assert "你所在的网络已有 2 个问题在回答或排队" in chinese.json()["detail"]
        begin(made.client(address="10.0.0.2"))
        begin(made.client("carla", address="10.0.0.1"))  # who is signed in counts alone
        gate.release(1000)
        for thread in threads:
            thread.join(WAIT)
        assert [answer["status"] for answer in answers] == ["answered"] * 4
        question(made.client(address="10.0.0.1"), 9)  # the places were given back
        assert answers[-1]["status"] == "answered"
