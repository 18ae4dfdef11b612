"""Sentences that tell a model what to do instead of saying something about the world.

A passage is material. What it orders is no statement that could support an answer, so an answer made of such a sentence
is not given, and curators see a remark about it. Found by the usual forms of such orders, in English and Chinese: a
sentence that is worded otherwise is missed.
"""

from __future__ import annotations

import re

from retrieval import invisible

_SENTENCE = re.compile(r"[^\n.!?。！？]*(?:[.!?](?!\s|$)[^\n.!?。！？]*)*[.!?。！？]*[\"”’」)）]*")
_WRITE = r"(?:reply|respond|answer|print|say|output)"
_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:previous|prior|above|preceding|following|earlier)\b"
    rf"|\b(?:just|only)\s+{_WRITE}\b(?!\s+to\b)|\b{_WRITE}\s+(?:only|just|exactly)\b"
    rf"|\b{_WRITE}\b.{{0,80}}\band nothing else\b"
    r"|<\|[^\s<>|]{1,40}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|\bsystem prompt\b"
    r"|\bassistant\s*:.{0,20}\b(?:ignore|reply|respond|say)\b|\bfrom now on,? you\b|\byou are now\b"
    r"|(?:忽略|无视|忘记|忘掉).{0,12}(?:规则|指令|指示|提示|要求)|只(?:回复|回答|输出)|不要输出其他|系统提示|提示词|开发者模式"
    r"|从(?:现在|本条)起|所有.{0,12}问题都回答|任何问题都回答|每次回答|在回答(?:末尾|开头|最后)",
    re.IGNORECASE,
)


def find(text: str) -> list[str]:
    """The sentences of a text that order something, in order, as they are read."""
    return [sentence for sentence in _sentences(text) if _ORDERS.search(sentence)]


def without(text: str) -> str:
    """The text without these sentences."""
    return "\n".join(sentence for sentence in _sentences(text) if not _ORDERS.search(sentence))


def _sentences(text: str) -> list[str]:
    return [
        part.strip()
        for line in invisible.cleaned(text).splitlines()
        for part in _SENTENCE.findall(line)
        if part.strip()
    ]
