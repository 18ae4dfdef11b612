"""What a curator should know about a text that was taken in as it is.

A remark refuses nothing. It is made when a file is taken in and when a document is looked at; it is not stored, so that
a better rule also speaks of older documents. Knows nothing of the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval import invisible, orders
from retrieval.phrases import Phrase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from knowledge.versions import Content


MAX_WORDS = 200  # characters of a sentence that a remark quotes


def of(contents: Iterable[Content]) -> list[Phrase]:
    """The remarks on the texts, titles, addresses and metadata of documents."""
    texts = [text for content in contents for text in _texts(content)]
    made = []
    if hidden := invisible.names(texts):
        made.append(
            Phrase.of(
                "It has characters that nobody sees: {characters}. They are stored and shown as marks; search and the "
                "chat model do not get them.",
                code="text_hides",
                characters=", ".join(hidden),
            )
        )
    if ordering := [order for text in texts for order in orders.find(text)]:
        made.append(
            Phrase.of(
                "It tells a model what to do ({count}): “{words}”. An answer that is made of such a sentence is not "
                "given. Look at it, and delete the document if you do not trust it.",
                code="text_orders",
                count=str(len(ordering)),
                words=ordering[0][:MAX_WORDS],
            )
        )
    return made


def _texts(content: Content) -> Iterable[str]:
    yield from (content.title, content.text, content.url or "")
    for name, value in content.details.items():
        yield from (name, value)
