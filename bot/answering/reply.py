"""What a model makes of a prompt: it judges whether the passages hold what is asked, writes, and what it wrote is
verified. Where it judged that they do and then does not answer, a correction of a question like this one speaks for
itself; else a model that was sure is asked once more.

Knows nothing of how the passages were found (answer) or where a reply is stored.
"""

from __future__ import annotations

import math
import re
import string
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.answering import citations, doubt, prompt
from bot.answering.grounding import has_invented_facts
from bot.answering.markers import bare
from bot.answering.prompt import FORM, NO_ANSWER, Form
from bot.answering.values import Reason, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.answering.prompt import Message
    from bot.answering.values import ModelAccess, Source, Written

_LEADING = "\"'`*[(（“「" + string.whitespace  # what a model puts before the sentinel
_SENTINEL = re.compile(rf"[{re.escape(_LEADING)}]*NO[_ ]ANSWER\b", re.IGNORECASE)
_WORD = re.compile(r"\w")
_WORDLESS = re.compile(r"[\W\d]*")  # may still become a bare marker
# Questions for yes or no are not asked again: told that the passages answer them, a small model says yes (4 of 6
# wrongly, 2026-11-22).
_YES_OR_NO = re.compile(
    r"(?:is|are|was|were|do|does|did|can|could|may|might|must|shall|should|will|would|has|have|had)\b"
    r"|.*(?:[吗嗎][?？]?$|是否|(.)不\1|有没有|有沒有)",
    re.IGNORECASE | re.DOTALL,
)
# The mark of corrections in a prompt, copied into an answer: at its end, or before a marker or the end of a sentence.
_MARK = re.compile(r"\s*[(（]corrected[)）](?=\s*(?:[\[【［.。,，;；]|$))")


@dataclass(frozen=True, slots=True)
class PreparedPrompt:
    """A prompt with what bears on its reply. ``messages``: from ``prompt.build``; ``limit``: the doubt, in log-odds,
    above which the passages are taken to lack what is asked (doubt), None: the model is not asked; ``sure``: how far
    below it the model is sure; ``quotable``:
    numbers of the sources that can stand as the answer, because they are all that a curator wrote; ``corrected``: the
    first source is a correction that was written for a question like this one; ``fresh``: as in ``values.Ask``."""

    messages: Sequence[Message]
    question: str
    language: str
    sources: Sequence[Source]
    form: Form = FORM
    limit: float | None = None
    sure: float = 0.6
    quotable: frozenset[int] = frozenset()
    corrected: bool = False
    fresh: bool = False


def reply(prepared: PreparedPrompt, place: ModelAccess, on_text: Callable[[str], None]) -> Reply:
    """Has the model reply. ``on_text`` hears the text as it is written, also one that fails to be verified, but no
    beginning that may still become a refusal in words.

    Raises Busy (queue full), EngineError (the engine failed).
    """
    messages = prepared.messages
    below = -math.inf  # log-odds from the limit down to the model's doubt
    if prepared.limit is not None:
        judged = place.judge(prompt.judging(messages, prepared.form))
        if judged.stopped:
            return Reply("stopped", messages, prompt_tokens=judged.prompt_tokens)
        known = doubt.from_judgement(judged.doubt, judged.text)
        if known is not None and doubt.log_odds(known) > prepared.limit:
            return Reply("refused", messages, reason=Reason.DOUBT, prompt_tokens=judged.prompt_tokens)
        if judged.doubt is not None:  # a bare YES does not say how sure the model is
            below = prepared.limit - doubt.log_odds(judged.doubt)
    held = _Holding(on_text)
    written = place.write(messages, on_text=held.take, fresh=prepared.fresh)
    text = _in_words(written, prepared)
    if below >= 0 and not written.stopped and is_refusal(text) and not held.passed_on:
        if prepared.corrected and 1 in prepared.quotable:
            text = _quoted(prepared, 1)
        elif below > prepared.sure and _may_be_asked_again(prepared):
            held = _Holding(on_text)
            messages = prompt.insisting(messages, prepared.language, prepared.form)
            written = place.write(messages, on_text=held.take, fresh=prepared.fresh)
            text = _in_words(written, prepared)
    answer, cited, reason = _verified(text, written, prepared)
    status = "stopped" if written.stopped else "refused" if reason else "answered"
    writing = None if written.recalled else held.lasted()
    if status == "answered":
        held.end(answer)
    return Reply(
        status,
        messages,
        answer,
        cited,
        None if written.stopped else reason,
        prompt_tokens=written.prompt_tokens,
        completion_tokens=written.completion_tokens,
        writing=writing,
    )


