from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from bot.llm.errors import Unsupported
from bot.llm.extractive import ExtractiveChat, Passage, answer, read_prompt, split_sentences

ENGLISH = """[1] Harbour Museum › Visits
The museum opens at ten. Dogs must stay outside.

[2] Harbour Museum › Tickets
A ticket costs 12 euros. Children under six are free.

Question: How much is a ticket?"""
CHINESE = """[1] 员工手册 › 休假
员工每年有十五天年假。年假须提前两周申请。

[2] 员工手册 › 报销
报销单须在三十天内提交。超过期限不予受理。

Question: 年假要提前多久申请？"""


@pytest.fixture
def chat() -> ExtractiveChat:
    return ExtractiveChat(model="extractive")


def test_the_prompt_is_read_into_passages_and_question() -> None:
    assert read_prompt(ENGLISH) == (
        [
            Passage(1, "Harbour Museum › Visits", "The museum opens at ten. Dogs must stay outside."),
            Passage(2, "Harbour Museum › Tickets", "A ticket costs 12 euros. Children under six are free."),
        ],
        "How much is a ticket?",
    )


def test_a_question_line_inside_a_passage_is_not_the_question() -> None:
    passages, question = read_prompt("[1] FAQ\nQuestion: a?\nAnswer: b.\n\n[2] More\nText.\n\nQuestion: c?")
    assert question == "c?"
    assert [passage.number for passage in passages] == [1, 2]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        (ENGLISH, "A ticket costs 12 euros. [2]"),
        (CHINESE, "年假须提前两周申请。 [1]"),
        (ENGLISH.replace("How much is a ticket?", "Who was the first emperor of Rome?"), "NO_ANSWER"),
        (CHINESE.replace("年假要提前多久申请？", "食堂的老板叫什么名字？"), "NO_ANSWER"),
        ("Question: anything?", "NO_ANSWER"),
        ("[1] Empty\n\nQuestion: ?", "NO_ANSWER"),
        ("", "NO_ANSWER"),
    ],
)
def test_it_answers_with_the_best_sentence_or_says_no(chat: ExtractiveChat, prompt: str, expected: str) -> None:
    assert chat.invoke([SystemMessage("Rules."), HumanMessage(prompt)]).text == expected


def test_a_question_in_a_passage_is_answered_by_the_sentence_after_it(chat: ExtractiveChat) -> None:
    question = "How do I reset my password?"
    prompt = f"[1] FAQ\n{question}\nOpen the settings and choose Security.\n\nQuestion: {question}"
    assert chat.invoke(prompt).text == "Open the settings and choose Security. [1]"


def test_the_title_counts_where_the_sentence_does_not_repeat_it(chat: ExtractiveChat) -> None:
    prompt = (
        "[1] Bicycle › Brakes\nThey are checked every spring.\n\n[2] Car › Brakes\nThey are checked every autumn.\n\n"
        "Question: When are the brakes of the car checked?"
    )
    assert chat.invoke(prompt).text == "They are checked every autumn. [2]"


def test_the_last_user_message_is_the_one_that_counts(chat: ExtractiveChat) -> None:
    messages = [HumanMessage(CHINESE), AIMessage("年假须提前两周申请。 [1]"), HumanMessage(ENGLISH)]
    assert chat.invoke(messages).text == "A ticket costs 12 euros. [2]"


def test_the_stream_is_the_answer_and_ends_with_the_counts(chat: ExtractiveChat) -> None:
    chunks = list(chat.stream(ENGLISH))
    assert "".join(chunk.text for chunk in chunks) == "A ticket costs 12 euros. [2]"
    last = chunks[-1]
    assert last.usage_metadata == {"input_tokens": 45, "output_tokens": 9, "total_tokens": 54}
    assert last.response_metadata["finish_reason"] == "stop"
    assert last.response_metadata["model_name"] == "extractive"


def test_limits_stop_sequences_and_events_end_the_text(chat: ExtractiveChat) -> None:
    assert chat.invoke(ENGLISH, max_tokens=3).response_metadata["finish_reason"] == "length"
    assert chat.invoke(ENGLISH, max_tokens=3).text == "A ticket costs"
    assert chat.invoke(ENGLISH, stop=["12"]).text == "A ticket costs "
    stop = threading.Event()
    stop.set()
    stopped = chat.invoke(ENGLISH, stop_event=stop)
    assert (stopped.text, stopped.response_metadata["finish_reason"]) == ("", "stopped")


def test_what_the_engine_cannot_do_is_refused(chat: ExtractiveChat) -> None:
    with pytest.raises(Unsupported, match="does not know response_format"):
        chat.invoke(ENGLISH, response_format={"type": "json_schema"})
    with pytest.raises(Unsupported, match="does not know bogus, logprobs"):
        chat.invoke(ENGLISH, logprobs=True, bogus=1)
    assert chat.invoke(ENGLISH, logprobs=False, seed=None).text == "A ticket costs 12 euros. [2]"


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Version 1.5 is out. See example.com now.", ["Version 1.5 is out.", "See example.com now."]),
        ("第一句。第二句！“第三句。”第四句", ["第一句。", "第二句！", "“第三句。”", "第四句"]),
        ("- item one\n\n## Heading\n* item two", ["item one", "Heading", "item two"]),
        ("…\n---\n", []),
    ],
)
def test_sentences_of_both_languages(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text(max_size=300))
def test_any_prompt_gets_an_answer_from_its_passages(prompt: str) -> None:
    passages, question = read_prompt(prompt)
    assert answer(passages, question)


@given(
    st.lists(
        st.sampled_from(["[1] a\n", "word. ", "Question: word\n", "[2] b\n", "\n", "Question: 词\n", "词。"]),
        max_size=12,
    )
)
def test_an_answer_quotes_a_passage(parts: list[str]) -> None:
    passages, question = read_prompt("".join(parts))
    text = answer(passages, question)
    assert text == "NO_ANSWER" or any(text.startswith(s) for p in passages for s in split_sentences(p.text))
