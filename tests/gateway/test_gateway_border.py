"""Loopback is no border against web pages: what a browser can be made to send does not get through."""

from __future__ import annotations

import json
import struct
from typing import Any

import grpc
import httpx
import pytest

from tekton.v1 import registry_service_pb2, registry_service_pb2_grpc
from tekton_gateway import Envoy
from tests.gateway.canned_server import CannedServer
from tests.gateway.clients import StartGateway, grpc_channel, rest_client
from tests.gateway.test_gateway_rest import COMPONENTS, EVENTS, JSON, error_of

pytestmark = pytest.mark.timeout(30)

RPC = "/tekton.v1.RegistryService/GetComponent"
WEB = {"content-type": "application/grpc-web+proto"}
MERGE_PATCH = {"content-type": "application/merge-patch+json"}
EVIL = "http://evil.example"
MUTATIONS = ("POST", "PUT", "PATCH", "DELETE")


def frame(component_id: str) -> bytes:
    message = registry_service_pb2.GetComponentRequest(component_id=component_id).SerializeToString()
    return struct.pack(">BI", 0, len(message)) + message


async def send(rest: httpx.AsyncClient, method: str, headers: dict[str, str]) -> httpx.Response:
    """Send a call that would succeed without the headers."""
    path = {"POST": COMPONENTS, "PUT": f"{COMPONENTS}/a/state"}.get(method, f"{COMPONENTS}/vector")
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    return await rest.request(method, path, content=body, headers=headers)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_mutation_that_is_not_sent_as_json_is_400_with_the_remedy(
    rest: httpx.AsyncClient, server: CannedServer, method: str
) -> None:
    """A page may send forms and plain text, or nothing, anywhere without asking; so they do nothing here."""
    forms = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=a")
    for kind in ("text/plain", "text/plain; application/json", "application/jsonp", "", None, *forms):
        reply = await send(rest, method, {} if kind is None else {"content-type": kind})
        error = error_of(reply, 400, 1000, "validation_error")
        assert error["message"].startswith(f"content-type must be application/json for a {method}: send ")
        (violation,) = error["details"]["violations"]
        assert (violation["field"], violation["rule"]) == ("content-type", "format")
    assert server.calls == []


async def test_json_may_have_parameters_and_any_case(rest: httpx.AsyncClient) -> None:
    """As media types have."""
    for kind in ("application/json", "application/json; charset=utf-8", "Application/JSON;x=1"):
        assert (await send(rest, "POST", {"content-type": kind})).status_code == 201


async def test_a_merge_patch_is_json_for_a_patch_alone(rest: httpx.AsyncClient) -> None:
    """No other call knows it."""
    assert "content-type" not in (await send(rest, "PATCH", MERGE_PATCH)).text
    error_of(await send(rest, "POST", MERGE_PATCH), 400, 1000, "validation_error")


async def test_a_delete_needs_no_content_type_but_may_not_have_another(rest: httpx.AsyncClient) -> None:
    """It has no body, and a page cannot send it without asking."""
    assert "content-type" not in (await send(rest, "DELETE", {})).text
    error_of(await send(rest, "DELETE", {"content-type": "text/plain"}), 400, 1000, "validation_error")


@pytest.mark.parametrize("method", ["GET", *MUTATIONS])
async def test_a_foreign_host_is_403_for_every_method(
    rest: httpx.AsyncClient, server: CannedServer, method: str
) -> None:
    """A name that an attacker made lead here is same-origin to the browser: only Host tells (DNS rebinding)."""
    for host in ("evil.example", "evil.example:8010", "localhost.evil.example", "127.0.0.1.example", "10.1.2.3"):
        error = error_of(await send(rest, method, {**JSON, "host": host}), 403, 1008, "forbidden")
        assert host in error["message"] and "allowed_hosts" in error["message"]
    assert server.calls == []


async def test_an_odd_host_is_refused_with_a_valid_body(rest: httpx.AsyncClient) -> None:
    """By us or already by Envoy's codec."""
    for host in ("[::2]", "localhost:x", "localhost:", "[::1]x", "a@localhost", 'quote"d', "[", ":80"):
        reply = await rest.get("/api/health", headers={"host": host})
        assert reply.status_code in (400, 403) and reply.json()["success"] is False


async def test_every_name_of_the_loopback_is_its_own_on_any_port(rest: httpx.AsyncClient) -> None:
    """A forwarded port is another one."""
    for host in ("localhost", "LocalHost:9000", "127.0.0.1", "127.0.0.1:8010", "[::1]", "[::1]:8010"):
        assert (await rest.get("/api/health", headers={"host": host})).status_code == 200
        assert (await send(rest, "POST", {**JSON, "host": host})).status_code == 201


async def test_names_can_be_allowed(start_gateway: StartGateway, server: CannedServer) -> None:
    """By the setting allowed_hosts; case does not matter, and an IPv6 address is written plain."""
    gateway = await start_gateway(allowed_hosts=("Tekton.Example.com", "10.1.2.3", "FD00::1"))
    async with rest_client(gateway) as rest:
        for host in ("tekton.example.com", "TEKTON.example.com:443", "10.1.2.3:80", "[fd00::1]"):
            assert (await rest.get("/api/health", headers={"host": host})).status_code == 200
        for host in ("a.tekton.example.com", "example.com", "10.1.2.4"):
            error_of(await rest.get("/api/health", headers={"host": host}), 403, 1008, "forbidden")


