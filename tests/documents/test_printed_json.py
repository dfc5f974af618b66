"""What the API reference prints is accepted, and the replies are supersets of what it prints.

Reads the documents where they stand beside the repository, and is skipped where they do not.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tekton_gateway import contract
from tests.golden.corpus import CASES
from tests.support.control_plane import ControlPlane
from tests.support.shapes import assert_same_types

DOCUMENTS = Path(__file__).parents[2].parent / "shared" / "spec"
_PRINTED = re.compile(r"\*\*Endpoint:\*\* `(GET|POST) (/api/[^`]+)`(.*?)(?=\n#|\Z)", re.S)
_EVENT = re.compile(r"```json\n(\{\s*\"event\".*?)```", re.S)
_BLOCK = re.compile(r"\*\*(Request Body|Response):\*\*\s*```json\n(.*?)```", re.S)

pytestmark = pytest.mark.skipif(
    not DOCUMENTS.is_dir(), reason="the documents are not beside the repository; tests/golden holds our own corpus"
)


def printed() -> dict[str, dict[str, Any]]:
    """Gather the printed bodies by endpoint."""
    text = next(DOCUMENTS.glob("001_*.txt")).read_text()
    return {
        f"{method} {path}": {kind: json.loads(block) for kind, block in _BLOCK.findall(rest)}
        for method, path, rest in _PRINTED.findall(text)
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as client:
        yield client


async def _registered(http: httpx.AsyncClient, component: dict[str, Any]) -> None:
    keys = ("component_id", "component_name", "component_type", "version", "capabilities", "host", "port")
    body = {key: component[key] for key in keys} | {
        "dependencies": component.get("dependencies", []),
        "health_check": component.get("health_check", ""),
        "metadata": component.get("metadata", {}),
    }
    reply = await http.post("/api/tekton/components", json=body)
    assert reply.status_code == 201, reply.text
    beat = {"instance_uuid": reply.json()["instance_uuid"], "status": component["status"], "health": {"api": "healthy"}}
    answer = await http.post(f"/api/tekton/components/{component['component_id']}/heartbeat", json=beat)
    assert answer.json()["status"] == component["status"]


async def test_the_printed_registration_is_accepted(http: httpx.AsyncClient) -> None:
    """As printed, to the letter; the reply has what is printed and more."""
    block = printed()["POST /api/tekton/components"]
    reply = await http.post("/api/tekton/components", json=block["Request Body"])
    assert reply.status_code == 201
    assert_same_types(reply.json(), block["Response"])
    assert reply.json()["message"] == block["Response"]["message"]


async def test_the_printed_list_and_details_are_what_is_answered(http: httpx.AsyncClient) -> None:
    """Every printed component is registered; the list, the details and the status then look as printed."""
    documents = printed()
    listed = documents["GET /api/tekton/components"]["Response"]
    details = documents["GET /api/tekton/components/{component_id}"]["Response"]
    at_a_glance = documents["GET /api/tekton/components/{component_id}/status"]["Response"]
    for component in listed["components"]:
        extra = details if component["component_id"] == details["component_id"] else {}
        await _registered(http, extra | component)
    reply = (await http.get("/api/tekton/components", params={"status": "ready"})).json()
    found = {component["component_id"]: component for component in reply["components"]}
    for component in listed["components"]:
        actual = found[component["component_id"]]
        assert_same_types(actual, component)
        assert {**component, "last_heartbeat": ""} == {key: actual[key] for key in component} | {"last_heartbeat": ""}
    shown = (await http.get(f"/api/tekton/components/{details['component_id']}")).json()
    assert_same_types(shown, details)
    same = ("component_id", "component_name", "capabilities", "dependencies", "health_check", "metadata", "status")
    assert {key: shown[key] for key in same} == {key: details[key] for key in same}
    status = (await http.get(f"/api/tekton/components/{details['component_id']}/status")).json()
    printed_status = {**at_a_glance, "health_status": {"overall": "healthy", "api": "healthy"}}
    assert_same_types(status, printed_status)


async def test_the_printed_version_is_what_is_answered(http: httpx.AsyncClient) -> None:
    """The same fields with the same types."""
    block = printed()["GET /api/tekton/version"]
    assert_same_types((await http.get("/api/tekton/version")).json(), block["Response"])


def test_the_corpus_has_each_printed_body_of_what_is_served() -> None:
    """A case asks with every printed field, and its reply has every printed field, of the same JSON types."""
    served = {f"{verb} {path}" for method in contract.methods() for verb, path in method.rest}
    here = {endpoint: blocks for endpoint, blocks in printed().items() if endpoint in served}
    assert len(here) >= 5
    for endpoint, blocks in here.items():
        verb, _, path = endpoint.partition(" ")
        pattern = re.sub(r"\{\w+\}", "[^/?:]+", path) + r"(\?.*)?"
        cases = [case for case in CASES if case.method == verb and re.fullmatch(pattern, case.path)]
        for kind, of_case in (("Request Body", [case.body for case in cases]), ("Response", [c.reply for c in cases])):
            assert kind not in blocks or any(_looks_like(one, blocks[kind]) for one in of_case), f"{kind} of {endpoint}"


def test_the_corpus_has_each_printed_event() -> None:
    """A watch of the corpus tells one with every printed field, of the same JSON types."""
    events = [json.loads(block) for block in _EVENT.findall(next(DOCUMENTS.glob("001_*.txt")).read_text())]
    told = [step.data for case in CASES for step in case.events]
    assert [event["event"] for event in events] == ["heartbeat", "state_change"]
    for event in events:
        assert any(_looks_like(one, event) for one in told if one.get("event") == event["event"]), event


def _looks_like(actual: Any, like: Any) -> bool:
    try:
        assert_same_types(actual, like)
    except AssertionError:
        return False
    return True
