"""Whoever gets no answer learns why, in plain words; so do programs, curators and operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bot.answering.values import Ask
from bot.events import metrics
from retrieval.scope import Scope
from tests.bot.shop import TEXT
from tests.fakes import ScriptedChat
from tests.loop.world import ask, events, put, world

if TYPE_CHECKING:
    from pathlib import Path

SAYS = {"gift": "NO_ANSWER", "safe": "Its number is 4711 [1].", "moon": "Bananas are yellow."}
CASES = [
    ("Does the shop sell gift cards?", {}, "said_so"),
    ("What opens the safe of the shop?", {}, "invented"),
    ("Is the moon far away?", {}, "not_cited"),
    ("When does the shop open?", {"filters": {"document_id": "none"}}, "nothing_near"),
    ("商店卖礼品卡 gift 吗？", {}, "said_so"),
]


def script(prompt: str) -> str:
    return next((text for word, text in SAYS.items() if word in prompt.rpartition("Question:")[2]), "At nine [1].")


def refusals(reason: str) -> float:
    return metrics.registry.get_sample_value("errata_unanswered_total", {"reason": reason}) or 0.0


@pytest.mark.parametrize(("question", "more", "reason"), CASES)
def test_a_reason_reaches_the_asker_their_transcript_the_curator_and_the_metrics(
    tmp_path: Path, question: str, more: dict[str, Any], reason: str
) -> None:
    before = refusals(reason)
    with world(tmp_path, ScriptedChat(script=script)) as made:
        curator, visitor = made.client("carla"), made.client()
        put(curator, "hours", "Hours", TEXT)
        answer = ask(visitor, question, **more)
        assert (answer["status"], answer["reason"]) == ("refused", reason)
        assert events(visitor, question, **more)[-1][1]["reason"] == reason
        (turn,) = visitor.get(f"/api/conversations/{answer['conversation_id']}").json()["turns"]
        assert (turn["reason"], turn["answer"]) == (reason, answer["answer"])
        complaint = {"rating": "down"}
        item = visitor.post(f"/api/answers/{answer['answer_id']}/feedback", json=complaint).json()["correction_id"]
        assert curator.get(f"/api/corrections/{item}").json()["snapshot"]["reason"] == reason
        messages = [{"role": "user", "content": question}]
        if not more:
            completion = made.program().post("/v1/chat/completions", json={"model": "errata", "messages": messages})
            assert completion.json()["errata"]["reason"] == reason
    assert refusals(reason) == before + (2 if more else 3)


def test_an_answer_has_no_reason(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(script=script)) as made:
        put(made.client("carla"), "hours", "Hours", TEXT)
        answer = ask(made.client(), "When does the shop open?")
    assert (answer["status"], answer["reason"]) == ("answered", None)


def test_only_where_there_are_no_documents_it_is_written_that_there_are_none(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(script=script)) as made:
        empty = ask(made.client(), "When does the shop open?")
        put(made.client("carla"), "hours", "Hours", TEXT)
        others = [ask(made.client(), question, **more) for question, more, _ in CASES]
    assert (empty["reason"], "no documents" in empty["answer"]) == ("no_documents", True)
    words = [answer["answer"] for answer in others]
    assert not [text for text in words if "no documents" in text or "没有文档" in text]
    assert len(set(words)) == len(CASES)  # each says what happened


def test_documents_that_somebody_may_not_see_are_not_there_for_them(tmp_path: Path) -> None:
    with world(tmp_path, ScriptedChat(script=script)) as made:
        put(made.client("carla"), "hours", "Hours", TEXT)
        outcomes = [
            made.parts.answerer.answer(Ask("When does the shop open?", scope, filters=filters)).reason
            for scope, filters in ((Scope.of("other"), {}), (Scope.of("main"), {"document_id": "none"}))
        ]
    assert outcomes == ["no_documents", "nothing_near"]