async def test_on_all_addresses_any_address_is_its_own_but_no_name(
    start_gateway: StartGateway, server: CannedServer
) -> None:
    """It cannot know which it has, and no name server can make an address lead elsewhere."""
    async with rest_client(await start_gateway(host="0.0.0.0")) as rest:
        for host in ("10.1.2.3", "192.168.0.1:8010", "[fd00::1]:8010", "localhost"):
            assert (await rest.get("/api/health", headers={"host": host})).status_code == 200
        error_of(await rest.get("/api/health", headers={"host": "evil.example"}), 403, 1008, "forbidden")


@pytest.mark.parametrize("method", ["GET", *MUTATIONS])
async def test_a_foreign_origin_is_403_for_every_method(
    rest: httpx.AsyncClient, server: CannedServer, method: str
) -> None:
    """Another port of this machine is another user's page."""
    for origin in (EVIL, "http://localhost:3000", "https://127.0.0.1", "chrome-extension://a", "x"):
        error = error_of(await send(rest, method, {**JSON, "origin": origin}), 403, 1008, "forbidden")
        assert origin in error["message"]
    assert server.calls == []


async def test_a_page_of_the_gateway_itself_may_call(rest: httpx.AsyncClient, gateway: Envoy) -> None:
    """Such as /docs; TLS may end before the gateway, and a default port is named by one side only."""
    port = gateway.port
    for host, origin in (
        (f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"),
        (f"LOCALHOST:{port}", f"http://localhost:{port}"),
        ("localhost", "https://localhost"),
        ("localhost:443", "https://localhost"),
        ("localhost:80", "http://localhost"),
    ):
        assert (await send(rest, "POST", {**JSON, "host": host, "origin": origin})).status_code == 201


async def test_a_null_origin_may_read_but_not_change(rest: httpx.AsyncClient) -> None:
    """A file or a sandboxed frame; it cannot see the reply anyway."""
    assert (await send(rest, "GET", {"origin": "null"})).status_code == 200
    for method in MUTATIONS:
        error_of(await send(rest, method, {**JSON, "origin": "null"}), 403, 1008, "forbidden")


@pytest.mark.parametrize("headers", [{"origin": EVIL}, {"host": "evil.example"}])
async def test_event_streams_are_not_for_foreign_pages(
    rest: httpx.AsyncClient, server: CannedServer, headers: dict[str, str]
) -> None:
    """A stream is a read like any other."""
    error_of(await rest.get(EVENTS, headers=headers), 403, 1008, "forbidden")
    assert server.calls == []


@pytest.mark.parametrize("headers", [{"origin": EVIL}, {"origin": "null"}, {"host": "evil.example"}])
@pytest.mark.parametrize("kind", ["application/grpc-web+proto", "application/grpc-web-text"])
async def test_grpc_web_is_not_for_foreign_pages(
    rest: httpx.AsyncClient, server: CannedServer, headers: dict[str, str], kind: str
) -> None:
    """It is a way to every call, mutations included."""
    reply = await rest.post(RPC, content=frame("vector"), headers={"content-type": kind, **headers})
    error_of(reply, 403, 1008, "forbidden")
    assert server.calls == []


async def test_grpc_web_from_a_page_of_the_gateway_is_served(rest: httpx.AsyncClient, gateway: Envoy) -> None:
    """Or from no page at all, as tools send it."""
    for headers in ({}, {"origin": f"http://127.0.0.1:{gateway.port}"}):
        reply = await rest.post(RPC, content=frame("vector"), headers=WEB | headers)
        assert reply.status_code == 200 and b"vector" in reply.content


@pytest.mark.parametrize("headers", [{"origin": EVIL}, {"host": "evil.example"}])
async def test_a_page_cannot_pass_for_a_native_client(
    rest: httpx.AsyncClient, server: CannedServer, headers: dict[str, str]
) -> None:
    """A rebound page may name any content type, but its browser speaks HTTP/1.1 or says where the page is from."""
    reply = await rest.post(RPC, content=frame("vector"), headers={"content-type": "application/grpc", **headers})
    assert reply.headers["grpc-status"] == str(grpc.StatusCode.PERMISSION_DENIED.value[0])
    assert "success" not in reply.headers["grpc-message"]
    assert server.calls == []


async def test_a_native_client_may_use_any_authority(gateway: Envoy, server: CannedServer) -> None:
    """No browser is one, and proxies choose what they like."""
    request = registry_service_pb2.GetComponentRequest(component_id="vector")
    options = [("grpc.default_authority", "tekton.anywhere.example")]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.port}", options=options) as channel:
        assert (await registry_service_pb2_grpc.RegistryServiceStub(channel).GetComponent(request)).component_id


async def test_a_native_call_with_a_foreign_origin_is_permission_denied(gateway: Envoy) -> None:
    """Only browsers send one."""
    request = registry_service_pb2.GetComponentRequest(component_id="vector")
    async with grpc_channel(gateway) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await registry_service_pb2_grpc.RegistryServiceStub(channel).GetComponent(
                request, metadata=(("origin", EVIL),)
            )
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert EVIL in str(caught.value.details())


async def test_a_client_cannot_choose_its_refusal(rest: httpx.AsyncClient) -> None:
    """The header by which the filter names it does not pass from outside."""
    reply = await rest.get("/nowhere", headers={"x-tekton-refused": "host"})
    error_of(reply, 404, 1009, "unknown_path")


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
async def test_nothing_is_shared_across_origins(rest: httpx.AsyncClient, method: str) -> None:
    """No reply carries a CORS header, so a browser keeps every page from the rest."""
    asked: dict[str, Any] = {"access-control-request-method": "POST"}
    for headers in ({**JSON, **asked}, {**JSON, **asked, "origin": EVIL}):
        reply = await rest.request(method, COMPONENTS, headers=headers, content=json.dumps({}))
        assert [name for name in reply.headers if name.startswith("access-control")] == []