def is_refusal(text: str) -> bool:
    """Whether the model wrote that the passages lack the answer: the sentinel at the start, or nothing but markers."""
    words = bare(text)
    return not _WORD.search(words) or _SENTINEL.match(words) is not None


def _may_be_asked_again(prepared: PreparedPrompt) -> bool:
    """Not a question for yes or no; nor where a correction of another question stands first: in a passage of one word
    the judgement is too lax, and told that it answers the model gives that word (2 of 20 near misses)."""
    return not prepared.sources[0].curated and not _YES_OR_NO.match(prepared.question.strip())


def _verified(text: str, written: Written, prepared: PreparedPrompt) -> tuple[str, tuple[int, ...], Reason | None]:
    """Answer and citations, or why there is none: the text says that the passages lack the answer, was made up, or no
    passage supports it, so that nobody could check it. What was stopped is kept as far as it is."""
    if is_refusal(text) or (written.stopped and _may_refuse(text)):
        return "", (), Reason.SAID_SO
    passages = [source.passage for source in prepared.sources]
    readable = [f"{source.title}\n{source.passage}" for source in prepared.sources]
    if not written.stopped and has_invented_facts(text, prepared.question, readable):
        return "", (), Reason.INVENTED
    answer, cited = citations.verify(text.replace(NO_ANSWER, ""), passages)
    if not cited and not written.stopped:
        return "", (), Reason.NOT_CITED
    return answer, cited, None


def _in_words(written: Written, prepared: PreparedPrompt) -> str:
    """What a model wrote, without our mark of corrections, and with what a correction says in place of its bare
    number: a small model likes to point instead of answering, and what a curator wrote can stand as the answer."""
    text = written.text
    if written.stopped or not any(source.curated for source in prepared.sources):
        return text
    text = _MARK.sub("", text)
    _, cited = citations.verify(text, [source.passage for source in prepared.sources])
    if _WORD.search(bare(text)) or len(cited) != 1 or cited[0] not in prepared.quotable:
        return text
    return _quoted(prepared, cited[0])


def _quoted(prepared: PreparedPrompt, n: int) -> str:
    return f"{prepared.sources[n - 1].passage} [{n}]"


def _may_refuse(text: str) -> bool:
    """Whether a text that is still being written is a refusal in words or may become one."""
    words = bare(text)
    beginning = words.lstrip(_LEADING).upper().replace(" ", "_")
    return NO_ANSWER.startswith(beginning) or _SENTINEL.match(words) is not None


class _Holding:
    """Passes text on, but holds back a beginning that may still become a refusal."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._held = ""
        self._began: float | None = None
        self.passed_on = False

    def take(self, text: str) -> None:
        if self._began is None:
            self._began = time.perf_counter()
        if self.passed_on:
            self._on_text(text)
            return
        self._held += text
        if not _may_refuse(self._held) and not _WORDLESS.fullmatch(self._held):
            self.passed_on = True
            self._on_text(self._held)

    def lasted(self) -> float | None:
        """Milliseconds since the first piece came."""
        return None if self._began is None else round((time.perf_counter() - self._began) * 1000, 1)

    def end(self, text: str) -> None:
        """``text`` is the reply: passed on where nothing was."""
        if not self.passed_on:
            self._on_text(text)
