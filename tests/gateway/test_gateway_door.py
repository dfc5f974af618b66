"""What is no plain call is refused at the door, before the transcoder gives it a meaning that nobody meant."""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
from typing import Any

import grpc
import httpx
import pytest

from tekton_gateway import Envoy
from tests.gateway.canned_server import CannedServer
from tests.gateway.clients import StartGateway, rest_client
from tests.gateway.test_gateway_border import RPC, WEB, frame
from tests.gateway.test_gateway_rest import COMPONENTS, EVENTS, JSON, error_of

pytestmark = pytest.mark.timeout(30)

ONE = f"{COMPONENTS}/vector"


async def spoken(gateway: Envoy, text: str) -> tuple[int, dict[str, Any]]:
    """Send text as it is over HTTP/1, and give the status and the body of the reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(text.replace("\n", "\r\n").encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode().lower()
    length = next(line for line in head.split("\r\n") if line.startswith("content-length: ")).split(": ")[1]
    body = await reader.readexactly(int(length))
    writer.close()
    return int(head.split()[1]), dict(json.loads(body)["error"])


async def asked(gateway: Envoy, method: str, target: str, headers: str = "") -> tuple[int, dict[str, Any]]:
    head = f"{method} {target} HTTP/1.1\nhost: localhost\ncontent-type: application/json\ncontent-length: 2\n"
    return await spoken(gateway, f"{head}{headers}\n{{}}")


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "GET"])
@pytest.mark.parametrize(
    "path",
    [f"{ONE}/", f"{ONE}//", f"{ONE}/////", f"{COMPONENTS}/./vector//", f"{COMPONENTS}/a/../vector//", f"{ONE}/.//"],
)
async def test_no_number_of_slashes_at_the_end_turns_the_checks_of_the_query_off(
    gateway: Envoy, server: CannedServer, method: str, path: str
) -> None:
    """The transcoder takes no notice of them, and the last parameter would win over the path."""
    for query, field in (("instance_uuid", "instance_uuid"), ("component_id=other", "component_id")):
        status, error = await asked(gateway, method, f"{path}?{query}")
        assert (status, error["details"]["violations"][0]["field"]) == (400, field)
    assert server.calls == []


@pytest.mark.parametrize(
    "path",
    [
        f"/{COMPONENTS}/vector", f"{COMPONENTS}//vector", f"{COMPONENTS}//", f"{COMPONENTS}/batch",
        f"{COMPONENTS}//state", f"{COMPONENTS}//stop", "/api/tekton//components/vector",
        "/api%2ftekton/components/vector", "/api/tekton;a/components/vector", "/api/tekton/%63omponents/vector",
        "/api/tekton/components%2fvector", "/API/tekton/components/vector",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_change_with_a_query_on_a_path_that_the_door_does_not_know_is_refused(
    gateway: Envoy, server: CannedServer, method: str, path: str
) -> None:
    """Whatever the transcoder would make of it: what is not looked at does not pass."""
    for query in ("instance_uuid", "component_id=other", "a"):
        status, error = await asked(gateway, method, f"{path}?{query}")
        assert status in (400, 404), error
    assert server.calls == []


async def test_a_path_that_only_the_transcoder_would_take_is_404_with_a_query(gateway: Envoy) -> None:
    """It reads /components/batch as /components:batch."""
    status, error = await asked(gateway, "POST", f"{COMPONENTS}/batch?components")
    assert (status, error["reason"]) == (404, "unknown_path")


@pytest.mark.parametrize("escaped", ["vector%2Fx", "vector;a=b", "v%65ctor", "%2e%2e%2fvector"])
async def test_an_escape_in_an_id_hides_no_parameter(gateway: Envoy, server: CannedServer, escaped: str) -> None:
    """One segment is one id, whatever is in it."""
    status, _ = await asked(gateway, "DELETE", f"{COMPONENTS}/{escaped}?instance_uuid")
    assert status in (400, 404)
    assert server.calls == []


@pytest.mark.parametrize(
    "query",
    [
        "instance_uuid=a&instance_uuid=", "instance_uuid=a&instanceUuid=b", "instance_uuid=a&instance_uuid=a",
        "instance_uuid=a&%69nstance_uuid=", "instance_uuid=a&expected_revision=1&instance_uuid=b",
    ],
)  # fmt: skip
async def test_a_parameter_that_holds_one_value_may_not_be_given_twice(
    rest: httpx.AsyncClient, server: CannedServer, query: str
) -> None:
    """The last would win: …?instance_uuid=X&instance_uuid= would end the whole component."""
    reply = await rest.delete(f"{ONE}?{query}")
    (violation,) = error_of(reply, 400, 1000, "validation_error")["details"]["violations"]
    assert violation["field"] in ("instance_uuid", "instanceUuid") and violation["rule"] == "unique"
    assert server.calls == []


async def test_a_parameter_that_holds_a_list_may_be_given_more_than_once(
    rest: httpx.AsyncClient, server: CannedServer
) -> None:
    """Under either of its names."""
    reply = await rest.get(f"{EVENTS}?component_ids=short&component_ids=b&componentIds=c")
    assert reply.status_code == 200 and len(server.calls) == 1


@pytest.mark.parametrize(
    "kind",
    [
        "application/grpc;x", "application/grpc-foo", "application/grpc-web;x", "application/grpc-web+json",
        "application/grpc-web+", "application/grpc-web-text;x", "application/grpcx", "application/grpc, text/plain",
    ],
)  # fmt: skip
async def test_what_only_looks_like_the_content_type_of_grpc_is_rest(
    rest: httpx.AsyncClient, server: CannedServer, kind: str
) -> None:
    """Envoy reads it as REST, so the border is that of REST."""
    for path in (COMPONENTS, RPC):
        reply = await rest.post(path, content=b"{}", headers={"content-type": kind})
        error = error_of(reply, 400, 1000, "validation_error")
        assert error["message"].startswith("content-type must be application/json")
        reply = await rest.post(path, content=b"{}", headers={"content-type": kind, "origin": "http://evil.example"})
        error_of(reply, 403, 1008, "forbidden")
    assert server.calls == []


@pytest.mark.parametrize("kind", ["grpc-web", "grpc-web+proto", "grpc+proto", "grpc+x"])
async def test_the_content_types_of_grpc_are_served(rest: httpx.AsyncClient, server: CannedServer, kind: str) -> None:
    """Those that Envoy takes; text is tested with gRPC-Web."""
    await rest.post(RPC, content=frame("vector"), headers={"content-type": f"application/{kind}", "te": "trailers"})
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "header",
    [
        ("foo-bin", "!!!!"), ("grpc-trace-bin", "!!"), ("grpc-previous-rpc-attempts", "abc"),
        ("grpc-retry-pushback-ms", "z"), ("grpc-encoding", "bogus"), ("grpc-timeout", "0S"), ("grpc-timeout", "1n"),
    ],
)  # fmt: skip
async def test_the_headers_of_grpc_mean_nothing_to_rest(
    rest: httpx.AsyncClient, server: CannedServer, header: tuple[str, str]
) -> None:
    """The server's library would fail the call over them."""
    headers = dict([header, *JSON.items()])
    for method, path in (("GET", ONE), ("HEAD", ONE), ("POST", COMPONENTS), ("GET", "/api/health")):
        reply = await rest.request(method, path, content=b"{}" * (method == "POST"), headers=headers)
        assert reply.status_code in (200, 201), reply.text
    assert [metadata for _, metadata in server.calls if metadata.get(header[0]) == header[1]] == []


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip", "bogus", "GZIP"])
async def test_a_body_that_is_encoded_is_refused_with_the_name_of_the_header(
    rest: httpx.AsyncClient, server: CannedServer, encoding: str
) -> None:
    """Nobody here would decode it."""
    for content in (b"{}", gzip.compress(b"{}")):
        reply = await rest.post(COMPONENTS, content=content, headers=JSON | {"content-encoding": encoding})
        (violation,) = error_of(reply, 400, 1000, "validation_error")["details"]["violations"]
        assert violation["field"] == "content-encoding" and "identity" in violation["message"]
    assert server.calls == []


