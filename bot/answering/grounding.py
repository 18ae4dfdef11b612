"""Looks for the names and numbers of an answer in its passages, to find answers that the model invented.

A small model that lacks the answer often writes one from memory, in good language. Its wording may differ from the
passages; its names and numbers may not. Names and numbers of the question do not count. An answer is invented when it
has other names or numbers and no passage contains any of them. What only looks like a number does not count: the
numbers of a list, "one of", 一 in 一般. Names count only in Latin script and only where passages have Latin words,
because translation changes the spelling of a name. Numbers count as digits, in words and in Chinese numerals. Knows
nothing of models.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.answering.markers import bare
from retrieval.orders import find as find_orders
from retrieval.orders import without as without_orders
from retrieval.text import normalise, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = re.compile(r"\b[A-Z][\w'’-]+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[^\W_](?:[\w'’.,-]*\w)?")
_GRAMMAR = frozenset("a an and are as at be by for from in is it of on or that the their they this to with".split())
_LATIN = re.compile(r"[A-Za-z]{3}")
_LIST_NUMBER = re.compile(r"(?m)^\s*\d+[.)、．]\s")
_CHINESE_NUMBER = re.compile(r"[零〇一二两三四五六七八九十百]+")
# In an answer a Chinese numeral is a number when it has at least two characters, or when it counts something.
_COUNTED = re.compile(
    r"[零〇一二两三四五六七八九十百]{2,}(?![分足一])|[二两三四五六七八九十百](?=[年月日天点岁元倍位名台件册条页楼层号%％]|小时|分钟|个月)"
)
_YES = re.compile(r"yes\b|可以|能够|(?:是的?|对|能|会|有)(?:[\s，,。.!！]|$)")
_NO = re.compile(r"no\b(?!\.?\s*\d)|不(?:[，,。.!！\s可能会行是需必用]|$)|没有|否|无[法需]")
_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
).split()
_TENS = {word: 10 * number for number, word in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), 3)}
_ENGLISH_NUMBERS = {word: str(number) for number, word in enumerate(_WORDS)} | {w: str(n) for w, n in _TENS.items()}
_DIGITS = {character: number for number, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}


def has_invented_facts(answer: str, question: str, passages: Sequence[str]) -> bool:
    """Whether the answer has names or numbers that the question lacks, and no passage contains any of them."""
    plain = _LIST_NUMBER.sub("", bare(answer))
    source_text = "\n".join(passages)
    in_question = _facts(question) | set(tokens(question))
    names = bool(_LATIN.search(source_text))
    new = {fact for fact in _facts(plain, names=names, strict=True) if fact not in in_question}
    return bool(new) and new.isdisjoint(_facts(source_text) | set(tokens(source_text)))


def is_ordered(answer: str, question: str, passages: Sequence[str]) -> bool:
    """Whether at least a third of what an answer adds to the question is only in sentences of the passages that tell a
    model what to do: such a sentence states nothing, so it supports no answer."""
    orders = [order for passage in passages for order in find_orders(passage)]
    if not orders:
        return False
    own = set(tokens(bare(answer))) - set(tokens(question)) - _GRAMMAR
    ordered = (own & set(tokens("\n".join(orders)))) - set(tokens("\n".join(map(without_orders, passages))))
    return bool(ordered) and 3 * len(ordered) >= len(own)


def facts(text: str) -> frozenset[str]:
    """The names (as search tokens) and numbers (as digits) of a text. Two questions with different facts differ."""
    return frozenset(_facts(text, strict=True))


def missing_facts(expected: str, question: str, text: str) -> tuple[str, ...]:
    """The names (as search tokens) and numbers (as digits) of ``expected`` that ``text`` lacks, sorted. Those that are
    in the question need not be repeated. Names count only where the text has Latin words."""
    required = _facts(_LIST_NUMBER.sub("", bare(expected)), names=bool(_LATIN.search(text)), strict=True)
    plain = bare(text)
    return tuple(sorted(required - _facts(question) - set(tokens(question)) - _facts(plain) - set(tokens(plain))))


def says_opposite(answer: str, other: str) -> bool:
    """Whether one of two answers begins with yes and the other one with no. Answers that begin with other words are not
    compared: False."""
    return {_begins_with_yes(answer), _begins_with_yes(other)} == {True, False}


def lost_facts(answer: str, before: str, after: str) -> tuple[str, ...]:
    """The numbers, names and words of an answer that are in the text ``before`` and not in the text ``after``. They are
    written as in the answer, in its order. A number in digits equals the same number in words. A word that is not in
    ``before`` does not count, because the answer did not take it from there."""
    plain = _LIST_NUMBER.sub("", bare(answer))
    facts_before, facts_after = (_facts(text) | set(tokens(text)) for text in (before, after))
    normal_after = normalise(after)
    lost = {fact for fact in _facts(plain, strict=True) if fact in facts_before and fact not in facts_after}
    lost |= {
        word
        for word in tokens(plain)
        # A single letter or character means nothing, nor does grammar ("not" does). In another sentence a Chinese word
        # may be cut differently.
        if len(word) > 1
        and word not in _GRAMMAR
        and word in facts_before
        and word not in facts_after
        and (word.isascii() or word not in normal_after)
    }
    shown: dict[str, None] = {}
    for word in _WORD.findall(plain):
        parts = _facts(word) | set(tokens(word))
        shown.update(dict.fromkeys([word] if word.isascii() and parts & lost else sorted(parts & lost)))
        lost -= parts
    return (*shown, *sorted(lost))


def _begins_with_yes(answer: str) -> bool | None:
    """True for yes, False for no, None for an answer that begins with neither."""
    text = normalise(bare(answer)).lstrip("*_\"'“”「 ")
    return True if _YES.match(text) else False if _NO.match(text) else None


def _facts(text: str, *, names: bool = True, strict: bool = False) -> set[str]:
    """The names (as search tokens) and numbers (as digits) of a text; ``strict``: only what surely is a number."""
    plain = normalise(text)
    facts = {number.replace(",", "") for number in _NUMBER.findall(plain)}
    words = [word for word in re.findall(r"[a-z]+", plain) if word in _ENGLISH_NUMBERS]
    facts |= {_ENGLISH_NUMBERS[word] for word in words if not strict or word not in ("zero", "one")}
    facts |= {str(_chinese(numeral)) for numeral in (_COUNTED if strict else _CHINESE_NUMBER).findall(plain)}
    if names:
        facts |= {token for name in _names(text) for token in tokens(name)}
    return facts


def _names(text: str) -> list[str]:
    """The capitalised words, without the first word of each sentence, which is always capitalised."""
    return [
        match[0]
        for match in _NAME.finditer(text)
        if not re.search(r"(^|[.!?:。！？：\n*\-])\s*[\"“(]*$", text[: match.start()])
    ]


def _chinese(numeral: str) -> int:
    """The value of a Chinese numeral below 1,000; digits in a row (二〇二六) are read one by one."""
    if not set(numeral) & {"十", "百"}:
        return int("".join(str(_DIGITS[character]) for character in numeral))
    value = digit = 0
    for character in numeral:
        if character in "十百":
            value += (digit or 1) * (10 if character == "十" else 100)
            digit = 0
        else:
            digit = _DIGITS[character]
    return value + digit
