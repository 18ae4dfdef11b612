"""Texts in the form in which they stand in a prompt: nothing in them looks like a part of the prompt itself.

A prompt numbers its passages, ``[1] Title``, marks those that are corrected, and ends with ``Question:``. A passage, a
title or a question with such lines of its own could pass for another passage, for a correction, or for the end of the
passages. Its numbers in square brackets become round ones, and its labels lose their colon. People read the text as it
is: only the prompt has this form. Characters that nobody sees are stripped, too; engines see to the tokens of their
models (bot.llm.control).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.answering.markers import replace
from retrieval import invisible

if TYPE_CHECKING:
    from bot.answering.markers import Marker

CORRECTED = "(corrected)"  # behind the title of a passage that is
QUESTION, ANSWER, LAST = "Question: ", "Answer: ", "Last question: "

# At the beginning of a line also in code, where a number in brackets is no marker.
_HEADING = re.compile(r"^([^\S\n]*)[\[【［]\s*(\d{1,3})\s*[\]】］](?![(:])", re.MULTILINE)
_LABEL = re.compile(r"^([^\S\n]*(?:Last question|Question|Answer))[^\S\n]*[:：]", re.MULTILINE | re.IGNORECASE)
_MARK = re.compile(r"\(\s*corrected\s*\)[^\S\n]*$", re.MULTILINE | re.IGNORECASE)  # where a title ends


def passage(text: str) -> str:
    """The text of a passage."""
    return replace(asked(text), _in_round_brackets)


def title(text: str) -> str:
    """A title, or a path of headings: one line that does not say that it is corrected."""
    return replace(asked(" ".join(invisible.cleaned(text).split())), _in_round_brackets)


def asked(text: str) -> str:
    """A question, or a text of a conversation: its lines may have numbers of passages, and none at the beginning."""
    lines = _HEADING.sub(r"\1(\2)", invisible.cleaned(text))
    return _MARK.sub("corrected", _LABEL.sub(r"\1 –", lines))


def _in_round_brackets(marker: Marker) -> str:
    return f"({', '.join(map(str, marker.numbers))})"
