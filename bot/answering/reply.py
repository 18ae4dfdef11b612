"""Has the model reply to a prompt, in three steps: the model judges whether the passages contain the answer, it writes,
and its text is verified.

Where the model judged that the passages contain the answer and then does not answer, there are three cases. If the
first source is a correction of a question like this one, its text is given. Otherwise a model that was sure is asked
once more. Where it still writes nothing but a marker, YES or a refusal, the sentence is given in which the span reader
is sure to see the answer. This module does not know how the passages were found (answer) or where a reply is stored.
"""

from __future__ import annotations

import math
import re
import string
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.answering import citations, doubt, prompt
from bot.answering.grounding import has_invented_facts, is_ordered
from bot.answering.markers import bare
from bot.answering.prompt import FORM, NO_ANSWER, Form
from bot.answering.trace import ReadingTrace
from bot.answering.values import Reason, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.answering.prompt import Message
    from bot.answering.values import ModelAccess, Source, Status, Written

_LEADING = "\"'`*[(（“「" + string.whitespace  # characters that a model puts before the sentinel
_SENTINEL = re.compile(rf"[{re.escape(_LEADING)}]*NO[_ ]ANSWER\b", re.IGNORECASE)
_WORD = re.compile(r"\w")
_WORDLESS = re.compile(r"[\W\d]*")  # a beginning that may still become a bare marker
# The model is not asked again about yes-or-no questions: when it reads that the passages answer them, a small model
# writes yes (4 of 6 wrongly, 2026-11-22).
_YES_OR_NO = re.compile(
    r"(?:is|are|was|were|do|does|did|can|could|may|might|must|shall|should|will|would|has|have|had)\b"
    r"|.*(?:[吗嗎][?？]?$|是否|(.)不\1|有没有|有沒有)",
    re.IGNORECASE | re.DOTALL,
)
# The mark of corrections in a prompt, copied into an answer: at its end, or before a marker or the end of a sentence.
_MARK = re.compile(r"\s*[(（]corrected[)）](?=\s*(?:[\[【［.。,，;；]|$))")


@dataclass(frozen=True, slots=True)
class PreparedPrompt:
    """A prompt with everything that affects its reply. ``messages``: from ``prompt.build``; ``limit``: the doubt, in
    log-odds, above which the passages are assumed to lack the answer (doubt), None: the model does not judge; ``sure``:
    how far below the limit the model is sure; ``quotable``, ``corrected`` and ``fresh``: as in ``values.Material``;
    ``sentence``: of a passage, with its number, where the span reader is sure that it answers."""

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
    sentence: tuple[int, str] | None = None


def reply(prepared: PreparedPrompt, place: ModelAccess, on_text: Callable[[str], None]) -> Reply:
    """Has the model reply. ``on_text`` gets the text while it is written, also a text that is then refused, but no
    beginning that may still become a refusal in words.

    Raises Busy (the line is full), EngineError (the engine failed).
    """
    messages = prepared.messages
    trace = ReadingTrace(limit=prepared.limit)
    margin = -math.inf  # log-odds from the limit down to the model's doubt
    if prepared.limit is not None:
        judgement = place.judge(prompt.judging(messages, prepared.form))
        if judgement.stopped:
            return Reply("stopped", messages, prompt_tokens=judgement.prompt_tokens)
        probability = doubt.from_judgement(judgement.doubt, judgement.text)
        trace = replace(trace, doubt=probability)
        if probability is not None and doubt.log_odds(probability) > prepared.limit:
            return Reply("refused", messages, reason=Reason.DOUBT, prompt_tokens=judgement.prompt_tokens, trace=trace)
        if judgement.doubt is not None:  # a bare YES does not show how sure the model is
            margin = prepared.limit - doubt.log_odds(judgement.doubt)
    stream = _RefusalFilter(on_text)
    written = place.write(messages, on_text=stream.take, fresh=prepared.fresh)
    text = _answer_text(written, prepared)
    trace = replace(trace, tries=1)
    if margin >= 0 and not written.stopped and is_refusal(text) and not stream.passed_on:
        if prepared.corrected and 1 in prepared.quotable:
            text = _quote(prepared, 1)
        elif margin > prepared.sure and _may_be_asked_again(prepared):
            stream = _RefusalFilter(on_text)
            messages = prompt.insisting(messages, prepared.language, prepared.form)
            written = place.write(messages, on_text=stream.take, fresh=prepared.fresh)
            text = _answer_text(written, prepared)
            trace = replace(trace, tries=2)
    silent = not written.stopped and not stream.passed_on
    if silent and prepared.sentence is not None and (says_nothing(text) or (margin >= 0 and is_refusal(text))):
        number, sentence = prepared.sentence
        text = f"{sentence} [{number}]"
        trace = replace(trace, sentence=True)
    trace = replace(trace, quoted=text in {_quote(prepared, n) for n in prepared.quotable})
    answer, cited, reason = _verify(text, written, prepared)
    status: Status = "stopped" if written.stopped else "refused" if reason else "answered"
    writing = None if written.recalled else stream.duration()
    if status == "answered":
        stream.end(answer)
    return Reply(
        status,
        messages,
        answer,
        cited,
        None if written.stopped else reason,
        prompt_tokens=written.prompt_tokens,
        completion_tokens=written.completion_tokens,
        writing=writing,
        trace=trace,
    )


