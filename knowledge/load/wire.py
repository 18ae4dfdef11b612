"""The messages between parent and child: one JSON object per line. Knows nothing about processes or formats.

    child → parent   {"ready": true}
    parent → child   {"name", "limits"}, and the open file as a descriptor
    child → parent   {"document": {…}} for each, then {"done": true, "retire": bool} or
                     {"error": kind, "message", "code", "values"}

The parent trusts no answer: a child that a hostile file controls may send anything.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

from knowledge.load.errors import BY_KIND, Damaged, LoadError
from knowledge.load.left_out import KINDS
from knowledge.load.values import Limits, LoadedDocument
from retrieval import place
from retrieval.phrases import Phrase

MESSAGE_CHARACTERS = 1_000
MOST_VALUES = 16  # values of an error; ours have up to three
_NAME = re.compile(r"[a-z_]{1,64}")
SLACK_BYTES = (
    8_000_000  # of a line in addition to its text: title, address, metadata and places, which tidy() keeps smaller
)


def encode(message: dict[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"


def request(name: str, limits: Limits) -> bytes:
    return encode({"name": name, "limits": asdict(limits)})


def read_request(line: bytes) -> tuple[str, Limits]:
    message = json.loads(line)
    return message["name"], Limits(**message["limits"])


def document(loaded: LoadedDocument) -> bytes:
    return encode({"document": asdict(loaded)})


def error(failure: LoadError) -> bytes:
    """The message about a failure: the error's text, and the code and values that other languages need."""
    text = str(failure)[:MESSAGE_CHARACTERS]
    return encode({"error": failure.kind, "message": text, "code": failure.code, "values": failure.stored_values()})


def line_bytes(limits: Limits) -> int:
    """The length of the longest line that a correct child sends: a character takes at most 4 bytes, escaped or not."""
    return 4 * limits.document_characters + SLACK_BYTES


def read_answer(line: bytes) -> LoadedDocument | LoadError | bool:
    """A document, the reason why there is none, or the end: True when the child asks to be replaced.

    Raises Damaged for anything that a correct child does not send.
    """
    try:
        message = json.loads(line)
        if "document" in message:
            return _document(message["document"])
        if "error" in message:
            return _error(message)
        if message.get("done") is True:
            return message.get("retire") is True
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise Damaged(
        "The program that reads the file gave output that makes no sense. Save the document again and retry.",
        code="reader_nonsense",
    )


def _error(message: dict[str, Any]) -> LoadError:
    """The error that the child reported. Its message is never read as a template here."""
    error = BY_KIND.get(message["error"], Damaged)(_text(message["message"])[:MESSAGE_CHARACTERS])
    values = dict(message["values"])
    error.code = _checked_code(message["code"], values)
    error.values = {name: _value(value) for name, value in values.items()}
    return error


def _checked_code(code: Any, values: dict[str, Any]) -> str:
    """The code, if it and the names of its values may be ours. Raises TypeError or ValueError otherwise."""
    if not _NAME.fullmatch(_text(code)) or len(values) > MOST_VALUES or not all(map(_NAME.fullmatch, values)):
        raise ValueError(code)
    return _text(code)


def _value(value: Any) -> str | int | float | Phrase:
    if isinstance(value, dict):
        return _phrase(value)
    return value if isinstance(value, int | float) else _text(value)[:MESSAGE_CHARACTERS]


def _phrase(phrase: dict[str, Any]) -> Phrase:
    """A value that consists of words; its own values do not."""
    values = {name: value for name, value in dict(phrase["values"]).items() if not isinstance(value, dict)}
    code = _checked_code(phrase["code"], values)
    text = _text(phrase["text"])[:MESSAGE_CHARACTERS]
    return Phrase(text, code, {name: _value(value) for name, value in values.items()})


def _document(fields: dict[str, Any]) -> LoadedDocument:
    return LoadedDocument(
        key=_text(fields["key"]),
        title=_text(fields["title"]),
        text=_text(fields["text"]),
        language=None if fields["language"] is None else _text(fields["language"]),
        url=None if fields["url"] is None else _text(fields["url"]),
        metadata={_text(name): _text(value) for name, value in dict(fields["metadata"]).items()},
        left_out={kind: int(count) for kind, count in dict(fields["left_out"]).items() if kind in KINDS},
        places=None if fields["places"] is None else _places(fields["places"]),
    )


def _places(fields: dict[str, Any]) -> place.Places:
    """The places, if they are in order. Raises TypeError or ValueError otherwise."""
    kind, sheet = _text(fields["kind"]), fields["sheet"]
    marks = tuple((_whole(offset), _number_or_anchor(value)) for offset, value in fields["marks"])
    offsets = [offset for offset, _ in marks]
    if kind not in place.KINDS or offsets != sorted(offsets):
        raise ValueError(kind)
    return place.Places(kind, marks, None if sheet is None else _text(sheet), fields["counts"] is True)


def _number_or_anchor(value: Any) -> int | str | None:
    return value if value is None else _text(value) if isinstance(value, str) else _whole(value)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise TypeError
    return value


def _text(value: Any) -> str:
    """The string if a database can store it; raises TypeError or ValueError otherwise."""
    if not isinstance(value, str) or "\x00" in value:
        raise TypeError
    value.encode("utf-8")  # a lone surrogate raises UnicodeEncodeError, a ValueError
    return value
