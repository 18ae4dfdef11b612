"""Turns a follow-up like "and for sale items?" into a question that can be understood without its conversation.

The model rewrites the question. The rewriting is checked, because a bad one leads the search to the wrong documents: it
is dropped if it is empty, far longer than its parts, about something else, or a statement instead of a question. Then a
question of some length is used as it is, and a short one is joined with the question before it.

The result says how its text was made (``How``). The words of a follow-up alone are never compared with corrected
questions, however complete they look: a curated answer is given word for word, and to give one to another question is
the worst fault. Only a text that was made with words of the conversation is compared. Every other one is answered
through search, which finds the correction like any document.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from bot.answering import inert
from bot.answering.prompt import Message
from bot.answering.smalltalk import kind_of
from bot.answering.standalone import adds_nothing, drops_nothing, names_something
from retrieval.text import language_of, normalise, tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_TURNS = 3  # turns further back rarely matter, and the model needs time to read them
MAX_QUESTION = 400  # characters of an earlier question that are shown to the model, or joined
MAX_ANSWER = 240  # … and of an earlier answer
MAX_TOKENS = 64
LONGEST = 180  # UTF-8 bytes of a question that its rewriting has room for; a longer one is used as it is

# As in prompt: English instructions with examples in the question's language. With Chinese instructions the model
# answered 20 of 35 complete Chinese follow-ups instead of repeating them. The examples that point back come last, so
# that the model repeats 5 of 24 questions that point back; with the repeated example last it repeated 11.
_SYSTEM = (
    "Rewrite the last question of a conversation so that it can be understood without the conversation: write out what "
    "words like it or that, or what was left out, refer to. Keep its language and every detail. Repeat a question that "
    "already stands alone unchanged. Never answer it. Write only the question."
)
_LABEL = re.compile(r"^(?:(?:last )?question|(?:最后一个)?问题)\s*[:：]\s*", re.IGNORECASE)
_QUOTES = '"“”「」 '
# A question mark at the end, or one of the words with which Chinese asks without a mark.
_ASKING = re.compile(r"[?？]\s*$|[吗呢几谁哪怎]|什么|多少|如何|为何|是否")


@dataclass(frozen=True, slots=True)
class Condensing:
    """What is tuned for one chat model. ``kept``: share of the last question's words that its rewriting must have;
    ``bare``: a question with at least so many words is searched as it is where its rewriting added nothing from the
    conversation; ``whole``: words that it needs for this where the rewriting failed the checks.
    """

    kept: float = 1 / 3
    bare: int = 5
    whole: int = 7  # of 24 questions that point back to the conversation, 23 have fewer words (2026-11-22)


CONDENSING = Condensing()


@dataclass(frozen=True, slots=True)
class EarlierTurn:
    """An earlier question (condensed) and its answer; either may be empty."""

    question: str
    answer: str


def earlier_turns(messages: Iterable[tuple[str, str]], question: str) -> tuple[EarlierTurn, ...]:
    """The last turns before a question, oldest first, of a conversation that another program keeps: (role, text) of its
    messages, where the role is user or assistant. A question without an answer and a text of the assistant without a
    question are turns too, because the question may refer to them. The same question asked before explains nothing
    about itself, and greetings and thanks explain nothing, so they are left out."""
    turns: list[EarlierTurn] = []
    answered = True
    for role, text in messages:
        if role == "user":
            turns.append(EarlierTurn(text, ""))
            answered = False
        elif answered and text.strip():
            turns.append(EarlierTurn("", text))
        elif text.strip():
            turns[-1] = EarlierTurn(turns[-1].question, text)
            answered = True
    return tuple([turn for turn in turns if _explains(turn, question)][-MAX_TURNS:])


def _explains(turn: EarlierTurn, question: str) -> bool:
    return turn.question != question and (not turn.question or kind_of(turn.question) is None)


class How(StrEnum):
    """How the text of a condensed question was made."""

    ALONE = "alone"  # there was no conversation before
    UNCHANGED = "unchanged"  # as it was asked; it may refer to what was said before
    JOINED = "joined"  # the question before it, then this one
    REWRITTEN = "rewritten"  # by the model, with all words of the question and some of the turn before it
    GUESSED = "guessed"  # by the model, with words from elsewhere, or without some words of the question


@dataclass(frozen=True, slots=True)
class Condensed:
    """The question that is searched for, and how its text was made. ``asked``: the question that the reader answers,
    where that is a shorter one: a short question that was joined with the one before it may be about something new, and
    then nobody wants the earlier question answered again."""

    text: str
    how: How
    asked: str | None = None

    @classmethod
    def joined(cls, text: str, question: str) -> Condensed:
        """``text`` is the question before it, followed by ``question``."""
        return cls(text, How.JOINED, question if names_something(question) else None)

    @property
    def certain(self) -> bool:
        """Whether the text surely means what was asked. Only then it is compared with corrected questions."""
        return self.how not in (How.UNCHANGED, How.GUESSED)


_EXAMPLES = {
    "en": (
        (
            EarlierTurn("When does the library close?", "It closes at 8 pm [2]."),
            "In which room is the lecture given?",
            "In which room is the lecture given?",
        ),
        (
            EarlierTurn("Who designed the town hall?", "The architect Mary Lowell [1]."),
            "How many floors does it have?",
            "How many floors does the town hall have?",
        ),
        (
            EarlierTurn("How do I renew my passport?", "At the town hall, with a photo [1]."),
            "And an identity card?",
            "How do I renew my identity card?",
        ),
    ),
    "zh": (
        (EarlierTurn("图书馆几点闭馆？", "20:00 闭馆 [2]。"), "讲座在哪个房间举行？", "讲座在哪个房间举行？"),
        (EarlierTurn("谁设计了市政厅？", "市政厅由建筑师周岚设计 [1]。"), "这座楼有几层？", "市政厅有几层？"),
        (EarlierTurn("借书证怎么办理？", "凭身份证在服务台办理 [1]。"), "要多少钱？", "办理借书证要多少钱？"),
    ),
}


class Write(Protocol):
    """Has the model write a short text."""

    def __call__(self, messages: Sequence[Message], *, max_tokens: int) -> str: ...


def condense(question: str, history: Sequence[EarlierTurn], write: Write, tuned: Condensing = CONDENSING) -> Condensed:
    """The question in a form that can be understood alone; unchanged when there is no history."""
    if not history:
        return Condensed(question, How.ALONE)
    if len(question.encode("utf-8", "replace")) > LONGEST or "\n" in question.strip():
        return Condensed(question, How.UNCHANGED)
    rewritten = _clean(write(build(question, history, language_of(question)), max_tokens=MAX_TOKENS))
    fits = _fits(rewritten, question, history, tuned)
    if fits and _takes_up(rewritten, question, history):
        last = history[-1]
        traced = adds_nothing(rewritten, question, last.question, last.answer) and drops_nothing(rewritten, question)
        return Condensed(rewritten, How.REWRITTEN if traced else How.GUESSED)
    repeated = fits and _is_same(rewritten, question)
    if len(tokens(question)) < (tuned.bare if fits else tuned.whole):
        # When a model repeats a question that names a subject, it is mostly right that the subject is new.
        if not (repeated and names_something(question)):
            return _joined(question, history)
    elif fits and not repeated:
        return Condensed(rewritten, How.GUESSED)
    return Condensed(question, How.UNCHANGED)


def _joined(question: str, history: Sequence[EarlierTurn]) -> Condensed:
    """The last question before, then this one. Some turns have no question (a greeting of another program), or none
    with a word."""
    questions = (turn.question[-MAX_QUESTION:] for turn in reversed(history))
    earlier = next((text for text in questions if any(character.isalnum() for character in text)), None)
    if earlier is None:
        return Condensed(question, How.UNCHANGED)
    return Condensed.joined(f"{earlier} {question}", question)


def _is_same(rewritten: str, question: str) -> bool:
    return normalise(rewritten).rstrip("?？.。 ") == normalise(question).rstrip("?？.。 ")


def build(question: str, history: Sequence[EarlierTurn], language: str) -> list[Message]:
    """The messages that ask for the rewriting; all but the last are the same for all questions in a language."""
    messages = [Message("system", _SYSTEM)]
    for turn, last, rewritten in _EXAMPLES[language]:
        messages += [Message("user", _conversation_text((turn,), last)), Message("assistant", rewritten)]
    return [*messages, Message("user", _conversation_text(history[-MAX_TURNS:], question))]


def _conversation_text(history: Sequence[EarlierTurn], question: str) -> str:
    turns = (
        f"{inert.QUESTION}{inert.asked(turn.question[:MAX_QUESTION])}\n"
        f"{inert.ANSWER}{inert.asked(turn.answer[:MAX_ANSWER])}\n"
        for turn in history
    )
    return "".join((*turns, inert.LAST, inert.asked(question)))


def _clean(written: str) -> str:
    line = next((line.strip() for line in written.splitlines() if line.strip()), "")
    return _LABEL.sub("", line.strip(_QUOTES)).strip(_QUOTES)


def _fits(rewritten: str, question: str, history: Sequence[EarlierTurn], tuned: Condensing) -> bool:
    """Whether a rewriting is usable: at least half of its words are of the conversation, it is not far longer, it asks
    if the last question asked, and it keeps enough words of it. A small model often answers instead, or repeats the
    question before."""
    if not rewritten or len(rewritten) > 3 * (len(question) + max(len(turn.question) for turn in history)):
        return False
    if _asks(question) and not _asks(rewritten):
        return False
    spoken = set(tokens(" ".join((question, *(part for turn in history for part in (turn.question, turn.answer))))))
    new = set(tokens(rewritten))
    asked = set(tokens(question))
    return bool(new) and len(new - spoken) <= len(new) / 2 and len(asked & new) >= len(asked) * tuned.kept


def _takes_up(rewritten: str, question: str, history: Sequence[EarlierTurn]) -> bool:
    """Whether the rewriting added words of the conversation to the question."""
    earlier = set(tokens(" ".join(part for turn in history for part in (turn.question, turn.answer))))
    return bool((set(tokens(rewritten)) - set(tokens(question))) & earlier)


def _asks(text: str) -> bool:
    return bool(_ASKING.search(text))
