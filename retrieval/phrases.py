"""A text that the program writes and that other languages have too."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Phrase:
    """The English text, its stable code, and the values in it. ``str()`` is the English text.

    Other languages have a template under the same code (bot.texts). A value that consists of words, such as "line 3" in
    a message about a file, is a Phrase itself, or an error: so it can be written in the reader's language, too.
    """

    text: str
    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, template: str, *, code: str, **values: Any) -> Self:
        return cls(template.format(**values), code, values)

    def to_json(self) -> dict[str, Any]:
        """``{text, code, values}``."""
        return {"text": self.text, "code": self.code, "values": stored(self.values)}

    def __str__(self) -> str:
        return self.text


def stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as JSON has them: numbers stay numbers, because templates format them; a phrase becomes an object with
    its code and values; all others become text."""
    return {name: _stored(value) for name, value in values.items()}


def _stored(value: Any) -> Any:
    if isinstance(value, int | float):
        return value
    return value.to_json() if isinstance(value, Phrase) else str(value)
