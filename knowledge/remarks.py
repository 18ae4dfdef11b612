"""What a curator should know about a text that was taken in as it is.

A remark refuses nothing. It is made when a file is taken in and when a document is looked at; it is not stored, so that
a better rule also speaks of older documents. Knows nothing of the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retrieval import invisible, orders

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from knowledge.versions import Content


MAX_WORDS = 200  # characters of a sentence that a remark quotes


@dataclass(frozen=True, slots=True)
class Remark:
    """An English template, its stable code, and the values of its placeholders. ``str()`` is the English text."""

    template: str
    code: str
    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, template: str, *, code: str, **values: str) -> Remark:
        return cls(template, code, values)

    def to_json(self) -> dict[str, Any]:
        return {"text": str(self), "code": self.code, "values": dict(self.values)}

    def __str__(self) -> str:
        return self.template.format(**self.values)


def of(contents: Iterable[Content]) -> list[Remark]:
    """The remarks on the texts, titles, addresses and metadata of documents."""
    texts = [text for content in contents for text in _texts(content)]
    made = []
    if hidden := invisible.names(texts):
        made.append(
            Remark.of(
                "It has characters that nobody sees: {characters}. They are stored and shown as marks; search and the "
                "chat model do not get them.",
                code="text_hides",
                characters=", ".join(hidden),
            )
        )
    if ordering := [order for text in texts for order in orders.find(text)]:
        made.append(
            Remark.of(
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
