"""The golden corpus: requests and replies over REST, through the real Envoy, in the order of a component's life."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.support.control_plane import ControlPlane
from tests.support.shapes import assert_superset

CORPUS = json.loads((Path(__file__).parent / "corpus.json").read_text())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as client:
        yield client


@pytest.fixture(scope="module")
def uuids() -> dict[str, str]:
    """The instance that the first exchange registered, for those that follow."""
    return {}


@pytest.mark.parametrize("exchange", CORPUS, ids=[e["name"] for e in CORPUS])
async def test_the_exchange_is_as_written(
    http: httpx.AsyncClient, uuids: dict[str, str], exchange: dict[str, Any]
) -> None:
    """The reply has the status and is a superset of the written body, with the same JSON types."""

    def filled(value: Any) -> Any:
        return json.loads(json.dumps(value).replace("<vault>", uuids.get("<vault>", "")))

    request = {"json": filled(exchange["body"])} if "body" in exchange else {}
    reply = await http.request(exchange["method"], filled(exchange["path"]), **request)
    assert reply.status_code == exchange["status"], reply.text
    assert reply.headers["content-type"] == "application/json"
    assert_superset(reply.json(), filled(exchange["reply"]), loose=frozenset(exchange.get("loose", ())))
    if reply.json().get("created"):
        uuids["<vault>"] = reply.json()["instance_uuid"]


async def test_sending_a_registration_again_is_200(http: httpx.AsyncClient) -> None:
    """201 for a new instance, 200 for the same uuid again."""
    body = {
        "component_id": "again", "component_name": "Again", "component_type": "service", "version": "1.0.0",
        "port": 18600, "instance_uuid": "9b2d7c1e-3f4a-4b5c-8d6e-7f8091a2b3c4",
    }  # fmt: skip
    first = await http.post("/api/tekton/components", json=body)
    second = await http.post("/api/tekton/components", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["fencing_token"] == second.json()["fencing_token"]
    assert first.headers["tekton-revision"] == first.json()["fencing_token"]
    changed = await http.post("/api/tekton/components", json=body | {"version": "1.0.1"})
    assert changed.status_code == 409 and changed.json()["error"]["reason"] == "request_mismatch"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"{", "JSON"),
        (b"[]", ""),
        (b"null", ""),
        (b'{"port": "many"}', "port"),
        (b'{"capabilities": {"a": 1}}', "capabilities"),
        (b'{"component_name": "\xff\xfe"}', ""),
        (b'{"component_id": 5}', ""),
        (b"", "component_id"),
    ],
)
async def test_a_body_that_is_no_registration_is_refused_in_the_documented_body(
    http: httpx.AsyncClient, content: bytes, named: str
) -> None:
    """Whether the gateway or the server refuses it, the body is the same, and never a 5xx."""
    reply = await http.post("/api/tekton/components", content=content, headers={"content-type": "application/json"})
    assert reply.status_code in (400, 422), reply.text
    body = reply.json()
    assert body["success"] is False and body["error"]["component"] == "tekton_core"
    assert body["error"]["code"] in (1000, 1002) and named in body["error"]["message"]


async def test_metadata_is_taken_16_levels_deep_and_refused_deeper(http: httpx.AsyncClient) -> None:
    """16 pass; 17, 60 and 1,000 are refused, by whichever layer meets them first, never with a 5xx."""
    body = {
        "component_id": "deep", "component_name": "Deep", "component_type": "service", "version": "1.0.0", "port": 18700
    }  # fmt: skip

    def nested(levels: int) -> str:
        metadata = '{"a":' * levels + "1" + "}" * levels
        return json.dumps(body)[:-1] + f', "metadata": {metadata}}}'

    async def status(levels: int) -> int:
        reply = await http.post(
            "/api/tekton/components", content=nested(levels), headers={"content-type": "application/json"}
        )
        assert reply.json()["success"] is (reply.status_code == 201)
        return reply.status_code

    assert await status(16) == 201
    assert [await status(levels) for levels in (17, 33, 60, 100, 1000)] == [400] * 5
