"""Runs command lines in this process, on real parts with a small embedder and an engine without a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.__main__ import run
from bot.settings import Settings
from bot.wiring import Parts
from tests.fakes import HashingEmbedder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command line came to."""

    code: int
    out: str
    err: str


class CommandLine:
    """``errata`` with the data folder ``data``."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str], *, chat: Any = None) -> None:
        self.data = data
        self._capsys = capsys
        self._chat = chat
        self.embedder = HashingEmbedder()

    def __call__(self, *arguments: str) -> CommandResult:
        self._capsys.readouterr()
        code = run(arguments, make_parts=self.parts)
        captured = self._capsys.readouterr()
        return CommandResult(code, captured.out, captured.err)

    def parts(self, settings: Settings) -> Parts:
        if self._chat is None and settings.chat_model == Settings.model_fields["chat_model"].default:
            settings = settings.model_copy(update={"chat_model": "extractive"})
        return Parts(settings, embedder=self.embedder, chat=self._chat)
