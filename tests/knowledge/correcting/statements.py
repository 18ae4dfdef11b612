"""Documents made of statements, so that a test knows what every word of a text is about.

A statement is a kind of goods with a number of days and a box. A layout writes statements as a text; a text, or what
readers find, is read back into statements by their words alone, in any layout. Knows nothing of how corrections work.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FIELDS = ("days", "box")
AUDIENCES = ("members", "guests")
FAR = "\n\n".join(
    f"Page {number} of the shop says a lot about many other things. {'So it does. ' * 20}".strip() for number in (1, 2)
)
GOODS = ("Shoes", "Coats", "Islands", "Hats")


@dataclass(frozen=True, slots=True)
class Statement:
    goods: str
    days: str
    box: str

    def with_value(self, field: str, value: str) -> Statement:
        return replace(self, **{field: value})

    def value(self, field: str) -> str:
        return str(getattr(self, field))


@dataclass(frozen=True, slots=True)
class Source:
    """What a source says: statements for an audience that its introduction names, with long paragraphs between both.
    ``repeated``: what it says a second time, in an appendix."""

    statements: tuple[Statement, ...]
    audience: str = AUDIENCES[0]
    repeated: tuple[Statement, ...] = ()

    def about(self, goods: str) -> Statement | None:
        return next((statement for statement in self.statements if statement.goods == goods), None)


@dataclass(frozen=True, slots=True)
class Layout:
    """How a text writes statements. ``named``: how the days are written together with the goods."""

    head: str
    between: str
    line: str
    named: str

    def source(self, source: Source) -> str:
        parts = [f"The following applies to {source.audience}:", FAR, self.text(source.statements)]
        if source.repeated:
            parts += ["# Appendix", self.text(source.repeated)]
        return "\n\n".join(parts)

    def text(self, statements: Iterable[Statement]) -> str:
        lines = [
            self.line.format(goods=statement.goods, days=statement.days, box=statement.box) for statement in statements
        ]
        return self.head + self.between.join(lines)

    def words(self, statement: Statement, field: str, text: str) -> str | None:
        """Words of the text to replace when this value is to change: as few as are unique; None if none are."""
        few = f"{statement.days} days" if field == "days" else f"{statement.box} box"
        more = self.named.format(goods=statement.goods, days=statement.days)
        return next((words for words in (few, *([more] if field == "days" else [])) if text.count(words) == 1), None)


LAYOUTS: Mapping[str, Layout] = {
    "sections": Layout("", "\n\n", "# {goods}\n\nWithin {days} days, {box} box.", "# {goods}\n\nWithin {days} days"),
    "sentences": Layout("", "\n\n", "{goods}: within {days} days, {box} box.", "{goods}: within {days} days"),
    "introduced": Layout("", "\n\n", "{goods}:\n\nWithin {days} days, {box} box.", "{goods}:\n\nWithin {days} days"),
    "list": Layout("How long:\n\n", "\n", "- {goods}: {days} days, {box} box", "- {goods}: {days} days"),
    "nested": Layout("", "\n", "- {goods}\n  - {days} days, {box} box", "- {goods}\n  - {days} days"),
    "records": Layout(
        "", "\n\n", "- Goods: {goods}\n- Time: {days} days\n- Box: {box} box", "{goods}\n- Time: {days} days"
    ),
    "table": Layout(
        "| Goods | Time | Box |\n|---|---|---|\n",
        "\n",
        "| {goods} | {days} days | {box} box |",
        "| {goods} | {days} days",
    ),
    "lines": Layout("How long it takes\n", "\n", "{goods} {days} days {box} box", "{goods} {days} days"),
}

_STATEMENT = re.compile(rf"({'|'.join(GOODS)})\W+(?:Within |within |Time: )?(\d+) days\W+(?:Box: )?(\w+) box")


def read(text: str) -> list[Statement]:
    return [Statement(*match.groups()) for match in _STATEMENT.finditer(text)]


def read_passages(passages: Sequence[tuple[Sequence[str], str]]) -> list[Statement]:
    """The statements of passages (headings, text)."""
    return [statement for headings, text in passages for statement in read("\n".join((*headings, text)))]
