"""The errors of the model store. Each message is written for the operator and says what to do next.

ModelError (a BotError)
├── UnknownModel          the given name is no catalogue id, hub id, path or URL
├── ModelMissing          known, but not (completely) in the store
├── ModelDamaged          in the store, but its bytes are not the expected ones
├── WrongKind             an embedding model where a chat model is needed, or the reverse
├── NoSource              every source failed; the message lists each with its reason
├── SourceFailed          one source failed (hub unreachable, folder without the file, pip's refusal)
│   ├── WheelMissing      the package index has no such wheel
│   ├── PipMissing        this Python has no pip
│   └── DownloadInterrupted
├── WrongHash             fetched completely, but not the expected bytes
├── DiskFull              not enough room, found before or while writing
├── ConversionFailed      the file that came is not in the form that the converter knows
└── StoreBusy             another process holds the store's lock for longer than the caller would wait
"""

from __future__ import annotations

from bot.errors import BotError


class ModelError(BotError):
    """Anything that goes wrong with getting, keeping or checking a model."""


class UnknownModel(ModelError):
    """The given name is no catalogue id, hub id, path or URL."""


class ModelMissing(ModelError):
    """The model is known, but its files are not (completely) in the store."""


class ModelDamaged(ModelError):
    """The files in the store are not the ones that were put there."""


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
    """The connection broke; what came stays, and the next attempt goes on from there."""


class WrongHash(ModelError):
    """A file came completely, but it is not the expected one."""


class DiskFull(ModelError):
    """There is not enough room for the model."""


class ConversionFailed(ModelError):
    """A fetched file is not in the form that its converter knows."""


class StoreBusy(ModelError):
    """Another process holds the lock."""
