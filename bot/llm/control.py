"""Keeps the control tokens of chat templates out of the texts of messages.

A chat template writes all messages into one text, where tokens such as ``<|im_start|>`` begin and end them. A passage
or a question with such a token could end its own message and begin one of the system. ``harmless`` puts a space behind
the first character of each: people still read what is written there, and the tokeniser sees ordinary characters.

Decision: engines do this, because they know the tokens of their model, and every prompt goes through them. Costs: an
answer that quotes such a token quotes it with the space.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_core.messages import BaseMessage

# Those of widespread templates, for models behind another server, whose tokens are not known.
_COMMON = r"<[|｜][^\s<>|｜]{1,40}[|｜]>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
_SHORTEST = 3  # characters: a shorter token is a word or a mark, and begins or ends no message


def harmless(text: str, tokens: frozenset[str] = frozenset()) -> str:
    """The text without control tokens: those of widespread templates, and ``tokens``, those of the model."""
    return _pattern(tokens).sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


def harmless_messages(messages: Sequence[BaseMessage], tokens: frozenset[str]) -> list[BaseMessage]:
    """The messages with ``harmless`` texts."""
    return [message.model_copy(update={"content": _content(message.content, tokens)}) for message in messages]


def _content(content: str | list[str | dict[str, object]], tokens: frozenset[str]) -> object:
    if isinstance(content, str):
        return harmless(content, tokens)
    return [
        harmless(part, tokens)
        if isinstance(part, str)
        else {
            name: harmless(value, tokens) if name == "text" and isinstance(value, str) else value
            for name, value in part.items()
        }
        for part in content
    ]


@lru_cache(maxsize=8)
def _pattern(tokens: frozenset[str]) -> re.Pattern[str]:
    own = sorted((re.escape(token) for token in tokens if len(token) >= _SHORTEST), key=len, reverse=True)
    return re.compile("|".join((*own, _COMMON)), re.IGNORECASE)
