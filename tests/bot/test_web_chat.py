"""Asking over HTTP: events, stopping, leaving, failing."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa

from bot.llm.engine import Step
from bot.llm.errors import GenerationFailed
from bot.tables import Answer, Conversation
from tests.bot.shop import ANSWER, QUESTION, WAIT, Listener, shop, stored, until
from tests.fakes import ScriptedChat
from tests.loop.world import ask, events, serving

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "status"),
    [("At nine [1].", "answered"), ("It opens at nine.", "answered"), ("YES", "refused"), ("[1]", "refused")],
)
def test_an_answer_that_no_passage_supports_is_refused(tmp_path: Path, text: str, status: str) -> None:
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


def test_a_stop_keeps_the_text_so_far(tmp_path: Path) -> None:
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


def test_a_streamed_answer_goes_on_when_its_listener_leaves_and_shows_how_far_it_is(tmp_path: Path) -> None:
    gate = threading.Semaphore(2)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        visitor = made.client()
        with (
            pytest.raises(httpx.ReadTimeout),
            httpx.Client(
                base_url=address, cookies=dict(visitor.cookies), timeout=httpx.Timeout(WAIT, read=1.0)
            ) as client,
            client.stream("POST", "/api/chat", json={"question": QUESTION}) as response,
        ):
            cookies = client.cookies
            for _ in response.iter_lines():
                pass
        with httpx.Client(base_url=address, cookies=cookies) as same_browser:
            conversation = same_browser.get("/api/conversations").json()["conversations"][0]["id"]

            def turn() -> dict[str, Any]:
                return dict(same_browser.get(f"/api/conversations/{conversation}").json()["turns"][0])

            meanwhile = turn()
            assert (meanwhile["status"], meanwhile["answer"], meanwhile["position"]) == ("running", "At nine ", None)
            assert len(meanwhile["sources"]) == 1
            gate.release(100)
            until(lambda: turn()["status"] == "answered")
            assert turn()["answer"] == ANSWER
        until(lambda: made.parts.turns.running == 0)
        assert stored(made) == [("answered", ANSWER)]


def test_closing_the_connection_of_a_whole_answer_stops_the_engine_and_stores_the_text_so_far(tmp_path: Path) -> None:
    gate = threading.Semaphore(2)
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made, serving(made.app) as address:
        with (
            pytest.raises(httpx.ReadTimeout),
            httpx.Client(base_url=address, timeout=httpx.Timeout(WAIT, read=1.0)) as client,
            client.stream("POST", "/api/chat", json={"question": QUESTION, "stream": False}) as response,
        ):
            for _ in response.iter_lines():
                pass
        until(lambda: stored(made)[0][0] != "running")
        until(lambda: made.parts.turns.running == 0)
        assert stored(made) == [("stopped", "At nine [1]")]
        assert made.parts.gate.running == 0


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
        stream = events(visitor, QUESTION)
        assert [name for name, _ in stream] == ["meta", "sources", *["token"] * words, "error"]
        assert {name: stream[-1][1][name] for name in ("title", "status", "detail")} == {
            "title": title, "status": status, "detail": detail
        }  # fmt: skip
        problem = visitor.post("/api/chat", json={"question": QUESTION, "stream": False})
        assert (problem.status_code, problem.json()["detail"]) == (status, detail)
        assert stored(made) == [("failed", "")] * 2
        conversation = visitor.get(f"/api/conversations/{stream[0][1]['conversation_id']}").json()
        assert [turn["status"] for turn in conversation["turns"]] == ["failed"]
        assert made.parts.turns.running == 0


def test_error_before_the_sources_still_tells_the_ids(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat()) as made:
        with made.parts.database.write() as session:
            session.execute(sa.text("insert into log (seq, at, action, actor) values (99, '2026-01-01', 'put', 'x')"))
            session.execute(sa.text("insert into log_changes (seq, passage_id, added) select 99, id, 1 from passages"))
            session.execute(sa.text("delete from embeddings"))
        stream = events(made.client(), QUESTION)
        assert [name for name, _ in stream] == ["meta", "error"]
        assert stream[0][1]["knowledge_version"] == 0
        assert "errata reindex" in stream[1][1]["detail"] or stream[1][1]["status"] == 500


def test_regenerating_asks_the_model_anew(tmp_path: Path) -> None:
    words = iter(["At nine [1].", "It opens at nine [1]."])
    with shop(tmp_path, ScriptedChat(script=lambda _: next(words))) as made:
        visitor = made.client()
        first = ask(visitor, QUESTION)
        repeated = ask(made.client(), QUESTION)
        again = ask(visitor, QUESTION, conversation_id=first["conversation_id"], regenerate=first["answer_id"])
        assert [outcome["answer"] for outcome in (first, repeated, again)] == [
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
        refusals = [
            other.post("/api/chat", json={"question": "And now?", "conversation_id": id_}).json()["detail"]
            for id_ in (conversation, "none")
        ]
        assert refusals == ["There is no such conversation."] * 2
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
            {
                "type": "urn:errata:problem:conversation_deleted",
                "code": "conversation_deleted",
                "title": "Not Found",
                "status": 404,
                "detail": "The conversation was deleted.",
            },
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


def test_a_long_conversation_comes_in_pages_the_newest_first(tmp_path: Path) -> None:
    with shop(tmp_path, ScriptedChat(script=lambda _: ANSWER)) as made:
        visitor = made.client()
        first = ask(visitor, "Question 0?")
        for number in range(1, 7):
            ask(visitor, f"Question {number}?", conversation_id=first["conversation_id"])
        path = f"/api/conversations/{first['conversation_id']}"
        whole = visitor.get(path).json()
        assert ([turn["question"][9] for turn in whole["turns"]], whole["earlier"]) == (list("0123456"), None)
        pages, before = [], None
        while True:
            page = visitor.get(path, params={"limit": 3} | ({"before": before} if before else {})).json()
            pages.append("".join(turn["question"][9] for turn in page["turns"]))
            if (before := page["earlier"]) is None:
                break
            assert before == page["turns"][0]["answer_id"]
        assert pages == ["456", "123", "0"]
        assert visitor.get(path, params={"before": whole["turns"][0]["answer_id"]}).json()["turns"] == []
        elsewhere = ask(visitor, "Question 9?")["answer_id"]
        for unknown in ("0" * 32, elsewhere):
            assert visitor.get(path, params={"before": unknown}).status_code == 404
        assert made.client().get(path, params={"before": whole["turns"][3]["answer_id"]}).status_code == 401
