"""The errors of the chat engines. Each message is written for the operator and states what to do next.

EngineError (a BotError)
├── CannotOpen       the model cannot be loaded
├── PromptTooLong    the prompt does not fit the context; has both lengths in tokens
├── Unsupported      the engine cannot do what a keyword argument requests
├── GenerationFailed the engine or the server stopped before the end
│   └── ModelSilent  no answer for longer than the operator allows; readers may see its message
└── WaitCancelled    the waiting person has left
"""

from __future__ import annotations

from bot.errors import BotError


class EngineError(BotError):
    """The root of the errors between the prompt and the last token."""

    code = "engine_failed"


class CannotOpen(EngineError):
    """The model cannot be loaded."""


class PromptTooLong(EngineError):
    """The prompt does not fit the model's context. Both lengths are in tokens."""

    def __init__(self, template: str, *, tokens: int, limit: int, code: str, **values: object) -> None:
        super().__init__(template, code=code, tokens=tokens, limit=limit, **values)
        self.tokens = tokens
        self.limit = limit


class Unsupported(EngineError):
    """The engine cannot do what a keyword argument requests."""


class GenerationFailed(EngineError):
    """The engine or the server stopped before the end."""


class ModelSilent(GenerationFailed):
    """The model sent nothing for `seconds` seconds."""

    def __init__(self, seconds: float) -> None:
        template = (
            "The chat model did not answer for {seconds} seconds, so this question was given up. Ask it again later."
        )
        super().__init__(template, code="model_silent", seconds=f"{seconds:g}")


class WaitCancelled(EngineError):
    """The waiting person has left."""
