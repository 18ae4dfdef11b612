"""Refuses JSON with half of a character (``"\\ud83d"`` without its other half), because such text cannot be stored.

Decision: the whole body of any route is checked once, instead of each text of each form. Costs: a body that writes
characters as two halves is read twice.
"""

from __future__ import annotations

import json

from fastapi import Request

from knowledge.errors import Invalid


async def refuse_halves(request: Request) -> None:
    """A dependency of all routes. Raises Invalid."""
    if "json" not in request.headers.get("content-type", "").lower():
        return
    body = await request.body()
    if b"\\ud" not in body and b"\\uD" not in body:
        return
    try:
        content = await request.json()
    except ValueError:
        return  # the route refuses it
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Invalid(
            "The request has half of a character in it: an escape of the form \\uD8.. to \\uDF.. without its "
            "other half.",
            code="half_a_character",
        ) from None
