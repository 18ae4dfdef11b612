"""Errata in chains of LangChain: corrected answers from the live index, and the whole of it as a Runnable."""

from __future__ import annotations

import threading
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests.retrievers import RetrieversIntegrationTests

from bot.errors import Busy
from bot.langchain import ErrataRunnable, FeedbackRetriever
from knowledge.errors import Invalid
from retrieval.scope import EVERYTHING, Scope
from tests.asynchronous import complete
from tests.bot.shop import ANSWER, QUESTION, TEXT, correct, shop, until
from tests.fakes import ScriptedChat
from tests.loop.world import put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.loop.world import World

CORRECTED = "At ten in the morning."


def retriever(made: World, **fields: Any) -> FeedbackRetriever:
    parts = made.parts
    more = {"scope": EVERYTHING} | fields
    return FeedbackRetriever(database=parts.database, searcher=parts.searcher, matcher=parts.matcher, **more)


def runnable(made: World, scope: Scope = EVERYTHING, **more: Any) -> ErrataRunnable:
    return ErrataRunnable(made.parts.answerer, scope, **more)


@pytest.fixture
def chat() -> ScriptedChat:
    return ScriptedChat(script=lambda _prompt: ANSWER)


@pytest.fixture
def made(tmp_path: Path, chat: ScriptedChat) -> Iterator[World]:
    with shop(tmp_path, chat) as world:
        yield world


class TestConformance(RetrieversIntegrationTests):
    """All tests of LangChain's suite, none left out."""

    @pytest.fixture(autouse=True)
    def _shop(self, made: World) -> None:
        for number in range(4):
            put(made.client("carla"), f"hours-{number}", "Hours", f"Shop {number} opens at nine.")
        self._made = made

    @property
    def retriever_constructor(self) -> type[FeedbackRetriever]:
        return FeedbackRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        parts = self._made.parts
        fields = {"database": parts.database, "searcher": parts.searcher, "matcher": parts.matcher}
        return {**fields, "scope": EVERYTHING}

    @property
    def retriever_query_example(self) -> str:
        return QUESTION


def test_a_corrected_question_gets_the_approved_answer_first_and_only_once(made: World) -> None:
    assert [document.metadata["correction"] for document in retriever(made).invoke(QUESTION)] == [None]
    correct(made, QUESTION, CORRECTED)
    first, second = retriever(made).invoke(QUESTION)
    assert (first.page_content, second.page_content) == (CORRECTED, TEXT)
    assert first.metadata["correction"] == {"id": 1, "state": "approved", "found_by": "same_words"}
    assert second.metadata["correction"] is None
    assert set(first.metadata) == set(second.metadata)
    assert [document.page_content for document in retriever(made, k=1).invoke(QUESTION)] == [CORRECTED]


def test_another_wording_finds_the_correction_by_search_and_a_rollback_ends_it(made: World) -> None:
    correct(made, QUESTION, CORRECTED)
    paraphrase = "At what time in the morning does the shop open?"
    shown = {document.page_content: document.metadata["correction"] for document in retriever(made).invoke(paraphrase)}
    assert shown == {CORRECTED: {"id": 1, "state": "approved", "found_by": "search"}, TEXT: None}
    made.parts.curation(EVERYTHING).rollback(1, actor="carla")
    assert [document.page_content for document in retriever(made).invoke(QUESTION)] == [TEXT]


def test_a_retriever_gives_no_correction_outside_its_scope_or_filters(made: World) -> None:
    correct(made, QUESTION, CORRECTED)
    assert retriever(made, scope=Scope.of("staff")).invoke(QUESTION) == []
    assert retriever(made, filters={"document_id": "another"}).invoke(QUESTION) == []
    assert retriever(made, language="zh").invoke(QUESTION) == []


def test_an_answer_comes_with_its_citations_status_and_sources(made: World) -> None:
    output = runnable(made).invoke(QUESTION)
    assert {name: output[name] for name in ("answer", "status", "reason", "question", "correction_id")} == {
        "answer": ANSWER,
        "status": "answered",
        "reason": None,
        "question": QUESTION,
        "correction_id": None,
    }
    assert [(cited["n"], cited["document_id"], cited["passage"]) for cited in output["citations"]] == [
        (1, "hours", TEXT)
    ]
    assert output["sources"] == output["citations"]


def test_a_refusal_has_a_reason_and_no_citation(made: World, chat: ScriptedChat) -> None:
    chat.script = lambda _prompt: "NO_ANSWER"
    output = runnable(made).invoke(QUESTION)
    assert (output["status"], output["reason"], output["citations"]) == ("refused", "said_so", [])
    assert [source["document_id"] for source in output["sources"]] == ["hours"]


