"""The form of every error under ``/v1``, which is OpenAI's, because OpenAI's clients read it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

PREFIX = "/v1/"
Kind: TypeAlias = Literal[
    "invalid_request_error", "authentication_error", "permission_error", "rate_limit_error", "server_error"
]
TYPES: dict[int, Kind] = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
REQUEST: Kind = "invalid_request_error"  # every other status below 500
SERVER: Kind = "server_error"


def status_of(status: int) -> int:
    """The status as OpenAI has it: there is no 422."""
    return 400 if status == 422 else status


def body_of(status: int, message: str) -> dict[str, Any]:
    """The JSON of an error; also an event of a stream."""
    message = message.encode("utf-8", "replace").decode("utf-8")  # it may repeat half a character
    kind: Kind = TYPES.get(status, REQUEST if status < 500 else SERVER)
    return {"error": {"message": message, "type": kind, "param": None, "code": None}}
