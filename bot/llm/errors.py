"""The errors of the chat engines. Each message is written for the operator, and says what to do next.

EngineError (a BotError)
├── CannotOpen       the model does not load
├── PromptTooLong    the prompt does not fit the context; holds both lengths in tokens
├── Unsupported      the engine cannot do what a keyword argument asks
├── GenerationFailed the engine or the server broke off
│   └── ModelSilent  nothing came for longer than the operator allows; readers may read its message
└── WaitCancelled    the one who waited has left
"""

from __future__ import annotations

from bot.errors import BotError


class EngineError(BotError):
    """Anything that goes wrong between the prompt and the last token."""

    code = "engine_failed"


class CannotOpen(EngineError):
    """The model does not load."""


class PromptTooLong(EngineError):
    """The prompt does not fit the model's context; lengths in tokens."""

    def __init__(self, template: str, *, tokens: int, limit: int, code: str, **values: object) -> None:
        super().__init__(template, code=code, tokens=tokens, limit=limit, **values)
        self.tokens = tokens
        self.limit = limit


class Unsupported(EngineError):
    """The engine cannot do what a keyword argument asks."""


class GenerationFailed(EngineError):
    """The engine or the server broke off."""


class ModelSilent(GenerationFailed):
    """Nothing came for `seconds` seconds."""

    def __init__(self, seconds: float) -> None:
        template = (
            "The chat model did not answer for {seconds} seconds, so this question was given up. Ask it again later."
        )
        super().__init__(template, code="model_silent", seconds=f"{seconds:g}")


class WaitCancelled(EngineError):
    """The one who waited has left."""
