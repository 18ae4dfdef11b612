"""Answers that are written by hand have the forms that /docs shows, with nothing that is not documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from bot.web.openai_responses import Completion
from bot.web.responses import Done, Problem, Source, WholeAnswer
from tests.fakes import ScriptedChat
from tests.loop.world import World, ask, events, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN = "When does the shop open?"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("forms"), ScriptedChat(script=lambda _: "At nine [1].")) as made:
        put(made.client("carla"), "hours", "Hours", "The shop opens at nine.")
        yield made


def test_a_whole_answer_has_its_documented_form(shop: World) -> None:
    visitor = shop.client()
    for question in (OPEN, "hello", "Who was the first king of Norway?"):
        WholeAnswer.model_validate(ask(visitor, question))


def test_the_events_of_an_answer_have_their_documented_forms(shop: World) -> None:
    stream = dict(events(shop.client(), OPEN))
    Done.model_validate(stream["done"])
    for source in stream["sources"]["sources"]:
        Source.model_validate(source)


def test_a_problem_has_its_documented_form(shop: World) -> None:
    visitor = shop.client()
    Problem.model_validate(visitor.post("/api/chat", json={"question": 7}).json())
    Problem.model_validate(visitor.get("/api/conversations/none").json())


def test_a_completion_has_its_documented_form(shop: World) -> None:
    key = shop.client("ada").post("/api/keys", json={"name": "program"}).json()["key"]
    body = {"model": "errata", "messages": [{"role": "user", "content": OPEN}]}
    program = shop.client()
    Completion.model_validate(
        program.post("/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}).json()
    )


def test_a_field_that_is_not_documented_is_noticed() -> None:
    with pytest.raises(ValidationError, match="secret"):
        Problem.model_validate(
            {"type": "t", "code": "c", "title": "T", "status": 400, "detail": "d", "secret": "never documented"}
        )
