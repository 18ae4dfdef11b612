"""The HTTP interface does what ``/openapi.json`` says: schemathesis calls every operation as every kind of caller.

It sends the edge cases of every declared rule, then generated values, then chains of calls in which one uses the ids
that another gave. Its checks: no error of the server; status, media type, headers and JSON are declared; what fits the
declaration is accepted, and what does not is refused; 405 and ``Allow`` for other methods.
``default`` responses are left out of the declaration first, because with them every status would count as declared.
"""

from __future__ import annotations

import os
import random
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.fakes import ScriptedChat
from tests.loop.world import ADDRESS, World, ask, put, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.testclient import TestClient
    from starlette.types import Receive, Scope, Send

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "5"))  # generated calls of an operation, besides its edge cases
SEED = int(os.environ.get("CONTRACT_SEED", "1"))  # of what is generated
CALLERS = ("anonymous", "reader", "program", "curator", "admin")
# Calls that fit the declaration and may still be refused with 422, because of rules between fields, or between a field
# and what is stored, that JSON Schema has no words for.
RULES_BEYOND_SCHEMA = (
    "POST /api/corrections",  # a question has a word in it
    "PUT /api/corrections/{correction_id}/draft",  # the first draft has an answer; no question is asked and excluded
    "POST /api/corrections/{correction_id}/{action}",  # a rejection has a reason
    "POST /api/corrections/{correction_id}/split",  # the complaints are some of the correction's, not all
    "POST /api/corrections/merge",  # two different corrections
    "POST /api/documents",  # the id is printable
    "POST /api/preview",  # the file can be read
    "POST /v1/chat/completions",  # the last message is the user's
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Its ids are the same in each run, because what schemathesis sends depends on what it got."""
    chosen = random.Random(SEED)
    monkeypatch.setattr(secrets, "token_hex", lambda count=16: chosen.randbytes(count).hex())
    with world(tmp_path, ScriptedChat(script=lambda _: "At nine [1].")) as made:
        put(made.client("carla"), "hours", "Hours", "The shop opens at nine.")
        yield made


def client_of(shop: World, caller: str) -> TestClient:
    if caller == "program":
        return shop.program()
    return shop.client({"curator": "carla", "admin": "ada"}.get(caller))


def credentials(client: TestClient) -> dict[str, str]:
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
    headers["Authorization"] = client.headers.get("authorization", "")
    return {name: value for name, value in headers.items() if value}


def settings(shop: World, caller: str) -> dict[str, Any]:
    """What schemathesis is told: who calls, ids of things that are there, and how much it calls."""
    client = client_of(shop, caller)
    ids: dict[str, list[Any]] = {"document_id": ["hours"], "group_id": [1], "job_id": [1], "key_id": [1]}
    if caller != "anonymous":
        mine = ask(client, "When do you open?")
        rated = client.post(f"/api/answers/{mine['answer_id']}/feedback", json={"rating": "down"}).json()
        ids |= {"answer_id": [mine["answer_id"]], "conversation_id": [mine["conversation_id"]]}
        ids["correction_id"] = [rated["correction_id"]]
    lenient = {"positive_data_acceptance": {"expected-statuses": ["2xx", 400, 401, 403, 404, 409, 422, 429]}}
    # In a form all is text: a collection that is a number, 464, is sent as the collection of this name, and accepted.
    form = {"negative_data_rejection": {"expected-statuses": [202, 400, 401, 403, 404, 409, 415, 422, 429]}}
    return {
        "seed": SEED,
        "base-url": ADDRESS,
        "headers": credentials(client),
        "workers": 1,
        "continue-on-failure": True,
        "generation": {
            "deterministic": True,
            "max-examples": EXAMPLES,
            "no-shrink": True,
            "with-security-parameters": False,  # the caller has its own credentials
        },
        # any visitor cookie is somebody, who owns nothing yet; test_web_routes tries the others
        "checks": {"ignored_auth": {"enabled": False}},
        "dictionaries": {name: {"values": values} for name, values in ids.items()},
        "parameters": {f"path.{name}": {"dictionary": name, "probability": 0.7} for name in ids},
        "operations": [
            *(
                {"include-name": name, "checks": lenient | (form if name == "POST /api/documents" else {})}
                for name in RULES_BEYOND_SCHEMA
            ),
            # reading or deleting a document whose id ends in /restore has this address, too
            {
                "include-name": "POST /api/documents/{document_id}/restore",
                "checks": {"allow_header_conformance": {"enabled": False}},
            },
            # a correction that was started without a complaint has no answer to explain
            {
                "include-name": "GET /api/corrections/{correction_id}/explanation",
                "checks": {"ensure_resource_availability": {"enabled": False}},
            },
        ],
    }


def declaration(shop: World) -> dict[str, Any]:
    """``/openapi.json`` without the ``default`` responses."""
    declared: dict[str, Any] = shop.client().get("/openapi.json").json()
    for operations in declared["paths"].values():
        for operation in operations.values():
            del operation["responses"]["default"]
    return declared


def run(shop: World, caller: str, declared: dict[str, Any]) -> tuple[list[str], Counter[int]]:
    """What schemathesis reports, and how many answers had which status."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # no worker: the test decides when work is done
            raise RuntimeError("not started")
        await shop.app(scope, receive, send)

    config = SchemathesisConfig.from_dict(settings(shop, caller))
    schema = schemathesis.openapi.from_dict(declared, config=config)
    schema.app = app
    if caller in ("curator", "admin"):  # would sign itself out
        schema = schema.exclude(method="DELETE", path="/api/session")
    reported: list[str] = []
    statuses: Counter[int] = Counter()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            recorder = event.recorder
            statuses.update(call.response.status_code for call in recorder.interactions.values() if call.response)
            for case_id, checks in recorder.checks.items():
                for check in checks:
                    if failure := check.failure_info:
                        operation = recorder.cases[case_id].value.operation.label
                        reported.append(f"{operation}: {check.name}: {failure.failure.message}\n{failure.code_sample}")
        elif isinstance(event, events.NonFatalError):
            reported.append(f"{event.label}: {event.value}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    return reported, statuses


@pytest.mark.slow
@pytest.mark.parametrize("caller", CALLERS)
def test_schemathesis_has_nothing_to_report(shop: World, caller: str) -> None:
    reported, statuses = run(shop, caller, declaration(shop))
    print(f"{caller}: {statuses.total()} calls, {dict(sorted(statuses.items()))}")
    assert not reported, "\n\n".join(reported)
    assert statuses[200] > 0


def test_schemathesis_reports_a_status_that_is_not_declared(shop: World) -> None:
    declared = declaration(shop)
    declared["paths"] = {"/api/unanswered": declared["paths"]["/api/unanswered"]}
    assert run(shop, "anonymous", declared)[0] == []
    del declared["paths"]["/api/unanswered"]["get"]["responses"]["401"]
    reported, _ = run(shop, "anonymous", declared)
    assert {report.partition(": Received: 401")[0] for report in reported} == {
        "GET /api/unanswered: status_code_conformance"
    }
