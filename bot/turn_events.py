"""The events of a turn, as its listeners get them (bot.turn runs it)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.answering.values import Event, Outcome

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass(frozen=True, slots=True)
class Begun:
    """The question is stored and has ids: the first event of every turn."""

    conversation_id: str
    answer_id: str


@dataclass(frozen=True, slots=True)
class Finished:
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Failed:
    error: Exception


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running turn is. ``text``: the text so far; ``position``: its place in the line, 1 is next,
    None when it does not wait."""

    text: str
    position: int | None


TurnEvent = Begun | Event | Finished | Failed
Listen = Callable[[TurnEvent], None]


@dataclass(frozen=True, slots=True)
class StartedTurn:
    """A question that is being answered. ``outcome``: the stored answer, or the error, when the turn has ended."""

    conversation_id: str
    answer_id: str
    outcome: Future[Outcome]