async def test_a_body_encoded_as_identity_is_a_plain_one(rest: httpx.AsyncClient) -> None:
    """In any case of letters."""
    for encoding in ("identity", "Identity"):
        reply = await rest.post(COMPONENTS, content=b"{}", headers=JSON | {"content-encoding": encoding})
        assert reply.status_code == 201


async def test_grpc_web_is_told_that_its_deadline_has_passed(start_gateway: StartGateway, server: CannedServer) -> None:
    """Not that the server is unavailable, upon which clients send it again: it may have been carried out."""
    async with rest_client(await start_gateway(unary_timeout=0.2)) as rest:
        reply = await rest.post(RPC, content=frame("slow"), headers=WEB)
    assert reply.headers["grpc-status"] == str(grpc.StatusCode.DEADLINE_EXCEEDED.value[0])
    assert reply.status_code == 200 and "grpc-message" in reply.headers


@pytest.mark.parametrize("headers", [WEB, {"content-type": "application/grpc"}])
async def test_a_call_of_grpc_without_a_message_is_refused_at_once(
    rest: httpx.AsyncClient, server: CannedServer, headers: dict[str, str]
) -> None:
    """The server's library would never answer it. A message that is empty has the five bytes of its frame."""
    for method in ("GetComponent", "WatchRegistry"):
        for content in (b"", b"\0\0\0"):
            path = f"/tekton.v1.RegistryService/{method}"
            reply = await asyncio.wait_for(rest.post(path, content=content, headers=headers), 2)
            if headers == WEB:  # refused before it is gRPC, like a foreign page
                assert "first message" in error_of(reply, 400, 1000, "validation_error")["message"]
            else:
                assert reply.headers["grpc-status"] == str(grpc.StatusCode.INVALID_ARGUMENT.value[0])
                assert "first message" in reply.headers["grpc-message"]
    assert server.calls == []
    assert (await rest.post(RPC, content=frame(""), headers=WEB)).status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="httpx speaks HTTP/1.1 only; curl speaks HTTP/2")
