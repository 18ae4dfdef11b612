"""A temporary installation with the wiring of the server, and benchmark documents in it.

Every set of documents gets a collection of its own. Within its scope a search behaves as if nothing else existed, so
that one installation serves each set alone and all sets together.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.benchmark.remembering import RememberingEmbedder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bot.settings import Settings
    from bot.wiring import Parts
    from scripts.benchmark.data import Document

DEFAULT_VECTORS = Path(tempfile.gettempdir()) / "errata-bench" / "vectors.db"
_BATCH = 200  # documents of one step of the log


@contextmanager
def installation(
    vectors: Path,
    *,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    make_parts: Callable[[Settings], Parts] | None = None,
    **settings: Any,
) -> Iterator[Parts]:
    """The parts of an empty installation in a temporary folder, with the person's models; ``vectors``: the file of the
    remembered vectors; ``make_parts``: of the settings, in tests. ``settings`` replace values of the environment."""
    from bot import logs
    from bot.commands.context import QUIET
    from bot.settings import read_settings
    from bot.wiring import Parts

    for name, value in {**QUIET, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}.items():
        os.environ.setdefault(name, value)
    logs.configure(form="console", level="error", text=False)
    with tempfile.TemporaryDirectory(prefix="errata-bench-") as folder:
        parts = (make_parts or Parts)(read_settings().model_copy(update={"data": Path(folder), **settings}))
        remembering = RememberingEmbedder(parts.embedder, vectors, progress=progress)
        parts.embedder = remembering
        try:
            yield parts
        finally:
            parts.close()
            remembering.close()


def fill(parts: Parts, collection: str, documents: Iterable[Document]) -> None:
    """Adds documents to a collection. Their ids get its name in front, because sets may use the same ids."""
    from knowledge import put
    from knowledge.versions import Content

    new = [
        put.NewDocument(
            stored_id(collection, document.id),
            Content(document.title, document.text, details=dict(document.details)),
            source="benchmark",
            language=document.lang,
            collection=collection,
        )
        for document in documents
    ]
    for start in range(0, len(new), _BATCH):
        put.put(parts.database, parts.embedder, new[start : start + _BATCH], actor="benchmark")


def stored_id(collection: str, document_id: str) -> str:
    return f"{collection}/{document_id}"


def own_id(stored: str) -> str:
    """The id that a document has in its set."""
    return stored.partition("/")[2]


def collection_of(name: str) -> str:
    """A name of a set as the name of a collection: letters, digits, ``. _ -``, at most 64."""
    return re.sub(r"[^\w.-]", "-", name).lstrip(".-_")[:64] or "set"
