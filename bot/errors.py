"""The errors of talking to people, as one tree (knowledge.errors has the other half).

BotError
├── NotSignedIn     nobody is signed in, or the password is wrong (401)
├── Forbidden       the person is known and may not do this (403)
├── TooMany         too many attempts or questions of one person; ``retry_after`` seconds (429)
│   ├── TooManyWaiting  the questions of one asker take all places that one asker may have before the model
│   └── TooManyFromNetwork  the same for the people without an account of one network
├── Busy            the line before the model is full; ``retry_after`` seconds (503)
├── StorageFull     what people without an account may store is full, and nothing of it can be deleted (507)
├── SettingsError   a setting is wrong; the message names it and its allowed values
├── ModelError      the model store (bot.models.errors)
└── EngineError     the chat engine (bot.llm.errors)
"""

from __future__ import annotations

from retrieval.errors import ErrataError


class BotError(ErrataError):
    """Root of all."""

    code = "failed"


class NotSignedIn(BotError):
    """Nobody is signed in, or the password is wrong."""

    code = "not_signed_in"


class Forbidden(BotError):
    """Signed in, and not allowed."""

    code = "forbidden"


class TooMany(BotError):
    """Too many at once; try again after ``retry_after`` seconds."""

    code = "too_many"

    def __init__(self, template: str, *, retry_after: int, code: str | None = None, **values: object) -> None:
        super().__init__(template, code=code, **values)
        self.retry_after = retry_after


class TooManyWaiting(TooMany):
    """``count`` questions of one asker wait or are being answered, which is as many as one asker may have."""

    code = "too_many_waiting"

    def __init__(self, count: int, *, retry_after: int) -> None:
        template = (
            "{count} of your own questions are being answered or are waiting, and no more may wait for one person. "
            "Wait for their answers, or try again in {seconds} seconds."
        )
        super().__init__(template, retry_after=retry_after, code="too_many_waiting", count=count, seconds=retry_after)


class TooManyFromNetwork(TooMany):
    """As TooManyWaiting, for ``count`` questions of people without an account who share a network."""

    code = "too_many_from_network"

    def __init__(self, count: int, *, retry_after: int) -> None:
        template = (
            "{count} questions from your network are being answered or are waiting, and no more may wait without an "
            "account. Sign in, or try again in {seconds} seconds."
        )
        super().__init__(
            template, retry_after=retry_after, code="too_many_from_network", count=count, seconds=retry_after
        )


class Busy(BotError):
    """The line before the model is full; try again after ``retry_after`` seconds."""

    code = "busy"

    def __init__(self, retry_after: int) -> None:
        template = "Too many questions are waiting: try again in {seconds} seconds."
        super().__init__(template, code="busy", seconds=retry_after)
        self.retry_after = retry_after


class StorageFull(BotError):
    """What people without an account may store is full, and nothing of it can be deleted; try again after
    ``retry_after`` seconds."""

    code = "storage_full"

    def __init__(self, retry_after: int) -> None:
        template = (
            "The space for conversations without an account is full, and nothing in it can be deleted now. Sign in, or "
            "try again in {seconds} seconds."
        )
        super().__init__(template, code="storage_full", seconds=retry_after)
        self.retry_after = retry_after


class SettingsError(BotError):
    """A setting is wrong; the message names it and says what it may be."""

    code = "wrong_setting"
