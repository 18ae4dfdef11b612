"""What a curator should know about a text that was taken in as it is.

A remark refuses nothing. It is made when a file is taken in and when a document is looked at; it is not stored, so that
a better rule also speaks of older documents. Knows nothing of the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from retrieval import invisible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from knowledge.versions import Content


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
    hidden = invisible.names(texts)
    if not hidden:
        return []
    return [
        Remark.of(
            "It has characters that nobody sees: {characters}. They are stored and shown as marks; search and the "
            "chat model do not get them.",
            code="text_hides",
            characters=", ".join(hidden),
        )
    ]


def _texts(content: Content) -> Iterable[str]:
    yield from (content.title, content.text, content.url or "")
    for name, value in content.details.items():
        yield from (name, value)
