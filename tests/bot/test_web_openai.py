"""The OpenAI-compatible interface, used by OpenAI's own client over a real connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import openai
import pytest

from bot.answering.condense import EarlierTurn
from bot.web.openai import MessageBody, read
from tests.bot.shop import correct, until
from tests.fakes import ScriptedChat
from tests.loop.world import World, ask, put, serving, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUESTION = {"role": "user", "content": "When does the shop open?"}
ANSWER = "At nine [1]. On Sundays at ten [2]. "


def script(prompt: str) -> str:
    if "Last question:" in prompt:
        return "When does the shop open on Sundays?"
    if "fail" in prompt.rpartition("Question:")[2]:
        raise RuntimeError("broken at /secret")
    if "safe" in prompt.rpartition("Question:")[2]:
        return "Its number is 4711 [1]."  # no document says so
    if "code" in prompt.rpartition("Question:")[2]:
        return "🏬 At nine 【1】 [7].\n\nOr read `hours[1]`; on Sundays [2, 9] at ten."
    if "take" in prompt.rpartition("Question:")[2]:
        return "30 days [1]."
    return "NO_ANSWER" if "gift" in prompt.rpartition("Question:")[2] else ANSWER


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("openai"), ScriptedChat(script=script)) as made:
        curator = made.client("carla")
        put(curator, "hours", "Hours", "The shop opens at nine.", source_url="https://example.org/hours")
        put(curator, "a/b c", "Sundays", "On Sundays the shop opens at ten.", source_url="javascript:alert(1)")
        yield made


@pytest.fixture(scope="module")
def address(shop: World) -> Iterator[str]:
    with serving(shop.app) as at:
        yield at


@pytest.fixture(scope="module")
def client(shop: World, address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=shop.key, max_retries=0) as client:
        yield client


def complete(client: openai.OpenAI, *messages: Any, **more: Any) -> Any:
    return client.chat.completions.create(model="errata", messages=list(messages), **more)


def test_models_lists_the_one(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["errata"]


def test_completion_answers_with_citations_and_usage(client: openai.OpenAI, address: str) -> None:
    completion = complete(client, QUESTION)
    (choice,) = completion.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", ANSWER.strip(), "stop")
    cited = [annotation.url_citation for annotation in choice.message.annotations]
    assert [choice.message.content[citation.start_index : citation.end_index] for citation in cited] == ["[1]", "[2]"]
    by_title = {citation.title: citation.url for citation in cited}
    assert by_title == {
        "Hours": "https://example.org/hours",
        "Sundays": f"{address}/answers/{completion.errata['answer_id']}/sources/2",
    }
    assert completion.usage.completion_tokens == 8
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + 8
    assert (completion.model, completion.object) == ("errata", "chat.completion")


def test_a_citation_opens_for_the_program_and_for_its_readers(client: openai.OpenAI, shop: World) -> None:
    (message,) = [choice.message for choice in complete(client, QUESTION).choices]
    link = next(
        annotation.url_citation.url for annotation in message.annotations if annotation.url_citation.title == "Sundays"
    )
    path = link[link.index("/answers/") :]
    for reader in (shop.program(), shop.client()):
        page = reader.get(path)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert "On Sundays the shop opens at ten." in page.text
        assert "document a/b c, version 1" in page.text
        assert "When does the shop open" not in page.text  # the question is nobody else's business
    assert "文档 a/b c，版本 1" in shop.client().get(path, headers={"Accept-Language": "zh"}).text
    assert shop.client().get(path.replace("sources/2", "sources/9")).status_code == 404


def test_a_citation_shows_the_passage_as_it_was_cited(client: openai.OpenAI, shop: World) -> None:
    (message,) = [choice.message for choice in complete(client, QUESTION).choices]
    link = next(
        annotation.url_citation.url for annotation in message.annotations if annotation.url_citation.title == "Sundays"
    )
    curator = shop.client("carla")
    put(curator, "a/b c", "Sundays", "<b>On Sundays</b> the shop stays closed.")
    assert "opens at ten" in shop.client().get(link[link.index("/answers/") :]).text
    completion = complete(client, QUESTION)
    link = next(
        annotation.url_citation.url
        for annotation in completion.choices[0].message.annotations
        if annotation.url_citation.title == "Sundays"
    )
    assert "&lt;b&gt;On Sundays&lt;/b&gt; the shop stays closed." in shop.client().get(link).text
    put(curator, "a/b c", "Sundays", "On Sundays the shop opens at ten.", source_url="javascript:alert(1)")


def test_a_link_ends_with_its_conversation_and_opens_nothing_of_other_peoples(
    client: openai.OpenAI, shop: World
) -> None:
    completion = complete(client, QUESTION)
    path = f"/answers/{completion.errata['answer_id']}/sources/2"
    shop.program().delete(f"/api/conversations/{completion.errata['conversation_id']}")
    assert [shop.program().get(path).status_code, shop.client().get(path).status_code] == [404, 401]
    visitor = shop.client()
    theirs = f"/answers/{ask(visitor, 'When does the shop open?')['answer_id']}/sources/1"
    assert [who.get(theirs).status_code for who in (visitor, shop.client(), shop.program())] == [200, 401, 404]


@pytest.mark.parametrize("stream", [True, False])
def test_half_a_character_is_refused_in_words(shop: World, stream: bool) -> None:
    for content in ('"Where is the \\ud83d?"', '[{"type": "text", "text": "\\uDE00"}]'):
        message = f'{{"role": "user", "content": {content}}}'
        body = f'{{"model": "errata", "stream": {str(stream).lower()}, "messages": [{message}]}}'
        answer = shop.program().post(
            "/v1/chat/completions", content=body.encode(), headers={"Content-Type": "application/json"}
        )
        assert (answer.status_code, "half of a character" in answer.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/chat", '{"question": "When?", "filters": {"folder": "\\ud83d"}}'),
        ("POST", "/api/feedback", '{"query": "q", "response": "\\udc00", "rating": "down"}'),
        ("POST", "/api/documents", '{"id": "x", "title": "X", "text": "X.", "metadata": {"a": ["\\ud83d"]}}'),
        ("POST", "/api/search", '{"query": "q", "filters": {"\\ud83d": "x"}}'),
        ("POST", "/api/session", '{"username": "\\ud83d", "password": "\\ud83d"}'),
    ],
)
def test_half_a_character_is_refused_wherever_it_comes(shop: World, method: str, path: str, body: str) -> None:
    answer = shop.client("carla").request(
        method, path, content=body.encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert "half of a character" in answer.json()["detail"]


def test_a_whole_character_that_is_spelled_in_halves_is_welcome(shop: World) -> None:
    body = b'{"model": "errata", "messages": [{"role": "user", "content": "When does the \\uD83D\\uDE00 shop open?"}]}'
    answer = shop.program().post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_stream_has_the_same_words_citations_and_usage(client: openai.OpenAI) -> None:
    chunks = list(complete(client, QUESTION, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    words = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(words) == ANSWER.strip()
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices] == [None, None, "stop"]
    last = chunks[-2]
    assert len(last.choices[0].delta.annotations) == 2
    assert last.errata["answer"] == ANSWER.strip()
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 8
    assert len({chunk.id for chunk in chunks}) == 1


def test_stream_without_usage_ends_with_the_last_words(client: openai.OpenAI) -> None:
    chunks = list(complete(client, QUESTION, stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_refusal_is_streamed_in_words(client: openai.OpenAI) -> None:
    question = {"role": "user", "content": "Does the shop sell gift cards?"}
    whole = complete(client, question)
    assert whole.errata["status"] == "refused"
    streamed = "".join(chunk.choices[0].delta.content or "" for chunk in complete(client, question, stream=True))
    assert streamed == whole.choices[0].message.content != ""


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ("Does the shop sell gift cards?", "refused"),
        ("What opens the shop's safe?", "refused"),
        ("Which code tells when the shop opens?", "answered"),
    ],
)
def test_a_stream_never_sends_text_that_is_refused_at_the_end(
    client: openai.OpenAI, question: str, status: str
) -> None:
    chunks = list(complete(client, {"role": "user", "content": question}, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].errata["status"] == status
    assert text == chunks[-1].errata["answer"]


@pytest.mark.parametrize("stream", [True, False])
def test_annotations_stand_where_the_marks_of_the_answer_are(client: openai.OpenAI, stream: bool) -> None:
    question = {"role": "user", "content": "Which code tells when the shop opens?"}
    if stream:
        chunks = list(complete(client, question, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        cited = [annotation["url_citation"] for annotation in chunks[-1].choices[0].delta.annotations]
    else:
        message = complete(client, question).choices[0].message
        text, cited = message.content, [annotation.url_citation.model_dump() for annotation in message.annotations]
    assert text == "🏬 At nine [1].\n\nOr read `hours[1]`; on Sundays [2] at ten."
    assert [(text[source["start_index"] : source["end_index"]], source["title"]) for source in cited] == [
        ("[1]", "Hours"),
        ("[2]", "Sundays"),
    ]
    assert cited[0]["start_index"] == len("🏬 At nine ")


def test_a_stream_opens_at_once_and_closing_it_stops_the_model(tmp_path: Path) -> None:
    gate = threading.Semaphore(0)  # the model never writes a word
    with world(tmp_path, ScriptedChat(script=lambda _: ANSWER, gate=gate)) as made:
        put(made.client("carla"), "hours", "Hours", "The shop opens at nine.")
        with serving(made.app) as at, openai.OpenAI(base_url=f"{at}/v1", api_key=made.key, max_retries=0) as client:
            stream = complete(client, QUESTION, stream=True)
            first = next(iter(stream))
            assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
            stream.close()
            until(lambda: made.parts.turns.running == 0)
        conversation = made.program().get("/api/conversations").json()["conversations"][0]["id"]
        (turn,) = made.program().get(f"/api/conversations/{conversation}").json()["turns"]
        assert (turn["status"], turn["answer"]) == ("stopped", "")


def test_earlier_messages_are_the_history(client: openai.OpenAI, shop: World) -> None:
    completion = complete(
        client,
        {"role": "system", "content": "You are a pirate."},
        QUESTION,
        {"role": "assistant", "content": "At nine."},
        {"role": "user", "content": [{"type": "text", "text": "And on Sundays?"}]},
    )
    conversation = shop.program().get(f"/api/conversations/{completion.errata['conversation_id']}").json()
    (turn,) = conversation["turns"]
    assert (turn["question"], turn["condensed_question"]) == ("And on Sundays?", "When does the shop open on Sundays?")


@pytest.mark.parametrize(
    ("earlier", "turns"),
    [
        ([("user", "Parcels?"), ("assistant", "To islands.")], [("Parcels?", "To islands.")]),
        ([("user", "Parcels?")], [("Parcels?", "")]),  # nobody answered: it belongs to the conversation all the same
        ([("assistant", "Ask me about parcels.")], [("", "Ask me about parcels.")]),
        ([("user", "Parcels?"), ("assistant", None), ("tool", "5"), ("assistant", "Five.")], [("Parcels?", "Five.")]),
        ([("user", "Parcels?"), ("assistant", "Yes."), ("user", "How long?")], [("Parcels?", "Yes.")]),
        ([("user", "How long?"), ("assistant", "Five.")], []),
        ([("system", "Talk of parcels.")], []),
    ],
)
def test_whatever_was_written_before_belongs_to_the_conversation(
    earlier: list[tuple[Any, str | None]], turns: list[tuple[str, str]]
) -> None:
    messages = [MessageBody(role=role, content=text) for role, text in [*earlier, ("user", "How long?")]]
    assert read(messages) == ("How long?", tuple(EarlierTurn(*turn) for turn in turns))


def test_answer_is_a_conversation_of_the_key_and_can_be_rated(client: openai.OpenAI, shop: World) -> None:
    completion = complete(client, QUESTION)
    answer_id = completion.id.removeprefix("chatcmpl-")
    assert answer_id == completion.errata["answer_id"]
    assert shop.client("carla").get(f"/api/conversations/{completion.errata['conversation_id']}").status_code == 404
    rated = shop.program().post(f"/api/answers/{answer_id}/feedback", json={"rating": "down", "comment": "Ten!"})
    assert rated.json()["correction_id"] >= 1


def test_curated_answer_is_served_to_programs_too(client: openai.OpenAI, shop: World) -> None:
    curator = shop.client("carla")
    question = "Is there a car park?"
    rated = curator.post(f"/api/answers/{ask(curator, question)['answer_id']}/feedback", json={"rating": "down"}).json()
    path = f"/api/corrections/{rated['correction_id']}"
    assert curator.put(f"{path}/draft", json={"answer": "Yes, behind the shop."}).status_code == 200
    assert curator.post(f"{path}/approve", json={}).status_code == 200
    completion = complete(client, {"role": "user", "content": question})
    assert (completion.errata["status"], completion.choices[0].message.content) == ("curated", "Yes, behind the shop.")
    (cited,) = completion.choices[0].message.annotations
    assert (cited.url_citation.start_index, cited.url_citation.end_index) == (0, len("Yes, behind the shop."))
    streamed = list(complete(client, {"role": "user", "content": question}, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in streamed) == "Yes, behind the shop."


PARCELS = "The customer asks about parcels to islands."


@pytest.mark.parametrize(
    ("earlier", "status"),
    [
        ([], "curated"),
        ([{"role": "system", "content": " "}], "curated"),
        ([{"role": "system", "content": PARCELS}], "answered"),
        ([{"role": "developer", "content": [{"type": "text", "text": PARCELS}]}], "answered"),
        ([{"role": "tool", "content": PARCELS, "tool_call_id": "1"}], "answered"),
    ],
)
def test_a_question_that_comes_with_other_messages_gets_no_curated_answer(
    client: openai.OpenAI, shop: World, earlier: list[Any], status: str
) -> None:
    """They may say what "How long does it take?" is about. Until now the answer of another question was served."""
    correct(shop, "How long does it take?", "Shoes: 30 days.")
    messages = [*earlier, {"role": "user", "content": "How long does it take?"}]
    whole, *_, last = complete(client, *messages), *complete(client, *messages, stream=True)
    assert (whole.errata["status"], last.errata["status"]) == (status, status)
    conversation = shop.program().get(f"/api/conversations/{whole.errata['conversation_id']}").json()
    (turn,) = conversation["turns"]
    assert turn["condensed_question"] == "How long does it take?"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"messages": []}, "messages: List should have at least 1 item after validation, not 0"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages: the last message must be the user's."),
        (
            {"messages": [QUESTION, {"role": "assistant", "content": "x"}]},
            "messages: the last message must be the user's.",
        ),
        ({"messages": [{"role": "user", "content": " "}]}, "The question is empty."),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages: Errata reads text only.",
        ),
        ({"n": 2}, "n: there is one answer to a question."),
    ],
)
def test_unusable_requests_are_refused_in_openais_form(client: openai.OpenAI, given: Any, said: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{"model": "errata", "messages": [QUESTION], **given})
    assert refused.value.body == {"message": said, "type": "invalid_request_error", "param": None, "code": None}


def test_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="The model is named 'errata'"):
        client.chat.completions.create(model="gpt-4o", messages=[QUESTION])  # type: ignore[list-item]


def test_wrong_key_is_an_authentication_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError, match="unknown or was revoked"):
        client.with_options(api_key="errata_wrong").models.list()


@pytest.mark.parametrize("stream", [True, False])
def test_failing_engine_is_an_error_without_details(client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.APIError, match="Something went wrong here") as failed:
        list(complete(client, {"role": "user", "content": "Does the shop fail?"}, stream=stream))
    assert "secret" not in str(failed.value)
    assert stream or isinstance(failed.value, openai.InternalServerError)


def test_full_queue_is_503_with_the_time_to_wait(client: openai.OpenAI, shop: World) -> None:
    gate = shop.parts.gate
    gate.limit, before = 0, gate.limit
    try:
        with gate.enter(), pytest.raises(openai.InternalServerError) as refused:
            complete(client, QUESTION, stream=True)
    finally:
        gate.limit = before
    assert refused.value.status_code == 503
    assert int(refused.value.response.headers["retry-after"]) >= 1


def test_a_link_ends_with_the_key(shop: World, address: str) -> None:
    admin = shop.client("ada")
    made = admin.post("/api/keys", json={"name": "short-lived", "role": "program"}).json()
    with openai.OpenAI(base_url=f"{address}/v1", api_key=made["key"], max_retries=0) as program:
        completion = complete(program, QUESTION)
    path = f"/answers/{completion.errata['answer_id']}/sources/2"
    assert shop.client().get(path).status_code == 200
    admin.delete(f"/api/keys/{made['id']}")
    assert shop.client().get(path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind"),
    [
        ("GET", "/v1/none", {}, 404, "invalid_request_error"),
        ("GET", "/v1/chat/completions", {}, 405, "invalid_request_error"),
        ("POST", "/v1/chat/completions", {"Content-Type": "application/json"}, 400, "invalid_request_error"),
        ("POST", "/v1/chat/completions", {"Content-Length": "2000000"}, 413, "invalid_request_error"),
        ("POST", "/v1/chat/completions", {"Origin": "https://elsewhere.example"}, 403, "permission_error"),
        ("GET", "/v1/models", {"Authorization": "Bearer errata_x"}, 401, "authentication_error"),
    ],
)
def test_every_error_has_the_form_of_openai(
    shop: World, method: str, path: str, headers: dict[str, str], status: int, kind: str
) -> None:
    refused = shop.program().request(method, path, headers=headers)
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["param"], error["code"]) == (status, kind, None, None)
    assert error["message"]
    assert refused.headers["content-type"] == "application/json"


def test_an_error_that_is_not_ours_has_the_form_of_openai_without_details(shop: World) -> None:
    @shop.app.get("/v1/broken", include_in_schema=False)
    def broken() -> None:
        raise ZeroDivisionError("secret")

    refused = shop.program().get("/v1/broken")
    assert (refused.status_code, refused.json()["error"]["type"]) == (500, "server_error")
    assert "secret" not in refused.text
