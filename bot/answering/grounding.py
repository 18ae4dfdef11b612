"""Looks for the names and numbers of an answer in its passages, to find answers that the model invented.

A small model that lacks the answer often writes one from memory, in good language. Its wording may differ from the
passages; its names and numbers may not. Names and numbers of the question do not count. An answer is invented when it
has other names or numbers and no passage contains any of them. What only looks like a number does not count: the
numbers of a list, "one of", 一 in 一般. Names count only in Latin script and only where passages have Latin words,
because translation changes the spelling of a name. Numbers, dates and times are equal in any form
(bot.answering.quantities). Knows nothing of models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.answering.markers import bare
from bot.answering.quantities import quantities, readings
from retrieval.orders import find as find_orders
from retrieval.orders import without as without_orders
from retrieval.text import normalise, tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAME = re.compile(r"\b[A-Z][\w'’-]+")
_WORD = re.compile(r"[^\W_](?:[\w'’.,-]*\w)?")
_GRAMMAR = frozenset("a an and are as at be by for from in is it of on or that the their they this to with".split())
_LATIN = re.compile(r"[A-Za-z]{3}")
_LIST_NUMBER = re.compile(r"(?m)^\s*\d+[.)、．]\s")
_YES = re.compile(r"yes\b|可以|能够|(?:是的?|对|能|会|有)(?:[\s，,。.!！]|$)")
_NO = re.compile(r"no\b(?!\.?\s*\d)|不(?:[，,。.!！\s可能会行是需必用]|$)|没有|否|无[法需]")


@dataclass(frozen=True, slots=True)
class _Fact:
    """A name or a number of a text: equal to another text's when they share a reading."""

    text: str  # a number as written, a name as a search token
    readings: frozenset[str]


def has_invented_facts(answer: str, question: str, passages: Sequence[str]) -> bool:
    """Whether the answer has names or numbers that the question lacks, and no passage contains any of them."""
    source_text = "\n".join(passages)
    claims = _claims(_LIST_NUMBER.sub("", bare(answer)), names=bool(_LATIN.search(source_text)))
    asked = _stated(question)
    new = [claim for claim in claims if claim.readings.isdisjoint(asked)]
    stated = _stated(source_text)
    return bool(new) and all(claim.readings.isdisjoint(stated) for claim in new)


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
    """The names (as search tokens) and numbers (in their usual form) of a text. Two questions with different facts
    differ."""
    return frozenset(token for name in _names(text) for token in tokens(name)) | {
        quantity.equals[0] for quantity in quantities(text) if quantity.sure
    }


def missing_facts(expected: str, question: str, text: str) -> tuple[str, ...]:
    """The names (as search tokens) and numbers (as written) of ``expected`` that ``text`` lacks, sorted. Those that are
    in the question need not be repeated. Names count only where the text has Latin words."""
    claims = _claims(_LIST_NUMBER.sub("", bare(expected)), names=bool(_LATIN.search(text)))
    stated = _stated(question) | _stated(bare(text))
    return tuple(sorted({claim.text for claim in claims if claim.readings.isdisjoint(stated)}))


def says_opposite(answer: str, other: str) -> bool:
    """Whether one of two answers begins with yes and the other one with no. Answers that begin with other words are not
    compared: False."""
    return {_begins_with_yes(answer), _begins_with_yes(other)} == {True, False}


def lost_facts(answer: str, before: str, after: str) -> tuple[str, ...]:
    """The numbers, names and words of an answer that are in the text ``before`` and not in the text ``after``. They are
    written as in the answer, in its order. A number in digits equals the same number in words. A word that is not in
    ``before`` does not count, because the answer did not take it from there."""
    plain = _LIST_NUMBER.sub("", bare(answer))
    stated_before, stated_after = _stated(before), _stated(after)
    normal_after = normalise(after)
    lost: set[str] = set()
    still_stated: set[str] = set()
    for claim in _claims(plain):
        if not claim.readings.isdisjoint(stated_after):
            still_stated.update(claim.text.split())
        elif not claim.readings.isdisjoint(stated_before):
            lost.update(claim.text.split())
    lost |= {
        word
        for word in tokens(plain)
        # A single letter or character means nothing, nor does grammar ("not" does). In another sentence a Chinese word
        # may be cut differently.
        if len(word) > 1
        and word not in _GRAMMAR
        and word not in still_stated
        and word in stated_before
        and word not in stated_after
        and (word.isascii() or word not in normal_after)
    }
    shown: dict[str, None] = {}
    for word in _WORD.findall(plain):
        parts = {normalise(word), *tokens(word)}
        shown.update(dict.fromkeys([word] if word.isascii() and parts & lost else sorted(parts & lost)))
        lost -= parts
    return (*shown, *sorted(lost))


def _begins_with_yes(answer: str) -> bool | None:
    """True for yes, False for no, None for an answer that begins with neither."""
    text = normalise(bare(answer)).lstrip("*_\"'“”「 ")
    return True if _YES.match(text) else False if _NO.match(text) else None


def _claims(text: str, *, names: bool = True) -> list[_Fact]:
    """What surely is a name or a number of a text, in this order: numbers, names."""
    read = quantities(text)
    claims = [_Fact(quantity.text, frozenset(quantity.equals)) for quantity in read if quantity.sure]
    if names:
        in_dates = {word for quantity in read for word in quantity.text.split()}  # May is no name in "6 May"
        words = (token for name in _names(text) if normalise(name) not in in_dates for token in tokens(name))
        claims += [_Fact(word, frozenset([word])) for word in words]
    return claims


def _stated(text: str) -> frozenset[str]:
    """All readings of the numbers of a text, and its search tokens, those of its names by themselves too."""
    return readings(text) | {*tokens(text), *(token for name in _names(text) for token in tokens(name))}


def _names(text: str) -> list[str]:
    """The capitalised words, without the first word of each sentence, which is always capitalised."""
    return [
        match[0]
        for match in _NAME.finditer(text)
        if not re.search(r"(^|[.!?:。！？：\n*\-])\s*[\"“(]*$", text[: match.start()])
    ]
