"""Retires documents whose file is gone, and refuses where that seems to be a mistake: a folder that is empty or has
lost many of its files is more often a share that is not mounted than a decision. This module does not read files; the
caller passes which documents have one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from knowledge import put
from knowledge.errors import Invalid, NotFound
from retrieval.scope import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from knowledge.db import Database

PERCENT = 20  # of a folder's documents may be retired at once, unless the person allows more
FEW = 5  # documents may be retired whatever their share: a small folder changes in large parts


def refusal(
    path: str,
    source: str | None,
    *,
    empty: bool,
    unlisted: str | None,
    before: Sequence[str],
    present: Collection[str],
    limit: int = PERCENT,
) -> Invalid | None:
    """The reason why nothing may be retired; None if documents may be retired. ``before``: the documents that readers
    could find; ``present``: those whose file exists. ``unlisted``: why the folder's files are not known; ``limit`` in
    percent."""
    if unlisted is not None:
        return Invalid(
            "Nothing was retired: {path} {problem}. Make the folder readable, then prune again.",
            code="prune_unreadable",
            path=path,
            problem=unlisted,
        )
    if empty:
        return Invalid(
            "Nothing was retired: {path} has no file that can be read. If it is a share that is not mounted, mount "
            "it and prune again. If the folder is meant to be empty, add --prune-all.",
            code="prune_empty",
            path=path,
        )
    gone = sum(document_id not in present for document_id in before)
    if gone <= FEW or gone * 100 <= limit * len(before):
        return None
    return Invalid(
        "Nothing was retired: {gone} of the {total} documents of {source} have no file any more, which is more than "
        "{limit} % and more than {few} documents. If files are missing by mistake, bring them back and prune again. If "
        "the documents are to be retired, add --prune-limit {needed} or --prune-all.",
        code="prune_too_many",
        gone=gone,
        total=len(before),
        source=source,
        limit=limit,
        few=FEW,
        needed=math.ceil(gone * 100 / len(before)),
    )


def retire(database: Database, before: Sequence[str], present: Collection[str], actor: str) -> Iterator[str]:
    """Retires the documents that have no file any more, one after another. They come back when their file does."""
    for document_id in before:
        if document_id not in present:
            try:
                put.remove(database, document_id, EVERYTHING, actor=actor, reason="its file is gone", keep_out=False)
            except NotFound:  # somebody else retired it meanwhile
                continue
            yield document_id
