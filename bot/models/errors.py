"""The errors of the model store. Each message is written for the operator and states what to do next.

ModelError (a BotError)
├── UnknownModel          the name is not a catalogue id, hub id, path or URL
├── ModelMissing          known, but its files are not (completely) in the store
├── ModelDamaged          in the store, but with unexpected bytes
├── WrongKind             an embedding model where a chat model is needed, or the reverse
├── NoSource              every source failed; the message lists each with its reason
├── SourceFailed          one source failed (hub unreachable, folder without the file, pip's refusal)
│   ├── WheelMissing      the package index has no such wheel
│   ├── PipMissing        this Python has no pip
│   └── DownloadInterrupted
├── WrongHash             fetched completely, but with unexpected bytes
├── DiskFull              not enough disk space, noticed before or during writing
├── ConversionFailed      the fetched file is not in the format that the converter expects
└── StoreBusy             another process has the store's lock for longer than the caller waits
"""

from __future__ import annotations

from bot.errors import BotError


class ModelError(BotError):
    """The root of the errors of fetching, storing and checking models."""


class UnknownModel(ModelError):
    """The name is not a catalogue id, hub id, path or URL."""


class ModelMissing(ModelError):
    """The model is known, but its files are not (completely) in the store."""


class ModelDamaged(ModelError):
    """The files in the store are not those that were stored."""


class WrongKind(ModelError):
    """An embedding model where a chat model is needed, or the reverse."""


class NoSource(ModelError):
    """Every source of a model failed."""


class SourceFailed(ModelError):
    """One source failed; the next one is tried."""


class WheelMissing(SourceFailed):
    """The package index (or folder) has no such wheel."""


class PipMissing(SourceFailed):
    """This Python cannot run pip."""


class DownloadInterrupted(SourceFailed):
    """The connection failed; the received bytes are kept, and the next attempt continues after them."""


class WrongHash(ModelError):
    """A file was fetched completely, but it is not the expected one."""


class DiskFull(ModelError):
    """There is not enough disk space for the model."""


class ConversionFailed(ModelError):
    """A fetched file is not in the format that its converter expects."""


class StoreBusy(ModelError):
    """Another process has the lock."""
