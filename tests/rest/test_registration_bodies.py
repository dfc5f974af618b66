"""Bodies of a registration that only REST can send, and the headers of its reply; tests/golden has all else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.support.control_plane import ControlPlane


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as client:
        yield client


async def test_a_registration_says_which_revision_it_reached(http: httpx.AsyncClient) -> None:
    """As every reply does; the grant is that revision."""
    body = {"component_id": "again", "component_name": "Again", "component_type": "ui", "version": "1.0.0"}
    reply = await http.post("/api/tekton/components", json=body)
    assert reply.status_code == 201 and reply.headers["tekton-revision"] == reply.json()["fencing_token"]


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
