"""REST through the real Envoy: paths, statuses, and one body for every failure."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from tekton_gateway import Envoy
from tests.gateway.canned_server import CannedServer, dying_server
from tests.gateway.clients import StartGateway, rest_client

pytestmark = pytest.mark.timeout(30)

COMPONENTS = "/api/tekton/components"
EVENTS = "/events/tekton/registry"
JSON = {"content-type": "application/json"}
INTERNALS = ("grpc", "tekton-error", "tekton-http-status", "x-envoy", "x-tekton")


def error_of(response: httpx.Response, status: int, code: int, reason: str) -> dict[str, Any]:
    """Check that a reply is the documented failure and nothing but it, and give its error."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert [name for name in response.headers if name.startswith(INTERNALS)] == []
    body = response.json()
    assert set(body) == {"success", "error"} and body["success"] is False
    error = dict(body["error"])
    assert set(error) == {"message", "code", "reason", "component", "details"}
    assert (error["code"], error["reason"], error["component"]) == (code, reason, "tekton_core")
    for internal in ("envoy", "upstream", "/tmp", ".sock", "in the type", "transcode"):
        assert internal not in response.text.lower()
    return error


async def test_a_reply_is_snake_case_with_every_field_and_names_for_enums(rest: httpx.AsyncClient) -> None:
    """Empty lists and zeros are present."""
    response = await rest.get(f"{COMPONENTS}/vector")
    body = response.json()
    assert response.status_code == 200
    assert body["component_id"] == "vector"
    assert body["status"] == "ready"
    assert body["capabilities"] == [] and body["port"] == 0 and body["health_check"] == ""


async def test_a_successful_reply_shows_nothing_of_grpc(rest: httpx.AsyncClient) -> None:
    """Neither the status of the call nor the words between server and gateway."""
    response = await rest.get(f"{COMPONENTS}/vector")
    assert [name for name in response.headers if name.startswith(INTERNALS)] == []


async def test_the_server_chooses_201_and_its_revision_is_kept(rest: httpx.AsyncClient) -> None:
    """tekton-http-status in the trailing metadata becomes the status, and tekton-revision a header."""
    response = await rest.post(COMPONENTS, json={"component_id": "vector"})
    assert response.status_code == 201
    assert response.headers["tekton-revision"] == "h.7"
    assert "tekton-http-status" not in response.headers


async def test_a_path_value_is_unescaped_and_may_be_repeated_in_the_body(rest: httpx.AsyncClient) -> None:
    """%20 is a space; a body that says the same as the path is no conflict."""
    assert (await rest.get(f"{COMPONENTS}/a%20b")).json()["component_id"] == "a b"
    response = await rest.post(f"{COMPONENTS}/vector/heartbeat", json={"component_id": "vector"})
    assert response.json()["message"] == "vector"


async def test_a_list_reply_of_four_megabytes_passes(rest: httpx.AsyncClient) -> None:
    """Envoy's own limit would make it a 500."""
    response = await rest.get(f"{COMPONENTS}/large")
    assert response.status_code == 200
    assert len(response.json()["metadata"]["text"]) == 4_000_000


async def test_a_failure_is_the_body_that_the_server_wrote(rest: httpx.AsyncClient) -> None:
    """Quotes, newlines and other alphabets included; the server sent trailers only."""
    error = error_of(await rest.get(f"{COMPONENTS}/missing"), 404, 1001, "component_not_found")
    assert error["message"] == 'no "missing" here\n\u00e9'
    assert error["details"] == {"id": "missing"}


async def test_a_failure_after_the_initial_metadata_is_the_same_body(rest: httpx.AsyncClient) -> None:
    """Here the words come in the trailers, after the headers."""
    response = await rest.get(f"{COMPONENTS}/late")
    error_of(response, 503, 1000, "unavailable")
    assert response.headers["retry-after"] == "1"
    assert response.headers["tekton-revision"] == "h.8"


