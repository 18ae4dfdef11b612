"""Reads JSON Lines, and JSON with an array of documents. ``records`` has the meaning of an object's fields."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from knowledge.load.errors import Damaged
from knowledge.load.records import Records, role
from knowledge.load.text import decode
from retrieval.phrases import Phrase
from retrieval.place import Places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from knowledge.load.values import Limits, LoadedDocument

EXAMPLE = '{"id": "returns", "title": "Returns", "text": "You can return …", "url": "https://…", "language": "en"}'
_WRAPPERS = ("documents", "data", "items", "records")


def parse(data: bytes, name: str, limits: Limits) -> Iterator[LoadedDocument]:
    """Yields one document for each object. Raises Damaged with the number of a line or object that is not one."""
    text = decode(data)
    is_whole = PurePosixPath(name).suffix.lower() == ".json"
    objects = _objects(text) if is_whole else _lines(text)
    records = Records()
    for place, number, value in objects:
        document = records.document(_fields(value, place), place, f"row-{number}")
        if document is None:
            raise Damaged(
                "There is no text on {place}: an object needs text, content or answer, as in {example}",
                code="json_without_text",
                place=place,
                example=EXAMPLE,
            )
        yield replace(document, places=Places("item" if is_whole else "line", ((0, number),)))


def _lines(text: str) -> Iterator[tuple[Phrase, int, Any]]:
    for number, row in enumerate(text.split("\n"), start=1):  # no splitlines(): U+2028 may occur inside a string
        if row.strip():
            place = _line(number)
            yield place, number, _value(row, place)


def _objects(text: str) -> Iterator[tuple[Phrase, int, Any]]:
    content = _value(text, _line(1))
    if isinstance(content, dict):
        content = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), list)), [content])
    if not isinstance(content, list):
        raise Damaged(
            'The file must contain an array of documents or {{"documents": […]}}, each as {example}',
            code="json_no_list",
            example=EXAMPLE,
        )
    for number, value in enumerate(content, start=1):
        yield Phrase.of("item {number:,}", code="place_item", number=number), number, value


def _value(text: str, place: Phrase) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise Damaged("The JSON on {place} is nested too deeply.", code="json_nesting", place=place) from None
    except json.JSONDecodeError as error:
        where = place if error.lineno == 1 else _line(error.lineno)
        raise Damaged(
            "There is no valid JSON on {place}, at character {column:,}: {problem}.",
            code="json_invalid_at",
            place=where,
            column=error.colno,
            problem=error.msg,
        ) from None
    except ValueError as error:  # a number with thousands of digits
        raise Damaged(
            "The JSON on {place} cannot be read: {problem}.", code="json_unreadable", place=place, problem=error
        ) from None


def _fields(value: Any, place: Phrase) -> Mapping[str, str]:
    """The object's fields as strings. ``metadata`` is flattened into them; nulls are left out."""
    if not isinstance(value, dict):
        raise Damaged(
            "There is no JSON object on {place}, but {kind}. Expected {example}",
            code="json_no_object",
            place=place,
            kind=_kind(value),
            example=EXAMPLE,
        )
    metadata = value.get("metadata")
    flat = {**metadata, **value} if isinstance(metadata, dict) else value
    return {
        name: _string(field, "\n\n" if role(name) else ", ")
        for name, field in flat.items()
        if field is not None and not (name == "metadata" and isinstance(field, dict))
    }


def _line(number: int) -> Phrase:
    return Phrase.of("line {number:,}", code="place_line", number=number)


def _kind(value: Any) -> Phrase:
    """The kind of a JSON value that is no object."""
    match value:
        case list():
            return Phrase.of("an array", code="json_array")
        case str():
            return Phrase.of("a string", code="json_string")
        case bool():
            return Phrase.of("a truth value", code="json_truth_value")
        case None:
            return Phrase.of("null", code="json_null")
        case _:
            return Phrase.of("a number", code="json_number")


def _string(value: Any, between: str) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case list() if all(isinstance(item, str) for item in value):
            return between.join(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
