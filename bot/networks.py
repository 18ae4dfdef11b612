"""Network addresses as keyed hashes: the same network gives the same text, and nobody can read the address from it.

The key is a file of this installation, outside the database, so that a copy of the database alone does not allow to try
all addresses. Where the file is lost a new key is made, and earlier hashes match no longer.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAME = "network.key"
_BYTES = 32


def key_of(data: Path) -> bytes:
    """The key of the installation with this data folder; made at the first use."""
    path = data / NAME
    with contextlib.suppress(FileNotFoundError):
        key = path.read_bytes()
        if len(key) == _BYTES:
            return key
        path.unlink()  # a file that was cut off
    new = data / f"{NAME}.{secrets.token_hex(4)}"
    try:
        with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:  # noqa: PTH123 - its mode
            file.write(secrets.token_bytes(_BYTES))
        with contextlib.suppress(FileExistsError):  # another request was faster; its key counts
            os.link(new, path)
    finally:
        new.unlink(missing_ok=True)
    return path.read_bytes()


def hashed(network: str, key: bytes) -> str:
    """32 hexadecimal digits that stand for a network."""
    return hmac.new(key, network.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]