async def test_a_reply_over_the_limit_is_an_error_that_says_so(
    start_gateway: StartGateway, server: CannedServer
) -> None:
    """It is never cut short in silence."""
    async with rest_client(await start_gateway(max_response_bytes=1_000_000)) as rest:
        error = error_of(await rest.get(f"{COMPONENTS}/large"), 500, 1000, "internal_error")
    assert "over the limit of 1000000 bytes" in error["message"]


async def test_a_failure_without_words_gets_a_fixed_sentence(rest: httpx.AsyncClient) -> None:
    """The gRPC library itself may end a call; its words are not for users."""
    error = error_of(await rest.get(f"{COMPONENTS}/bare"), 404, 1009, "unknown_path")
    assert error["message"] == "This server does not serve the call."


@pytest.mark.skipif(shutil.which("curl") is None, reason="httpx does not show trailers; curl does")
@pytest.mark.parametrize("path", [f"{COMPONENTS}/late", f"{COMPONENTS}/vector", f"{EVENTS}?component_ids=breaks"])
async def test_a_reply_over_http2_has_no_trailers_with_internals(gateway: Envoy, path: str) -> None:
    """HTTP/2 shows trailers to clients, so they are cleaned as well."""
    curl = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--include", "--max-time", "5", "--http2-prior-knowledge"),
        f"http://127.0.0.1:{gateway.port}{path}",
        stdout=asyncio.subprocess.PIPE,
    )
    shown, _ = await curl.communicate()
    assert shown.startswith(b"HTTP/2 ")
    assert [line for line in shown.decode().splitlines() if line.startswith(INTERNALS)] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("DELETE", "/api/health"),
        ("POST", "/tekton.v1.RegistryService/GetComponent"),
        ("GET", "/grpc.health.v1.Health/Check"),
        ("GET", '/quote"d'),
    ],
)
async def test_an_unknown_path_or_method_is_404(rest: httpx.AsyncClient, method: str, path: str) -> None:
    """It is refused here, with the path that was asked for, without its query."""
    error = error_of(await rest.request(method, f"{path}?secret=1", headers=JSON), 404, 1009, "unknown_path")
    assert method in error["message"] and "secret" not in error["message"]


@pytest.mark.parametrize(
    ("request_head", "status", "code"),
    [
        (b"GARBAGE\r\n\r\n", 400, 1000),
        (b"GET /api/health HTTP/1.1\r\n\r\n", 400, 1000),
        (b"GET /%00 HTTP/1.1\r\nhost: a\r\n\r\n", 400, 1000),
        (b"GET /api/health HTTP/1.0\r\n\r\n", 426, 1000),
        (b"GET /ws/tekton/state HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 404, 1009),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", 404, 1009),
    ],
    ids=["garbage", "no host", "bad path", "http/1.0", "websocket", "tunnel"],
)
async def test_what_is_not_a_call_at_all_gets_the_documented_body(
    gateway: Envoy, request_head: bytes, status: int, code: int
) -> None:
    """At once, even where no filter came to run or the request would have no end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request_head)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"x-tekton" not in head and b"content-type: application/json" in head
    body = json.loads(await asyncio.wait_for(reader.readuntil(b"}\n"), 5))
    assert body["error"]["code"] == code
    assert "JSON" not in body["error"]["message"]
    writer.close()


async def test_a_body_over_the_limit_is_413(rest: httpx.AsyncClient) -> None:
    """With its length announced or not; just under the limit it passes."""

    async def chunks() -> Any:
        for _ in range(3):
            yield b"a" * 500_000

    for content in (b"a" * 1_100_000, chunks()):
        error_of(await rest.post(COMPONENTS, content=content, headers=JSON), 413, 1000, "too_large")
    accepted = await rest.post(COMPONENTS, json={"component_id": "a" * 1_000_000})
    assert accepted.status_code == 201


async def test_headers_over_the_limit_are_431(rest: httpx.AsyncClient) -> None:
    """By their size and by their number, also where the codec itself would not take them any more."""
    many = {f"x-{number}": "a" for number in range(150)}
    for headers in ({"x-long": "a" * 20_000}, {"x-long": "a" * 200_000}, many):
        error_of(await rest.get("/api/health", headers=headers), 431, 1000, "too_large")


async def test_headers_within_the_limit_reach_the_server(rest: httpx.AsyncClient) -> None:
    """Fifteen kilobytes of headers are fewer than the server's own limit, which would fail calls at random."""
    for _ in range(20):
        response = await rest.get("/api/health", headers={"x-long": "a" * 15_000})
        assert response.status_code == 200


