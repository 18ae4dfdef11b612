"""Texts that ask nothing are recognised in both languages; everything that asks for something is a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.answering.smalltalk import Kind, kind_of, language_of_marks

NO_QUESTION = {
    Kind.GREETING: "你好|hi|在吗|Hello!|HELLO|hellooooo|Hi there :)|Good morning everyone.|您好！|早上好～|嗨|喂？"
    "|有人在吗|anybody there?|how are you?|你好，在吗？|hi 👋|妳好|ｈｉ|Hi Errata|你好你好|请问一下",
    Kind.WHO: "你是谁？|who are you?|What can you do|你能做什么？|您是机器人吗|help|Hi, who are you?|你是AI吗？"
    "|我可以问什么|what's your name?|what’s your name?",
    Kind.THANKS: "谢谢！|Thanks, that helped!|thanks a lot!|谢谢啦|谢谢谢谢谢谢|感谢您的帮助"
    "|thank you so much for your help"
    "|OK谢谢|好的，谢谢|多谢|辛苦了|thx|Great, thanks 🙏|非常感谢！！！|謝謝|that was very helpful",
    Kind.AGREED: "好的|👍|ok|OK.|嗯嗯|明白了|got it|bye|再见|哈哈哈哈|yes|没有了|👍👍🏽|❤️|okaaaay|好好好|不用了，再见",
    Kind.UNCLEAR: "？？？|...|???|。。。|……|!?|-|👍?|__|（）|、",
}
QUESTIONS = (
    "hi, how long is the warranty?|你好，保修多久？|谢谢，那运费呢？|thanks, and the fee?|hello world program"
    "|Good Morning"
    "|Thank You|Hello Kitty|可以？|可以吗|ok?|yes?|对吗？|Really?|为什么？|why|how long?|多久"
    "|然后呢|帮助中心在哪里|who is Ann"
    "|你好公司的地址|谢谢惠顾是什么意思|test|测试|客服|fine|nice|god|C++|1|4711|W-7|what is this|这是什么|在吗啡|他在吗"
    "|is Ann there?|can you help me return shoes?|help desk|the thank you page|no smoking|bye-law"
).split("|")


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind in Kind for text in NO_QUESTION[kind].split("|")])
def test_texts_that_ask_nothing_are_recognised(kind: Kind, text: str) -> None:
    assert kind_of(text) == kind
    assert kind_of(f"  {text}\n") == kind


@pytest.mark.parametrize("text", QUESTIONS)
def test_texts_that_may_ask_for_something_are_questions(text: str) -> None:
    assert kind_of(text) is None


PHRASES = [text for kind in Kind for text in NO_QUESTION[kind].split("|")]
CONTENT = ["warranty", "how long is the warranty", "保修多久", "W-7", "退货", "the island ferry", "4711", "他是谁"]


@given(st.sampled_from(PHRASES), st.sampled_from([" ", ", ", "，", "! ", "\n", " 👍 "]), st.sampled_from(CONTENT))
def test_with_any_other_word_a_phrase_is_a_question(phrase: str, between: str, content: str) -> None:
    assert kind_of(f"{phrase}{between}{content}") is None
    assert kind_of(f"{content}{between}{phrase}") is None


@given(st.lists(st.sampled_from(PHRASES), min_size=9, max_size=12))
def test_long_texts_are_questions(phrases: list[str]) -> None:
    text = " ".join(f"hello {phrase} hi" for phrase in phrases)
    assert kind_of(text) is None


@given(st.text(max_size=80))
def test_any_text_can_be_judged(text: str) -> None:
    kind = kind_of(text)
    letters = any(character.isalnum() for character in text)
    assert kind is None or not letters or len(text.strip()) > 0


def test_chinese_marks_without_words_are_chinese() -> None:
    assert [language_of_marks(text) for text in ("？？？", "……", "。", "???", "...", "👍")] == ["zh"] * 3 + [None] * 3
