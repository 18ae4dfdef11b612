"""What /openapi.json says: who may call, how calls are refused, the events of streams, the words that fields take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis

from bot import accounts, feedback
from bot.answering.values import Reason
from bot.web.event_forms import EVENTS
from bot.web.openai_responses import Chunk, Failure
from knowledge.correcting import drafts
from knowledge.correcting.corrections import State
from tests.fakes import ScriptedChat
from tests.loop.world import World, events, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTION = "When does the shop open?"


def answer(prompt: str) -> str:
    if "fail" in prompt.rpartition("Question:")[2]:
        raise RuntimeError("broken")
    return "At nine [1]."


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("described"), ScriptedChat(script=answer)) as made:
        put(made.client("carla"), "hours", "Hours", "The shop opens at nine.")
        yield made


@pytest.fixture(scope="module")
def api(shop: World) -> dict[str, Any]:
    described: dict[str, Any] = shop.client().get("/openapi.json").json()
    return described


def refusals(api: dict[str, Any], method: str, path: str) -> dict[str, str]:
    """Status → name of the described response, for all but the answers."""
    answers = api["paths"][path][method]["responses"]
    return {status: answer["$ref"].rpartition("/")[2] for status, answer in answers.items() if "$ref" in answer}


def test_the_description_is_valid_openapi(api: dict[str, Any]) -> None:
    assert api["openapi"] == "3.1.0"
    schemathesis.openapi.from_dict(api).validate()


@pytest.mark.parametrize(
    ("method", "path", "security"),
    [
        ("post", "/api/chat", [{"visitor": []}, {"session": []}, {"key": []}, {}]),
        ("get", "/api/conversations/{conversation_id}", [{"visitor": []}, {"session": []}, {"key": []}]),
        ("post", "/api/search", [{"key": []}, {"session": []}]),
        ("get", "/api/corrections", [{"session": ["curator"]}, {"key": ["curator"]}]),
        ("post", "/api/users", [{"session": ["admin"]}, {"key": ["admin"]}]),
        ("post", "/v1/chat/completions", [{"key": []}, {"session": []}]),
    ],
)
def test_an_operation_says_who_may_call_it(api: dict[str, Any], method: str, path: str, security: list[Any]) -> None:
    assert api["paths"][path][method]["security"] == security


def test_the_ways_to_identify_are_described(api: dict[str, Any]) -> None:
    schemes = api["components"]["securitySchemes"]
    assert {name: (scheme["type"], scheme.get("name")) for name, scheme in schemes.items()} == {
        "key": ("http", None),
        "session": ("apiKey", "errata_session"),
        "visitor": ("apiKey", "errata_visitor"),
    }


@pytest.mark.parametrize(
    ("method", "path", "statuses"),
    [
        ("get", "/api/session", "401 default"),
        ("get", "/api/documents/{document_id}", "401 403 404 422 default"),
        ("post", "/api/chat", "400 401 404 409 413 415 422 429 502 503 504 507 default"),
        ("post", "/v1/chat/completions", "400 401 404 413 415 429 502 503 504 507 default"),
        ("put", "/api/corrections/{correction_id}/draft", "400 401 403 404 409 413 415 422 503 507 default"),
    ],
)
def test_an_operation_says_how_it_refuses(api: dict[str, Any], method: str, path: str, statuses: str) -> None:
    assert " ".join(sorted(refusals(api, method, path))) == statuses


def test_errors_have_one_form_and_openais_form_under_v1(api: dict[str, Any]) -> None:
    forms = {"": ("application/problem+json", "Problem"), "OpenAI": ("application/json", "Failure")}
    for path, operations in api["paths"].items():
        media_type, form = forms["OpenAI" if path.startswith("/v1/") else ""]
        for method in operations:
            for name in refusals(api, method, path).values():
                described = api["components"]["responses"][name]
                assert described["content"] == {media_type: {"schema": {"$ref": f"#/components/schemas/{form}"}}}


def test_files_are_answered_with_a_job(api: dict[str, Any]) -> None:
    upload = api["paths"]["/api/documents"]["post"]
    assert upload["responses"]["202"]["content"]["application/json"]["schema"]["$ref"].endswith("/StartedJob")
    form = upload["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert (form["required"], form["properties"]["files"]["minItems"]) == (["files"], 1)


def test_words_of_fields_are_those_that_the_code_knows(api: dict[str, Any]) -> None:
    forms = {name: form.get("properties", {}) for name, form in api["components"]["schemas"].items()}
    assert forms["SignalBody"]["kind"]["enum"] == list(feedback.SIGNALS)
    assert forms["KeyBody"]["role"]["enum"] == list(accounts.KEY_ROLES)
    assert forms["UserBody"]["role"]["enum"] == list(accounts.ROLES)
    assert forms["DraftBody"]["kind"]["anyOf"][0]["enum"] == list(drafts.KINDS)
    assert api["components"]["schemas"]["State"]["enum"] == list(State)
    assert api["components"]["schemas"]["Reason"]["enum"] == list(Reason)


@pytest.mark.parametrize("question", [QUESTION, "hello", "fail"])
def test_every_event_of_a_chat_is_described(shop: World, api: dict[str, Any], question: str) -> None:
    stream = api["paths"]["/api/chat"]["post"]["responses"]["200"]["content"]["text/event-stream"]["schema"]
    described = {event["properties"]["event"]["const"]: event["properties"]["data"] for event in stream["oneOf"]}
    assert described.keys() == EVENTS.keys()
    chat_events = events(shop.client(), question)
    assert [chat_events[0][0], chat_events[-1][0]] == ["meta", "error" if question == "fail" else "done"]
    for name, data in chat_events:
        EVENTS[name].model_validate(data)


@pytest.mark.parametrize("question", [QUESTION, "fail"])
def test_every_chunk_of_a_completion_is_described(shop: World, question: str) -> None:
    messages = [{"role": "user", "content": question}]
    body = {"model": "errata", "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    answer = shop.program().post("/v1/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    chunks = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    Chunk.model_validate_json(chunks[0])
    if question == "fail":
        Failure.model_validate_json(chunks[-1])
    else:
        assert [Chunk.model_validate_json(line).usage is None for line in chunks[:-1]] == [
            *[True] * (len(chunks) - 2),
            False,
        ]
        assert chunks[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/search", {"query": "q", "k": "5"}, "k"),
        ("/api/search", {"query": "q", "k": True}, "k"),
        ("/api/chat", {"question": "q", "stream": 0}, "stream"),
        ("/api/corrections/reject", {"ids": [False], "reason": "spam"}, "ids.0"),
    ],
)
def test_values_of_another_json_type_are_refused(shop: World, path: str, body: Any, field: str) -> None:
    refused = shop.client("carla").post(path, json=body)
    assert (refused.status_code, [error["field"] for error in refused.json()["errors"]]) == (422, [field])


def test_a_whole_number_may_be_written_with_a_point(shop: World) -> None:
    response = shop.client("carla").post(
        "/api/search", content=json.dumps({"query": "hours", "k": 1.0}), headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 200


def test_an_upload_says_replace_with_true_or_false(shop: World) -> None:
    files = [("files", ("hours.txt", b"The shop opens at nine.", "text/plain"))]
    curator = shop.client("carla")
    refused = curator.post("/api/documents", files=files, data={"replace": "perhaps"})
    assert (refused.status_code, refused.json()["code"]) == (422, "replace_unknown")
    assert curator.post("/api/documents", files=files, data={"replace": "yes"}).status_code == 202
