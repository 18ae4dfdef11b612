"""What happens in a turn, as those hear it who listen to it (bot.turn runs it)."""

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
    """How far a running turn is. ``text``: what was written so far; ``position``: its place in the line, 1 is next,
    None when it does not wait."""

    text: str
    position: int | None


TurnEvent = Begun | Event | Finished | Failed
Listen = Callable[[TurnEvent], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that is being answered. ``outcome``: the stored answer, or what went wrong, when it is over."""

    conversation_id: str
    answer_id: str
    outcome: Future[Outcome]
