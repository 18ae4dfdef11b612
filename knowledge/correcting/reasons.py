"""Why the system itself did something with a correction: a text that other languages have too.

What a person wrote as a reason is plain text, and stays as it was written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Reason:
    """An English template, its stable code, and the values of its placeholders. ``str()`` is the English text.

    Other languages have a template under the same code (bot.texts). Stored are the text, the code and the values.
    """

    template: str
    code: str
    values: Mapping[str, str | int] = field(default_factory=dict)

    @classmethod
    def of(cls, template: str, *, code: str, **values: str | int) -> Reason:
        return cls(template, code, values)

    def to_json(self) -> dict[str, Any]:
        """``{reason, code, values}``: how a report keeps it."""
        return {"reason": str(self), "code": self.code, "values": dict(self.values)}

    def __str__(self) -> str:
        return self.template.format(**self.values)


def text_of(reason: str | Reason | None) -> str | None:
    """The English text of a reason, or what a person wrote."""
    return None if reason is None else str(reason)
