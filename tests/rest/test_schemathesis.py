"""Generated calls against the served OpenAPI document: never a 5xx, and every reply is one that the document shows."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks

from tekton_gateway import contract
from tests.support.control_plane import ControlPlane

# Streams do not end: their tests are those of the events.
OPERATIONS = sorted(
    (verb, contract.VARIABLE.sub(r"{\1}", path))
    for method in contract.methods()
    if not method.streams
    for verb, path in method.rest
)


def no_fault(context: Any, response: Any, case: schemathesis.Case[Any]) -> bool | None:
    """A server error is a fault, but for the documented one: no component here serves the models that fit a task."""
    if response.status_code == 503 and b'"model_unavailable"' in response.content:
        return None
    found: bool | None = checks.not_a_server_error(context, response, case)
    return found


CHECKS: list[Any] = [
    no_fault,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
# What waits for processes is told in time that they do not end, or not at all: 503 and 504 are documented answers.
ACTING = ("/start", "/stop", "/restart")
EXAMPLES = 25
STANDING = {
    "component_id": "standing",
    "component_name": "It stands",
    "component_type": "service",
    "version": "1.0.0",
    "port": 18500,
}


@pytest.fixture(scope="module")
def schema(document: dict[str, Any]) -> Any:
    """The operations of the document."""
    return schemathesis.openapi.from_dict(document)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def document(tekton: ControlPlane) -> dict[str, Any]:
    """The document as it is served."""
    async with httpx.AsyncClient(base_url=tekton.http) as http:
        found: dict[str, Any] = (await http.get("/api/openapi.json")).json()
    return found


def answered(mode: GenerationMode, operation: Any, url: str, *, known: bool) -> None:
    """Make calls, the same ones in every run; to a component that is there where it is to be `known`."""

    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: schemathesis.Case[Any]) -> None:
        if known:
            aim(case, httpx.post(f"{url}/api/tekton/components", json=STANDING).json()["instance_uuid"])
        asked = CHECKS[1:] if case.path.endswith(ACTING) else CHECKS
        case.validate_response(case.call(base_url=url, timeout=5), checks=asked)

    call()


def aim(case: schemathesis.Case[Any], instance_uuid: str) -> None:
    """Make a call one to a component that is there; guessed ids end in a 404."""
    case.path_parameters["component_id"] = STANDING["component_id"]
    if isinstance(case.body, dict) and case.operation.method in ("post", "put"):
        case.body["instance_uuid"] = instance_uuid


@pytest.mark.parametrize(("verb", "path"), OPERATIONS, ids=str)
async def test_calls_that_follow_the_document_are_answered_as_it_says(
    tekton: ControlPlane, schema: Any, verb: str, path: str
) -> None:
    """No 5xx; status, content type and body are documented ones."""
    operation = schema[path][verb]
    await asyncio.to_thread(answered, GenerationMode.POSITIVE, operation, tekton.http, known=False)
    if "{component_id}" in path and not path.endswith(ACTING):
        await asyncio.to_thread(answered, GenerationMode.POSITIVE, operation, tekton.http, known=True)


@pytest.mark.parametrize(("verb", "path"), OPERATIONS, ids=str)
async def test_calls_that_break_the_document_are_answered_as_it_says(
    tekton: ControlPlane, document: dict[str, Any], schema: Any, verb: str, path: str
) -> None:
    """As those that follow it: there is no call whose refusal is not documented."""
    found = document["paths"][path][verb.lower()]
    if "requestBody" not in found and all(one["in"] == "path" for one in found.get("parameters", ())):
        return  # a call that says nothing, or one text in its path, cannot break it
    await asyncio.to_thread(answered, GenerationMode.NEGATIVE, schema[path][verb], tekton.http, known=False)