async def test_a_call_without_a_server_is_503_at_once(start_gateway: StartGateway) -> None:
    """With Retry-After; nothing was done, and the reply says so."""
    async with rest_client(await start_gateway()) as rest:
        for path in ("/api/health", EVENTS):
            response = await rest.get(path)
            error = error_of(response, 503, 1000, "unavailable")
            assert response.headers["retry-after"] == "1"
            assert "nothing was done" in error["message"]


async def test_a_server_that_comes_back_is_used_at_once(start_gateway: StartGateway, server: CannedServer) -> None:
    """The gateway keeps no grudge."""
    async with rest_client(await start_gateway()) as rest:
        assert (await rest.get("/api/health")).status_code == 200
        await server.stop()
        assert (await rest.get("/api/health")).status_code == 503
        again = CannedServer(server.path)
        await again.start()
        assert (await rest.get("/api/health")).status_code == 200
        await again.stop()


async def test_a_server_that_ends_during_a_call_leaves_the_outcome_unknown(
    rest: httpx.AsyncClient, server: CannedServer
) -> None:
    """The call may have been carried out: the gateway neither hides that nor tries again."""
    call = asyncio.create_task(rest.get(f"{COMPONENTS}/slow"))
    await server.until_open(1)
    await server.stop()
    error = error_of(await call, 503, 1000, "unavailable")
    assert error["details"] == {"outcome": "unknown"}
    assert len(server.calls) == 1


async def test_a_server_that_dies_during_a_call_leaves_the_outcome_unknown(
    start_gateway: StartGateway, short_dir: Path
) -> None:
    """Here it cannot even say goodbye: its connection is gone."""
    async with dying_server(short_dir / "server.sock") as calls, rest_client(await start_gateway()) as rest:
        response = await rest.get("/api/health")
    error = error_of(response, 503, 1000, "unavailable")
    assert error["details"] == {"outcome": "unknown"}
    assert len(calls) == 1


async def test_a_call_that_takes_too_long_is_504(start_gateway: StartGateway, server: CannedServer) -> None:
    """And the server is told to stop working on it."""
    async with rest_client(await start_gateway(unary_timeout=0.2)) as rest:
        error_of(await rest.get(f"{COMPONENTS}/slow"), 504, 1006, "timeout")
    await server.until_idle()


async def test_a_client_that_stalls_in_its_request_is_408(start_gateway: StartGateway, server: CannedServer) -> None:
    """It holds a place that others want."""
    gateway = await start_gateway(request_idle_timeout=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = b"host: localhost\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n"
    writer.write(b"POST /api/tekton/components HTTP/1.1\r\n" + head + b"{")
    reply = await asyncio.wait_for(reader.read(4096), 5)
    assert reply.startswith(b"HTTP/1.1 408 ") and b'"code":1006' in reply
    writer.close()


async def test_clients_cannot_speak_for_the_gateway(rest: httpx.AsyncClient, server: CannedServer) -> None:
    """Their copies of internal headers, Envoy's included, do not reach anybody."""
    forged = {
        "x-tekton-rest": "2",
        "x-tekton-client": "10.0.0.7",
        "tekton-error": "{}",
        "tekton-http-status": "299",
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-anything": "1",
    }
    response = await rest.get(
        f"{COMPONENTS}/vector", headers=forged | {"authorization": "Bearer x", "last-event-id": "7"}
    )
    assert response.status_code == 200
    ((_, metadata),) = server.calls
    assert metadata["x-tekton-rest"] == "1" and metadata["x-tekton-client"] == "127.0.0.1"
    assert metadata["authorization"] == "Bearer x" and metadata["last-event-id"] == "7"
    assert not {"tekton-error", "tekton-http-status", "x-envoy-anything"} & set(metadata)
