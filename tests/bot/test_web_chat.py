"""Asking over HTTP: events, stopping, leaving, failing, many at once."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa

from bot import feedback
from bot.llm.engine import Step
from bot.llm.errors import GenerationFailed
from bot.tables import Answer, Conversation
from tests.fakes import ScriptedChat
from tests.loop.world import World, ask, events, put, serving, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT = 30.0  # seconds; far more than anything here takes
TEXT = "The shop opens at nine and closes at eight."
QUESTION = "When does the shop open?"
ANSWER = "At nine in the morning [1]."


def until(true: Callable[[], Any]) -> None:
    """Waits for something that another thread brings about."""
    for _ in range(int(WAIT * 100)):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


@contextmanager
def shop(folder: Path, chat: ScriptedChat, **settings: Any) -> Iterator[World]:
    with world(folder, chat, **settings) as made:
        put(made.client("carla"), "hours", "Hours", TEXT)
        yield made


def stored(made: World) -> list[tuple[str, str]]:
    """Status and text of all answers, oldest first."""
    with made.parts.database.read() as session:
        rows = session.execute(sa.select(Answer.status, Answer.answer).order_by(Answer.created_at))
        return [(status, answer) for status, answer in rows]


def correct(made: World, question: str, answer: str) -> None:
    """Complains about a question from elsewhere and approves another answer."""
    with made.parts.database.write() as session:
        said = feedback.Said("down")
        row = feedback.rate_elsewhere(session, query=question, response="?", said=said, user=None, who="shop front")
        number = row.correction_id
    assert number is not None
    made.parts.curation.draft(number, {"answer": answer}, actor="carla")
    made.parts.curation.approve(number, actor="carla")


class Listener:
    """A browser that asks over a real connection, in a thread of its own, and can leave."""

    def __init__(self, address: str, cookies: httpx.Cookies | None = None, **body: Any) -> None:
        self.events: list[tuple[str, Any]] = []
        self.cookies = httpx.Cookies(cookies)
        self._leave = threading.Event()
        self._address = address
        self._body = {"question": QUESTION, **body}
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with (
            suppress(httpx.RemoteProtocolError),  # the server ended in the middle
            httpx.Client(base_url=self._address, timeout=WAIT, cookies=self.cookies) as client,
            client.stream("POST", "/api/chat", json=self._body) as response,
        ):
            assert response.status_code == 200
            self.cookies = client.cookies
            name = ""
            for line in response.iter_lines():
                if self._leave.is_set():
                    return
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line.removeprefix("data: "))))

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    def has(self, name: str) -> None:
        until(lambda: name in self.names())

    def leave(self) -> None:
        """Closes the connection at the next line that comes."""
        self._leave.set()

    def wait(self) -> None:
        self._thread.join(WAIT)
        assert not self._thread.is_alive()


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
        for one in (first, second, third):
            one.wait()
        assert first.names() == ["meta", "sources", *["token"] * 6, "done"]
        assert second.names() == ["meta", "sources", "queue", *["token"] * 6, "done"]
        assert [data["position"] for name, data in second.events if name == "queue"] == [1]
        positions = [data["position"] for name, data in third.events if name == "queue"]
        assert positions in ([2, 1], [2])  # whether it sees itself become the next one is a matter of luck
        assert [one.events[-1][1]["answer"] for one in (first, second, third)] == [ANSWER] * 3


def test_a_follow_up_waits_once_and_is_told_its_place(tmp_path: Path) -> None:
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
        assert follow_up.names()[:3] == ["meta", "queue", "sources"]
        assert follow_up.names().count("queue") == 1


def test_a_corrected_question_is_answered_while_the_line_is_full(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat, queue=0) as made, serving(made.app) as address:
        correct(made, QUESTION, "At ten.")
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
        assert sorted(one.status_code for one in responses) == [200] * 3 + [503] * 17
        assert all(int(one.headers["retry-after"]) > 0 for one in responses if one.status_code == 503)
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

        with monkeypatch.context() as patched, suppress(RuntimeError):
            patched.setattr("bot.web.sse.threading.Thread", NoThread)
            visitor.post("/api/chat", json={"question": QUESTION, "stream": stream})
        assert (made.parts.turns.running, made.parts.gate.waiting) == (0, 0)
        assert [status for status, _ in stored(made)] == ["failed"]
        assert visitor.post("/api/chat", json={"question": QUESTION, "stream": False}).json()["status"] == "answered"


def test_who_cannot_begin_gives_the_place_back(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER), parallel=1, queue=0) as made:
        visitor = made.client()
        for _ in range(2):
            body = {"question": QUESTION, "conversation_id": "nobodys", "stream": False}
            assert visitor.post("/api/chat", json=body).status_code == 404
        assert visitor.post("/api/chat", json={"question": QUESTION, "stream": False}).json()["status"] == "answered"


@pytest.mark.parametrize(
    ("text", "status"),
    [("At nine [1].", "answered"), ("It opens at nine.", "answered"), ("YES", "refused"), ("[1]", "refused")],
)
def test_an_answer_that_stands_on_no_passage_is_refused(tmp_path: Path, text: str, status: str) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: text)) as made:
        assert ask(made.client(), QUESTION)["status"] == status


def test_answer_id_goes_out_before_the_first_token_and_the_answer_is_stored_before_done(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        listener = Listener(address)
        listener.has("sources")
        answer_id = listener.events[0][1]["answer_id"]
        with made.parts.database.read() as session:
            answer = session.get_one(Answer, answer_id)
            assert (answer.status, len(answer.sources)) == ("running", 1)
        gate.release(100)
        listener.has("done")
        assert stored(made) == [("answered", ANSWER)]
        listener.wait()


def test_stop_keeps_what_is_there(tmp_path: Path) -> None:
    gate = threading.Semaphore(2)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        listener = Listener(address)
        until(lambda: listener.names().count("token") == 2)
        answer_id = listener.events[0][1]["answer_id"]
        with httpx.Client(base_url=address, cookies=listener.cookies) as same_browser:
            assert httpx.post(f"{address}/api/answers/{answer_id}/stop").status_code == 401
            assert same_browser.post(f"/api/answers/{answer_id}/stop").status_code == 204
            listener.wait()
            assert same_browser.post(f"/api/answers/{answer_id}/stop").status_code == 204  # it is over: nothing to do
        assert listener.names()[-1] == "done"
        assert {name: listener.events[-1][1][name] for name in ("status", "answer", "citations")} == {
            "status": "stopped",
            "answer": "At nine [1]",
            "citations": [1],
        }
        assert stored(made) == [("stopped", "At nine [1]")]


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


@pytest.mark.parametrize("stream", [True, False])
def test_leaving_stops_the_engine_and_stores_the_answer(tmp_path: Path, stream: bool) -> None:
    gate = threading.Semaphore(2)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        with (
            pytest.raises(httpx.ReadTimeout),
            httpx.Client(base_url=address, timeout=httpx.Timeout(WAIT, read=1.0)) as client,
            client.stream("POST", "/api/chat", json={"question": QUESTION, "stream": stream}) as response,
        ):
            for _ in response.iter_lines():
                pass
        until(lambda: stored(made)[0][0] != "running")
        until(lambda: made.parts.turns.running == 0)
        assert stored(made) == [("stopped", "At nine [1]")]
        assert made.parts.gate.running == 0


def test_many_whole_answers_leave_room_for_other_requests(tmp_path: Path) -> None:
    """The threads that routes share are forty."""
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat, queue=100, parallel=1) as made, serving(made.app) as address:

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
        assert [one["status"] for one in answers] == ["answered"] * 45


def test_questions_are_answered_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    chat = ScriptedChat(script=lambda _: ANSWER, gate=gate)
    with shop(tmp_path, chat) as made, serving(made.app) as address:
        listeners = []
        for number in range(8):
            listeners.append(Listener(address, question=f"When does the shop open on day {number}?"))
            until(lambda: made.parts.gate.waiting + made.parts.gate.running == len(listeners))
        gate.release(1000)
        for one in listeners:
            one.wait()
        asked = [prompt[prompt.rindex("on day ") :][7] for prompt in chat.prompts]
        assert asked == list("01234567")


class Breaking(ScriptedChat):
    """Breaks off after two words, or before the first."""

    words: int = 2
    error: Any = None

    def _steps(self, request: Any) -> Any:
        for word in ("At ", "nine ")[: self.words]:
            yield Step(text=word)
        raise self.error


@pytest.mark.parametrize("words", [0, 2])
@pytest.mark.parametrize(
    ("error", "status", "title", "detail"),
    [
        (
            GenerationFailed("http://10.0.0.7/v1 said: out of memory"),
            502,
            "Bad Gateway",
            "Answers cannot be given right now. Please try again; the server's log says why.",
        ),
        (
            RuntimeError("CUDA error at /secret/path"),
            500,
            "Internal Server Error",
            "Something went wrong here. The server's log has the details under the request id.",
        ),
    ],
)
def test_failing_engine_is_an_error_event_or_a_problem(
    tmp_path: Path, words: int, error: Exception, status: int, title: str, detail: str
) -> None:
    with shop(tmp_path, Breaking(words=words, error=error)) as made:
        visitor = made.client()
        told = events(visitor, QUESTION)
        assert [name for name, _ in told] == ["meta", "sources", *["token"] * words, "error"]
        assert told[-1][1] == {"title": title, "status": status, "detail": detail}
        problem = visitor.post("/api/chat", json={"question": QUESTION, "stream": False})
        assert (problem.status_code, problem.json()["detail"]) == (status, detail)
        assert stored(made) == [("failed", "")] * 2
        conversation = visitor.get(f"/api/conversations/{told[0][1]['conversation_id']}").json()
        assert [turn["status"] for turn in conversation["turns"]] == ["failed"]
        assert made.parts.turns.running == 0


def test_error_before_the_sources_still_tells_the_ids(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat()) as made:
        with made.parts.database.write() as session:
            session.execute(sa.text("insert into log (seq, at, action, actor) values (99, '2026-01-01', 'put', 'x')"))
            session.execute(sa.text("insert into log_changes (seq, passage_id, added) select 99, id, 1 from passages"))
            session.execute(sa.text("delete from embeddings"))
        told = events(made.client(), QUESTION)
        assert [name for name, _ in told] == ["meta", "error"]
        assert told[0][1]["knowledge_version"] == 0
        assert "errata reindex" in told[1][1]["detail"] or told[1][1]["status"] == 500


def test_regenerating_asks_the_model_anew(tmp_path: Path) -> None:
    words = iter(["At nine [1].", "It opens at nine [1]."])
    with shop(tmp_path, ScriptedChat(script=lambda _: next(words))) as made:
        visitor = made.client()
        first = ask(visitor, QUESTION)
        repeated = ask(made.client(), QUESTION)
        again = ask(visitor, QUESTION, conversation_id=first["conversation_id"], regenerate=first["answer_id"])
        assert [one["answer"] for one in (first, repeated, again)] == [
            "At nine [1].",
            "At nine [1].",
            "It opens at nine [1].",
        ]
        turns = visitor.get(f"/api/conversations/{first['conversation_id']}").json()["turns"]
        assert [turn["answer"] for turn in turns] == ["At nine [1].", "It opens at nine [1]."]


def test_regenerating_needs_an_answer_of_ones_own_conversation(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        mine, other = made.client(), made.client()
        first, second = ask(mine, QUESTION), ask(mine, QUESTION)
        ask(other, QUESTION)

        def regenerate(client: Any, **body: Any) -> int:
            return int(client.post("/api/chat", json={"question": QUESTION, "stream": False, **body}).status_code)

        assert regenerate(other, regenerate=first["answer_id"]) == 404
        assert regenerate(mine, regenerate="none") == 404
        assert regenerate(mine, regenerate=first["answer_id"], conversation_id=second["conversation_id"]) == 422
        assert regenerate(mine, regenerate=first["answer_id"]) == 200
        assert len(mine.get(f"/api/conversations/{first['conversation_id']}").json()["turns"]) == 2


def test_conversation_of_another_is_as_unknown_as_none(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        mine, other = made.client(), made.client()
        conversation = ask(mine, QUESTION)["conversation_id"]
        ask(other, QUESTION)
        said = [
            other.post("/api/chat", json={"question": "And now?", "conversation_id": one}).json()["detail"]
            for one in (conversation, "none")
        ]
        assert said == ["There is no such conversation."] * 2
        assert len(mine.get(f"/api/conversations/{conversation}").json()["turns"]) == 1


def test_deleting_a_conversation_ends_the_answer_that_is_written_in_it(tmp_path: Path) -> None:
    gate = threading.Semaphore(1)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        listener = Listener(address)
        listener.has("token")
        with httpx.Client(base_url=address, cookies=listener.cookies) as same_browser:
            path = f"/api/conversations/{listener.events[0][1]['conversation_id']}"
            assert same_browser.delete(path).status_code == 204
            listener.wait()
            assert same_browser.get(path).status_code == 404
        assert listener.events[-1] == (
            "error",
            {"title": "Not Found", "status": 404, "detail": "The conversation was deleted."},
        )
        assert (stored(made), made.parts.turns.running, made.parts.gate.running) == ([], 0, 0)
        with made.parts.database.read() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(Conversation)) == 0


def test_stopping_the_server_stores_running_turns(tmp_path: Path) -> None:
    gate = threading.Semaphore(1)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made:
        with serving(made.app, patience=1) as address:
            listener = Listener(address)
            listener.has("token")
        listener.wait()
        assert stored(made) == [("stopped", "At [1]")]


def test_turns_that_begin_while_everything_ends_are_stopped_at_once(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        assert made.parts.turns.stop_all(1)
        assert ask(made.client(), QUESTION)["status"] == "stopped"


def test_keepalive_comments_hold_a_silent_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.web.sse.KEEPALIVE_SECONDS", 0.02)
    gate = threading.Semaphore(0)
    with (
        shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made,
        serving(made.app) as address,
        httpx.stream("POST", f"{address}/api/chat", json={"question": QUESTION}, timeout=WAIT) as answer,
    ):
        lines = answer.iter_lines()
        assert list(islice(lines, 20)).count(": ping") >= 2
        gate.release(100)
        assert "event: done" in list(lines)


def test_stream_is_not_compressed_and_not_kept(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: "nine " * 1000)) as made:
        answer = made.client().post("/api/chat", json={"question": QUESTION}, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in answer.headers
        assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")


def test_rating_waits_for_the_end_of_the_answer(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        listener = Listener(address)
        listener.has("sources")
        with httpx.Client(base_url=address, cookies=listener.cookies) as same_browser:
            path = f"/api/answers/{listener.events[0][1]['answer_id']}/feedback"
            assert same_browser.post(path, json={"rating": "down"}).status_code == 422
            gate.release(100)
            listener.wait()
            assert same_browser.post(path, json={"rating": "down"}).json()["correction_id"] == 1


def test_feedback_again_replaces_and_up_withdraws(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        visitor, curator = made.client(), made.client("carla")
        path = f"/api/answers/{ask(visitor, QUESTION)['answer_id']}/feedback"
        first = visitor.post(path, json={"rating": "down", "reasons": ["wrong", "new kind"], "stars": 1}).json()
        second = visitor.post(path, json={"rating": "down", "comment": "Ten!"}).json()
        assert first == second
        (item,) = curator.get("/api/corrections").json()["items"]
        (complaint,) = curator.get(f"/api/corrections/{item['id']}").json()["complaints"]
        assert (complaint["comment"], complaint["reasons"], complaint["who"]) == ("Ten!", [], "visitor")
        assert visitor.post(path, json={"rating": "up"}).json() == {**first, "correction_id": None}
        assert curator.get("/api/corrections?state=queued").json()["items"] == []


def test_feedback_from_elsewhere_enters_the_same_queue(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        visitor = made.client()
        rated = visitor.post(f"/api/answers/{ask(visitor, QUESTION)['answer_id']}/feedback", json={"rating": "down"})
        body = {"query": QUESTION.upper(), "response": "At ten.", "rating": "down", "user_id": "u1", "comment": "No."}
        elsewhere = made.program().post("/api/feedback", json=body)
        assert elsewhere.status_code == 201
        assert elsewhere.json()["correction_id"] == rated.json()["correction_id"]
        up = made.program().post("/api/feedback", json={**body, "rating": "up"}).json()
        assert up["correction_id"] is None