def test_a_corrected_question_is_answered_word_for_word_without_the_model(made: World, chat: ScriptedChat) -> None:
    correct(made, QUESTION, CORRECTED)
    output = runnable(made).invoke({"question": QUESTION})
    assert (output["answer"], output["status"], output["correction_id"]) == (CORRECTED, "curated", 1)
    assert chat.prompts == []


def test_the_four_ways_to_call_give_the_same_output(made: World) -> None:
    errata = runnable(made)
    whole = errata.invoke(QUESTION)
    assert complete(errata.ainvoke(QUESTION)) == whole

    async def astreamed() -> list[dict[str, Any]]:
        return [piece async for piece in errata.astream(QUESTION)]

    for pieces in (list(errata.stream(QUESTION)), complete(astreamed())):
        assert list(pieces[0]) == ["sources"]
        assert all(list(piece) == ["text"] for piece in pieces[1:-1])
        assert "".join(piece["text"] for piece in pieces[1:-1]).strip() == ANSWER
        total = pieces[0]
        for piece in pieces[1:]:
            total = total + piece  # type: ignore[operator]  # an AddableDict
        assert {name: value for name, value in total.items() if name != "text"} == whole


def test_a_runnable_sees_its_scope_and_the_filter_of_the_input_only(made: World) -> None:
    assert runnable(made, Scope.of("staff")).invoke(QUESTION)["reason"] == "no_documents"
    other = {"question": QUESTION, "filter": {"document_id": "another"}}
    assert runnable(made).invoke(other)["sources"] == []


@pytest.mark.parametrize(
    "history",
    [
        [HumanMessage("Where is the shop?"), AIMessage("In Mill Street.")],
        [("user", "Where is the shop?"), ("assistant", "In Mill Street.")],
        [{"role": "user", "content": "Where is the shop?"}, {"role": "assistant", "content": "In Mill Street."}],
    ],
)
def test_a_follow_up_is_condensed_with_its_history(made: World, chat: ScriptedChat, history: list[Any]) -> None:
    rewritten = "When does the shop in Mill Street open?"
    chat.script = lambda prompt: rewritten if "Last question" in prompt else ANSWER
    output = runnable(made).invoke({"question": "And when does it open?", "history": history})
    assert output["question"] == rewritten
    assert "Where is the shop?" in chat.prompts[0]


def test_a_question_with_instructions_is_not_compared_with_corrected_questions(made: World) -> None:
    correct(made, QUESTION, CORRECTED)
    history = [SystemMessage("The customer asks about the shop in Lyon.")]
    assert runnable(made).invoke({"question": QUESTION, "history": history})["status"] == "answered"


@pytest.mark.parametrize(
    "wrong", ["  ", "x" * 4_001, {}, {"question": 3}, {"question": QUESTION, "filters": {}}, {"history": []}]
)
def test_input_that_is_no_question_is_refused(made: World, wrong: Any) -> None:
    errata = runnable(made)
    with pytest.raises(Invalid):
        errata.invoke(wrong)
    with pytest.raises(Invalid):
        list(errata.stream(wrong))
    with pytest.raises(Invalid):
        complete(errata.ainvoke(wrong))


def test_an_error_of_the_model_reaches_the_caller_in_every_way_to_call(made: World, chat: ScriptedChat) -> None:
    def fail(_prompt: str) -> str:
        raise Busy(5)

    chat.script = fail
    errata = runnable(made)
    with pytest.raises(Busy):
        errata.invoke(QUESTION)
    with pytest.raises(Busy):
        list(errata.stream(QUESTION))
    with pytest.raises(Busy):
        complete(errata.ainvoke(QUESTION))


def test_an_answer_that_is_not_read_to_its_end_stops(made: World, chat: ScriptedChat) -> None:
    def running() -> int:
        return sum(thread.name == "errata-runnable" for thread in threading.enumerate())

    chat.gate = threading.Semaphore(1)  # the model writes one word, then waits
    with closing(runnable(made).stream(QUESTION)) as pieces:  # type: ignore[type-var]
        assert list(next(pieces)) == ["sources"]
    until(lambda: running() == 0)

    async def first() -> dict[str, Any]:
        async with aclosing(runnable(made).astream(QUESTION)) as apieces:  # type: ignore[type-var]
            return await anext(apieces)

    assert list(complete(first())) == ["sources"]
    until(lambda: running() == 0)


def test_a_runnable_is_part_of_a_chain(made: World) -> None:
    chain = RunnableLambda(lambda text: {"question": text}) | runnable(made) | (lambda output: output["answer"])
    assert chain.invoke(QUESTION) == ANSWER
    assert chain.batch([QUESTION, QUESTION]) == [ANSWER, ANSWER]
