"""An embedder that remembers its vectors in a file, because a benchmark embeds the same texts again and again.

The file is an SQLite database outside of the repository. A vector belongs to the model's fingerprint, the kind of text
(passage or question) and the text, so that another model never gets it.
"""

from __future__ import annotations

import sqlite3
import threading
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from retrieval.embed import Embedder

_BATCH = 64  # texts that are embedded before their vectors are saved: little is lost when the run is stopped
_LOOK_UP = 400  # keys of a statement, below SQLite's limit of bound parameters


class RememberingEmbedder:
    """The vectors of ``embedder``, which is asked only for texts that the file does not have. Safe in threads.

    ``progress`` gets (texts that have a vector now, all texts) while a list is embedded. ``asked`` counts the texts
    that the embedder was really asked for; ``bare``: that embedder.
    """

    def __init__(
        self, embedder: Embedder, file: Path, *, progress: Callable[[int, int], None] = lambda _done, _of: None
    ) -> None:
        self.bare = embedder
        self._progress = progress
        self._lock = threading.Lock()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(file, check_same_thread=False, timeout=60)
        self._file.execute("PRAGMA journal_mode = WAL")
        self._file.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID")
        self._file.commit()
        self.asked = 0

    @property
    def fingerprint(self) -> str:
        return self.bare.fingerprint

    @property
    def dimension(self) -> int:
        return self.bare.dimension

    def trunk(self) -> Any:
        """The transformer of the embedder, where it has one, for the span reader."""
        return self.bare.trunk()  # type: ignore[attr-defined]

    def passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._vectors("passage", texts, self.bare.passages)

    def query(self, text: str) -> NDArray[np.float32]:
        vector: NDArray[np.float32] = self.queries([text])[0]
        return vector

    def queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit rows (len(texts), dimension) of questions."""
        return self._vectors("question", texts, lambda some: np.stack([self.bare.query(text) for text in some]))

    def close(self) -> None:
        self._file.close()

    def _vectors(
        self, kind: str, texts: Sequence[str], embed: Callable[[Sequence[str]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        keys = [self._key(kind, text) for text in texts]
        known = self._known(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        # Texts of similar length are embedded together: a batch takes as long as its longest text.
        ordered = sorted(missing, key=lambda key: len(missing[key]))
        for start in range(0, len(ordered), _BATCH):
            batch = ordered[start : start + _BATCH]
            vectors = embed([missing[key] for key in batch])
            self.asked += len(batch)
            rows = [(key, vector.astype(np.float32).tobytes()) for key, vector in zip(batch, vectors, strict=True)]
            with self._lock, self._file:
                self._file.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
            known.update(rows)
            self._progress(len(texts) - len(ordered) + start + len(batch), len(texts))
        result = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, key in enumerate(keys):
            result[row] = np.frombuffer(known[key], dtype=np.float32)
        return result

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        known: dict[bytes, bytes] = {}
        for start in range(0, len(keys), _LOOK_UP):
            some = keys[start : start + _LOOK_UP]
            marks = ",".join("?" * len(some))
            with self._lock:
                rows = self._file.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", some)  # noqa: S608
                known.update(rows.fetchall())
        return known

    def _key(self, kind: str, text: str) -> bytes:
        whole = "\0".join((self.bare.fingerprint, kind, text))
        return blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).digest()