def is_refusal(text: str) -> bool:
    """Whether the model wrote that the passages lack the answer: the sentinel at the start, or nothing but markers."""
    words = bare(text)
    return not _WORD.search(words) or _SENTINEL.match(words) is not None


def says_nothing(text: str) -> bool:
    """Whether the text is no answer and no refusal in words: nothing but markers, or YES alone."""
    return "".join(_WORD.findall(bare(text))).upper() in ("", doubt.YES)


def _may_be_asked_again(prepared: PreparedPrompt) -> bool:
    """Whether a second try may help. Not for a yes-or-no question. Not where a correction of another question comes
    first: for a passage of one word the judgement is too lax, and a model that reads that this passage answers writes
    that word (2 of 20 near misses)."""
    return not prepared.sources[0].curated and not _YES_OR_NO.match(prepared.question.strip())


def _verify(text: str, written: Written, prepared: PreparedPrompt) -> tuple[str, tuple[int, ...], Reason | None]:
    """The answer and its citations, or the reason why there is none: the text is a refusal, has invented facts, or no
    passage supports it, so that nobody could check it. What a passage orders supports nothing. Of a stopped answer the
    text so far is kept."""
    if is_refusal(text) or (written.stopped and _may_refuse(text)):
        return "", (), Reason.SAID_SO
    passages = [source.passage for source in prepared.sources]
    readable = [f"{source.title}\n{source.passage}" for source in prepared.sources]
    if not written.stopped and has_invented_facts(text, prepared.question, readable):
        return "", (), Reason.INVENTED
    if not written.stopped and is_ordered(text, prepared.question, passages):
        return "", (), Reason.NOT_CITED
    answer, cited = citations.verify(text.replace(NO_ANSWER, ""), passages)
    if not cited and not written.stopped:
        return "", (), Reason.NOT_CITED
    return answer, cited, None


def _answer_text(written: Written, prepared: PreparedPrompt) -> str:
    """The model's text without our mark of corrections. Where it is only the number of a correction, the correction's
    text takes its place: a small model often writes a number instead of an answer, and the curator's text is one."""
    text = written.text
    if written.stopped or not any(source.curated for source in prepared.sources):
        return text
    text = _MARK.sub("", text)
    _, cited = citations.verify(text, [source.passage for source in prepared.sources])
    if _WORD.search(bare(text)) or len(cited) != 1 or cited[0] not in prepared.quotable:
        return text
    return _quote(prepared, cited[0])


def _quote(prepared: PreparedPrompt, n: int) -> str:
    return f"{prepared.sources[n - 1].passage} [{n}]"


def _may_refuse(text: str) -> bool:
    """Whether a text that is still being written is a refusal in words or YES alone, or may become one."""
    words = bare(text)
    beginning = words.lstrip(_LEADING).upper().replace(" ", "_")
    return (
        NO_ANSWER.startswith(beginning)
        or _SENTINEL.match(words) is not None
        or doubt.YES.startswith(beginning)
        or says_nothing(text)
    )


class _RefusalFilter:
    """Passes text on, but keeps back a beginning that may still become a refusal."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._kept_back = ""
        self._began: float | None = None
        self.passed_on = False

    def take(self, text: str) -> None:
        if self._began is None:
            self._began = time.perf_counter()
        if self.passed_on:
            self._on_text(text)
            return
        self._kept_back += text
        if not _may_refuse(self._kept_back) and not _WORDLESS.fullmatch(self._kept_back):
            self.passed_on = True
            self._on_text(self._kept_back)

    def duration(self) -> float | None:
        """Milliseconds since the first piece came; None before it."""
        return None if self._began is None else round((time.perf_counter() - self._began) * 1000, 1)

    def end(self, text: str) -> None:
        """``text`` is the reply: it is passed on where nothing was passed on before."""
        if not self.passed_on:
            self._on_text(text)
