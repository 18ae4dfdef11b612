"""The fields that request bodies and addresses have in common, with what ``/openapi.json`` says about them.

Decision: a rule that another package checks, with a message of its own, is only *declared* here, from that package's
own constants (``declared``); everything else is checked here. Costs: a declared rule could differ from the check. The
test of the contract (tests/bot/test_web_contract.py) sends values on both sides of each rule and would fail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from bot import accounts, conversations
from knowledge import scoping, versions
from knowledge.correcting.corrections import State
from knowledge.correcting.items import PRIORITIES

MOST = (1 << 53) - 1  # the largest whole number that every reader of JSON knows exactly (RFC 8259); SQLite knows more
WORD = r"\p{L}\p{N}_"  # inside brackets: what Python calls \w
SOMETHING = r"\S"  # a pattern: at least one character that is not white space
HEX_ID = "^[0-9a-f]{32}$"  # the ids that bot.conversations makes


class Body(BaseModel):
    """The base of all request bodies. JSON types are not converted: "5" is no number, and 0 is not false."""

    model_config = ConfigDict(strict=True)


def declared(**schema: Any) -> Any:
    """A field with rules for ``/openapi.json`` that the called function checks."""
    return Field(json_schema_extra=schema)


def names(values: Iterable[str]) -> Any:
    """A field that is one of these words, which the called function checks."""
    return declared(enum=list(values))


def pattern(of: re.Pattern[str]) -> str:
    """A whole pattern as JSON Schema has it, where \\w has ASCII letters only."""
    return f"^{of.pattern.replace(chr(92) + 'w', WORD)}$"


def _whole(value: Any) -> Any:
    """1.0 is a whole number in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)  # the last part of an annotation, so that the others are declared
Number = Annotated[int, Field(ge=1, le=MOST), WHOLE]  # of a correction, a complaint, a version
Revision = Annotated[
    int, Field(ge=0, le=MOST, description="The one that the caller saw; another one now means 409."), WHOLE
]
AnId = Annotated[str, Field(max_length=64), declared(pattern=HEX_ID)]
Question = Annotated[str, Field(min_length=1, max_length=conversations.MAX_QUESTION), declared(pattern=SOMETHING)]
CollectionName = Annotated[str, Field(max_length=64), declared(pattern=pattern(scoping.NAME), minLength=1)]
Collection = Annotated[  # of a new document or correction
    str,
    Field(max_length=64, description="Left out or empty: the caller's own, or main"),
    declared(pattern=f"{pattern(scoping.NAME)}|^$"),
]
Username = Annotated[str, Field(max_length=64), declared(pattern=pattern(accounts.NAME), minLength=1)]
Filters = Annotated[
    dict[str, str],
    Field(max_length=10, description="Only documents whose metadata, document_id, source or kind have these values."),
]

# Parameters of addresses
Id = Annotated[int, Path(ge=1, le=MOST)]
ConversationId = Annotated[str, Path(json_schema_extra={"pattern": HEX_ID})]
AnswerId = Annotated[str, Path(json_schema_extra={"pattern": HEX_ID})]
DocumentId = Annotated[str, Path(json_schema_extra={"minLength": 1, "maxLength": versions.MAX_ID})]
Limit = Annotated[int, Query(ge=1, le=MOST, description="A number above the page size counts as a whole page.")]
Offset = Annotated[int, Query(ge=0, le=MOST)]
Words = Annotated[str | None, Query(max_length=1_000)]  # SQLite refuses patterns above 50,000 bytes
Name = Annotated[str | None, Query(max_length=64, description="Of a collection")]
Priorities = Annotated[str | None, Query(description="Empty: all", json_schema_extra={"enum": [*PRIORITIES, "", None]})]
_STATE = "|".join(State)
States = Annotated[
    str | None,
    Query(
        description="One or several, comma-separated; empty: all",
        json_schema_extra={"pattern": rf"^\s*({_STATE})?\s*(,\s*({_STATE})?\s*)*$"},
        examples=[f"{State.QUEUED},{State.DRAFTED}"],
    ),
]