async def test_a_native_call_whose_headers_are_all_is_refused_at_once(gateway: Envoy) -> None:
    """Where no length is announced; the same call with a message is served."""
    for content, status in (("", "3"), ("@-", "0")):
        curl = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--include", "--max-time", "5", "--http2-prior-knowledge", "--request", "POST"),
            *("--header", "content-type: application/grpc", "--header", "te: trailers"),
            *(("--header", "content-length:", "--data-binary", content) if content else ()),
            f"http://127.0.0.1:{gateway.port}{RPC}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        shown, _ = await curl.communicate(frame("vector"))
        assert f"grpc-status: {status}\r\n".encode() in shown, shown


@pytest.mark.skipif(shutil.which("curl") is None, reason="httpx speaks HTTP/1.1 only; curl speaks HTTP/2")
async def test_headers_over_the_limit_are_told_over_http2_too(gateway: Envoy) -> None:
    """Where the codec by itself would reset the stream; other streams of the connection are not touched."""
    for kind, expected in (("", b"HTTP/2 431"), ("content-type: application/grpc", b"grpc-status: 8\r\n")):
        curl = await asyncio.create_subprocess_exec(
            *("curl", "--silent", "--include", "--max-time", "5", "--http2-prior-knowledge"),
            *(("--header", kind, "--header", "te: trailers", "--request", "POST") if kind else ()),
            *(
                "--header",
                f"x-long: {'a' * 60_000}",
                f"http://127.0.0.1:{gateway.port}{RPC if kind else '/api/health'}",
            ),
            stdout=asyncio.subprocess.PIPE,
        )
        shown, _ = await curl.communicate()
        assert expected in shown and curl.returncode == 0, shown
        assert b"16 KiB" in shown


async def test_too_many_headers_are_431_that_tells_both_limits(rest: httpx.AsyncClient) -> None:
    """How many there may be, and how long."""
    reply = await rest.get("/api/health", headers={f"x-{number}": "a" for number in range(150)})
    message = error_of(reply, 431, 1000, "too_large")["message"]
    assert "16 KiB" in message and "100 headers" in message


async def test_what_is_no_call_of_http_1_1_is_told_what_to_do(gateway: Envoy) -> None:
    """Old versions, upgrades and tunnels."""
    status, error = await spoken(gateway, "GET /api/health HTTP/1.0\n\n")
    assert status == 426 and "HTTP/1.1" in error["message"]
    upgrade = "connection: upgrade\nupgrade: websocket\n"
    status, error = await spoken(gateway, f"GET {EVENTS} HTTP/1.1\nhost: localhost\n{upgrade}\n")
    assert (status, error["details"]["violations"][0]["field"]) == (400, "upgrade")
    assert "server-sent events" in error["message"]
    status, error = await spoken(gateway, f"GET /ws/tekton/state HTTP/1.1\nhost: localhost\n{upgrade}\n")
    assert status == 404 and "server-sent events" in error["message"]
    status, error = await spoken(gateway, "CONNECT a:1 HTTP/1.1\nhost: a:1\n\n")
    assert status == 404 and "tunnel" in error["message"]
