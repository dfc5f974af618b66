"""gRPC-Web on the same port: its frames as the protocol has them, and a stock client from npm."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import httpx
import pytest
from google.api import httpbody_pb2
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from tekton.v1 import component_pb2, registry_service_pb2
from tekton_gateway import Envoy
from tests.gateway.canned_server import CannedServer
from tests.support.stock_client import stock_client

pytestmark = pytest.mark.timeout(45)

SERVICE = "/tekton.v1.RegistryService"
HEADERS = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
TRAILERS = 0x80


def framed(message: Message) -> bytes:
    data = message.SerializeToString()
    return struct.pack(">BI", 0, len(data)) + data


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """Cut a whole reply into (flags, content)."""
    found = []
    while data:
        flags, length = struct.unpack(">BI", data[:5])
        assert len(data) >= 5 + length
        found.append((flags, data[5 : 5 + length]))
        data = data[5 + length :]
    return found


def trailers_of(content: bytes) -> dict[str, str]:
    lines = content.decode("ascii").split("\r\n")
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


def reason_of(details: str) -> str:
    """Give the ErrorInfo.reason of a grpc-status-details-bin."""
    status = status_pb2.Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return str(info.reason)


async def call(rest: httpx.AsyncClient, method: str, request: Message) -> httpx.Response:
    return await rest.post(f"{SERVICE}/{method}", content=framed(request), headers=HEADERS)


async def test_a_unary_call_gets_its_message_and_then_its_status(rest: httpx.AsyncClient) -> None:
    """Both in frames of the body."""
    reply = await call(rest, "RegisterComponent", registry_service_pb2.RegisterComponentRequest(component_id="vector"))
    assert reply.status_code == 200 and reply.headers["content-type"] == "application/grpc-web+proto"
    (flags, message), (last, trailers) = frames(reply.content)
    assert (flags, last) == (0, TRAILERS)
    assert registry_service_pb2.RegisterComponentResponse.FromString(message).component_id == "vector"
    assert trailers_of(trailers)["grpc-status"] == "0" and trailers_of(trailers)["tekton-revision"] == "h.7"


async def test_text_is_the_same_in_base64(rest: httpx.AsyncClient) -> None:
    """As grpc-web's text mode wants it."""
    request = base64.b64encode(framed(registry_service_pb2.GetComponentRequest(component_id="vector")))
    headers = HEADERS | {"content-type": "application/grpc-web-text", "accept": "application/grpc-web-text"}
    reply = await rest.post(f"{SERVICE}/GetComponent", content=request, headers=headers)
    assert reply.headers["content-type"].startswith("application/grpc-web-text")
    # Pieces are padded one by one.
    pieces = [base64.b64decode(one + b"=" * (-len(one) % 4)) for one in reply.content.split(b"=") if one]
    (_, message), (last, trailers) = frames(b"".join(pieces))
    assert component_pb2.Component.FromString(message).component_id == "vector"
    assert last == TRAILERS and trailers_of(trailers)["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("component_id", "status", "reason"), [("missing", "5", "component_not_found"), ("late", "14", "unavailable")]
)
async def test_a_failure_has_its_status_and_its_details(
    rest: httpx.AsyncClient, component_id: str, status: str, reason: str
) -> None:
    """In the headers where the server sent nothing else, and else in the frame of the trailers; never as JSON."""
    reply = await call(rest, "GetComponent", registry_service_pb2.GetComponentRequest(component_id=component_id))
    assert reply.status_code == 200
    found = trailers_of(frames(reply.content)[-1][1]) if reply.content else dict(reply.headers)
    assert found["grpc-status"] == status and "tekton-error" not in found
    assert reason_of(found["grpc-status-details-bin"]) == reason


async def test_a_server_stream_arrives_message_by_message(rest: httpx.AsyncClient, server: CannedServer) -> None:
    """The first is here while the stream is open, and leaving ends it on the server."""
    request = framed(registry_service_pb2.WatchRegistryRequest())
    async with rest.stream("POST", f"{SERVICE}/WatchRegistry", content=request, headers=HEADERS) as reply:
        received = b""
        async for chunk in reply.aiter_raw():
            received += chunk
            if len(received) >= 5 + struct.unpack(">BI", received[:5])[1]:
                break
        await server.until_open(1)
        ((_, message),) = frames(received)
        assert registry_service_pb2.WatchRegistryResponse.FromString(message).history_id == "h"
    await server.until_idle()


async def test_a_server_stream_that_ends_says_how(rest: httpx.AsyncClient) -> None:
    """Well or not, after its messages."""
    for wanted, status in (("short", "0"), ("breaks", "11")):
        reply = await call(rest, "StreamRegistry", registry_service_pb2.WatchRegistryRequest(component_ids=[wanted]))
        *messages, (last, trailers) = frames(reply.content)
        assert [b"first" in httpbody_pb2.HttpBody.FromString(data).data for _, data in messages] == [True]
        assert last == TRAILERS and trailers_of(trailers)["grpc-status"] == status


async def test_a_stock_client_from_npm_is_served(gateway: Envoy, server: CannedServer, tmp_path: Path) -> None:
    """Unary calls with their headers, failures with their details, streams to their end and without one."""
    registry = SERVICE.removeprefix("/")
    async with stock_client(gateway.port, tmp_path) as client:
        unary = client.call(f"{registry}.RegisterComponent", {"component_id": "vector"})
        assert (await unary.next())["message"]["component_id"] == "vector"
        end = (await unary.next())["end"]
        assert (end["code"], end["metadata"]["tekton-revision"]) == (0, "h.7")

        for component_id, code, reason, message in (
            ("missing", code_pb2.NOT_FOUND, "component_not_found", 'no "missing" here\n\u00e9'),
            ("late", code_pb2.UNAVAILABLE, "unavailable", "storage is down"),
        ):
            end = (await client.call(f"{registry}.GetComponent", {"component_id": component_id}).next())["end"]
            assert (end["code"], end["message"]) == (code, message)
            (detail,) = end["details"]
            assert detail["type"] == "google.rpc.ErrorInfo"
            info = error_details_pb2.ErrorInfo.FromString(base64.b64decode(detail["value"]))
            assert (info.reason, info.domain) == (reason, "tekton")

        whole = client.call(f"{registry}.StreamRegistry", {"component_ids": ["short"]})
        assert base64.b64decode((await whole.next())["message"]["data"]) == b"event: registry\ndata: first\n\n"
        assert (await whole.next())["end"]["code"] == 0

        endless = client.call(f"{registry}.WatchRegistry", {})
        assert (await endless.next())["message"]["history_id"] == "h"
        endless.cancel()
        assert (await endless.next())["end"]["code"] == code_pb2.CANCELLED
        await server.until_idle()
