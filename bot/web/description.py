"""What ``/openapi.json`` says beyond the routes: who may call, how calls are refused, the forms of events.

The guards of a route say who may call it (security), and from that, its method and its parameters follow the statuses
of most refusals. A route declares others as ``responses={409: {}}``. Statuses that any call can get, whatever it asks
for (another host, a body that is too large, a server that is not ready), are under ``default``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bot.web import event_forms, openai_errors, openai_responses, responses, security

REFERENCE = "#/components/schemas/{model}"
FORMS: tuple[type[BaseModel], ...] = (
    responses.Problem,
    openai_responses.Chunk,
    openai_responses.Failure,
    *event_forms.EVENTS.values(),
)
KEY, SESSION, VISITOR = "key", "session", "visitor"
SCHEMES: dict[str, Any] = {
    KEY: {"type": "http", "scheme": "bearer", "bearerFormat": "errata_…", "description": "An API key."},
    SESSION: {
        "type": "apiKey",
        "in": "cookie",
        "name": security.SESSION_COOKIE,
        "description": "A person who signed in with `POST /api/session`. With https the name begins with `__Host-`.",
    },
    VISITOR: {
        "type": "apiKey",
        "in": "cookie",
        "name": security.VISITOR_COOKIE,
        "description": "A person without an account; the first question sets it. With https the name begins with "
        "`__Host-`.",
    },
}
# What a guard accepts: the schemes, with the role that is needed ([] stands for any), and whether a caller without any
# of them is let in.
Guard: TypeAlias = tuple[dict[str, list[str]], bool]
GUARDS: tuple[tuple[Callable[..., Any], Guard], ...] = (  # the strictest first
    (security.admin, ({SESSION: ["admin"], KEY: ["admin"]}, False)),
    (security.curator, ({SESSION: ["curator"], KEY: ["curator"]}, False)),
    (security.program, ({KEY: [], SESSION: []}, False)),
    (security.visitor, ({VISITOR: [], SESSION: [], KEY: []}, False)),
    (security.identify, ({VISITOR: [], SESSION: [], KEY: []}, True)),
)
REFUSALS = {
    400: "The request cannot be read, or does not have the declared form.",
    401: "Nobody is signed in, or the key, the name or the password is wrong.",
    403: "The caller is known and may not do this.",
    404: "There is nothing of this id or name, or the caller may not see it.",
    409: "It cannot be done as things are now: the state does not allow it, somebody was faster, or the name is taken.",
    413: "Too much was sent.",
    415: "The body is of another media type.",
    422: "The request does not have the declared form, or breaks a rule that the detail names.",
    429: "Too many attempts or questions.",
    502: "The chat model failed.",
    503: "The server is busy or not ready.",
    504: "The chat model did not answer in time.",
    507: "The disk, or the space for people without an account, is full: nothing was stored.",
}
WAIT = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
BEARER = {"WWW-Authenticate": {"schema": {"type": "string"}}}
HEADERS: dict[int, Any] = {401: BEARER, 429: WAIT, 503: WAIT}
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description of the application."""
    described = get_openapi(
        title=app.title, version=app.version, description=app.description, tags=app.openapi_tags, routes=app.routes
    )
    _, forms = models_json_schema([(form, "serialization") for form in FORMS], ref_template=REFERENCE)
    components = described["components"]
    components["schemas"] |= forms["$defs"]
    components["securitySchemes"] = SCHEMES
    components["responses"] = dict(_refusals())
    for route in iter_route_contexts(app.routes):
        operations = described["paths"].get(route.path_format, {})
        for method in route.methods or ():
            if operation := operations.get(method.lower()):
                _complete(operation, method, _guard(route.dependant), openai=_has_openai_form(route.path))
    return described


def _complete(operation: dict[str, Any], method: str, guard: Guard | None, *, openai: bool) -> None:
    statuses = {int(status) for status in operation["responses"] if status.isdecimal() and status >= "400"}
    if guard is not None:
        schemes, open_to_all = guard
        operation["security"] = [{name: roles} for name, roles in schemes.items()] + ([{}] if open_to_all else [])
        statuses |= {401} | ({403} if any(schemes.values()) else set())
    if operation.get("parameters") or "requestBody" in operation:
        statuses.add(422)
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        statuses.add(404)
    if "requestBody" in operation:
        statuses |= {400, 413, 415}
    if method in WRITES:
        statuses |= {503, 507}
    if openai:
        statuses = {openai_errors.status_of(status) for status in statuses}
    for status in sorted(statuses):
        operation["responses"][str(status)] = {"$ref": f"#/components/responses/{_name(status, openai=openai)}"}
    operation["responses"]["default"] = {"$ref": f"#/components/responses/{_name(None, openai=openai)}"}


def _guard(dependant: Dependant) -> Guard | None:
    """What the strictest guard of a route accepts; None for a route without one."""
    used = set(_calls(dependant))
    return next((accepted for call, accepted in GUARDS if call in used), None)


def _calls(dependant: Dependant) -> Iterator[Callable[..., Any] | None]:
    for dependency in dependant.dependencies:
        yield dependency.call
        yield from _calls(dependency)


def _refusals() -> Iterator[tuple[str, dict[str, Any]]]:
    for openai, media_type, form in (
        (False, "application/problem+json", "Problem"),
        (True, "application/json", "Failure"),
    ):
        content = {media_type: {"schema": {"$ref": REFERENCE.format(model=form)}}}
        for status, words in REFUSALS.items():
            body: dict[str, Any] = {"description": words, "content": content}
            yield _name(status, openai=openai), body | ({"headers": HEADERS[status]} if status in HEADERS else {})
        yield _name(None, openai=openai), {"description": "Any other error.", "content": content}


def _name(status: int | None, *, openai: bool) -> str:
    words = HTTPStatus(status).phrase if status else "Other error"
    return "".join(word.capitalize() for word in words.split()) + ("OpenAI" if openai else "")


def _has_openai_form(path: str | None) -> bool:
    return (path or "").startswith(openai_errors.PREFIX)
