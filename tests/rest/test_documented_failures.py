"""The failures that the document lists for every operation: each is provoked, and is answered as it says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator

from tekton_gateway import Envoy, GatewaySettings, contract
from tests.support.control_plane import ControlPlane

OPERATIONS = sorted((*pair, method.streams) for method in contract.methods() for pair in method.rest)
OF_COMPONENTS = [(verb, path) for verb, path, _ in OPERATIONS if "{component_id}" in path]
MUTATIONS = [(verb, path) for verb, path, _ in OPERATIONS if verb in ("POST", "PUT", "PATCH")]
UUID = "0e8f3a52-6a51-4f0e-9c55-3d8f6a1b2c3d"
# What makes a call to a component that is not there a good one otherwise.
BODIES = {
    "heartbeat": {"instance_uuid": UUID},
    "state": {"instance_uuid": UUID, "state": "ready"},
    "{component_id}": {"component_name": "Changed"},
    "commands": {"kind": "stop"},
    "acknowledge": {"instance_uuid": UUID, "accepted": True},
    "start": {},
    "stop": {},
    "restart": {},
    "resources": {"instance_uuid": UUID, "usage": {"cpu_percent": 1}},
    "constraints": {"cpu_limit": 1},
    "errors": {"instance_uuid": UUID, "error_type": "ValueError"},
}
# Streams that may be asked to say only how they ended, and then end in an error as a call does.
QUIET = ("/api/tekton/start", "/api/tekton/stop")
QUERIES = {("GET", "commands"): f"?instance_uuid={UUID}"}
every = pytest.mark.parametrize(("verb", "path"), [one[:2] for one in OPERATIONS], ids=str)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(tekton: ControlPlane) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client on the gateway."""
    async with httpx.AsyncClient(base_url=tekton.http, timeout=10) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def document(http: httpx.AsyncClient) -> dict[str, Any]:
    """The document as it is served."""
    found: dict[str, Any] = (await http.get("/api/openapi.json")).json()
    return found


async def call(http: httpx.AsyncClient, verb: str, path: str, **request: Any) -> httpx.Response:
    """Make a call that is a mutation by its headers, unless they are given."""
    target = re.sub(r"\{[^}]+\}", "nobody", path.replace("{command_id}", UUID)) + request.pop("query", "")
    headers = {"content-type": "application/json"} if "headers" not in request and verb not in ("GET", "DELETE") else {}
    return await http.request(verb, target, headers=headers | request.pop("headers", {}), **request)


def check(document: dict[str, Any], verb: str, path: str, reply: httpx.Response, status: int) -> None:
    """Check that a reply has a status, and that the document has it with this body and this reason."""
    assert reply.status_code == status, (verb, path, reply.text)
    response = document["paths"][re.sub(r"=[^}]*", "", path)][verb.lower()]["responses"][str(status)]
    content = response["content"][reply.headers["content-type"]]
    Draft202012Validator({**content["schema"], "components": document["components"]}).validate(reply.json())
    assert reply.json()["error"]["reason"] in content["examples"]
    assert ("retry-after" in reply.headers) == ("Retry-After" in response.get("headers", {}))


@every
async def test_what_the_gateway_refuses_is_documented_for_every_path(
    http: httpx.AsyncClient, document: dict[str, Any], verb: str, path: str
) -> None:
    """An unknown parameter, a foreign name and page, a body and headers over the limit."""
    check(document, verb, path, await call(http, verb, path, query="?nope=1"), 400)
    check(document, verb, path, await call(http, verb, path, headers={"host": "evil.example"}), 403)
    check(document, verb, path, await call(http, verb, path, headers={"origin": "http://evil.example"}), 403)
    check(document, verb, path, await call(http, verb, path, content=b"a" * 1_100_000), 413)
    check(document, verb, path, await call(http, verb, path, query=f"?a={'b' * 20_000}"), 431)


@pytest.mark.parametrize(("verb", "path"), MUTATIONS, ids=str)
async def test_a_body_that_is_no_json_is_documented_for_every_mutation(
    http: httpx.AsyncClient, document: dict[str, Any], verb: str, path: str
) -> None:
    """By its content type, or by itself."""
    check(
        document, verb, path, await call(http, verb, path, headers={"content-type": "text/plain"}, content=b"{}"), 400
    )
    for content in (b"{", b"[]", b"\xff"):
        check(document, verb, path, await call(http, verb, path, content=content), 400)


@pytest.mark.parametrize(("verb", "path"), OF_COMPONENTS, ids=str)
async def test_a_component_that_is_not_there_is_documented_for_every_path_of_one(
    http: httpx.AsyncClient, document: dict[str, Any], verb: str, path: str
) -> None:
    """404, with code 1001."""
    last = path.rpartition("/")[2]
    more: dict[str, Any] = {"json": BODIES[last]} if (verb, path) in MUTATIONS else {}
    check(document, verb, path, await call(http, verb, path, query=QUERIES.get((verb, last), ""), **more), 404)


async def test_a_server_that_is_down_or_silent_is_documented_for_every_path(
    document: dict[str, Any], short_tmp: Path
) -> None:
    """503 for all, and 504 for all but the streams, which have no deadline."""
    socket = short_tmp / "s"
    envoy = await Envoy.start(
        GatewaySettings(upstream=socket, port=0, unary_timeout=0.2, patient_timeout=0.2),
        short_tmp / "w",
        short_tmp / "l",
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{envoy.port}", timeout=10) as http:
        for verb, path, _ in OPERATIONS:
            check(document, verb, path, await call(http, verb, path), 503)
        taken: list[asyncio.StreamWriter] = []
        silent = await asyncio.start_unix_server(lambda reader, writer: taken.append(writer), socket)
        for verb, path, streams in OPERATIONS:
            documented = document["paths"][re.sub(r"=[^}]*", "", path)][verb.lower()]["responses"]
            assert ("504" in documented) is (not streams or path in QUIET)
            if not streams:
                check(document, verb, path, await call(http, verb, path), 504)
        silent.close()
    await envoy.stop()
    for writer in taken:
        writer.close()
        await writer.wait_closed()
